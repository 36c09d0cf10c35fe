"""``lrcn watch`` as a user runs it: files, pipes, a server that stalls and dies, signals, and what is refused."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from transformers.utils.logging import enable_progress_bar

from lrcn_cli import main
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnActivityConfig,
    LrcnActivityProcessor,
    LrcnCaptioningConfig,
    LrcnForVideoClassification,
    LrcnStreamState,
    LrcnVideoProcessor,
)

ROOT = Path(__file__).parents[2]
LABELS = ["left", "right", "bounce"]
SIDE = {"height": 67, "width": 67}
PATIENCE = 120  # seconds until a test gives up on an event


def save(folder, **processing):
    torch.manual_seed(0)
    backbone = CaffeNetConfig(channels=(4,) * 5, fc_sizes=(8, 8, 5), image_size=67)
    sizes = {"feature": "fc6", "feature_size": 8, "hidden_size": 7}
    config = LrcnActivityConfig(backbone_config=backbone, id2label=dict(enumerate(LABELS)), **sizes)
    network = LrcnForVideoClassification(config)
    for weights in network.parameters():
        weights.data.mul_(4)
    network.save_pretrained(folder)
    LrcnActivityProcessor(LrcnVideoProcessor(size=SIDE, crop_size=SIDE, **processing), LABELS).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("models") / "recogniser")


@pytest.fixture(scope="module")
def flow_model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("models") / "flow", stream="flow")


@pytest.fixture
def video(tmp_path):
    """A video of `count` frames of noise, and these frames."""

    def make(name, count=20, seed=0):
        frames = np.random.default_rng(seed).integers(0, 256, (count, 48, 64, 3), dtype=np.uint8)
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("ffv1", rate=25, width=64, height=48, pix_fmt="bgr0")
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        return tmp_path / name, frames

    return make


def run(capsys, *arguments):
    code = main(["watch", *map(str, arguments)])
    enable_progress_bar()
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


# In this process


@torch.no_grad()
def test_a_file_gives_a_line_for_each_frame_with_the_offline_answer(model, video, capsys):
    path, frames = video("a.mkv")
    code, events, err = run(capsys, path, "--model", model, "--every-frame")
    assert (code, err) == (0, "")
    values = LrcnActivityProcessor.from_pretrained(model)([frames])
    offline = LrcnForVideoClassification.from_pretrained(model).eval()(**values).frame_logits[0].softmax(-1)
    lines = [event for event in events if event["event"] == "frame"]
    assert [event["frame"] for event in lines] == list(range(20))
    for event, p in zip(lines, offline, strict=True):
        assert event["score"] == pytest.approx(float(p[LABELS.index(event["label"])]), abs=1e-5)
        assert event["score"] == pytest.approx(float(p.max()), abs=1e-5)
    assert (events[0]["event"], events[-1]["event"]) == ("started", "ended")
    assert {event["source"] for event in events} == {str(path)}


def test_events_are_added_to_a_file_and_the_state_goes_on(model, video, tmp_path, capsys):
    output, state = tmp_path / "events.jsonl", tmp_path / "state.safetensors"
    more = ["--model", model, "--every-frame", "--output", output, "--state", state]
    for name, seed in (("a.mkv", 0), ("b.mkv", 1)):
        assert run(capsys, video(name, 10, seed)[0], *more) == (0, [], "")
    events = [json.loads(line) for line in output.read_text().splitlines()]
    assert [event["frame"] for event in events if event["event"] == "frame"] == list(range(20))
    assert LrcnStreamState.load(state).frames.tolist() == [20]
    code = main(["watch", str(video("c.mkv")[0]), str(video("d.mkv")[0]), *map(str, more)])
    assert code == 1
    assert "is the state of 1 sources, but 2 are to be watched" in capsys.readouterr().err


def test_the_view_is_drawn_where_it_is_asked_for(model, video, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    code, _, err = run(capsys, video("a.mkv")[0], "--model", model, "--view", "--top-k", 2)
    assert code == 0
    facts, *labels = err.splitlines()[-3:]
    assert "frame 19" in facts and "dropped 0" in facts
    assert {label.split()[0] for label in labels} < set(LABELS)


def test_options_reach_the_session(model, video, capsys):
    path, _ = video("a.mkv")
    options = ["--half-life", 0.02, "--scene-threshold", 1e9, "--max-batch", 4, "--when-behind", "batch"]
    code, events, _ = run(capsys, path, "--model", model, "--dtype", "bfloat16", "--every", 0.4, *options)
    assert code == 0
    assert [event["frame"] for event in events if event["event"] == "frame"] == [0, 10]
    code, events, _ = run(capsys, path, "--model", model, "--scene-threshold", 1e-3)
    assert sum(event["event"] == "scene" for event in events) == 19


@pytest.mark.parametrize("what", ["none.mp4", "text.mp4", "a folder"])
def test_a_file_that_is_no_video_is_refused_in_one_line(what, model, tmp_path, capsys):
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "a folder").mkdir()
    code, events, err = run(capsys, tmp_path / what, "--model", model)
    assert (code, events) == (1, [])
    assert err.startswith(f"lrcn watch: error: {tmp_path / what}: ") and err.count("\n") == 1


def test_a_model_that_cannot_watch_is_refused_in_one_line(flow_model, video, tmp_path, capsys):
    path, _ = video("a.mkv")
    LrcnCaptioningConfig().save_pretrained(tmp_path / "captioner")
    (tmp_path / "empty").mkdir()
    for folder, said in (
        (tmp_path / "captioner", "is a model of the type 'lrcn_captioning', which cannot watch videos"),
        (tmp_path / "empty", str(tmp_path / "empty")),
        (flow_model, "looks at optical flow"),
    ):
        code, events, err = run(capsys, path, "--model", folder)
        assert (code, events) == (1, [])
        assert err.startswith("lrcn watch: error: ") and said in err and err.count("\n") == 1


def test_a_stream_that_never_comes_is_given_up_and_named(model, capsys):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://me:secret@127.0.0.1:{probe.getsockname()[1]}/live"
    code, events, err = run(capsys, address, "--model", model, "--retries", 0)
    assert code == 1
    assert [event["event"] for event in events] == ["ended"]
    assert "given up: Connection refused" in err
    assert "secret" not in err + json.dumps(events)


@pytest.mark.parametrize(
    "options", [["--half-life", "0"], ["--ffmpeg", "nothing"], ["--buffer", "0"], ["--when-behind", "sleep"]]
)
def test_senseless_options_are_wrong_usage(options, capsys):
    with pytest.raises(SystemExit) as end:
        main(["watch", "a.mp4", "--model", "m", *options])
    assert end.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_standard_input_can_be_watched_once(model, capsys):
    assert run(capsys, "-", "-", "--model", model)[2].count("- is named twice") == 1


# In a process of its own


class Watching:
    """A running ``lrcn watch`` and the events it has written."""

    def __init__(self, *arguments, **options):
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "lrcn_cli", "watch", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)
        self.events, self._arriving = [], queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._arriving.put(json.loads(line))

    def wait_for(self, kind):
        """Give the next event of this kind."""
        while True:
            self.events.append(self._arriving.get(timeout=PATIENCE))
            if self.events[-1]["event"] == kind:
                return self.events[-1]

    def end(self, number):
        """Send a signal; gives the exit code and what was written on standard error."""
        self.process.send_signal(number)
        self.wait_for("stopped")
        code = self.process.wait(PATIENCE)
        return code, self.process.stderr.read()


@pytest.fixture
def watching():
    """Start ``lrcn watch`` in a process of its own."""
    started = []

    def start(*arguments, **options):
        started.append(Watching(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        for pipe in (one.process.stdin, one.process.stdout, one.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def camera():
    """Start a process that serves a live stream; gives it and its address, always the same."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = []

    def start(width=64, height=48):
        script = ROOT / "tests" / "streaming" / "video_server.py"
        process = subprocess.Popen(
            [sys.executable, str(script), str(port), str(width), str(height)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process, f"http://127.0.0.1:{port}/live"

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.slow
def test_a_server_that_stalls_dies_and_comes_back_is_watched_throughout(model, camera, watching, tmp_path):
    server, address = camera()
    state = tmp_path / "state.safetensors"
    options = ["--stall-timeout", 1, "--retries", -1, "--state", state, "--every-frame", "--view"]
    watch = watching(address, "--model", model, *options)
    first = watch.wait_for("started")
    assert (first["width"], first["height"]) == (64, 48)
    for _ in range(10):
        watch.wait_for("frame")

    server.send_signal(signal.SIGSTOP)
    stalled = watch.wait_for("stalled")
    assert stalled["reason"] == "no data for 1 seconds"
    watch.wait_for("broken")
    server.send_signal(signal.SIGCONT)
    watch.wait_for("reconnected")
    for _ in range(5):
        watch.wait_for("frame")

    server.kill()
    watch.wait_for("broken")
    assert "Connection refused" in watch.wait_for("broken")["reason"]  # nobody is there yet
    server.wait()
    camera(96, 64)
    watch.wait_for("reconnected")
    changed = watch.wait_for("size-changed")
    assert (changed["width"], changed["height"]) == (96, 64)
    for _ in range(5):
        watch.wait_for("frame")

    code, view = watch.end(signal.SIGTERM)
    assert code == 0
    assert watch.events[-1]["event"] == "stopped" and watch.events[-1]["reason"] == "SIGTERM"
    frames = [event for event in watch.events if event["event"] == "frame"]
    assert [event["frame"] for event in frames] == list(range(len(frames)))  # the state was kept over all of it
    times = [event["time"] for event in frames]
    assert times == sorted(set(times))
    assert LrcnStreamState.load(state).frames.tolist() == [len(frames)]
    assert address[-20:] in view and "lag" in view and "no data for 1 seconds" in view


@pytest.mark.slow
def test_a_pipe_that_falls_silent_is_told_and_goes_on_until_an_interrupt(model, watching, tmp_path):
    with av.open(str(tmp_path / "a.ts"), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, width=64, height=48, pix_fmt="yuv420p")
        for index in range(200):
            picture = np.random.default_rng(index).integers(0, 256, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    content = (tmp_path / "a.ts").read_bytes()
    half = len(content) // 2
    watch = watching("-", "--model", model, "--stall-timeout", 1, "--every-frame", stdin=subprocess.PIPE)
    feed = watch.process.stdin.buffer
    feed.write(content[:half])
    feed.flush()
    watch.wait_for("started")
    assert watch.wait_for("stalled")["frame"] > 0
    feed.write(content[half:])
    feed.flush()
    watch.wait_for("resumed")
    code, err = watch.end(signal.SIGINT)
    assert (code, err) == (0, "")
    assert watch.events[-1]["reason"] == "SIGINT"
