"""``lrcn watch`` with a narrator: the sentences of ``lrcn narrate``, cues of others' making, and what is refused."""

import json
from pathlib import Path

import pytest
import webvtt
from transformers.utils.logging import enable_progress_bar

from lrcn_cli import main


def run(capsys, command, *arguments):
    code = main([command, *map(str, arguments)])
    enable_progress_bar()
    out, err = capsys.readouterr()
    return code, out, err


def test_a_file_is_narrated_live_as_offline_from_the_same_boundaries(narrator, scenes, tmp_path, capsys):
    path, output = scenes("a.mkv"), tmp_path / "live.vtt"
    options = ["--scene-threshold", 0.3, "--min-event", 0.2, "--num-beams", 3, "--model", narrator]
    live = ["--every-seconds", 0.9, "--subtitles", output, "--when-behind", "batch"]
    code, out, err = run(capsys, "watch", path, *options, *live)
    events = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert (events[0]["event"], events[-1]["event"]) == ("started", "ended")
    said = [event for event in events if event["event"] == "sentence"]
    assert {event["reason"] for event in said} == {"seconds", "scene", "end"}
    (tmp_path / "parts.json").write_text(json.dumps([{"start": e["start"], "end": e["end"]} for e in said]))
    offline = ["--model", narrator, "--num-beams", 3, "--segments", tmp_path / "parts.json", "--format", "json"]
    (answer,) = json.loads(run(capsys, "narrate", path, *offline)[1])
    assert [one["text"] for one in answer["segments"]] == [event["text"] for event in said]
    cues = list(webvtt.read(output))
    found = run(capsys, "narrate", path, *options, "--every", 0.9, "--format", "vtt")[1]
    assert found == Path(output).read_text(encoding="utf-8")
    assert len(cues) == len(said) > 3


def test_without_a_rule_there_is_a_sentence_every_ten_seconds(narrator, scenes, capsys):
    code, out, _ = run(capsys, "watch", scenes("a.mkv", (260, 10)), "--model", narrator)
    said = [event for event in map(json.loads, out.splitlines()) if event["event"] == "sentence"]
    assert code == 0 and [event["end"] for event in said] == pytest.approx([10, 10.8], abs=0.002)


def test_several_sources_have_their_own_cues_and_the_view_their_sentences(
    narrator, scenes, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "150")
    videos = [scenes("a.mkv"), scenes("b.mkv", seed=1)]
    options = ["--every-seconds", 1, "--subtitles", tmp_path / "out.srt", "--view", "--top-k", 2]
    code, out, err = run(capsys, "watch", *videos, "--model", narrator, *options)
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    for row in (0, 1):
        texts = [event["text"] for event in events if event["event"] == "sentence" and event["row"] == row]
        assert [cue.raw_text for cue in webvtt.from_srt(tmp_path / f"out.{row}.srt")] == texts
        assert len(texts) == 3 and f"00:00:02 {texts[-1]}" in err


def test_a_state_goes_on_and_so_do_the_cues(narrator, scenes, tmp_path, capsys):
    more = ["--model", narrator, "--every-seconds", 1, "--subtitles", tmp_path / "out.vtt"]
    more += ["--state", tmp_path / "state.safetensors"]
    for name in ("a.mkv", "b.mkv"):
        assert run(capsys, "watch", scenes(name), *more)[0] == 0
    # The second video begins at the time of the first one's last frame, whose cue lasts as long as a frame does.
    starts = [cue.start for cue in webvtt.read(tmp_path / "out.vtt")]
    assert starts == [f"00:00:0{second:.3f}" for second in (0, 1, 2, 3, 3.96, 4.96)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--half-life", 2], "--half-life is for recognition"),
        (["--subtitles", "out.txt"], "out.txt: subtitles are written to a file whose name ends in .vtt or .srt"),
        (["--subtitles", "out.vtt", "--reset-on-reconnect"], "subtitles have one clock"),
    ],
)
def test_options_that_do_not_go_with_a_narrator_are_refused(options, said, narrator, scenes, capsys):
    code, out, err = run(capsys, "watch", scenes("a.mkv"), "--model", narrator, *options)
    assert (code, out) == (1, "") and said in err and err.count("\n") == 1


def test_a_narrator_of_nodes_cannot_watch(node_narrator, scenes, capsys):
    code, _, err = run(capsys, "watch", scenes("a.mkv"), "--model", node_narrator)
    assert code == 1 and "cannot watch videos: it reads nodes, not frames" in err
