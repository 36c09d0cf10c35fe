"""Captioning as the platform sees it: the data, the captioner, its training groups, its answers and their scores."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lrcn_captioning.options import (
    CaptioningDataOptions,
    CaptioningEvaluationOptions,
    CaptioningModelOptions,
)
from lrcn_hub.data.sources import is_built_in
from lrcn_hub.sentences.options import SentenceObjectiveOptions
from lrcn_hub.sentences.training import (
    SENTENCE_OBJECTIVES,
    sentence_objective_builders,
    sentence_parameter_groups,
)
from lrcn_hub.tasks import Batch, Collator, ParameterGroup, Task

if TYPE_CHECKING:
    from datasets import Dataset
    from PIL import Image

    from lrcn_hub.models import LrcnCaptioningProcessor, LrcnForImageCaptioning
    from lrcn_hub.reporting import Evaluation, ReportPage

logger = logging.getLogger(__name__)


class Captioning(Task):
    """Say in a sentence what a picture shows."""

    name = "captioning"
    summary = "Say in a sentence what a picture shows."
    pipeline_tag = "image-to-text"
    columns = {  # noqa: RUF012 - declared a class variable by the contract
        "image": "the picture",
        "captions": "sentences that people say about it",
        "id": "tells pictures apart, over all splits",
    }
    best_metric = "cider_d"
    DataOptions = CaptioningDataOptions
    ModelOptions = CaptioningModelOptions
    ObjectiveOptions = SentenceObjectiveOptions
    EvaluationOptions = CaptioningEvaluationOptions
    objectives = SENTENCE_OBJECTIVES
    objective_builders = sentence_objective_builders("captions")

    def load_tables(self, options: CaptioningDataOptions) -> dict[str, Dataset]:
        from lrcn_captioning.data import load_tables

        return load_tables(options)

    def build_processor(
        self, tables: Mapping[str, Dataset], options: CaptioningModelOptions
    ) -> LrcnCaptioningProcessor:
        from lrcn_captioning.building import build_image_processor
        from lrcn_hub.models import LrcnCaptioningProcessor
        from lrcn_hub.sentences.tokenizer import build_tokenizer

        said = (caption for captions in tables["train"]["captions"] for caption in captions)
        return LrcnCaptioningProcessor(build_image_processor(options), build_tokenizer(said, options))

    def build_model(
        self, processor: LrcnCaptioningProcessor, options: CaptioningModelOptions
    ) -> LrcnForImageCaptioning:
        from lrcn_captioning.building import build_captioner

        return build_captioner(processor, options)

    def collator(
        self, processor: LrcnCaptioningProcessor, options: CaptioningDataOptions, *, training: bool
    ) -> Collator:
        from lrcn_captioning.data import CaptionCollator

        return CaptionCollator(processor, options, training)

    def parameter_groups(self, model: LrcnForImageCaptioning, options: CaptioningModelOptions) -> list[ParameterGroup]:
        """Words and recurrent layers at the base rate, the backbone slower, and biases as Caffe's nets have them."""
        model.encoder.train_backbone(options.train_backbone)
        return sentence_parameter_groups(model, options, backbone="encoder.")

    def predict(
        self,
        model: LrcnForImageCaptioning,
        batch: Batch,
        processor: LrcnCaptioningProcessor,
        options: CaptioningEvaluationOptions,
    ) -> list[str]:
        from lrcn_hub.sentences.generation import generate_sentences

        processor.check_vocabulary(model.config.vocab_size)
        seen = {name: batch.get(name) for name in ("pixel_values", "encoder_outputs")}
        ids = generate_sentences(model, seen, **asdict(options))
        captions: list[str] = processor.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return captions

    def compute_metrics(
        self, predictions: list[str], table: Dataset, options: CaptioningEvaluationOptions
    ) -> dict[str, float]:
        """BLEU, ROUGE-L, CIDEr-D, CIDEr, and the share of different captions, with an alarm where it is near 0."""
        from lrcn_hub.scoring import caption_variety, score_captions

        scores, variety = score_captions(predictions, table["captions"][:]), caption_variety(predictions)
        if alarm := variety.alarm():
            logger.warning(alarm)
        return {**scores, "different_captions": variety.different}

    def cache_features(
        self,
        model: LrcnForImageCaptioning,
        processor: LrcnCaptioningProcessor,
        tables: Mapping[str, Dataset],
        options: Any,
        folder: str,
        *,
        training: bool,
    ) -> dict[str, Dataset]:
        from lrcn_captioning.cached import with_cached_features

        return with_cached_features(model, processor, tables, options, folder, training=training)

    def report_page(self, evaluation: Evaluation) -> ReportPage:
        from lrcn_captioning.report import report_page

        return report_page(evaluation)

    def describe_data(self, tables: Mapping[str, Dataset], options: CaptioningDataOptions) -> dict[str, Any]:
        from lrcn_captioning.card import describe_data

        return describe_data(tables, options)

    def illustrate(self, table: Dataset, predictions: list[str], options: CaptioningDataOptions) -> Image.Image | None:
        from lrcn_captioning.card import draw_strip

        return draw_strip(table, predictions) if options.show_pictures or is_built_in(options) else None
