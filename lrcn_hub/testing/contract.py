"""The contract of `lrcn_hub.tasks.Task` as checks, each of which fails with an AssertionError that says why."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoProcessor

from lrcn_hub.contract import contract_faults
from lrcn_hub.tasks import Batch, Rows, Task
from lrcn_hub.testing.objectives import IGNORED_LABEL, check_built_objectives, check_objectives
from lrcn_hub.testing.report import check_report
from lrcn_hub.testing.trials import calling, equal, seed_everything

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, ProcessorMixin

SPLITS = {"train", "validation", "test"}


def check_task(
    task: Task,
    folder: Path,
    *,
    data_options: Any = None,
    model_options: Any = None,
    objective_options: Any = None,
    evaluation_options: Any = None,
    rows: int = 4,
) -> None:
    """Drive `task` through all that training, evaluation and publishing ask of it, on its first `rows` rows.

    Options default to ``task.DataOptions()`` and so on. `folder` is where a model is saved, such as ``tmp_path``.
    """
    check_declaration(task)
    data_options = task.DataOptions() if data_options is None else data_options
    model_options = task.ModelOptions() if model_options is None else model_options
    objective_options = task.ObjectiveOptions() if objective_options is None else objective_options
    evaluation_options = task.EvaluationOptions() if evaluation_options is None else evaluation_options
    tables = check_tables(task, data_options)
    with calling("build_processor"):
        processor = task.build_processor(tables, model_options)
    with calling("build_model"):
        model = task.build_model(processor, model_options)
    train = tables["train"].select(range(min(rows, len(tables["train"]))))
    held_out = tables.get("validation", tables.get("test", tables["train"]))
    held_out = held_out.select(range(min(rows, len(held_out))))

    batch = check_batches(task, processor, train, data_options)
    check_parameter_groups(task, model, model_options)
    check_objectives(task, model, batch)
    options = SimpleNamespace(data=data_options, model=model_options, objective=objective_options)
    check_built_objectives(task, model, batch, processor, {**tables, "train": train}, options)
    predictions = check_predictions(task, model, processor, held_out, data_options, evaluation_options)
    metrics = check_metrics(task, predictions, held_out, evaluation_options)
    check_report(task, predictions, metrics, held_out, {"train": train}, evaluation_options, folder / "evaluation")
    check_save_and_load(task, model, processor, held_out, folder, data_options, evaluation_options)


def check_declaration(task: Task) -> None:
    """The class attributes are all there and of the right form."""
    faults = contract_faults(task)
    assert not faults, f"{type(task).__name__} breaks the contract: {'; '.join(faults)}"


def check_tables(task: Task, options: Any) -> dict[str, Dataset]:
    """`load_tables` gives known, non-empty splits with the declared columns, ids unique; the tables are returned."""
    with calling("load_tables"):
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
    with calling("the collator for training"):
        seed_everything(1)
        batch = task.collator(processor, options, training=True)(rows)
        seed_everything(2)
        again = task.collator(processor, options, training=True)(rows)
    assert isinstance(batch, Mapping), f"the collator gives {type(batch).__name__}; a batch is a dictionary"
    assert equal(batch, again), "the same rows with the same `seed` give different batches; draw only from row['seed']"
    labels = batch.get("labels")
    assert isinstance(labels, torch.Tensor), "a training batch lacks the tensor 'labels', by which targets are counted"
    assert (labels != IGNORED_LABEL).any(), f"a training batch has no target: every label is {IGNORED_LABEL}"

    unseeded: Rows = [table[index] for index in range(len(table))]
    with calling("the collator without training, whose rows have no seed,"):
        seed_everything(1)
        one = task.collator(processor, options, training=False)(unseeded)
        seed_everything(2)
        other = task.collator(processor, options, training=False)(unseeded)
    assert equal(one, other), "without training the same rows give different batches"
    return batch


def check_parameter_groups(task: Task, model: PreTrainedModel, options: Any) -> None:
    """Something is trained, nothing is in two groups, and what is in a group requires a gradient."""
    with calling("parameter_groups"):
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


def check_predictions(
    task: Task,
    model: PreTrainedModel,
    processor: ProcessorMixin,
    table: Dataset,
    data_options: Any,
    evaluation_options: Any,
) -> list[Any]:
    """`predict` answers each row once, with something that can be pickled; the answers are returned."""
    seed_everything(3)
    rows: Rows = [table[index] for index in range(len(table))]
    batch = task.collator(processor, data_options, training=False)(rows)
    with torch.no_grad(), calling("predict"):
        predictions = task.predict(model.eval(), batch, processor, evaluation_options)
    assert isinstance(predictions, list), f"predict gives {type(predictions).__name__}; it must be a list"
    assert len(predictions) == len(rows), f"predict gives {len(predictions)} answers for {len(rows)} rows"
    with calling("pickling predictions, to send them between processes,"):
        pickle.loads(pickle.dumps(predictions))
    return predictions


def check_metrics(task: Task, predictions: list[Any], table: Dataset, options: Any) -> dict[str, float]:
    """`compute_metrics` gives floats, a finite `best_metric` among them; they are returned."""
    with calling("compute_metrics"):
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

    with calling("saving and loading through AutoModel and AutoProcessor"):
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        loaded = load_model(folder)
        loaded_processor = AutoProcessor.from_pretrained(folder)
    assert type(loaded) is type(model), (
        f"AutoModel loads {type(loaded).__name__}, not {type(model).__name__}: register the class with AutoModel"
    )
    weights, loaded_weights = model.state_dict(), loaded.state_dict()
    different = [name for name in weights if not equal(weights[name].cpu(), loaded_weights.get(name))]
    assert not different, f"weights changed by saving and loading: {', '.join(different[:3])}"
    before = check_predictions(task, model, processor, table, data_options, evaluation_options)
    after = check_predictions(task, loaded, loaded_processor, table, data_options, evaluation_options)
    assert equal(before, after), f"predictions changed by saving and loading: {before[0]!r}, then {after[0]!r}"
