import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict, Features, Value, Video
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrcn_narration.options import NarrationDataOptions
from lrcn_narration.readers import read_examples

SHARED = Path(__file__).parents[3] / "shared/data"
needs_real_files = pytest.mark.skipif(not SHARED.is_dir(), reason="the real annotation files are not here")
NO_VIDEOS = "nodes.jsonl"  # whoever names a node file and no folder reads no videos


def read(reader, **options):
    return read_examples(NarrationDataOptions(reader=reader, **{k: str(v) for k, v in options.items()}))


def rows(found, split="train"):
    return [(one.id, one.start, one.end, one.sentences, one.level) for one in found.splits[split]]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def sizes(found):
    return {split: (len(rows), sum(len(row.sentences) for row in rows)) for split, rows in found.splits.items()}


TACOS = {
    "s1-d2.avi": {
        "timestamps": [[0, 147], [147, 294], [0, 147], [0, 294]],
        "sentences": ["She opens a drawer.", "She cuts.", "A drawer is opened", "She cooks."],
        "fps": 29.4,
        "num_frames": 300,
    }
}


def test_tacos_spans_become_seconds_and_all_sentences_of_a_span_one_row(tmp_path):
    found = read("tacos", train_file=write(tmp_path / "train.json", TACOS), node_file=NO_VIDEOS)
    assert rows(found) == [
        ("s1-d2/0-147", 0.0, 5.0, ["She opens a drawer.", "A drawer is opened"], ""),
        ("s1-d2/147-294", 5.0, 10.0, ["She cuts."], ""),
        ("s1-d2/0-294", 0.0, 10.0, ["She cooks."], ""),
    ]
    assert [one.video for one in found.splits["train"]] == [None] * 3
    assert found.splits["train"][0].duration == pytest.approx(300 / 29.4)


def test_tacos_levels_are_taken_where_they_are_told_and_never_made_up(tmp_path):
    plain = write(tmp_path / "plain.json", TACOS)
    with pytest.raises(ValueError, match="has the level 'short'; they tell no levels: go on without level"):
        read("tacos", train_file=plain, level="short")
    levels = ["detailed", "detailed", "short", "single"]
    told = write(tmp_path / "told.json", {"s1-d2.avi": {**TACOS["s1-d2.avi"], "levels": levels}})
    assert rows(read("tacos", train_file=told, level="short", node_file=NO_VIDEOS)) == [
        ("s1-d2/0-147/short", 0.0, 5.0, ["A drawer is opened"], "short")
    ]
    assert len(read("tacos", train_file=told).splits["train"]) == 4
    with pytest.raises(ValueError, match="has the level 'long'; their levels are detailed, short, single"):
        read("tacos", train_file=told, level="long")


def test_videos_are_found_by_name_with_any_ending_in_any_folder(tmp_path):
    file = write(tmp_path / "notes/train.json", TACOS)
    for name in ("cooking/s1-d2.mp4", "cooking/s1-d2.txt", "other/s1-d22.avi"):
        write(tmp_path / "videos" / name, "")
    found = read("tacos", train_file=file, video_folder=tmp_path / "videos")
    assert found.splits["train"][0].video == tmp_path / "videos/cooking/s1-d2.mp4"
    write(tmp_path / "videos/other/s1-d2.avi", "")
    found = read("tacos", train_file=file, video_folder=tmp_path / "videos")
    assert found.splits["train"][0].video == tmp_path / "videos/other/s1-d2.avi"  # the very name comes first
    write(tmp_path / "videos/cooking/s1-d2.avi", "")
    with pytest.raises(ValueError, match=r"video s1-d2\.avi is there 2 times: .*; keep one of them"):
        read("tacos", train_file=file, video_folder=tmp_path / "videos")
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such folder; it is to hold the videos"):
        read("tacos", train_file=file, video_folder=tmp_path / "nowhere")


def test_a_video_that_is_not_there_is_looked_for_in_the_folder_alone(tmp_path):
    outside = write(tmp_path / "train.json", {"../secret.avi": TACOS["s1-d2.avi"]})
    with pytest.raises(ValueError, match=r"train\.json, video \.\./secret\.avi: .* is not in the videos' folder"):
        read("tacos", train_file=outside)


MSRVTT = {
    "videos": [{"video_id": f"video{n}", "split": s} for n, s in enumerate(["train", "validate", "test", "train"])],
    "sentences": [
        {"video_id": f"video{n}", "caption": text} for n, text in [(0, "a"), (2, "b"), (0, "c"), (1, "d"), (3, "e")]
    ],
}


def test_msrvtt_videos_go_to_their_splits_with_all_their_sentences(tmp_path):
    file = write(tmp_path / "videodatainfo.json", MSRVTT)
    found = read("msrvtt", path=file, node_file=NO_VIDEOS)
    assert rows(found) == [("video0", None, None, ["a", "c"], ""), ("video3", None, None, ["e"], "")]
    assert rows(found, "validation") == [("video1", None, None, ["d"], "")]
    files = {"train_file": file, "test_file": write(tmp_path / "test.csv", "video_id,sentence\nvideo9,x\nvideo9,y\n")}
    found = read("msrvtt", **files, node_file=NO_VIDEOS)
    assert sizes(found) == {"train": (2, 3), "test": (1, 2)}
    assert rows(found, "test") == [("video9", None, None, ["x", "y"], "")]


def test_youcook2_segments_are_read_from_json_and_csv_alike(tmp_path):
    segments = [([2, 5], "cut the onion"), ([5, 9], "fry it")]
    notes = [{"segment": s, "id": n, "sentence": text} for n, (s, text) in enumerate(segments)]
    content = {"database": {"abc": {"duration": 9.5, "subset": "validation", "annotations": notes}}}
    from_json = read("youcook2", path=write(tmp_path / "y.json", content), node_file=NO_VIDEOS)
    table = "end,start,task,text,video_id\n5,2,1,cut the onion,abc\n9,5,1,fry it,abc\n"
    from_csv = read("youcook2", validation_file=write(tmp_path / "y.csv", table), node_file=NO_VIDEOS)
    expected = [("abc/0", 2.0, 5.0, ["cut the onion"], ""), ("abc/1", 5.0, 9.0, ["fry it"], "")]
    assert rows(from_json, "validation") == expected == rows(from_csv, "validation")


def test_vatex_clips_or_the_videos_they_were_cut_from_are_found(tmp_path):
    names = ["a-_B_000055_000065", "c_000001_000011"]
    content = [{"videoID": name, "enCap": ["one", "two"], "chCap": ["一"]} for name in names]
    file = write(tmp_path / "vatex.json", content)
    write(tmp_path / "videos/a-_B.mkv", "")
    write(tmp_path / "videos/c_000001_000011.mp4", "")
    found = read("vatex", train_file=file, video_folder=tmp_path / "videos")
    assert rows(found) == [(names[0], 55.0, 65.0, ["one", "two"], ""), (names[1], None, None, ["one", "two"], "")]
    assert [one.video.name for one in found.splits["train"]] == ["a-_B.mkv", "c_000001_000011.mp4"]
    assert rows(read("vatex", train_file=file, language="zh"))[0][3] == ["一"]


def test_msvd_lists_take_videos_out_of_other_splits(tmp_path):
    content = [{"id": f"{name}.avi", "caption": [name, name * 2]} for name in ("a_1_2", "b.c_3_4", "d_5_6")]
    files = {"train_file": write(tmp_path / "label.json", content), "node_file": NO_VIDEOS}
    found = read("msvd", **files, test_list=write(tmp_path / "test.txt", "b.c_3_4.avi\r\nz_0_1.avi\r\n"))
    assert [row[0] for row in rows(found)] == ["a_1_2", "d_5_6"]
    assert rows(found, "test")[0] == ("b.c_3_4", None, None, ["b.c_3_4", "b.c_3_4b.c_3_4"], "")
    assert rows(found, "test")[1] == ("z_0_1", None, None, [], "")  # nobody has told of it
    train_list = write(tmp_path / "train.txt", "a_1_2\n")
    assert read("msvd", **files, train_list=train_list).outside_splits == 2


def test_a_folder_of_videos_with_metadata(tmp_path):
    lines = [
        {"file_name": "a.mp4", "text": "whole", "split": "val"},
        {"file_name": "in/b.mp4", "sentences": ["one", " ", "two"], "start": 1, "end": 2.5, "level": "short"},
        {"file_name": "in/b.mp4", "sentence": "three", "start": 1.0, "end": 2.5, "level": "short"},
        {"file_name": "test/c.mp4", "captions": ["c"], "start": 0.5, "id": "mine"},
    ]
    write(tmp_path / "metadata.jsonl", "\n".join(map(json.dumps, lines)))
    write(tmp_path / "test/metadata.jsonl", json.dumps({"id": "nodes only", "text": "d", "nodes": {"tool": "knife"}}))
    found = read("folder", path=tmp_path)
    assert rows(found, "validation") == [("a.mp4", None, None, ["whole"], "")]
    assert rows(found) == [("in/b.mp4/1-2.5/short", 1.0, 2.5, ["one", "two", "three"], "short")]
    assert rows(found, "test") == [("mine", 0.5, None, ["c"], ""), ("nodes only", None, None, ["d"], "")]
    assert found.splits["test"][0].video == tmp_path / "test/c.mp4"
    assert (found.splits["test"][1].video, found.splits["test"][1].nodes) == (None, {"tool": "knife"})


def test_a_dataset_with_columns_of_other_names(tmp_path):
    columns = {"clip": ["a.mp4", "b.mp4", "a.mp4"], "say": ["one", "two", "three"], "more": [["x"], [], ["y", "z"]]}
    columns |= {"from": [1.0, None, 1.0], "to": [2.0, None, 2.0], "key": [7, 8, 7]}
    DatasetDict({"dev": Dataset.from_dict(columns)}).save_to_disk(tmp_path / "set")
    names = {"video_column": "clip", "sentences_column": "say, more", "start_column": "from", "end_column": "to"}
    found = read("datasets", path=tmp_path / "set", **names, id_column="key", video_folder="videos")
    assert rows(found, "validation") == [
        ("7", 1.0, 2.0, ["one", "x", "three", "y", "z"], ""),
        ("8", *[None] * 2, ["two"], ""),
    ]
    assert found.splits["validation"][0].video == Path("videos/a.mp4")
    assert len(read("datasets", path=tmp_path / "set", **names).splits["validation"]) == 3
    with pytest.raises(ValueError, match="no column 'video' among clip, say, more, from, to, key; set video_column"):
        read("datasets", path=tmp_path / "set")
    with pytest.raises(ValueError, match=r"7 is there already \(.*row 0\), with start 1\.0 and not 2\.0"):
        changed = {**columns, "from": [1.0, None, 2.0]}
        Dataset.from_dict(changed).save_to_disk(tmp_path / "changed")
        read("datasets", path=tmp_path / "changed", **names, id_column="key")


def test_videos_and_nodes_that_a_dataset_holds(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    features = Features(
        {"video": Video(decode=False), "sentences": Value("string"), "nodes": {"tool": Value("string")}}
    )
    cells = {"video": [{"bytes": b"film", "path": "a.mp4"}], "sentences": ["one"], "nodes": [{"tool": "knife"}]}
    Dataset.from_dict(cells, features).save_to_disk(tmp_path / "set")
    (example,) = read("datasets", path=tmp_path / "set", nodes_column="nodes").splits["train"]
    assert (example.id, example.nodes, example.video.read_bytes()) == ("train/0", {"tool": "knife"}, b"film")


CSV_HEAD = "video_id,start,end,text\n"


@pytest.mark.parametrize(
    ("reader", "option", "name", "content", "complaint"),
    [
        ("tacos", "train_file", "f.json", "[]", r"f\.json: not an object of videos by name"),
        ("tacos", "train_file", "f.json", "{", r"f\.json: not JSON: .*line 1"),
        (
            "tacos",
            "train_file",
            "f.json",
            {"v": {"sentences": []}},
            r"f\.json, video v: no 'timestamps'; there is sent",
        ),
        (
            "tacos",
            "train_file",
            "f.json",
            {"v": {"timestamps": [[1, 2]], "sentences": []}},
            r"video v: 1 timestamps, 0 sentences",
        ),
        (
            "tacos",
            "train_file",
            "f.json",
            {"v": {"timestamps": [[1]], "sentences": ["a"]}},
            r"video v, sentence 0: '\[1\]' is not a start and an end",
        ),
        (
            "tacos",
            "train_file",
            "f.json",
            {"v": {"timestamps": [[1, "x"]], "sentences": ["a"]}},
            r"video v, sentence 0: end is 'x'; it must be a number",
        ),
        (
            "tacos",
            "train_file",
            "f.json",
            {"v": {"timestamps": [[1, 2]], "sentences": [3]}},
            r"video v, sentence 0: '3' is not a sentence",
        ),
        (
            "tacos",
            "train_file",
            "f.json",
            {"v": {"timestamps": [], "sentences": [], "fps": 0}},
            r"fps is 0\.0; it must",
        ),
        ("msrvtt", "path", "f.json", {"videos": []}, r"f\.json: no 'sentences'; there is videos"),
        (
            "msrvtt",
            "path",
            "f.json",
            {"videos": [], "sentences": [{"video_id": "v", "caption": "a"}]},
            r"f\.json, sentence 0: there is no video v",
        ),
        (
            "msrvtt",
            "path",
            "f.json",
            {"videos": [{"video_id": "v"}] * 2, "sentences": []},
            r"f\.json, video 1: v is there already",
        ),
        (
            "msrvtt",
            "path",
            "f.json",
            {"videos": [{"video_id": "v", "split": "later"}], "sentences": []},
            r"f\.json, video 0: unknown split 'later'; known are train",
        ),
        (
            "msrvtt",
            "test_file",
            "f.json",
            {"videos": [{"video_id": "v", "split": "train"}], "sentences": []},
            r"f\.json: none of its videos has the split test",
        ),
        (
            "msrvtt",
            "test_file",
            "f.csv",
            "video_id,sentence\nv\n",
            r"f\.csv, line 2: nothing in column video_id or sent",
        ),
        ("youcook2", "path", "f.json", {"database": {"v": 3}}, r"f\.json, video v: not an object"),
        (
            "youcook2",
            "path",
            "f.json",
            {"database": {"v": {"annotations": [{"segment": [1, 2]}]}}},
            r"video v, annotation 0: no 'sentence'; there is segment",
        ),
        (
            "youcook2",
            "test_file",
            "f.csv",
            f"{CSV_HEAD}v,1,soon,a\n",
            r"f\.csv, line 2: end is 'soon'; it must be a num",
        ),
        (
            "youcook2",
            "test_file",
            "f.csv",
            f"{CSV_HEAD},1,2,a\n",
            r"f\.csv, line 2: nothing in column video_id or text",
        ),
        ("vatex", "train_file", "f.json", [{"videoID": "v"}], r"f\.json, record 0: no 'enCap'; there is videoID"),
        (
            "vatex",
            "train_file",
            "f.json",
            [{"videoID": "v", "enCap": []}],
            r"record 0: videoID 'v' is not a YouTube id",
        ),
        ("msvd", "train_file", "f.json", {}, r"f\.json: not a list of videos"),
        ("msvd", "train_file", "f.json", [{"id": "a.avi"}], r"f\.json, record 0: no 'caption'; there is id"),
        (
            "folder",
            "path",
            "metadata.jsonl",
            '{"text": "a"}',
            r"metadata\.jsonl, line 1: neither file_name, .* nor id",
        ),
        ("folder", "path", "metadata.jsonl", '{"file_name": "a.mp4"}', r"line 1: none of sentences, sentence, text"),
        (
            "folder",
            "path",
            "metadata.jsonl",
            '{"file_name": "../a", "text": "a"}',
            r"line 1: '\.\./a' is not in the vid",
        ),
        (
            "folder",
            "path",
            "metadata.jsonl",
            '{"file_name": "a", "text": 3}',
            r"line 1: '3' is not a sentence, nor a li",
        ),
        (
            "folder",
            "path",
            "metadata.jsonl",
            '{"id": 1, "text": "a", "end": "x"}',
            r"line 1: end is 'x'; it must be a n",
        ),
        ("folder", "path", "metadata.jsonl", '{"id": 1, "text": "a", "split": "x"}', r"line 1: unknown split 'x'"),
        ("folder", "path", "metadata.jsonl", "3", r"metadata\.jsonl, line 1: not a JSON object"),
        ("folder", "path", "metadata.jsonl", "", r"the folder reader found no narrated videos in path "),
        ("folder", "path", "other.jsonl", "", r"no metadata\.jsonl there, nor in a folder in it"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path, reader, option, name, content, complaint):
    file = write(tmp_path / name, content)
    with pytest.raises((ValueError, FileNotFoundError), match=complaint):
        read(reader, **{option: tmp_path if reader == "folder" else file})


def test_what_a_reader_needs_is_said():
    with pytest.raises(
        ValueError, match="unknown reader 'avi'; choose from tacos, msrvtt, vatex, youcook2, msvd, fold"
    ):
        read("avi")
    for reader in ("tacos", "vatex", "msvd"):
        with pytest.raises(ValueError, match=f"the {reader} reader needs train_file, validation_file or test_file: "):
            read(reader)
    for reader in ("msrvtt", "youcook2"):
        with pytest.raises(ValueError, match=f"the {reader} reader needs path, or train_file"):
            read(reader)
    for reader in ("folder", "datasets"):
        with pytest.raises(ValueError, match=f"the {reader} reader needs path"):
            read(reader)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
cell = st.sampled_from([None, "a", 1, -0.5, [1, 2], ["a"], [[0, 5]], {}, "train", "a_000001_000002"]) | json_values


def objects(*names):
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, cell))


FORMS = {
    "tacos": st.dictionaries(st.text(max_size=3), objects("timestamps", "sentences", "fps", "num_frames"), max_size=2),
    "msrvtt": st.fixed_dictionaries(
        {
            "videos": st.lists(objects("video_id", "split"), max_size=2) | cell,
            "sentences": st.lists(objects("video_id", "caption"), max_size=2) | cell,
        }
    ),
    "vatex": st.lists(objects("videoID", "enCap"), max_size=2),
    "youcook2": st.fixed_dictionaries(
        {
            "database": st.dictionaries(
                st.text(max_size=3),
                st.fixed_dictionaries({"annotations": st.lists(objects("segment", "sentence", "id"), max_size=2)}),
                max_size=2,
            )
        }
    ),
    "msvd": st.lists(objects("id", "caption"), max_size=2),
    "folder": objects("file_name", "id", "sentences", "text", "start", "end", "level", "split", "nodes"),
}


@pytest.mark.parametrize("reader", FORMS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_whatever_a_file_holds_is_read_or_refused_by_name(tmp_path, reader, data):
    content = data.draw(FORMS[reader] | json_values)
    file = write(tmp_path / ("metadata.jsonl" if reader == "folder" else "file.json"), content)
    place = {"path": tmp_path} if reader == "folder" else {"train_file": file}
    try:
        found = read(reader, **place, **({} if reader == "folder" else {"node_file": NO_VIDEOS}))
    except ValueError as error:
        assert file.name in str(error) or "found no narrated videos" in str(error)
        return
    for example in (example for examples in found.splits.values() for example in examples):
        assert isinstance(example.id, str) and all(isinstance(text, str) for text in example.sentences)
        assert all(time is None or isinstance(time, float) for time in (example.start, example.end))


@needs_real_files
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_the_real_tacos_files_are_read_whole(split):
    file = SHARED / f"captions/tacos/{split}.json"
    found = read("tacos", test_file=file, node_file=NO_VIDEOS)
    told = [
        (name, tuple(span), sentence)
        for name, record in json.loads(file.read_text()).items()
        for span, sentence in zip(record["timestamps"], record["sentences"], strict=True)
    ]
    assert sizes(found)["test"] == (len({one[:2] for one in told}), len(told))
    ours = Counter(
        (one.video_name, (round(one.start * 29.4), round(one.end * 29.4)), sentence)
        for one in found.splits["test"]
        for sentence in one.sentences
    )
    assert ours == Counter(told)
    assert len({one.id for one in found.splits["test"]}) == len(found.splits["test"])


@needs_real_files
def test_the_real_msvd_files_are_read_whole():
    files = {"train_file": SHARED / "captions/msvd/training_label.json", "node_file": NO_VIDEOS}
    found = read("msvd", **files, test_list=SHARED / "captions/msvd/testing_id.txt")
    text = files["train_file"].read_text()
    captions = [caption for record in json.loads(text) for caption in record["caption"]]
    assert sizes(found) == {"train": (text.count('"id"'), len(captions)), "test": (100, 0)}
    assert Counter(s for one in found.splits["train"] for s in one.sentences) == Counter(captions)


@needs_real_files
def test_the_real_msrvtt_files_are_read_whole():
    table = SHARED / "captions/other/msrvtt_jsfusion_test.csv"
    found = read("msrvtt", test_file=table, node_file=NO_VIDEOS)
    lines = [line.split(",", 3) for line in table.read_text().splitlines()[1:]]
    assert [(one.id, one.sentences) for one in found.splits["test"]] == [(line[2], [line[3]]) for line in lines]
    info = SHARED / "formats/msrvtt/videodatainfo_constructed_excerpt.json"
    found = read("msrvtt", path=info, node_file=NO_VIDEOS)
    assert sum(rows for rows, _ in sizes(found).values()) == info.read_text().count('"url"')
    assert sum(sentences for _, sentences in sizes(found).values()) == info.read_text().count('"sen_id"')


@needs_real_files
def test_the_real_youcook2_files_are_read_whole():
    table = SHARED / "captions/other/youcook2_validation.csv"
    found = read("youcook2", validation_file=table, node_file=NO_VIDEOS)
    with open(table, newline="") as file:
        _, *lines = csv.reader(file)
    told = Counter((video, float(start), float(end), text) for end, start, _, text, video in lines)
    ours = Counter(
        (one.video_name, one.start, one.end, s) for one in found.splits["validation"] for s in one.sentences
    )
    assert ours == told and told.total() == 3350
    notes = SHARED / "formats/youcook2/youcookii_annotations_constructed_excerpt.json"
    found = read("youcook2", path=notes, node_file=NO_VIDEOS)
    count = notes.read_text().count('"segment"')
    assert sizes(found) == {"validation": (count, count)}


@needs_real_files
def test_the_real_vatex_records_are_read_whole():
    file = SHARED / "formats/vatex/vatex_3_real_records.json"
    found = read("vatex", train_file=file, node_file=NO_VIDEOS)
    records = json.loads(file.read_text())
    assert [(one.id, one.sentences) for one in found.splits["train"]] == [(r["videoID"], r["enCap"]) for r in records]
    assert sizes(found) == {"train": (3, 30)}
