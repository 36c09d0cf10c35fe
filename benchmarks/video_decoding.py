"""Clips per second beside the bare decoder.

Videos as UCF-101 has them, 320 x 240, 180 frames: MPEG-4 in AVI, and H.264 in MP4. Clips are 16 successive frames,
begun at eight places spread over a video, or the whole video. One thread. Three ways give the same frames, uint8 RGB:

- bare: a loop of PyAV that decodes up to the last frame, converts those of the clip in one thread, and nothing else;
- read_frames: ``read_frames(path, indices, backend="pyav")``, which also sees that the file is whole and the right way
  up;
- row: what the activity task does for a row of its table: count the frames (once for a file), choose, read; here by
  PyAV, too, where torchcodec would otherwise be used.

The ways take turns, so that a noisy machine hits all alike, and CPU time is taken, in which others have no share: a
ratio is the median over the rounds of the ratio within one round, clips per second are the most of all rounds.

    python benchmarks/video_decoding.py [--rounds 9] [--json]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import av
import cv2
import numpy as np

from lrcn_activity.frames import frames_shown, read
from lrcn_activity.options import ActivityDataOptions
from lrcn_hub.data.videos import read_frames, torchcodec

FRAMES, CLIP, PLACES = 180, 16, 8
CODECS = {"avi": "mpeg4", "mp4": "h264"}
OPTIONS = ActivityDataOptions()


def write_video(path: Path) -> None:
    """Write a picture of smooth noise that turns and drifts: as hard to decode as filmed movement."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    picture = cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[path.suffix[1:]], rate=25, width=320, height=240, pix_fmt="yuv420p")
        stream.bit_rate = 400_000
        for number in range(FRAMES):
            turn = cv2.getRotationMatrix2D((320, 240), 0.5 * number, 1)
            turn[:, 2] += (-160 + number / 4, -120)
            frame = cv2.warpAffine(picture, turn, (320, 240), borderMode=cv2.BORDER_REFLECT)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def bare(path: str, indices: np.ndarray) -> np.ndarray:
    first, last, images = int(indices[0]), int(indices[-1]), []
    with av.open(path) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= first:
                images.append(frame.to_ndarray(format="rgb24", threads=1))
            if number == last:
                break
    return np.stack(images)


def row(path: str, indices: np.ndarray) -> np.ndarray:
    shown = frames_shown({"video": path}, OPTIONS)
    with mock.patch.object(torchcodec, "torchcodec_loads", lambda: False):
        return read({"video": path}, shown[indices], OPTIONS)


def compare(path: str, length: int, rounds: int) -> dict[str, object]:
    starts = np.linspace(0, FRAMES - length, 1 if length == FRAMES else PLACES).astype(int)
    clips = [np.arange(start, start + length) for start in starts]
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "bare": lambda clip: bare(path, clip),
        "read_frames": lambda clip: read_frames(path, clip, backend="pyav"),
        "row": lambda clip: row(path, clip),
    }
    for clip in clips:
        assert all(np.array_equal(way(clip), bare(path, clip)) for way in ways.values())
    seconds = measure(ways, clips, rounds)
    found: dict[str, object] = {"file": Path(path).suffix[1:], "frames": length}
    found |= {f"{name}_clips_per_second": round(len(clips) / min(values), 1) for name, values in seconds.items()}
    found["read_frames_over_bare"] = ratio(seconds["read_frames"], seconds["bare"])
    found["row_over_bare"] = ratio(seconds["row"], seconds["bare"])
    return found


def measure(ways: dict[str, Callable], clips: list[np.ndarray], rounds: int) -> dict[str, list[float]]:
    """CPU seconds that each way takes for all clips in each round."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            for clip in clips:
                way(clip)
            taken[name].append(time.process_time() - start)
    return taken


def ratio(over: list[float], under: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(over, under, strict=True)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for suffix in CODECS:
            path = Path(place) / f"video.{suffix}"
            write_video(path)
            for length in (CLIP, FRAMES):
                found = compare(str(path), length, options.rounds)
                print(
                    json.dumps(found) if options.json else "  ".join(f"{k} {v}" for k, v in found.items()), flush=True
                )


if __name__ == "__main__":
    main()
