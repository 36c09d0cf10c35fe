"""Training steps per second: `lrcn train`'s trainer beside a bare PyTorch loop of the same model.

Teacher-forced steps of a captioner with the paper's decoder (2f, 1000 units, vocabulary 8,801) on a small backbone and
the built-in pictures, one thread. The bare loop has the same batches, loss, clipping, AdamW and schedule, and nothing
else. The two take turns; the median step of each counts.

    python benchmarks/training.py [--steps 12] [--rounds 3] [--json]
"""

import argparse
import json
import statistics
import tempfile
import time
from typing import Any

import torch
from transformers import TrainerCallback

from lrcn_hub.models import LrcnCaptioningConfig, LrcnForImageCaptioning
from lrcn_hub.plugins import get_task
from lrcn_hub.training.command import recipe_from
from lrcn_hub.training.trainer import LrcnTrainer

BATCH = 16
OPTIONS = {
    "data.moving_shapes": "{train: 512, validation: 0, test: 0}",
    "data.mirror": "false",
    "model.backbone": "test_resnet",
    "model.image_size": "64",
    "training.learning_rate": "1e-4",
    "training.per_device_train_batch_size": str(BATCH),
    "training.eval_strategy": "no",
    "training.save_strategy": "no",
    "training.load_best_model_at_end": "false",
    "training.use_cpu": "true",
    "training.disable_tqdm": "true",
}


class StepTimes(TrainerCallback):
    """Seconds of every step but the first two, in which memory is first taken."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.ends.append(time.perf_counter())

    def seconds(self) -> list[float]:
        return [after - before for before, after in zip(self.ends[1:], self.ends[2:], strict=False)]


def paper_size(model: LrcnForImageCaptioning) -> LrcnForImageCaptioning:
    """The same backbone under a decoder of the paper's size; the words of the data use a small part of it."""
    values = model.config.to_dict() | {"vocab_size": 8801, "hidden_size": 1000, "embedding_size": 1000}
    return LrcnForImageCaptioning(LrcnCaptioningConfig.from_dict(values), model.encoder.backbone)


def build_trainer(steps: int, folder: str) -> LrcnTrainer:
    task = get_task("captioning")
    written = [(name, [value]) for name, value in OPTIONS.items()]
    written += [("training.max_steps", [str(steps)]), ("training.output_dir", [folder])]
    options = recipe_from(task, {}, written, "benchmark").options(task)
    tables = task.load_tables(options.data)
    processor = task.build_processor(tables, options.model)
    torch.manual_seed(0)
    model = paper_size(task.build_model(processor, options.model))
    return LrcnTrainer(task, model, processor, {"train": tables["train"]}, options)


def trainer_steps(steps: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        trainer, times = build_trainer(steps, folder), StepTimes()
        trainer.add_callback(times)
        trainer.train()
    return times.seconds()


def bare_steps(steps: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        trainer, times = build_trainer(steps, folder), StepTimes()
    model, optimizer = trainer.model.train(), trainer.create_optimizer()
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    batches = iter(trainer.get_train_dataloader())
    for _ in range(steps):
        loss = model(**next(batches)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        times.on_step_end()
    return times.seconds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(options.rounds):
        ours += trainer_steps(options.steps)
        bare += bare_steps(options.steps)
    ratio = statistics.median(ours) / statistics.median(bare)
    row = {"trainer_s": statistics.median(ours), "bare_s": statistics.median(bare), "trainer_over_bare": ratio}
    print(json.dumps(row) if options.json else "  ".join(f"{name} {value:.3f}" for name, value in row.items()))


if __name__ == "__main__":
    main()
