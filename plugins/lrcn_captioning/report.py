"""What a captioner's report says: the picture of each caption, and all that is said of sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lrcn_hub.data.images import image_source
from lrcn_hub.models.images_lrcn import open_image
from lrcn_hub.reporting import Evaluation, ReportPage
from lrcn_hub.sentences.report import sentence_page

if TYPE_CHECKING:
    from PIL import Image


def report_page(evaluation: Evaluation) -> ReportPage:
    """Show captions with their pictures."""
    return sentence_page(evaluation, "captions", _picture)


def _picture(row: Mapping[str, Any]) -> Image.Image:
    return open_image(image_source(row["image"]), name=f"image {row['id']}")
