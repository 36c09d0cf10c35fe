"""A tiny recogniser with its processor, and videos of coloured noise, which it tells apart frame by frame."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np
import pytest
import torch

from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnActivityConfig,
    LrcnActivityProcessor,
    LrcnForVideoClassification,
    LrcnVideoProcessor,
)
from lrcn_hub.streaming import ConnectionRules, EventRules, Events, Source, Watcher, WatchRules

LABELS = ["left", "right", "bounce", "approach", "leave"]
SIDE = {"height": 67, "width": 67}


@pytest.fixture(scope="session")
def recogniser():
    """A model of a few units whose scores depend on frame and state, in eval mode."""
    random = torch.Generator().manual_seed(0)
    backbone = CaffeNetConfig(channels=(4,) * 5, fc_sizes=(8, 8, 5), image_size=67)
    sizes = {"feature": "fc6", "feature_size": 8, "hidden_size": 7}
    config = LrcnActivityConfig(backbone_config=backbone, id2label=dict(enumerate(LABELS)), **sizes)
    model = LrcnForVideoClassification(config).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name.startswith("encoder.") and weights.dim() > 1:
                weights.normal_(std=(2 / weights[0].numel()) ** 0.5, generator=random)
            elif not name.startswith("encoder."):
                weights.uniform_(-1.5, 1.5, generator=random)
    return model


@pytest.fixture(scope="session")
def processor():
    return LrcnActivityProcessor(LrcnVideoProcessor(size=SIDE, crop_size=SIDE, image_std=(60.0,) * 3), LABELS)


@pytest.fixture
def noise():
    """Draw frames of coloured squares: uint8 (count, height, width, 3)."""

    def draw(count, seed=0, size=(48, 64)):
        small = np.random.default_rng(seed).integers(0, 256, (count, size[0] // 16, size[1] // 16, 3), dtype=np.uint8)
        return small.repeat(16, 1).repeat(16, 2)

    return draw


@pytest.fixture
def write_video(tmp_path):
    """Write frames as a video, without loss but for other codecs, and return its path."""

    def write(name, frames, codec="ffv1", options=None):
        path = tmp_path / name
        height, width = frames[0].shape[:2]
        with av.open(str(path), "w") as container:
            pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
            stream = container.add_stream(codec, rate=25, width=width, height=height, pix_fmt=pix_fmt)
            stream.options = options or {}
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture
def offline(recogniser, processor):
    """What the model says of whole videos at once: probabilities of frames (T, C), and of the clip."""

    @torch.no_grad()
    def answer(frames):
        output = recogniser(**processor([np.asarray(frames)]))
        return output.frame_logits[0].softmax(-1), output.logits[0].softmax(-1)

    return answer


@pytest.fixture
def watcher(recogniser, processor):
    """Make a watcher of these sources and the list into which it writes its events."""

    def make(*sources, every_frame=True, max_batch=32, session=None, view=None, connection=None, **rules):
        events = []
        lines = Events(lambda line: events.append(json.loads(line)), EventRules(every_frame))
        session = session or recogniser.stream(len(sources), processor=processor, max_batch=max_batch)
        rules = {"rules": WatchRules(**rules), "connection": ConnectionRules(**(connection or {}))}
        return Watcher(session, [Source(str(source)) for source in sources], lines, view=view, **rules), events

    return make


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def served():
    """Serve the answers given, one to each visitor, then 404: bytes, sent and then hung up on, or held where asked."""
    servers, released = [], threading.Event()

    def serve(*answers, hold=False, length=False):
        left = list(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if not left:
                    self.send_error(404)
                    return
                answer = left.pop(0)
                self.send_response(200)
                if length:
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                self.wfile.flush()
                if hold:
                    released.wait(20)

            def log_message(self, *arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/live"

    yield serve
    released.set()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def stream(write_video, noise):
    """The bytes of an MPEG-TS stream of so many frames."""

    def make(frames, size=(48, 64)):
        return write_video("stream.ts", noise(frames, size=size), "mpeg2video").read_bytes()

    return make
