"""Narration as the platform sees it: the data, the narrator, its training groups, its answers and their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lrcn_hub.data.sources import is_built_in
from lrcn_hub.sentences.options import SentenceObjectiveOptions
from lrcn_hub.sentences.training import (
    SENTENCE_OBJECTIVES,
    sentence_objective_builders,
    sentence_parameter_groups,
)
from lrcn_hub.tasks import Batch, Collator, ParameterGroup, Task
from lrcn_narration.options import (
    NarrationDataOptions,
    NarrationEvaluationOptions,
    NarrationModelOptions,
)

if TYPE_CHECKING:
    from pathlib import Path

    from datasets import Dataset
    from PIL import Image

    from lrcn_hub.models import LrcnForVideoNarration, LrcnNarrationProcessor
    from lrcn_hub.reporting import Evaluation, ReportPage

READ = ("nodes", "source_ids", "source_mask", "pixel_values", "frame_mask", "encoder_outputs")


class Narration(Task):
    """Say in a sentence what happens in a video."""

    name = "narration"
    summary = "Say in a sentence what happens in a video."
    pipeline_tag = "video-to-text"
    columns = {  # noqa: RUF012 - declared a class variable by the contract
        "id": "tells rows apart, over all splits",
        "video": "the video's file, if there is one",
        "start": "where in it the row begins, in seconds; none: at its start",
        "end": "where it ends, in seconds; none: at its end",
        "nodes": "how likely each label of each node is, if that is known",
        "sentences": "sentences that people say about it",
        "level": "how detailed they are, if that is told",
    }
    best_metric = "cider_d"
    DataOptions = NarrationDataOptions
    ModelOptions = NarrationModelOptions
    ObjectiveOptions = SentenceObjectiveOptions
    EvaluationOptions = NarrationEvaluationOptions
    objectives = SENTENCE_OBJECTIVES
    objective_builders = sentence_objective_builders("sentences")

    def load_tables(self, options: NarrationDataOptions) -> dict[str, Dataset]:
        from lrcn_narration.data import load_tables

        return load_tables(options)

    def build_processor(self, tables: Mapping[str, Dataset], options: NarrationModelOptions) -> LrcnNarrationProcessor:
        from lrcn_narration.building import build_processor

        return build_processor(tables, options)

    def build_model(self, processor: LrcnNarrationProcessor, options: NarrationModelOptions) -> LrcnForVideoNarration:
        from lrcn_narration.building import build_narrator

        return build_narrator(processor, options)

    def collator(
        self, processor: LrcnNarrationProcessor, options: NarrationDataOptions, *, training: bool
    ) -> Collator:
        from lrcn_narration.collating import NarrationCollator

        return NarrationCollator(processor, options, training)

    def parameter_groups(self, model: LrcnForVideoNarration, options: NarrationModelOptions) -> list[ParameterGroup]:
        """Words and recurrent layers at the base rate, the backbone slower, and biases as Caffe's nets have them."""
        if options.variant == "frames":
            model.encoder.frame_encoder.train_backbone(options.train_backbone)
        layers = ("predict.", "encoder.project.")
        return sentence_parameter_groups(model, options, backbone="encoder.frame_encoder.", layers=layers)

    def predict(
        self,
        model: LrcnForVideoNarration,
        batch: Batch,
        processor: LrcnNarrationProcessor,
        options: NarrationEvaluationOptions,
    ) -> list[str]:
        from lrcn_hub.sentences.generation import generate_sentences

        processor.check_model(model.config)
        search = asdict(options)
        search.pop("template")
        ids = generate_sentences(model, {name: batch.get(name) for name in READ}, **search)
        sentences: list[str] = processor.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return sentences

    def compute_metrics(
        self, predictions: list[str], table: Dataset, options: NarrationEvaluationOptions
    ) -> dict[str, float]:
        """BLEU, CIDEr-D, and the share of different sentences: near 0, the model says the same of every video."""
        from lrcn_hub.scoring import score_captions

        scores = score_captions(predictions, table["sentences"][:])
        return {**scores, "different_sentences": len(set(predictions)) / len(predictions)}

    def cache_features(
        self,
        model: LrcnForVideoNarration,
        processor: LrcnNarrationProcessor,
        tables: Mapping[str, Dataset],
        options: Any,
        folder: str,
        *,
        training: bool,
    ) -> dict[str, Dataset]:
        from lrcn_narration.cached import with_cached_features

        return with_cached_features(model, processor, tables, options, folder, training=training)

    def write_report(
        self, predictions: list[str], table: Dataset, options: NarrationEvaluationOptions, folder: Path
    ) -> None:
        """What was said beside what people say, row by row, and a template's sentences where one is given."""
        from lrcn_narration.report import write_report

        write_report(predictions, table, options, folder)

    def report_page(self, evaluation: Evaluation) -> ReportPage:
        from lrcn_narration.report import report_page

        return report_page(evaluation)

    def describe_data(self, tables: Mapping[str, Dataset], options: NarrationDataOptions) -> dict[str, Any]:
        from lrcn_narration.card import describe_data

        return describe_data(tables, options)

    def illustrate(self, table: Dataset, predictions: list[str], options: NarrationDataOptions) -> Image.Image | None:
        from lrcn_narration.card import draw_rows

        return draw_rows(table, predictions) if options.show_pictures or is_built_in(options) else None
