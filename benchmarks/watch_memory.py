"""Whether `lrcn watch` holds its memory: resident memory at frame 2,000 and at frame 20,000, view and writer on.

The command runs as a process of its own, its live view on a pseudo-terminal and an event for every frame on a pipe,
with a small recogniser of new weights (timm's test_resnet, LSTM of 16 units, 64 x 64 pixels), on one thread. Sources:

- file: one video of all frames;
- server: an HTTP server that sends a video of 1,500 frames and hangs up, so that the stream ends and is connected to
  again and again;
- drop: the same server with --when-behind drop: most frames are dropped, all events are counted;
- two: the file and the server, as two rows of one batch.

Memory is VmRSS; the bound is 5 MB (5,000,000 bytes).

    python benchmarks/watch_memory.py [--sources file server drop two] [--first 2000] [--last 20000] [--json]
"""

import argparse
import json
import os
import pty
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import torch
from transformers import TimmWrapperConfig

from lrcn_hub.models import LrcnActivityConfig, LrcnActivityProcessor, LrcnForVideoClassification, LrcnVideoProcessor

BOUND = 5_000_000
SIDE = {"height": 64, "width": 64}
SHORT = 1500  # frames that the server sends at a time


def save_model(folder: Path) -> None:
    torch.manual_seed(0)
    labels = ["left", "right", "bounce"]
    backbone = TimmWrapperConfig(architecture="test_resnet", num_classes=0)
    sizes = {"feature": "pooled", "feature_size": 96, "hidden_size": 16}
    config = LrcnActivityConfig(backbone_config=backbone, id2label=dict(enumerate(labels)), **sizes)
    LrcnForVideoClassification(config).save_pretrained(folder)
    LrcnActivityProcessor(LrcnVideoProcessor(size=SIDE, crop_size=SIDE), labels).save_pretrained(folder)


def save_video(file: Path, frames: int) -> None:
    """A picture of squares that moves to the right and now and then gives way to another."""
    random = np.random.default_rng(0)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        for index in range(frames):
            if index % 250 == 0:
                picture = random.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            frame = av.VideoFrame.from_ndarray(np.roll(picture, index, 1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@contextmanager
def served(file: Path) -> Iterator[str]:
    """Serve a video as a stream: without a length, so that its end looks like a broken connection."""
    content = file.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/stream.ts"
    server.shutdown()


def resident(process: int) -> int:
    """Bytes of memory that a process has in use."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def watch(arguments: list[str], marks: list[int]) -> tuple[dict[int, int], dict[str, int]]:
    """Run the command until as many frames as the last mark are answered; gives memory at the marks, and counts."""
    control, terminal = pty.openpty()
    command = [sys.executable, "-m", "lrcn_cli", "watch", *arguments, "--every-frame", "--view"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TERM": "xterm"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal, env=environment, text=True)
    os.close(terminal)
    drawn = [0]
    reader = threading.Thread(target=read_terminal, args=(control, drawn), daemon=True)
    reader.start()
    memory: dict[int, int] = {}
    frames = counts = 0
    events: dict[str, int] = {}
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        events[event["event"]] = events.get(event["event"], 0) + 1
        frames += event["event"] == "frame"
        counts = event["dropped"]
        if frames in marks and frames not in memory:
            memory[frames] = resident(process.pid)
            if frames == marks[-1]:
                process.terminate()
    process.wait()
    return memory, {**events, "dropped": counts, "terminal_bytes": drawn[0]}


def read_terminal(control: int, drawn: list[int]) -> None:
    try:
        while content := os.read(control, 65536):
            drawn[0] += len(content)
    except OSError:  # the other end has gone
        return


def measure(source: str, first: int, last: int, folder: Path) -> dict[str, object]:
    long, short, model = folder / "long.mkv", folder / "short.ts", folder / "model"
    if not long.exists() and source in ("file", "two"):
        save_video(long, last + 100)
    with served(short) as address:
        ways = {
            "file": [str(long)],
            "server": [address, "--when-behind", "wait"],
            "drop": [address, "--when-behind", "drop"],
            "two": [str(long), address, "--when-behind", "wait"],
        }
        marks = sorted({first, *range(first, last, 3000), last})
        memory, counts = watch([*ways[source], "--model", str(model), "--scene-threshold", "40"], marks)
    grown = memory[last] - memory[first]
    megabytes = {mark: round(value / 1e6, 2) for mark, value in memory.items()}
    return {"source": source, "grown_mb": round(grown / 1e6, 2), "held": grown <= BOUND, "rss_mb": megabytes, **counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", nargs="+", default=["file", "server", "drop", "two"])
    parser.add_argument("--first", type=int, default=2000)
    parser.add_argument("--last", type=int, default=20000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_model(folder / "model")
        save_video(folder / "short.ts", SHORT)
        for source in options.sources:
            row = measure(source, options.first, options.last, folder)
            print(json.dumps(row) if options.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
