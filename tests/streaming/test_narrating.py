"""The loop with a narrator: sentences as events and cues, and what becomes of an event at a break or a stop."""

import io
import json

import numpy as np
import pytest
import torch
import webvtt

from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.data.videos.segments import read_segment
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnForVideoNarration,
    LrcnNarrationConfig,
    LrcnNarrationProcessor,
    LrcnNarrationState,
    LrcnVideoProcessor,
    NarrationResult,
    SpokenSentence,
)
from lrcn_hub.streaming import (
    ConnectionRules,
    EventRules,
    LiveSubtitles,
    NarrationEvents,
    NarrationView,
    Row,
    Source,
    Watcher,
    WatchRules,
    load_state,
)

SIDE = {"height": 67, "width": 67}


@pytest.fixture(scope="module")
def processor():
    video = LrcnVideoProcessor(size=SIDE, crop_size=SIDE, image_std=(60.0,) * 3)
    words = build_word_tokenizer(["a", "red", "square", "goes", "left", "fast", "&", "slow"])
    return LrcnNarrationProcessor(video, words, "frames", frame_rate=12.5)


@pytest.fixture(scope="module")
def narrator(processor):
    random = torch.Generator().manual_seed(0)
    backbone = CaffeNetConfig(channels=(4,) * 5, fc_sizes=(8, 8, 5), image_size=67)
    sizes = {"feature": "fc6", "feature_size": 8, "hidden_size": 7, "embedding_size": 6, "frame_size": 4}
    config = LrcnNarrationConfig(
        variant="frames", vocab_size=len(processor.tokenizer), backbone_config=backbone, **sizes
    )
    model = LrcnForVideoNarration(config).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "backbone" in name and weights.dim() > 1:
                weights.normal_(std=(2 / weights[0].numel()) ** 0.5, generator=random)
            elif "bias" in name:
                weights.zero_()
            else:
                weights.uniform_(-2, 2, generator=random)
        model.predict.bias[0] = -8
        pictures = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 3), dtype=np.uint8)
        values = processor(videos=[pictures.repeat(16, 1).repeat(16, 2)])["pixel_values"]
        model.encoder.frame_encoder.last_layer().bias.copy_(-model.encoder.look(values)[0].mean(0))
    model.generation_config.max_new_tokens = 6
    return model


@pytest.fixture
def watching(narrator, processor):
    """Make a watcher that narrates these sources, and the list into which it writes its events."""

    def make(*sources, state=None, connection=None, say=None, every_frame=False, watch=None, **rules):
        events = []
        lines = NarrationEvents(lambda line: events.append(json.loads(line)), EventRules(every_frame), say=say)
        session = narrator.stream(processor, len(sources), state=state, **{"every_seconds": 0.4, **rules})
        given = {"rules": WatchRules(**(watch or {})), "connection": ConnectionRules(**(connection or {}))}
        return Watcher(session, [Source(str(source)) for source in sources], lines, **given), events

    return make


@pytest.fixture
def offline(narrator, processor):
    def say(path, start, end):
        found = read_segment(path, start, end, frame_rate=processor.frame_rate)
        return processor.batch_decode(narrator.generate(**processor(videos=[found.frames])), skip_special_tokens=True)[
            0
        ]

    return say


def sentences(events, row=0):
    return [event for event in events if event["event"] == "sentence" and event["row"] == row]


@pytest.mark.parametrize("policy", [None, "batch"])
def test_every_boundary_is_a_sentence_with_the_offline_text(policy, watching, write_video, noise, offline):
    paths = [write_video("a.mkv", noise(26)), write_video("b.mkv", noise(13, 3))]
    watch, events = watching(*paths, watch={"when_behind": policy})
    watch.run()
    assert [event["event"] for event in events if event["row"] == 0] == ["started", *["sentence"] * 3, "ended"]
    for row, path in enumerate(paths):
        found = sentences(events, row)
        assert [event["start"] for event in found] == pytest.approx([0, 0.4, 0.8][: len(found)])
        assert [event["reason"] for event in found] == ["seconds"] * (len(found) - 1) + ["end"]
        assert [event["text"] for event in found] == [offline(path, event["start"], event["end"]) for event in found]
    assert len({event["text"] for event in events if event["event"] == "sentence"}) > 1


def test_every_event_has_the_fields_of_narration(watching, write_video, noise):
    watch, events = watching(write_video("a.mkv", noise(12)), every_frame=True)
    watch.run()
    common = ["event", "at", "source", "row", "frame", "time", "event_start", "frames_read", "dropped"]
    more = {"started": ["width", "height"], "ended": ["reason", "failed"], "frame": []}
    more["sentence"] = ["start", "end", "text", "reason"]
    for event in events:
        assert list(event) == [*common, *more[event["event"]]]
    frames = [event for event in events if event["event"] == "frame"]
    assert [event["frame"] for event in frames] == list(range(12))
    assert [event["frames_read"] for event in frames] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 1, 1]
    assert {event["event_start"] for event in frames} == {0.0, 0.4}


def test_cues_are_written_as_they_are_said(watching, write_video, noise, tmp_path):
    file, seen = tmp_path / "out.vtt", []
    subtitles = LiveSubtitles(file, 2)

    def say(row, sentence):
        subtitles.say(row, sentence)
        seen.append((row.number, len(webvtt.read(tmp_path / f"out.{row.number}.vtt"))))

    watch, events = watching(write_video("a.mkv", noise(25)), write_video("b.mkv", noise(15, 2)), say=say)
    watch.run()
    subtitles.close()
    for row in (0, 1):
        said = sentences(events, row)
        assert [count for number, count in seen if number == row] == list(range(1, len(said) + 1))
        cues = list(webvtt.read(tmp_path / f"out.{row}.vtt"))
        assert [cue.raw_text for cue in cues] == [event["text"].replace("&", "&amp;") for event in said]
        assert [cue.start for cue in cues] == [f"00:00:0{event['start']:.3f}" for event in said]


def stop_at(watch, frame):
    """Ask the watch to stop as soon as it has told of this frame."""
    write = watch.events.write

    def write_and_ask(line):
        write(line)
        if json.loads(line)["frame"] == frame:
            watch.stop.ask("SIGTERM")

    watch.events.write = write_and_ask


def test_a_saved_state_goes_on_in_the_middle_of_an_event_and_of_the_cues(
    watching, write_video, noise, offline, tmp_path
):
    frames, file, cues = noise(26), tmp_path / "state.safetensors", tmp_path / "out.srt"
    whole, rest = write_video("whole.mkv", frames), write_video("rest.mkv", frames[13:])
    lines = []
    for path in (whole, rest):
        state = load_state(file, 1, LrcnNarrationState)
        subtitles = LiveSubtitles(cues, going_on=state is not None)
        options = {"every_frame": True, "watch": {"state_file": str(file)}}
        watch, events = watching(path, state=state, say=subtitles.say, **options)
        if path == whole:
            stop_at(watch, 12)
        watch.run()
        subtitles.close()
        lines += sentences(events)
    assert LrcnNarrationState.load(file).frames.tolist() == [26]
    assert [event["reason"] for event in lines] == ["seconds", "seconds", "end"]
    assert lines[0]["text"] == offline(whole, 0.0, 0.4)
    assert (lines[1]["start"], lines[1]["frames_read"]) == (0.4, 5)  # of both parts
    assert [cue.raw_text for cue in webvtt.from_srt(cues)] == [event["text"] for event in lines]


def test_a_video_that_is_stopped_says_its_last_event_unless_it_is_to_go_on(watching, write_video, noise, tmp_path):
    path, file = write_video("a.mkv", noise(20)), tmp_path / "state.safetensors"
    for options, last in (({}, ["sentence", "stopped"]), ({"state_file": str(file)}, ["frame", "stopped"])):
        watch, events = watching(path, every_seconds=60.0, every_frame=True, watch=options)
        stop_at(watch, 10)
        watch.run()
        assert [event["event"] for event in events[-2:]] == last
    assert LrcnNarrationState.load(file).counts.tolist() == [6]


@pytest.mark.parametrize("reset", [False, True])
def test_what_comes_back_goes_on_or_says_its_sentence_and_begins_anew(reset, watching, served, stream):
    connection = {"retries": 1, "reset_on_reconnect": reset, "stall_timeout": 5.0}
    watch, events = watching(
        served(stream(10), stream(10)), every_seconds=60.0, connection=connection, watch={"when_behind": "wait"}
    )
    watch.run()
    counts = [event["frames_read"] for event in sentences(events)]
    assert counts == [5, 5] if reset else counts in ([10], [11])  # by where the clock on the wall was
    kinds = [event["event"] for event in events]
    if reset:
        assert kinds.index("sentence") < kinds.index("reconnected")
        assert [event["start"] for event in sentences(events)] == [0, 0]


def test_the_view_shows_the_last_sentences(monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    file, row = io.StringIO(), Row(0, "a.mkv", started=True)
    for number in range(4):
        row.sentences.append(SpokenSentence(0, 60.0 * number, 60.0 * number + 9, f"sentence {number}", "scene", 3))
    row.result = NarrationResult(0, 6000, 241.0, 240.0, 5, None)
    NarrationView(file, top=2).draw([row, Row(1, "b.mkv")], now=True)
    assert file.getvalue().splitlines() == [
        "a.mkv  frame 6000  00:04:01  0.0 fps  lag 0.00 s  dropped 0",
        "  00:02:00 sentence 2",
        "  00:03:00 sentence 3",
        "  00:04:00 ... 5 frames read",
        "b.mkv  waiting for the first frame",
    ]
