"""A toy task for the tests of training: which of three classes is each of up to four numbers in?

Run as a program it trains on it, for tests that kill a run or need several processes. TOY_KILL=batch:5 kills that
process by SIGKILL before its fifth training batch, TOY_KILL=save:2 within its second save.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    FeatureExtractionMixin,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import ModelOutput

from lrcn_hub.plugins import forget_plugins
from lrcn_hub.tasks import ParameterGroup, Task, model_loss
from lrcn_hub.training.command import parse_command, recipe_from
from lrcn_hub.training.run import run

STEPS, CLASSES = 4, 3


class ToyConfig(PreTrainedConfig):
    model_type = "toy-numbers"
    hidden_size: int = 8
    dropout: float = 0.3


class ToyProcessor(FeatureExtractionMixin):
    model_input_names = ("numbers",)

    def save_pretrained(self, *args, **kwargs):
        die_if_asked("save")
        return super().save_pretrained(*args, **kwargs)


counts: dict[str, int] = {}


def die_if_asked(event: str) -> None:
    counts[event] = counts.get(event, 0) + 1
    if os.environ.get("TOY_KILL") == f"{event}:{counts[event]}":
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class ToyOutput(ModelOutput):
    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None


class ToyModel(PreTrainedModel):
    config_class = ToyConfig
    main_input_name = "numbers"

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        self.backbone = torch.nn.Linear(STEPS, config.hidden_size)
        self.dropout = torch.nn.Dropout(config.dropout)
        self.head = torch.nn.Linear(config.hidden_size, STEPS * CLASSES)
        self.post_init()

    def forward(self, numbers, labels=None, num_items_in_batch=None) -> ToyOutput:
        logits = self.head(self.dropout(torch.tanh(self.backbone(numbers)))).view(-1, STEPS, CLASSES)
        loss = None
        if labels is not None:
            reduction = "mean" if num_items_in_batch is None else "sum"
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction=reduction)
            loss = loss if num_items_in_batch is None else loss / num_items_in_batch
        return ToyOutput(loss=loss, logits=logits)


AutoConfig.register("toy-numbers", ToyConfig)
AutoModel.register(ToyConfig, ToyModel)
AutoFeatureExtractor.register(ToyConfig, ToyProcessor)


@dataclass
class ToyDataOptions:
    rows: int = 22
    """Rows of the training table."""
    validation_rows: int = 7  # rows of the validation table
    noise: float = 0.1
    allow_leak: bool = False
    columns: dict[str, str] = field(default_factory=dict)
    source: str | None = None


@dataclass
class ToyModelOptions:
    dropout: float = 0.3
    frozen: bool = False
    hidden_size: int = 8
    backbone_multiplier: float = 1.0


@dataclass
class ToyEvaluationOptions:
    beams: int = 1
    sample: bool = False


def table(rows: int, seed: int) -> Dataset:
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(rows, STEPS)).round(3)
    lengths = generator.integers(1, STEPS + 1, size=rows)
    kept = [row[:length].tolist() for row, length in zip(numbers, lengths, strict=True)]
    labels = [np.digitize(row, [-0.5, 0.5]).tolist() for row in kept]
    return Dataset.from_dict({"id": [f"row-{i}" for i in range(rows)], "numbers": kept, "classes": labels})


def loss_in_parts(model, batch, items):
    """The loss of the rows of each length by itself, so that not all batches have equally many parts."""
    lengths = batch["labels"].ne(-100).sum(1)
    for length in lengths.unique():
        yield model_loss(model, {name: part[lengths == length] for name, part in batch.items()}, items)


class ToyTask(Task):
    name = "toy"
    summary = "Sort numbers into three classes"
    pipeline_tag = "other"
    columns: ClassVar = {"id": "name of the row", "numbers": "one to four", "classes": "of each number"}
    best_metric = "accuracy"
    DataOptions, ModelOptions, EvaluationOptions = ToyDataOptions, ToyModelOptions, ToyEvaluationOptions
    objectives: ClassVar = {
        "likelihood": model_loss,
        "doubled": lambda model, batch, items: 2 * model_loss(model, batch, items),
        "in-parts": loss_in_parts,
    }

    def load_tables(self, options):
        return {
            "train": table(options.rows, 0),
            "validation": table(options.validation_rows, 1),
            "test": table(5, 2),
        }

    def build_processor(self, tables, options):
        return ToyProcessor()

    def build_model(self, processor, options):
        return ToyModel(ToyConfig(hidden_size=options.hidden_size, dropout=options.dropout))

    def collator(self, processor, options, *, training):
        def collate(rows):
            if training:
                die_if_asked("batch")
            numbers, labels = torch.zeros(len(rows), STEPS), torch.full((len(rows), STEPS), -100)
            for i, row in enumerate(rows):
                length = len(row["numbers"])
                numbers[i, :length] = torch.tensor(row["numbers"])
                labels[i, :length] = torch.tensor(row["classes"])
                if training:
                    generator = torch.Generator().manual_seed(row["seed"])
                    numbers[i] += options.noise * torch.randn(STEPS, generator=generator)
            return {"numbers": numbers, "labels": labels} if training else {"numbers": numbers, "lengths": labels}

        return collate

    def parameter_groups(self, model, options):
        model.backbone.requires_grad_(not options.frozen)
        groups = [ParameterGroup(list(model.head.parameters()))]
        if not options.frozen:
            groups.append(ParameterGroup(list(model.backbone.parameters()), options.backbone_multiplier))
        return groups

    def predict(self, model, batch, processor, options):
        assert not model.training
        logits = model(batch["numbers"]).logits
        chosen = (
            logits.softmax(-1).flatten(0, 1).multinomial(1).view(-1, STEPS) if options.sample else logits.argmax(-1)
        )
        return [row[kept].tolist() for row, kept in zip(chosen, batch["lengths"] != -100, strict=True)]

    def compute_metrics(self, predictions, table, options):
        pairs = [
            (p, c) for ps, cs in zip(predictions, table["classes"], strict=True) for p, c in zip(ps, cs, strict=True)
        ]
        return {"accuracy": sum(p == c for p, c in pairs) / len(pairs), "answers": float(len(predictions))}


def toy_recipe(*words: Any):
    """Make a recipe of the toy task from command-line words; small, on CPU, silent."""
    defaults = "--use_cpu --disable_tqdm --max_steps 8 --eval_steps 4 --save_steps 4 --per_device_train_batch_size 4"
    arguments = [*defaults.split(), "--training.learning_rate", "0.05", *map(str, words)]
    return recipe_from(ToyTask(), {}, parse_command(arguments, {}).options, "command line")


@pytest.fixture
def toy_task() -> ToyTask:
    return ToyTask()


@pytest.fixture
def make_recipe():
    return toy_recipe


@pytest.fixture
def train(tmp_path):
    """Train in this process in a folder under tmp_path; gives the run's result and the exported weights."""

    def train(*words: Any, folder: str = "run"):
        result = run(ToyTask(), toy_recipe("--output_dir", tmp_path / folder, *words))
        return result, load_file(result.folder / "model.safetensors")

    return train


@pytest.fixture
def make_table():
    return table


@pytest.fixture
def toy_program():
    """Train in processes of their own; gives the finished process."""

    def train(*words: Any, processes: int = 1, kill: str = "", launcher: tuple = ()) -> subprocess.CompletedProcess:
        if processes > 1:
            launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes))
        command = [sys.executable, *map(str, launcher), __file__, *map(str, words)]
        paths = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "TOY_KILL": kill}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)

    return train


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch):
    """No plugin that happens to be installed takes part, and none is forgotten afterwards."""
    monkeypatch.setenv("LRCN_PLUGINS", "")
    forget_plugins()
    yield
    forget_plugins()


if __name__ == "__main__":
    import logging

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    result = run(ToyTask(), toy_recipe(*sys.argv[1:]))
    sys.stdout.write(json.dumps(result.metrics))
