"""An epoch of training on cached features beside the same epoch end to end.

Activity, a frozen backbone, LSTM of 256 units, windows of 16 frames, no augmentation, batches of 4, one thread: real
H.264 files of 320 x 240, 64 frames each, through the task's own collator and the model's loss, backward pass and
optimiser step. ResNet-18 at 224 pixels (pooled) or CaffeNet at 227 (fc6), new weights. Two ways:

- end to end: decode, resize, crop, the backbone, the recurrent layers;
- cached: the features from disk, the recurrent layers.

The ways take turns, so that a noisy machine hits all alike: the ratio is the median over the rounds of the ratio
within one round, seconds are the smallest of all rounds. Making the cache is timed once and not counted. The losses of
both ways are compared before.

    python benchmarks/cached_features.py [--rounds 3] [--videos 8] [--networks resnet18 caffenet] [--json]
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import torch

from lrcn_activity.options import ActivityDataOptions, ActivityModelOptions
from lrcn_activity.task import Activity
from lrcn_hub.tasks import model_loss

FRAMES, BATCH = 64, 4
NETWORKS = {"resnet18": {"backbone": "resnet18"}, "caffenet": {"backbone": "caffenet", "feature": "fc6"}}


def write_videos(folder: Path, videos: int) -> None:
    """Write files of moving noise in two classes, all different."""
    for number in range(videos):
        noise = np.random.default_rng(number).integers(0, 256, (15, 20, 3), np.uint8)
        picture = noise.repeat(16, axis=0).repeat(16, axis=1)
        place = folder / "train" / "ab"[number % 2] / f"{number}.mp4"
        place.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(place), "w") as container:
            stream = container.add_stream("h264", rate=25, width=320, height=240, pix_fmt="yuv420p")
            for step in range(FRAMES):
                frame = av.VideoFrame.from_ndarray(np.roll(picture, 3 * step, axis=1), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


class Trainee:
    """A model that is trained epoch by epoch on one table."""

    def __init__(self, model: Any, table: Any, collate: Any) -> None:
        self.model, self.table, self.collate = model, table, collate
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=0.0, fused=True)  # both ways work on equal weights

    def epoch(self) -> list[float]:
        losses = []
        self.model.train()
        torch.manual_seed(0)
        for start in range(0, len(self.table), BATCH):
            rows = [{**self.table[row], "seed": row} for row in range(start, min(start + BATCH, len(self.table)))]
            loss = model_loss(self.model, self.collate(rows), len(rows))
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            losses.append(float(loss.detach()))
        return losses


def compare(network: str, folder: Path, rounds: int) -> dict[str, object]:
    task = Activity()
    data = ActivityDataOptions(reader="folder", path=str(folder / "videos"), augment=False)
    options = ActivityModelOptions(**NETWORKS[network], train_backbone="frozen")
    tables = task.load_tables(data)
    torch.manual_seed(0)
    processor = task.build_processor(tables, options)
    model = task.build_model(processor, options)
    task.parameter_groups(model, options)
    sections = SimpleNamespace(data=data, model=options, evaluation=task.EvaluationOptions())
    start = time.perf_counter()
    kept = task.cache_features(model, processor, tables, sections, str(folder / "features"), training=True)
    making = time.perf_counter() - start
    collate = task.collator(processor, data, training=True)
    ways = {name: Trainee(model, table["train"], collate) for name, table in (("plain", tables), ("cached", kept))}
    losses = [way.epoch() for way in ways.values()]
    assert np.allclose(*losses, rtol=1e-5), losses
    seconds = measure(ways, rounds)
    row: dict[str, object] = {"network": network, "videos": len(tables["train"])}
    row |= {f"{name}_seconds": round(min(values), 4) for name, values in seconds.items()}
    ratios = [plain / cached for plain, cached in zip(seconds["plain"], seconds["cached"], strict=True)]
    return {**row, "making_seconds": round(making, 2), "plain_over_cached": round(statistics.median(ratios), 1)}


def measure(ways: dict[str, Trainee], rounds: int) -> dict[str, list[float]]:
    """Seconds of an epoch each way in each round."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way.epoch()
            taken[name].append(time.perf_counter() - start)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_videos(folder / "videos", options.videos)
        for network in options.networks:
            row = compare(network, folder, options.rounds)
            print(json.dumps(row) if options.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
