"""The contract between the platform and a task: everything training, evaluation and publishing ask of one.

The core never asks which task it holds; where it would, a member is missing here. A task object has no state of its
own: options and tables are handed to it. Options are dataclasses, one for each section of a recipe: ``data``,
``model``, ``objective`` and ``evaluation`` are the task's (the class attributes ``*Options``), ``training`` is the
platform's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lrcn_hub.reporting.content import Evaluation, ReportPage

if TYPE_CHECKING:  # a plugin can be listed without importing torch
    from pathlib import Path

    import torch
    from datasets import Dataset
    from PIL import Image
    from transformers import PreTrainedModel, ProcessorMixin

Rows = list[dict[str, Any]]
Batch = dict[str, Any]
Collator = Callable[[Rows], Batch]
Objective = Callable[["PreTrainedModel", Batch, "torch.Tensor | int | None"], "torch.Tensor | Iterator[torch.Tensor]"]
"""Gives the loss of a batch, see `model_loss`; or, as a generator function, one part of it after another.

Each part is back-propagated before the next is asked for, so that memory need hold only one part's graph: truncated
back-propagation through time. The loss is their sum. An objective that is an object with the attribute ``progress`` is
told before each step the share of steps that lie behind, from 0 to 1.
"""
ObjectiveBuilder = Callable[["ProcessorMixin", "Mapping[str, Dataset]", Any], Objective]
"""Makes an objective that needs options or data, from the processor, the tables, and options with the sections
``data``, ``model`` and ``objective``."""


@dataclass
class NoOptions:
    """The section of a recipe in which a task offers nothing to choose."""


@dataclass
class ParameterGroup:
    """Parameters that share a learning-rate and a weight-decay multiplier (Caffe: lr_mult, decay_mult)."""

    parameters: list[torch.nn.Parameter]
    learning_rate_multiplier: float = 1.0
    weight_decay_multiplier: float = 1.0


def model_loss(model: PreTrainedModel, batch: Batch, items_in_batch: torch.Tensor | int | None) -> torch.Tensor:
    """The loss the model itself computes, summed over targets and divided by `items_in_batch` where that is given.

    `items_in_batch` counts the targets of a whole optimiser step, over all processes and accumulated batches; dividing
    by it makes the gradient independent of how the step was cut up. The model must take ``num_items_in_batch``.
    """
    return model(**batch, num_items_in_batch=items_in_batch).loss


class Task(ABC):
    """A problem with its data, its model and its measure; what a plugin offers through ``register_tasks``."""

    name: ClassVar[str]
    """How users choose it: ``--task NAME``; lower case, words joined by hyphens."""
    summary: ClassVar[str]
    """One line for ``lrcn tasks``."""
    pipeline_tag: ClassVar[str]
    """The Hub's name for what such a model does, such as ``image-to-text``."""
    columns: ClassVar[Mapping[str, str]]
    """The named columns of its tables and their meaning, ``id`` (unique in a split) included."""
    best_metric: ClassVar[str]
    """The key of `compute_metrics` that decides which checkpoint is best."""
    greater_is_better: ClassVar[bool] = True
    DataOptions: ClassVar[type] = NoOptions
    ModelOptions: ClassVar[type] = NoOptions
    ObjectiveOptions: ClassVar[type] = NoOptions
    EvaluationOptions: ClassVar[type] = NoOptions
    objectives: ClassVar[Mapping[str, Objective]] = {"likelihood": model_loss}
    """Training losses by name; a recipe chooses with ``training.objective``, the first is the default."""
    objective_builders: ClassVar[Mapping[str, ObjectiveBuilder]] = {}
    """Further training losses by name: what makes them is called once, before training."""

    @abstractmethod
    def load_tables(self, options: Any) -> dict[str, Dataset]:
        """Read the data: a `datasets.Dataset` with the task's columns for each split that exists.

        Splits are called ``train``, ``validation`` and ``test``. Raises ValueError or OSError that names the file.
        """

    @abstractmethod
    def build_processor(self, tables: Mapping[str, Dataset], options: Any) -> ProcessorMixin:
        """Make what turns raw examples into tensors, from the training table and the model options."""

    @abstractmethod
    def build_model(self, processor: ProcessorMixin, options: Any) -> PreTrainedModel:
        """Make a model to be trained, pretrained backbone weights included."""

    @abstractmethod
    def collator(self, processor: ProcessorMixin, options: Any, *, training: bool) -> Collator:
        """Make the callable that turns rows of a table into a batch of tensors, from the data options.

        In training every row carries ``seed``, an integer fixed by run, epoch and row: all random choices (crop,
        caption, ...) come from it, so that a resumed run makes the same ones. Count targets in ``labels``, with -100
        where there is none.
        """

    def parameter_groups(self, model: PreTrainedModel, options: Any) -> list[ParameterGroup]:
        """Choose, from the model options, what is trained and how fast; sets ``requires_grad``."""
        return [ParameterGroup([p for p in model.parameters() if p.requires_grad])]

    @abstractmethod
    def predict(self, model: PreTrainedModel, batch: Batch, processor: ProcessorMixin, options: Any) -> list[Any]:
        """Answer each row of `batch`, by the evaluation options; answers can be pickled (and sent to other ranks)."""

    @abstractmethod
    def compute_metrics(self, predictions: list[Any], table: Dataset, options: Any) -> dict[str, float]:
        """Judge `predictions`, one for each row of `table` in its order, by the evaluation options."""

    def cache_features(
        self,
        model: PreTrainedModel,
        processor: ProcessorMixin,
        tables: Mapping[str, Dataset],
        options: Any,
        folder: str,
        *,
        training: bool,
    ) -> dict[str, Dataset]:
        """Compute, or find in `folder`, what the frozen part of `model` gives for every row; for ``cache_features``.

        The tables come back with a further column, which the task's collators know to use; all else in them stays.
        `options` has the sections ``data`` and ``model``. Raises ValueError, naming the option and the way out, for
        what has no fixed features: with `training`, augmentation and a backbone that is trained.
        """
        raise ValueError(f"task {self.name} keeps no features: go on without --cache_features")

    def write_report(self, predictions: list[Any], table: Dataset, options: Any, folder: Path) -> None:
        """Write more about `predictions`, one for each row of `table`, to `folder`: pictures, tables, curves.

        ``metrics.json`` and ``predictions.jsonl`` are there already; `options` are the evaluation options.
        """
        return None

    def report_page(self, evaluation: Evaluation) -> ReportPage:
        """Say what ``report.html`` shows of `evaluation` beside its table of metrics and their comparison.

        It is asked after `write_report`, whose files are in ``evaluation.folder``. What is said are plain texts,
        numbers and pictures, which the platform draws.
        """
        return ReportPage()

    def describe_data(self, tables: Mapping[str, Dataset], options: Any) -> dict[str, Any]:
        """Say what the data were, for the model card, from the tables and the data options; plain values only.

        Known keys, all but the first left out where they are not known: ``rows``, a number for each split; ``source``,
        what the data are called; ``dataset`` and ``revision``, their name and commit on the Hub; ``license``, the
        Hub's name of that under which weights learnt from them may go; ``leaks``, rows in more than one split;
        ``bad_samples``, rows left out. Any other key with a number for each split becomes a column beside ``rows``.
        """
        return {"rows": {split: len(table) for split, table in tables.items()}}

    def illustrate(self, table: Dataset, predictions: list[Any], options: Any) -> Image.Image | None:
        """Draw some rows of `table` with their answers, for the model card; none unless the data may be copied.

        `predictions` has an answer for each row, `options` are the data options.
        """
        return None
