"""Activity recognition as the platform sees it: the data, the recogniser, its training groups, its answers, scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lrcn_activity.options import (
    ActivityDataOptions,
    ActivityEvaluationOptions,
    ActivityModelOptions,
)
from lrcn_hub.data.sources import is_built_in
from lrcn_hub.tasks import Batch, Collator, ParameterGroup, Task, model_loss

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from datasets import Dataset
    from PIL import Image

    from lrcn_hub.models import LrcnActivityProcessor, LrcnForVideoClassification
    from lrcn_hub.reporting import Evaluation, ReportPage


def likelihood(
    model: LrcnForVideoClassification, batch: Batch, items_in_batch: torch.Tensor | int | None
) -> torch.Tensor:
    """Give the loss of whole windows: the cross entropy at every frame (`lrcn_hub.tasks.model_loss`)."""
    if "chunks" in batch:
        raise ValueError(
            "data.chunk_frames cuts videos into chunks; learn from them with training.objective truncated"
        )
    return model_loss(model, batch, items_in_batch)


def truncated_loss(
    model: LrcnForVideoClassification, batch: Batch, items_in_batch: torch.Tensor | int | None
) -> Iterator[torch.Tensor]:
    """Give the loss of long videos chunk by chunk (`lrcn_activity.chunks.truncated_loss`)."""
    from lrcn_activity import chunks

    yield from chunks.truncated_loss(model, batch, items_in_batch)


class Activity(Task):
    """Say what is done in a video."""

    name = "activity"
    summary = "Say what is done in a video."
    pipeline_tag = "video-classification"
    columns = {  # noqa: RUF012 - declared a class variable by the contract
        "id": "tells videos apart, over all splits",
        "video": "the video's file",
        "label": "its class; the column's type knows the names",
    }
    best_metric = "accuracy"
    DataOptions = ActivityDataOptions
    ModelOptions = ActivityModelOptions
    EvaluationOptions = ActivityEvaluationOptions
    objectives = {"likelihood": likelihood, "truncated": truncated_loss}  # noqa: RUF012

    def load_tables(self, options: ActivityDataOptions) -> dict[str, Dataset]:
        from lrcn_activity.data import load_tables

        return load_tables(options)

    def build_processor(self, tables: Mapping[str, Dataset], options: ActivityModelOptions) -> LrcnActivityProcessor:
        from lrcn_activity.building import build_video_processor
        from lrcn_activity.data import DataReport
        from lrcn_hub.models import LrcnActivityProcessor

        table = tables["train"]
        video_processor = build_video_processor(options, DataReport.of(table).stream)
        return LrcnActivityProcessor(video_processor, table.features["label"].names)

    def build_model(
        self, processor: LrcnActivityProcessor, options: ActivityModelOptions
    ) -> LrcnForVideoClassification:
        from lrcn_activity.building import build_recogniser

        return build_recogniser(processor, options)

    def collator(self, processor: LrcnActivityProcessor, options: ActivityDataOptions, *, training: bool) -> Collator:
        from lrcn_activity.cached import CachedClips
        from lrcn_activity.chunks import ChunkCollator
        from lrcn_activity.clips import ClipCollator

        clips = ClipCollator(processor, options, training)
        return ChunkCollator(clips) if options.chunk_frames else CachedClips(clips)

    def parameter_groups(
        self, model: LrcnForVideoClassification, options: ActivityModelOptions
    ) -> list[ParameterGroup]:
        """Recurrent layers at the base rate, backbone and class scores at theirs, biases as Caffe's nets have them."""
        model.encoder.train_backbone(options.train_backbone)
        rates = {
            "encoder": options.backbone_learning_rate_multiplier,
            "classifier": options.classifier_learning_rate_multiplier,
        }
        groups: dict[tuple[float, float], ParameterGroup] = {}
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            part = name.partition(".")[0]
            rate, decay = rates.get(part, 1.0), 1.0
            if name.endswith("bias") and part in rates:
                rate, decay = rate * options.bias_learning_rate_multiplier, 0.0
            groups.setdefault((rate, decay), ParameterGroup([], rate, decay)).parameters.append(parameter)
        return list(groups.values())

    def predict(
        self,
        model: LrcnForVideoClassification,
        batch: Batch,
        processor: LrcnActivityProcessor,
        options: ActivityEvaluationOptions,
    ) -> list[dict[str, Any]]:
        """Answer with the likeliest class and the probability of each: means over all frames of all clips."""
        from lrcn_activity.chunks import classify_in_chunks
        from lrcn_activity.generation import classify_videos

        if "chunks" in batch:
            if options.early_recognition:
                raise ValueError("early_recognition looks at clips: leave out --chunk_frames, or --early_recognition")
            return classify_in_chunks(model, batch["chunks"])
        return classify_videos(model, batch, options.frames_at_once, early=options.early_recognition)

    def compute_metrics(
        self, predictions: list[dict[str, Any]], table: Dataset, options: ActivityEvaluationOptions
    ) -> dict[str, float]:
        """Accuracy, accuracy among five answers, and the mean of the classes' accuracies."""
        from lrcn_activity.generation import check_classes
        from lrcn_hub.scoring.recognition import score_classes

        check_classes(predictions, table.features["label"].names)
        return score_classes([answer["probabilities"] for answer in predictions], table["label"][:])

    def cache_features(
        self,
        model: LrcnForVideoClassification,
        processor: LrcnActivityProcessor,
        tables: Mapping[str, Dataset],
        options: Any,
        folder: str,
        *,
        training: bool,
    ) -> dict[str, Dataset]:
        from lrcn_activity.cached import with_cached_features

        return with_cached_features(model, processor, tables, options, folder, training=training)

    def write_report(
        self, predictions: list[dict[str, Any]], table: Dataset, options: ActivityEvaluationOptions, folder: Path
    ) -> None:
        """A confusion matrix, and how early videos are recognised if the options ask for it."""
        from lrcn_activity.report import write_report

        write_report(predictions, table, folder)

    def report_page(self, evaluation: Evaluation) -> ReportPage:
        from lrcn_activity.report import report_page

        return report_page(evaluation)

    def describe_data(self, tables: Mapping[str, Dataset], options: ActivityDataOptions) -> dict[str, Any]:
        from lrcn_activity.card import describe_data

        return describe_data(tables, options)

    def illustrate(
        self, table: Dataset, predictions: list[dict[str, Any]], options: ActivityDataOptions
    ) -> Image.Image | None:
        from lrcn_activity.card import draw_strips

        return draw_strips(table, predictions, options) if options.show_pictures or is_built_in(options) else None
