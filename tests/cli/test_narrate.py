"""``lrcn narrate`` as a user runs it: segments, events and nodes, every format, and what is refused."""

import html
import json
from io import StringIO

import pytest
import webvtt
from transformers.utils.logging import enable_progress_bar

from lrcn_cli import main
from lrcn_hub.data.videos import read_segment
from lrcn_hub.models import LrcnForVideoNarration, LrcnNarrationProcessor

CUTTING = {"tool": {"knife": 0.5, "none": 0.25, "spoon": 0.25}, "activity": [0.75, 0.25]}


def run(capsys, *arguments):
    code = main(["narrate", *map(str, arguments)])
    enable_progress_bar()
    out, err = capsys.readouterr()
    return code, out, err


def offline(folder, path, start, end, **options):
    """What the narrator says of the segment, read and said here."""
    model = LrcnForVideoNarration.from_pretrained(folder).eval()
    processor = LrcnNarrationProcessor.from_pretrained(folder)
    frames = read_segment(path, start, end, frame_rate=processor.frame_rate).frames
    ids = model.generate(**processor(videos=[frames]), **options)
    return processor.batch_decode(ids, skip_special_tokens=True)[0]


def cues(content, kind):
    return list(webvtt.from_string(content) if kind == "vtt" else webvtt.from_buffer(StringIO(content), format="srt"))


def test_a_whole_video_is_one_sentence(narrator, scenes, capsys):
    path = scenes("a.mkv")
    code, out, err = run(capsys, path, "--model", narrator)
    assert (code, err) == (0, "")
    assert out == f"{path}\t0.000\t3.000\t{offline(narrator, path, None, None)}\n"


SEGMENTS = {
    "parts.json": '[{"start": 0, "end": 1.2}, [1.2, "0:02"], ["0:00:02.0", 3]]',
    "parts.jsonl": '{"start": 0, "end": 1.2}\n\n{"start": 1.2, "end": 2}\n{"start": 2, "end": 3, "sentence": "x"}\n',
    "parts.csv": "start,end,label\n0,1.2,a\n1.2,2,b\n00:02,00:03.0,c\n",
    "parts.vtt": "WEBVTT\n\n00:00.000 --> 00:01.200\na\n\n00:01.200 --> 00:02.000\nb\n\n00:02.000 --> 00:03.000\nc\n",
    "parts.srt": "1\n00:00:00,000 --> 00:00:01,200\na\n\n2\n00:00:01,200 --> 00:00:02,000\nb\n\n"
    "3\n00:00:02,000 --> 00:00:03,000\nc\n",
}


@pytest.mark.parametrize("name", SEGMENTS)
def test_segments_of_a_file_are_each_said_as_if_alone(name, narrator, scenes, tmp_path, capsys):
    path = scenes("a.mkv")
    (tmp_path / name).write_text(SEGMENTS[name])
    options = ["--segments", tmp_path / name, "--format", "json", "--num-beams", 3]
    code, out, _ = run(capsys, path, "--model", narrator, *options)
    (answer,) = json.loads(out)
    assert code == 0 and answer["file"] == str(path)
    times = [(0, 1.2), (1.2, 2), (2, 3)]
    assert [(one["start"], one["end"]) for one in answer["segments"]] == times
    assert [one["text"] for one in answer["segments"]] == [offline(narrator, path, *t, num_beams=3) for t in times]
    assert len({one["text"] for one in answer["segments"]}) > 1


@pytest.mark.parametrize("kind", ["vtt", "srt"])
def test_events_that_it_finds_become_cues(kind, narrator, scenes, tmp_path, capsys):
    path, output = scenes("a.mkv"), tmp_path / f"out.{kind}"
    rules = ["--scene-threshold", 0.3, "--min-event", 0.2, "--every", 0.9]
    code, out, err = run(capsys, path, "--model", narrator, *rules, "--format", kind, "--output", output)
    assert (code, out, err) == (0, "", "")
    found = cues(output.read_text(encoding="utf-8"), kind)
    assert len(found) > 3 and found[0].start == "00:00:00.000" and found[-1].end == "00:00:03.000"
    assert [one.start for one in found[1:]] == [one.end for one in found[:-1]]
    printed = run(capsys, path, "--model", narrator, *rules, "--format", kind)[1]
    assert printed == output.read_text(encoding="utf-8")
    _, out, _ = run(capsys, path, "--model", narrator, *rules, "--format", "json")
    (answer,) = json.loads(out)
    for one in answer["segments"]:
        assert one["text"] == offline(narrator, path, one["start"], one["end"])
    said = [one for one in answer["segments"] if one["text"]]
    assert [html.unescape(one.raw_text) for one in found] == [one["text"] for one in said]


def test_several_videos_are_several_subtitle_files_and_one_that_is_none_is_named(narrator, scenes, tmp_path, capsys):
    videos = [scenes("a.mkv"), tmp_path / "text.mkv", tmp_path / "gone.mkv", scenes("b.mkv", seed=1)]
    videos[1].write_text("no video")
    options = ["--model", narrator, "--every", 1]
    folder = tmp_path / "subtitles"
    code, out, err = run(capsys, *videos, *options, "--format", "vtt", "--output", folder)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        f"lrcn narrate: {videos[1]}: it is not a video, or its beginning is damaged",
        f"lrcn narrate: {videos[2]}: there is no such file",
    ]
    for name in ("a", "b"):
        assert len(cues((folder / f"{name}.vtt").read_text(), "vtt")) == 3
    code, out, _ = run(capsys, *videos, *options, "--format", "json")
    answers = json.loads(out)
    assert code == 1 and [answer["file"] for answer in answers] == list(map(str, videos))
    assert ["error" in answer for answer in answers] == [False, True, True, False]
    assert [len(answer["segments"]) for answer in answers] == [3, 0, 0, 3]
    code, out, _ = run(capsys, *videos, *options, "--output", tmp_path / "all.txt")
    assert (code, out) == (1, "")
    assert len((tmp_path / "all.txt").read_text().splitlines()) == 6


def test_a_video_cut_short_is_told_as_far_as_it_goes(narrator, scenes, tmp_path, capsys):
    """Of a Matroska file whose end is missing, the events of what is there are said, and it counts as failed."""
    path = scenes("a.mkv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    code, out, err = run(capsys, path, "--model", narrator, "--every", 0.5, "--format", "json")
    (answer,) = json.loads(out)
    assert code == 1 and answer["error"] in err and str(path) in err
    assert len(answer["segments"]) >= 2 and all(one["text"] for one in answer["segments"])


FAULTS = {
    "backwards": ("[[0, 1], [2.5, 1.5]]", "segment 2: the segment from 2.5 s to 1.5 s is backwards"),
    "empty": ("[[1, 1]]", "segment 1: the segment from 1 s to 1 s is empty"),
    "beyond the end": (
        "[[0, 1], [7, 9]]",
        "segment 2: VIDEO: the segment from 7 s to 9 s is beyond the end of the video",
    ),
    "before the beginning": ("[[-1, 1]]", "segment 1: there is no segment from -1 s to 1 s"),
    "overlapping": ("[[0, 2], [1, 3]]", "segment 2: the segment from 1 s to 3 s overlaps that from 0 s to 2 s"),
    "no times": ('[["soon", 2]]', "segment 1: 'soon' is no time; give seconds, or a clock time such as 01:02.5"),
    "half": ('[{"start": 1}]', "segment 1: {'start': 1} is no segment; give its start and end"),
    "nothing": ("[]", "it has no segments; leave it out to narrate the whole video"),
    "no list": ('{"start": 1}', "there is no list of segments"),
    "no JSON": ("[1,", "not JSON"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_segments_that_cannot_be_are_refused_and_nothing_is_lost(fault, narrator, scenes, tmp_path, capsys):
    content, said = FAULTS[fault]
    path, parts, output = scenes("a.mkv"), tmp_path / "parts.json", tmp_path / "out.vtt"
    parts.write_text(content)
    output.write_text("earlier")
    options = ["--segments", parts, "--format", "vtt", "--output", output]
    code, out, err = run(capsys, path, "--model", narrator, *options)
    assert (code, out, output.read_text()) == (1, "", "earlier")
    assert err.startswith(f"lrcn narrate: error: {parts}") and err.count("\n") == 1
    assert said.replace("VIDEO", str(path)) in err


def test_segments_may_overlap_where_no_cues_are_written(narrator, scenes, tmp_path, capsys):
    (tmp_path / "parts.csv").write_text("start,end\n0,2\n1,3\n")
    code, out, _ = run(capsys, scenes("a.mkv"), "--model", narrator, "--segments", tmp_path / "parts.csv")
    assert code == 0 and [line.split("\t")[1:3] for line in out.splitlines()] == [
        ["0.000", "2.000"],
        ["1.000", "3.000"],
    ]


def test_a_line_of_a_csv_file_is_named(narrator, scenes, tmp_path, capsys):
    (tmp_path / "parts.csv").write_text("start,end\n0,2\n3,2\n")
    code, _, err = run(capsys, scenes("a.mkv"), "--model", narrator, "--segments", tmp_path / "parts.csv")
    assert code == 1 and "parts.csv, line 3: the segment from 3 s to 2 s is backwards" in err


def test_rows_of_nodes_are_narrated(node_narrator, tmp_path, capsys):
    rows = [
        {"id": "b", "nodes": CUTTING, "start": 2, "end": 3.5},
        {"id": "a", "nodes": ["none", "stir"], "start": 0, "end": 2},
    ]
    header = {"nodes": {"tool": ["none", "knife", "spoon"], "activity": ["cut", "stir"]}}
    file = tmp_path / "crf.jsonl"
    file.write_text("\n".join(map(json.dumps, [header, *rows])))
    model = LrcnForVideoNarration.from_pretrained(node_narrator).eval()
    processor = LrcnNarrationProcessor.from_pretrained(node_narrator)
    ids = model.generate(**processor(nodes=[row["nodes"] for row in rows]), num_beams=2)
    b, a = processor.batch_decode(ids, skip_special_tokens=True)
    assert a != b
    capsys.readouterr()
    options = ["--nodes", file, "--model", node_narrator, "--num-beams", 2]
    assert run(capsys, *options) == (0, f"b\t2.000\t3.500\t{b}\na\t0.000\t2.000\t{a}\n", "")
    code, out, _ = run(capsys, *options, "--format", "json")
    expected = [{"id": "b", "start": 2, "end": 3.5, "text": b}, {"id": "a", "start": 0, "end": 2, "text": a}]
    assert (code, json.loads(out)) == (0, [{"file": str(file), "segments": expected}])
    code, out, _ = run(capsys, *options, "--format", "srt")
    assert code == 0 and [(one.start, one.raw_text) for one in cues(out, "srt")] == [
        ("00:00:00.000", a),
        ("00:00:02.000", b),
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": "a", "nodes": {**CUTTING, "activity": [0.5, 0.2]}}], "line 1: the probabilities of node 'activity'"),
        ([{"id": "a", "nodes": CUTTING}, {"id": "b"}], "line 2: a row needs id and nodes"),
        ([{"id": "a", "nodes": CUTTING, "start": 1}], "line 1: start is 1 and end is None"),
        ([{"id": "a", "nodes": CUTTING, "start": 2, "end": 1}], "line 1: the segment from 2 s to 1 s is backwards"),
        ([{"nodes": {"activity": ["cut", "stir"]}}], "line 1: nodes and labels are"),
        ([], "it has no rows"),
    ],
)
def test_rows_that_are_wrong_are_refused_before_the_first_is_narrated(rows, said, node_narrator, tmp_path, capsys):
    file = tmp_path / "crf.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    code, out, err = run(capsys, "--nodes", file, "--model", node_narrator)
    assert (code, out) == (1, "")
    assert err.startswith(f"lrcn narrate: error: {file}") and said in err


def test_rows_without_times_are_no_subtitles(node_narrator, tmp_path, capsys):
    file = tmp_path / "crf.jsonl"
    file.write_text(json.dumps({"id": "a", "nodes": CUTTING}))
    code, out, err = run(capsys, "--nodes", file, "--model", node_narrator, "--format", "vtt")
    assert (code, out) == (1, "") and "line 1: row a has no start and end, which subtitles need" in err
    assert run(capsys, "--nodes", file, "--model", node_narrator)[1].startswith("a\t")


def test_a_model_that_reads_something_else_is_refused(narrator, node_narrator, scenes, tmp_path, capsys):
    (tmp_path / "crf.jsonl").write_text(json.dumps({"id": "a", "nodes": CUTTING}))
    code, _, err = run(capsys, scenes("a.mkv"), "--model", node_narrator)
    assert code == 1 and "is a narrator of the variant 'decoder-prob' and reads nodes: give it --nodes FILE" in err
    code, _, err = run(capsys, "--nodes", tmp_path / "crf.jsonl", "--model", narrator)
    assert code == 1 and "is a narrator of the variant 'frames' and reads frames: give it videos" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "give videos, or --nodes FILE"),
        (["a.mp4", "--nodes", "b.jsonl"], "give videos, or --nodes FILE"),
        (["--nodes", "b.jsonl", "--every", "2"], "leave out --every"),
        (["a.mp4", "--segments", "b.csv", "--scene-threshold", "1"], "leave out --scene-threshold"),
        (["a.mp4", "b.mp4", "--segments", "b.csv"], "--segments are those of one video"),
        (["a.mp4", "b.mp4", "--format", "vtt"], "give --output FOLDER"),
        (["x/a.mp4", "y/a.mkv", "--format", "vtt", "--output", "z"], "two videos are called a"),
        (["a.mp4", "--every", "0"], "0 is not above 0"),
        (["a.mp4", "--num-beams", "0"], "--num-beams is 0"),
    ],
)
def test_senseless_options_are_wrong_usage(options, said, capsys):
    with pytest.raises(SystemExit) as end:
        main(["narrate", "--model", "m", *options])
    assert end.value.code == 2
    assert said in capsys.readouterr().err
