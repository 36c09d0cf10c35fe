"""The loop: live answers are the offline ones, what happens when the model is slow, and the state over restarts."""

import threading
import time

import av
import numpy as np
import pytest

from lrcn_hub.models import LrcnStreamState
from lrcn_hub.streaming import Source, load_state


def of(events, *kinds, row=0):
    return [event for event in events if event["event"] in kinds and event["row"] == row]


def assert_as_offline(events, answers, labels):
    """Every frame's label and score, and the running decision, are those of the whole video at once."""
    each, _ = answers
    assert [event["frame"] for event in events] == list(range(len(each)))
    for t, event in enumerate(events):
        for label, score, expected in (
            (event["label"], event["score"], each[t]),
            (event["clip_label"], event["clip_score"], each[: t + 1].mean(0)),
        ):
            assert score == pytest.approx(float(expected.max()), abs=1e-5)
            assert expected[labels.index(label)] == pytest.approx(float(expected.max()), abs=1e-5)


@pytest.fixture
def labels(recogniser):
    return list(recogniser.config.id2label.values())


@pytest.fixture
def slow(recogniser):
    """Let every look of the backbone take so long, however many frames it sees; gives the sizes of its batches."""
    handles, sizes = [], []

    def make(seconds):
        def wait(module, given):
            sizes.append(len(given[0]))
            time.sleep(seconds)

        handles.append(recogniser.encoder.register_forward_pre_hook(wait))
        return sizes

    yield make
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("policy", [None, "drop", "batch", "wait"])
def test_a_file_is_watched_whole_and_as_offline_by_any_policy(policy, watcher, write_video, noise, offline, labels):
    frames = noise(40)
    watch, events = watcher(write_video("a.mkv", frames), when_behind=policy, buffer=3, max_batch=7)
    watch.run()
    assert_as_offline(of(events, "frame"), offline(frames), labels)
    assert [event["time"] for event in of(events, "frame")] == pytest.approx(np.arange(40) / 25, abs=0.001)
    assert {event["dropped"] for event in events} == {0}
    assert [event["event"] for event in events if event["event"] not in ("frame", "label")] == ["started", "ended"]
    assert (events[0]["width"], events[0]["height"]) == (64, 48)
    assert not watch.rows[0].failed


def test_sources_of_other_sizes_and_lengths_are_rows_of_one_batch(watcher, write_video, noise, offline, labels, slow):
    sizes = slow(0.03)
    videos = [noise(12, 1), noise(20, 2, (64, 96)), noise(5, 3, (32, 32))]
    watch, events = watcher(*[write_video(f"{k}.mkv", frames) for k, frames in enumerate(videos)])
    watch.run()
    assert max(sizes) == 3
    for row, frames in enumerate(videos):
        assert_as_offline(of(events, "frame", row=row), offline(frames), labels)


def test_the_same_twice_gives_the_same_lines_but_for_the_clock(watcher, write_video, noise):
    path = write_video("a.mkv", noise(15))
    found = []
    for _ in range(2):
        watch, events = watcher(path)
        watch.run()
        found.append([{**event, "at": None} for event in events])
    assert found[0] == found[1]


# A model that is slower than its source


def test_the_oldest_unseen_frames_are_dropped_and_counted(watcher, write_video, noise, slow):
    slow(0.25)
    path = write_video("a.mkv", noise(30))
    watch, events = watcher(path, buffer=2, connection={"realtime": True})
    watch.run()
    watched = of(events, "frame")
    assert events[-1]["dropped"] > 0
    assert len(watched) + events[-1]["dropped"] == 30
    assert [event["frame"] for event in watched] == list(range(len(watched)))  # the session's own clock counts on
    times = [event["time"] for event in watched]
    assert times == sorted(times) and times[-1] == pytest.approx(29 / 25, abs=0.001)  # the newest is never dropped


def test_frames_that_wait_go_through_the_backbone_at_once(watcher, write_video, noise, slow, offline, labels):
    sizes, frames = slow(0.2), noise(30)
    watch, events = watcher(write_video("a.mkv", frames), when_behind="batch", connection={"realtime": True})
    watch.run()
    assert sum(sizes) == 30 and max(sizes) > 1
    assert events[-1]["dropped"] == 0
    sizes.clear()
    assert_as_offline(of(events, "frame"), offline(frames), labels)


def test_a_source_that_is_to_wait_waits(watcher, write_video, noise, slow, offline, labels):
    sizes, frames = slow(0.06), noise(12)
    watch, events = watcher(write_video("a.mkv", frames), when_behind="wait", buffer=1, connection={"realtime": True})
    watch.run()
    assert sizes == [1] * 12
    assert_as_offline(of(events, "frame"), offline(frames), labels)


# Changes on the way


def test_a_change_of_size_is_told_and_changes_nothing_else(watcher, write_video, noise, tmp_path):
    both = tmp_path / "both.ts"
    parts = [write_video(f"{k}.ts", noise(10, k, size), "mpeg2video") for k, size in enumerate([(48, 64), (64, 96)])]
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    watch, events = watcher(both)
    watch.run()
    (changed,) = of(events, "size-changed")
    assert (changed["width"], changed["height"]) == (96, 64)
    frames = of(events, "frame")
    assert len(frames) >= 19  # MPEG-2's decoder forgets the last frame before a new size
    assert [event["frame"] for event in frames] == list(range(len(frames)))
    times = [event["time"] for event in frames]
    assert times == sorted(set(times))


def test_damage_in_the_middle_is_told_and_passed_over(watcher, write_video, noise):
    path = write_video("damaged.mkv", noise(20), "libx264", {"g": "5", "bf": "0"})
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        position, size = [(p.pos, p.size) for p in container.demux(video=0) if p.size][10]
    content[position + 8 : position + 8 + size // 2] = b"\x7f" * (size // 2)
    path.write_bytes(content)
    watch, events = watcher(path)
    watch.run()
    assert len(of(events, "damaged")) == 1
    assert len(of(events, "frame")) >= 15
    assert of(events, "ended")[0]["failed"] is False


def test_a_new_scene_is_an_event_and_begins_a_new_decision(watcher, write_video, recogniser, processor):
    dark, light = np.full((6, 48, 64, 3), 10, np.uint8), np.full((6, 48, 64, 3), 240, np.uint8)
    session = recogniser.stream(processor=processor, scene_threshold=1.0)
    watch, events = watcher(write_video("a.mkv", np.concatenate([dark, light])), session=session, every_frame=False)
    watch.run()
    (scene,) = of(events, "scene")
    assert (scene["frame"], scene["clip_start"]) == (6, 6)
    assert events[-1]["clip_start"] == 6


@pytest.mark.parametrize("reset", [False, True])
def test_what_comes_back_goes_on_or_begins_anew_and_other_rows_do_not_care(
    reset, watcher, write_video, noise, offline, labels, served, stream
):
    other = noise(12, 5)
    connection = {"retries": 1, "reset_on_reconnect": reset, "stall_timeout": 5.0}
    sources = served(stream(10), stream(10)), write_video("a.mkv", other)
    watch, events = watcher(*sources, when_behind="wait", connection=connection)
    watch.run()
    lines = of(events, "frame")
    numbers = [*range(10), *range(10)] if reset else list(range(20))
    assert [event["frame"] for event in lines] == numbers
    same = [
        ours["score"] == pytest.approx(theirs["score"], abs=1e-5)
        for ours, theirs in zip(lines[:10], lines[10:], strict=True)
    ]
    assert all(same) == reset  # the same frames after another past are seen otherwise
    assert_as_offline(of(events, "frame", row=1), offline(other), labels)


# The state


def test_a_saved_state_goes_on_as_if_there_had_been_no_end(
    watcher, write_video, noise, offline, labels, tmp_path, recogniser, processor
):
    frames, file = noise(24), tmp_path / "state.safetensors"
    lines = []
    for name, part in (("a.mkv", frames[:10]), ("b.mkv", frames[10:])):
        state = load_state(file, 1)
        assert (state is None) == (name == "a.mkv")
        session = recogniser.stream(state=state, processor=processor)
        watch, events = watcher(write_video(name, part), session=session, state_file=str(file))
        watch.run()
        lines += of(events, "frame")
    assert_as_offline(lines, offline(frames), labels)
    times = [event["time"] for event in lines]
    assert times == sorted(times)
    assert LrcnStreamState.load(file).frames.tolist() == [24]


def test_the_state_is_saved_on_the_way(watcher, write_video, noise, tmp_path, monkeypatch):
    saved = []
    file = tmp_path / "state.safetensors"
    monkeypatch.setattr(LrcnStreamState, "save", lambda state, name: saved.append(int(state.frames[0])))
    watch, _ = watcher(write_video("a.mkv", noise(10)), state_file=str(file), save_every=1e-9)
    watch.run()
    assert saved[0] == 0 and saved[-1] == 10 and len(set(saved)) > 3


def test_the_state_of_other_sources_is_refused(recogniser, tmp_path):
    file = tmp_path / "state.safetensors"
    assert load_state(None, 2) is None and load_state(file, 2) is None
    recogniser.stream(3).state.save(file)
    with pytest.raises(ValueError, match=r"state\.safetensors is the state of 3 sources, but 2 are to be watched"):
        load_state(file, 2)
    file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"state\.safetensors is no saved state"):
        load_state(file, 2)


# The end


def test_being_asked_to_stop_ends_with_stopped_and_a_saved_state(watcher, write_video, noise, tmp_path):
    file = tmp_path / "state.safetensors"
    watch, events = watcher(write_video("a.mkv", noise(200)), state_file=str(file), connection={"realtime": True})
    threading.Timer(0.5, watch.stop.ask, ["SIGTERM"]).start()
    watch.run()
    assert events[-1]["event"] == "stopped" and events[-1]["reason"] == "SIGTERM"
    assert LrcnStreamState.load(file).frames.tolist() == [events[-1]["frame"] + 1]
    assert events[-1]["frame"] < 199


def test_one_source_that_cannot_be_read_leaves_the_others_alone(watcher, write_video, noise, tmp_path):
    text = tmp_path / "text.mkv"
    text.write_text("no video")
    watch, events = watcher(text, write_video("a.mkv", noise(8)))
    watch.run()
    assert [row.failed for row in watch.rows] == [True, False]
    assert "not a video" in of(events, "ended")[0]["reason"] and of(events, "ended")[0]["failed"]
    assert len(of(events, "frame", row=1)) == 8


def test_an_unexpected_error_of_a_reader_comes_out(watcher, write_video, noise, monkeypatch):
    def fail(*arguments):
        raise ZeroDivisionError("of the reader")

    monkeypatch.setattr(Source, "open", fail)
    watch, _ = watcher(write_video("a.mkv", noise(3)))
    with pytest.raises(ZeroDivisionError, match="of the reader"):
        watch.run()
