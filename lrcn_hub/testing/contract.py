"""The contract of `lrcn_hub.tasks.Task` as checks, each of which fails with an AssertionError that says why."""

from __future__ import annotations

import inspect
import math
import pickle
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoProcessor

from lrcn_hub.contract import contract_faults
from lrcn_hub.tasks import Batch, Rows, Task

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, ProcessorMixin

SPLITS = {"train", "validation", "test"}
IGNORED_LABEL = -100  # a label that is no target


def check_task(
    task: Task,
    folder: Path,
    *,
    data_options: Any = None,
    model_options: Any = None,
    evaluation_options: Any = None,
    rows: int = 4,
) -> None:
    """Drive `task` through all that training, evaluation and publishing ask of it, on its first `rows` rows.

    Options default to ``task.DataOptions()`` and so on. `folder` is where a model is saved, such as ``tmp_path``.
    """
    check_declaration(task)
    data_options = task.DataOptions() if data_options is None else data_options
    model_options = task.ModelOptions() if model_options is None else model_options
    evaluation_options = task.EvaluationOptions() if evaluation_options is None else evaluation_options
    tables = check_tables(task, data_options)
    with _calling("build_processor"):
        processor = task.build_processor(tables, model_options)
    with _calling("build_model"):
        model = task.build_model(processor, model_options)
    train = tables["train"].select(range(min(rows, len(tables["train"]))))
    held_out = tables.get("validation", tables.get("test", tables["train"]))
    held_out = held_out.select(range(min(rows, len(held_out))))

    batch = check_batches(task, processor, train, data_options)
    check_parameter_groups(task, model, model_options)
    check_objectives(task, model, batch)
    predictions = check_predictions(task, model, processor, held_out, data_options, evaluation_options)
    check_metrics(task, predictions, held_out, evaluation_options)
    check_save_and_load(task, model, processor, held_out, folder, data_options, evaluation_options)


def check_declaration(task: Task) -> None:
    """The class attributes are all there and of the right form."""
    faults = contract_faults(task)
    assert not faults, f"{type(task).__name__} breaks the contract: {'; '.join(faults)}"


def check_tables(task: Task, options: Any) -> dict[str, Dataset]:
    """`load_tables` gives known, non-empty splits with the declared columns, ids unique; the tables are returned."""
    with _calling("load_tables"):
        tables = task.load_tables(options)
    assert "train" in tables, f"load_tables gives no split 'train', only {sorted(tables)}"
    unknown = set(tables) - SPLITS
    assert not unknown, f"load_tables gives splits {sorted(unknown)}; a split is one of {sorted(SPLITS)}"
    for split, table in tables.items():
        assert len(table), f"the table of split {split!r} is empty"
        missing = set(task.columns) - set(table.column_names)
        assert not missing, f"the table of split {split!r} lacks the declared columns {sorted(missing)}"
        ids = table["id"][:]
        twice = sorted({str(one) for one in ids if ids.count(one) > 1}) if len(set(ids)) < len(ids) else []
        assert not twice, f"in split {split!r} an id must be unique; more than one row has {', '.join(twice[:3])}"
    return tables


def check_batches(task: Task, processor: ProcessorMixin, table: Dataset, options: Any) -> Batch:
    """Batches depend on rows and their seeds alone, and hold targets; the training batch is returned."""
    rows = [{**table[index], "seed": 2**62 + index} for index in range(len(table))]
    with _calling("the collator for training"):
        _seed_everything(1)
        batch = task.collator(processor, options, training=True)(rows)
        _seed_everything(2)
        again = task.collator(processor, options, training=True)(rows)
    assert isinstance(batch, Mapping), f"the collator gives {type(batch).__name__}; a batch is a dictionary"
    assert _equal(batch, again), (
        "the same rows with the same `seed` give different batches; draw only from row['seed']"
    )
    labels = batch.get("labels")
    assert isinstance(labels, torch.Tensor), "a training batch lacks the tensor 'labels', by which targets are counted"
    assert (labels != IGNORED_LABEL).any(), f"a training batch has no target: every label is {IGNORED_LABEL}"

    unseeded: Rows = [table[index] for index in range(len(table))]
    with _calling("the collator without training, whose rows have no seed,"):
        _seed_everything(1)
        one = task.collator(processor, options, training=False)(unseeded)
        _seed_everything(2)
        other = task.collator(processor, options, training=False)(unseeded)
    assert _equal(one, other), "without training the same rows give different batches"
    return batch


def check_parameter_groups(task: Task, model: PreTrainedModel, options: Any) -> None:
    """Something is trained, nothing is in two groups, and what is in a group requires a gradient."""
    with _calling("parameter_groups"):
        groups = task.parameter_groups(model, options)
    parameters = [parameter for group in groups for parameter in group.parameters]
    assert parameters, "parameter_groups leaves nothing to train"
    assert len({id(parameter) for parameter in parameters}) == len(parameters), (
        "a parameter is in two groups, or twice"
    )
    own = {id(parameter): name for name, parameter in model.named_parameters()}
    assert all(id(parameter) in own for parameter in parameters), "a group holds a parameter that is not the model's"
    frozen = [own[id(parameter)] for parameter in parameters if not parameter.requires_grad]
    assert not frozen, f"parameters to be trained do not require a gradient: {', '.join(frozen[:3])}"
    left_out = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    left_out -= {own[id(parameter)] for parameter in parameters}
    assert not left_out, f"parameters require a gradient but are in no group: {', '.join(sorted(left_out)[:3])}"


def check_objectives(task: Task, model: PreTrainedModel, batch: Batch) -> None:
    """Each objective gives one finite number with gradients, in inverse proportion to the number of targets."""
    targets = int((batch["labels"] != IGNORED_LABEL).sum())
    for name, objective in task.objectives.items():
        model.train()
        model.zero_grad()
        for loss in _parts(f"objective {name!r}", objective, model, batch, targets):
            assert isinstance(loss, torch.Tensor) and loss.ndim == 0, (
                f"objective {name!r} must give one number, a tensor ()"
            )
            assert math.isfinite(loss.item()), f"objective {name!r} gives {loss.item()}"
            assert loss.requires_grad, f"objective {name!r} gives a loss without a gradient"
            loss.backward()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        assert all(torch.isfinite(one).all() for one in gradients), (
            f"objective {name!r} has a gradient that is not finite"
        )
        assert any(one.abs().sum() > 0 for one in gradients), f"objective {name!r} has no gradient but zero"
        model.eval()
        what = f"objective {name!r}"
        whole, half = (_loss(what, objective, model, batch, items) for items in (targets, 2 * targets))
        assert math.isclose(whole, 2 * half, rel_tol=1e-3, abs_tol=1e-6), (
            f"objective {name!r} must be a sum divided by items_in_batch: {targets} items give {whole}, twice as many"
            f" {half}, which is not half of it"
        )
        alone = _loss(f"objective {name!r} without items_in_batch", objective, model, batch, None)
        assert math.isfinite(alone), f"objective {name!r} gives {alone} without items_in_batch"
    model.zero_grad()


def check_predictions(
    task: Task,
    model: PreTrainedModel,
    processor: ProcessorMixin,
    table: Dataset,
    data_options: Any,
    evaluation_options: Any,
) -> list[Any]:
    """`predict` answers each row once, with something that can be pickled; the answers are returned."""
    _seed_everything(3)
    rows: Rows = [table[index] for index in range(len(table))]
    batch = task.collator(processor, data_options, training=False)(rows)
    with torch.no_grad(), _calling("predict"):
        predictions = task.predict(model.eval(), batch, processor, evaluation_options)
    assert isinstance(predictions, list), f"predict gives {type(predictions).__name__}; it must be a list"
    assert len(predictions) == len(rows), f"predict gives {len(predictions)} answers for {len(rows)} rows"
    with _calling("pickling predictions, to send them between processes,"):
        pickle.loads(pickle.dumps(predictions))
    return predictions


def check_metrics(task: Task, predictions: list[Any], table: Dataset, options: Any) -> dict[str, float]:
    """`compute_metrics` gives floats, a finite `best_metric` among them; they are returned."""
    with _calling("compute_metrics"):
        metrics = task.compute_metrics(predictions, table, options)
    assert isinstance(metrics, dict), f"compute_metrics gives {type(metrics).__name__}; it must be a dictionary"
    for name, value in metrics.items():
        assert isinstance(name, str), f"compute_metrics has the key {name!r}; it must be a string"
        assert isinstance(value, float), f"metric {name!r} is {value!r}, {type(value).__name__}; it must be a float"
    assert task.best_metric in metrics, f"compute_metrics lacks best_metric {task.best_metric!r}: {sorted(metrics)}"
    assert math.isfinite(metrics[task.best_metric]), f"best_metric {task.best_metric!r} is {metrics[task.best_metric]}"
    return metrics


def check_save_and_load(
    task: Task,
    model: PreTrainedModel,
    processor: ProcessorMixin,
    table: Dataset,
    folder: Path,
    data_options: Any,
    evaluation_options: Any,
) -> None:
    """Saved to `folder` and loaded through the Auto classes, weights and predictions are equal to the last bit."""
    from lrcn_hub.training.evaluate import load_model

    with _calling("saving and loading through AutoModel and AutoProcessor"):
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        loaded = load_model(folder)
        loaded_processor = AutoProcessor.from_pretrained(folder)
    assert type(loaded) is type(model), (
        f"AutoModel loads {type(loaded).__name__}, not {type(model).__name__}: register the class with AutoModel"
    )
    weights, loaded_weights = model.state_dict(), loaded.state_dict()
    different = [name for name in weights if not _equal(weights[name].cpu(), loaded_weights.get(name))]
    assert not different, f"weights changed by saving and loading: {', '.join(different[:3])}"
    before = check_predictions(task, model, processor, table, data_options, evaluation_options)
    after = check_predictions(task, loaded, loaded_processor, table, data_options, evaluation_options)
    assert _equal(before, after), f"predictions changed by saving and loading: {before[0]!r}, then {after[0]!r}"


@contextmanager
def _calling(what: str) -> Iterator[None]:
    """Turn any failure of the task's own code into a failed check that says where it was."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{what} fails: {type(error).__name__}: {error}") from error


def _parts(
    what: str, objective: Any, model: PreTrainedModel, batch: Batch, items: int | None
) -> Iterator[torch.Tensor]:
    """Give the loss, or the parts that an objective yields, one after another."""
    with _calling(what):
        found = objective(model, batch, items)
    if not inspect.isgenerator(found):
        yield found
        return
    while True:
        with _calling(what):
            part = next(found, None)
        if part is None:
            return
        yield part


def _loss(what: str, objective: Any, model: PreTrainedModel, batch: Batch, items: int | None) -> float:
    _seed_everything(4)  # an objective may sample
    return sum(part.item() for part in _parts(what, objective, model, batch, items))


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _equal(one: Any, other: Any) -> bool:
    """Whether nested lists, mappings and arrays are equal to the last bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other)
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)
