"""What dense evaluation of a long video costs: overlapping clips beside one pass of each frame through the backbone.

A video of 240 x 320 in a file, clips of 16 frames, one every 8; one thread, LSTM of 256 units, 101 classes; ResNet-18
at 224 pixels (pooled) and CaffeNet at 227 (fc6), new weights, channels-last in all ways. Four ways go through it:

- backbone: frames that are decoded and preprocessed already, 32 at a time through the backbone, and nothing else;
- pass: the same from the file, decoding and preprocessing on the way;
- ours: ``DenseVideo``, from the file to the answer: also the clips' states, class scores and averages;
- naive: each clip by itself, of frames that are decoded and preprocessed already: most are looked at twice.

The ways take turns, so that a noisy machine hits all alike: a ratio is the median over the rounds of the ratio within
one round, milliseconds are the smallest of all rounds. Time is the processor's, which other programs change little.

    python benchmarks/dense_evaluation.py [--rounds 5] [--frames 96] [--networks resnet18 caffenet] [--json]
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import torch
from transformers import TimmWrapperConfig

from lrcn_hub.data.clips import clip_indices
from lrcn_hub.data.videos import iterate_frames
from lrcn_hub.models import CaffeNetConfig, LrcnActivityConfig, LrcnForVideoClassification, LrcnVideoProcessor
from lrcn_hub.timeline.answer import answer_video
from lrcn_hub.timeline.dense import DenseVideo

LENGTH, STRIDE, BATCH = 16, 8, 32
NETWORKS = {
    "resnet18": (TimmWrapperConfig(architecture="resnet18", num_classes=0), "pooled", 512, 224),
    "caffenet": (CaffeNetConfig(), "fc6", 4096, 227),
}


def build(network: str) -> tuple[LrcnForVideoClassification, LrcnVideoProcessor]:
    torch.manual_seed(0)
    backbone, feature, size, side = NETWORKS[network]
    config = LrcnActivityConfig(backbone_config=backbone, feature=feature, feature_size=size, num_labels=101)
    crop = {"height": side, "width": side}
    return LrcnForVideoClassification(config).eval(), LrcnVideoProcessor(crop_size=crop)


def write_video(path: Path, frames: int) -> str:
    """A moving picture of 240 x 320, as UCF-101 has them."""
    small = np.random.RandomState(0).randint(0, 256, (30, 40, 3), dtype=np.uint8)
    picture = small.repeat(8, axis=0).repeat(8, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=320, height=240, pix_fmt="yuv420p")
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 2 * number, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def compare(network: str, video: str, rounds: int) -> dict[str, object]:
    model, processor = build(network)
    dense = DenseVideo(model, processor, video, clip_stride=STRIDE, frames_at_once=BATCH)
    pictures = np.stack([frame for frame, _ in iterate_frames(video)])
    pixels = processor(list(pictures[None]), return_tensors="pt")["pixel_values"][0]
    clips = clip_indices(len(pixels), LENGTH, STRIDE)[0]

    @torch.inference_mode()
    def backbone() -> None:
        for some in pixels.split(BATCH):
            model.encoder.backbone(some)

    def ours() -> np.ndarray:
        return answer_video(dense).probabilities

    @torch.inference_mode()
    def naive() -> np.ndarray:
        scores = [model(pixels[None, clip]).frame_logits[0].softmax(-1) for clip in clips]
        return torch.cat(scores).mean(0).numpy()

    @torch.inference_mode()
    def one_pass() -> None:
        decoder = (frame for frame, _ in iterate_frames(video))
        while some := list(itertools.islice(decoder, BATCH)):
            clip = processor(list(np.stack(some)[None]), return_tensors="pt")["pixel_values"][0]
            model.encoder.backbone(clip)

    assert np.abs(ours() - naive()).max() < 1e-5
    ms = measure({"backbone": backbone, "pass": one_pass, "ours": ours, "naive": naive}, len(pixels), rounds)
    row: dict[str, object] = {"network": network, "frames": len(pixels)}
    row |= {f"{name}_ms_per_frame": round(min(values), 2) for name, values in ms.items()}
    row["ours_over_pass"] = ratio(ms["ours"], ms["pass"])
    row["ours_over_backbone"] = ratio(ms["ours"], ms["backbone"])
    row["naive_over_ours"] = ratio(ms["naive"], ms["ours"])
    return row


def measure(ways: dict[str, Callable[[], object]], frames: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds per frame of each way in each round, after one that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(1 + rounds):
        for name, way in ways.items():
            start = time.process_time()
            way()
            taken[name].append(1000 * (time.process_time() - start) / frames)
    return {name: values[1:] for name, values in taken.items()}


def ratio(over: list[float], under: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(over, under, strict=True)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        video = write_video(Path(folder) / "video.avi", options.frames)
        for network in options.networks:
            row = compare(network, video, options.rounds)
            print(json.dumps(row) if options.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
