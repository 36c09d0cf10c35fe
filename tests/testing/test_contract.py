"""The kit against the example plugin's task, which keeps the contract, and against faulty copies of it."""

import importlib.util
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from lrcn_hub.reporting import Histogram, ReportPage, ReportSection
from lrcn_hub.tasks import ParameterGroup, model_loss
from lrcn_hub.testing import check_task

SOURCE = Path(__file__).parents[1] / "example_plugin" / "lrcn_counting.py"
spec = importlib.util.spec_from_file_location("lrcn_counting_for_the_kit", SOURCE)
counting = importlib.util.module_from_spec(spec)
spec.loader.exec_module(counting)
counting.register_tasks(lambda task: None)
Counting = counting.Counting


class NoSummary(Counting):
    summary = ""


class NoTrainingTable(Counting):
    def load_tables(self, options):
        return {"test": super().load_tables(options)["train"]}


class OddSplit(Counting):
    def load_tables(self, options):
        return {**super().load_tables(options), "dev": None}


class MissingColumn(Counting):
    def load_tables(self, options):
        return {split: table.remove_columns("dots") for split, table in super().load_tables(options).items()}


class EmptyTable(Counting):
    def load_tables(self, options):
        return {split: table.select(range(0)) for split, table in super().load_tables(options).items()}


class RepeatedId(Counting):
    def load_tables(self, options):
        return {split: table.select([0, 1, 1, 2]) for split, table in super().load_tables(options).items()}


class FromBatch(Counting):
    """A task whose batches go through `change`."""

    def collator(self, processor, options, *, training):
        collate = super().collator(processor, options, training=training)
        return lambda rows: self.change(collate(rows), training)

    def change(self, batch, training):
        raise NotImplementedError


class TorchNoise(FromBatch):
    def change(self, batch, training):
        return {**batch, "pixel_values": batch["pixel_values"] + (torch.rand(1) if training else 0)}


class NumpyNoise(FromBatch):
    def change(self, batch, training):
        return {**batch, "pixel_values": batch["pixel_values"] + float(np.random.rand() if training else 0)}


class PythonNoise(FromBatch):
    def change(self, batch, training):
        return {**batch, "pixel_values": batch["pixel_values"] + (random.random() if training else 0)}


class NoiseInEvaluation(FromBatch):
    def change(self, batch, training):
        return {**batch, "pixel_values": batch["pixel_values"] + (0 if training else torch.rand(1))}


class NoLabels(FromBatch):
    def change(self, batch, training):
        return {"pixel_values": batch["pixel_values"]}


class NoTargets(FromBatch):
    def change(self, batch, training):
        return {**batch, "labels": torch.full_like(batch["labels"], -100)}


class SeedInEvaluation(Counting):
    def collator(self, processor, options, *, training):
        collate = super().collator(processor, options, training=training)
        return lambda rows: collate(sorted(rows, key=lambda row: row["seed"]))


class NothingTrained(Counting):
    def parameter_groups(self, model, options):
        return []


class TrainedTwice(Counting):
    def parameter_groups(self, model, options):
        return super().parameter_groups(model, options) * 2


class HalfForgotten(Counting):
    def parameter_groups(self, model, options):
        return [ParameterGroup(list(model.classifier.parameters()))]


class FrozenInGroup(Counting):
    def parameter_groups(self, model, options):
        model.classifier.requires_grad_(False)
        return [ParameterGroup(list(model.parameters()))]


class LossOfEachRow(Counting):
    objectives = {"rows": lambda model, batch, items: model_loss(model, batch, items).repeat(4)}  # noqa: RUF012


class InfiniteLoss(Counting):
    objectives = {"log": lambda model, batch, items: model_loss(model, batch, items) / 0}  # noqa: RUF012


class LossWithoutGradient(Counting):
    objectives = {"detached": lambda model, batch, items: model_loss(model, batch, items).detach()}  # noqa: RUF012


class LossThatIgnoresItems(Counting):
    objectives = {"mean": lambda model, batch, items: model_loss(model, batch, None)}  # noqa: RUF012


class SecondObjectiveFails(Counting):
    objectives = {"likelihood": model_loss, "zero": lambda m, b, i: 0 * model_loss(m, b, i)}  # noqa: RUF012


class BuilderFails(Counting):
    objective_builders = {"late": lambda processor, tables, options: options.objective.rate}  # noqa: RUF012


class FailsInTheEnd(Counting):
    class _Objective:
        progress = 0.0

        def __call__(self, model, batch, items):
            return model_loss(model, batch, items) / (1 - self.progress)

    objective_builders = {"slowing": lambda processor, tables, options: FailsInTheEnd._Objective()}  # noqa: RUF012


class NoModel(Counting):
    def build_model(self, processor, options):
        raise OSError("no weights")


class TooFewAnswers(Counting):
    def predict(self, *arguments):
        return super().predict(*arguments)[1:]


class TensorAnswer(Counting):
    def predict(self, *arguments):
        return torch.tensor(super().predict(*arguments))


class UnpicklableAnswer(Counting):
    def predict(self, *arguments):
        return [lambda: None for _ in super().predict(*arguments)]


class ArrayMetric(Counting):
    def compute_metrics(self, predictions, table, options):
        return {"mean_error": np.float32(0.5)}


class OtherMetric(Counting):
    def compute_metrics(self, predictions, table, options):
        return {"accuracy": 0.5}


class NoNumber(Counting):
    def compute_metrics(self, predictions, table, options):
        return {"mean_error": float("nan")}


class ReportFails(Counting):
    def write_report(self, predictions, table, options, folder):
        (folder / "there" / "is" / "no folder").write_text("x")


class PageFails(Counting):
    def report_page(self, evaluation):
        return evaluation.other.answers if evaluation.other else super().report_page(evaluation)


class PageIsText(Counting):
    def report_page(self, evaluation):
        return "<h1>Dots</h1>"


class PageCannotBeDrawn(Counting):
    def report_page(self, evaluation):
        return ReportPage(sections=[ReportSection("Dots", histograms=[Histogram("dots", ["1", "2"], {"a": [0.5]})])])


class ForgetfulModel(counting.Counter):
    """Its answers depend on what is not saved with it."""

    built = 0

    def __init__(self, config):
        super().__init__(config)
        ForgetfulModel.built += 1
        self.shift = ForgetfulModel.built

    def forward(self, *arguments, **named):
        output = super().forward(*arguments, **named)
        output.logits = output.logits.roll(self.shift, dims=-1)
        return output


class Forgetful(Counting):
    def build_model(self, processor, options):
        counting.transformers.AutoModel.register(counting.CounterConfig, ForgetfulModel, exist_ok=True)
        ForgetfulModel.built = 0
        return ForgetfulModel(counting.CounterConfig())


class OtherClassRegistered(Counting):
    def build_model(self, processor, options):
        return type("Unregistered", (counting.Counter,), {})(counting.CounterConfig())


@pytest.fixture(autouse=True)
def registered():
    yield
    counting.transformers.AutoModel.register(counting.CounterConfig, counting.Counter, exist_ok=True)


def test_a_task_that_keeps_the_contract_passes(tmp_path):
    check_task(Counting(), tmp_path)
    assert (tmp_path / "model.safetensors").exists()


def test_an_odd_number_of_rows_and_a_single_one_pass(tmp_path):
    check_task(Counting(), tmp_path, rows=3)
    check_task(Counting(), tmp_path, rows=1)


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (NoSummary, "summary must be one line of text, not ''"),
        (NoTrainingTable, "gives no split 'train', only \\['test'\\]"),
        (OddSplit, "gives splits \\['dev'\\]; a split is one of"),
        (MissingColumn, "lacks the declared columns \\['dots'\\]"),
        (EmptyTable, "the table of split 'train' is empty"),
        (RepeatedId, "an id must be unique; more than one row has 1"),
        (TorchNoise, "same `seed` give different batches"),
        (NumpyNoise, "same `seed` give different batches"),
        (PythonNoise, "same `seed` give different batches"),
        (NoiseInEvaluation, "without training the same rows give different batches"),
        (SeedInEvaluation, "collator without training, whose rows have no seed, fails: KeyError: 'seed'"),
        (NoLabels, "lacks the tensor 'labels'"),
        (NoTargets, "has no target: every label is -100"),
        (NothingTrained, "leaves nothing to train"),
        (TrainedTwice, "in two groups"),
        (HalfForgotten, "require a gradient but are in no group: reader"),
        (FrozenInGroup, "do not require a gradient: classifier"),
        (LossOfEachRow, "objective 'rows' must give one number"),
        (InfiniteLoss, "objective 'log' gives inf"),
        (LossWithoutGradient, "objective 'detached' gives a loss without a gradient"),
        (LossThatIgnoresItems, "objective 'mean' must be a sum divided by items_in_batch"),
        (SecondObjectiveFails, "objective 'zero' has no gradient but zero"),
        (BuilderFails, "the builder of objective 'late' fails: AttributeError"),
        (FailsInTheEnd, "objective 'slowing' at the end of training gives inf"),
        (NoModel, "build_model fails: OSError: no weights"),
        (ReportFails, "write_report fails: FileNotFoundError"),
        (PageFails, "report_page beside another run fails: AttributeError: 'OtherRun'"),
        (PageIsText, "report_page gives str; it must be a ReportPage"),
        (PageCannotBeDrawn, "drawing what report_page gives fails: ValueError"),
        (TooFewAnswers, "predict gives 3 answers for 4 rows"),
        (TensorAnswer, "predict gives Tensor; it must be a list"),
        (UnpicklableAnswer, "pickling predictions, to send them between processes, fails"),
        (ArrayMetric, "metric 'mean_error' is .*float32; it must be a float"),
        (OtherMetric, "lacks best_metric 'mean_error': \\['accuracy'\\]"),
        (NoNumber, "best_metric 'mean_error' is nan"),
        (Forgetful, "predictions changed by saving and loading"),
        (OtherClassRegistered, "AutoModel loads Counter, not Unregistered"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "named",
)
def test_a_fault_is_found_and_named(task, sentence, tmp_path):
    with pytest.raises(AssertionError, match=sentence):
        check_task(task(), tmp_path)
