"""What a live frame costs: `session.push` beside the bare backbone and beside re-running a window of 16 frames.

One camera, one thread, LSTM of 256 units, 101 classes; ResNet-18 at 224 pixels (pooled) and CaffeNet at 227 (fc6), new
weights, channels-last in all ways, frames that are preprocessed already. These ways answer at every frame:

- ours: ``session.push(frame)``: the backbone once, one recurrent step, the running decision;
- backbone: the backbone once and nothing else, called as PyTorch has it;
- window: the model on the last 16 frames, as models without a state are used;
- pairs, fours: ``session.push`` of 2 or 4 frames at once, as a source that is behind is watched with ``--when-behind
  batch``: still an answer for every frame, but late by 1 or 3 frames. The comparison is that of single frames.

The ways take turns, so that a noisy machine hits all alike: a ratio is the median over the rounds of the ratio within
one round, milliseconds are the smallest of all rounds. Time is the processor's, of one thread.

    python benchmarks/stream.py [--rounds 7] [--frames 16] [--dtypes float32 bfloat16] [--json]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from transformers import TimmWrapperConfig

from lrcn_hub.models import CaffeNetConfig, LrcnActivityConfig, LrcnForVideoClassification

WINDOW = 16
NETWORKS = {
    "resnet18": (TimmWrapperConfig(architecture="resnet18", num_classes=0), "pooled", 512, 224),
    "caffenet": (CaffeNetConfig(), "fc6", 4096, 227),
}


def build(network: str, dtype: torch.dtype) -> tuple[LrcnForVideoClassification, int]:
    """A recogniser on `network` and the side of its pictures."""
    torch.manual_seed(0)
    backbone, feature, size, side = NETWORKS[network]
    config = LrcnActivityConfig(backbone_config=backbone, feature=feature, feature_size=size, num_labels=101)
    model = LrcnForVideoClassification(config).eval().to(dtype)
    return model, side


def check(model: LrcnForVideoClassification, frames: Tensor) -> None:
    """Live answers are the offline ones."""
    live = torch.stack([result.probabilities for result in map(model.stream().push, frames)])
    with torch.inference_mode():
        offline = model(frames[None]).frame_logits[0].float().softmax(-1)
    assert (live - offline).abs().max() < 1e-5


def compare(network: str, dtype: torch.dtype, frames: int, rounds: int) -> dict[str, object]:
    model, side = build(network, dtype)
    video = torch.randn(max(frames, WINDOW), 3, side, side)
    if dtype == torch.float32:
        check(model, video[:4])
    session, pictures = model.stream(), video.to(dtype)

    @torch.inference_mode()
    def backbone() -> None:
        for frame in pictures[:frames]:
            model.encoder.backbone(frame[None])

    def ours() -> None:
        for frame in video[:frames]:
            session.push(frame)

    def at_once(count: int) -> Callable[[], None]:
        def push() -> None:
            for some in video[:frames].split(count):
                session.push(some)

        return push

    @torch.inference_mode()
    def window() -> None:
        model(video[None, :WINDOW])

    ways = {"backbone": (backbone, frames), "ours": (ours, frames), "window": (window, 1)}
    ms = measure(ways | {"pairs": (at_once(2), frames), "fours": (at_once(4), frames)}, rounds)
    row: dict[str, object] = {"network": network, "dtype": str(dtype).removeprefix("torch.")}
    row |= {f"{name}_ms_per_frame": round(min(values), 2) for name, values in ms.items()}
    row["ours_over_backbone"] = ratio(ms["ours"], ms["backbone"])
    for way in ("ours", "pairs", "fours"):
        row[f"window_over_{way}"] = ratio(ms["window"], ms[way])
    ratios = [a / b for a, b in zip(ms["window"], ms["ours"], strict=True)]
    row["window_over_ours_range"] = [round(min(ratios), 2), round(max(ratios), 2)]
    return row


def measure(ways: dict[str, tuple[Callable[[], None], int]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds per frame of each way in each round, after one that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(1 + rounds):
        for name, (way, frames) in ways.items():
            start = time.process_time()
            way()
            taken[name].append(1000 * (time.process_time() - start) / frames)
    return {name: values[1:] for name, values in taken.items()}


def ratio(over: list[float], under: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(over, under, strict=True)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--dtypes", nargs="+", default=["float32"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for dtype in options.dtypes:
        for network in options.networks:
            row = compare(network, getattr(torch, dtype), options.frames, options.rounds)
            print(json.dumps(row) if options.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
