"""Retrieval in both directions as the paper judges it (section 5.1, tables 4 and 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrcn_hub.models.modeling_lrcn import LrcnForImageCaptioning
from lrcn_hub.models.processing_lrcn import LrcnCaptioningProcessor
from lrcn_hub.retrieval.image_index import encode_images
from lrcn_hub.retrieval.likelihood import word_ids
from lrcn_hub.retrieval.pairs import MEMORY_MB, score_pairs
from lrcn_hub.scoring.retrieval import first_ranks, score_ranks

if TYPE_CHECKING:
    from datasets import Dataset


def normalise_by_prior(log_p: ArrayLike) -> NDArray[np.float64]:
    """Compute log p(caption | image) - log mean p(caption | image'), the mean over all images.

    `log_p` is (images, captions). A caption that is likely for any image, such as a short one, has no advantage then.
    The order of images for a caption stays as it is (retrieval_experiment.py: negative_normalized_log_p).
    """
    values = np.asarray(log_p, np.float64)
    highest = values.max(axis=0)
    return values - (highest + np.log(np.exp(values - highest).mean(axis=0)))


def judge_scores(log_p: ArrayLike, image_of_caption: ArrayLike) -> dict[str, dict[str, float]]:
    """Judge both directions by scores (images, captions), given the index of the image that each caption belongs to.

    ``image_to_caption`` goes by prior-normalised scores, as the paper does, ``image_to_caption_not_normalised`` by the
    scores as they are, ``caption_to_image``, where it makes no difference, too. Each has ``r@1``, ``r@5``, ``r@10``,
    ``median_rank`` and ``mean_rank``; see `score_ranks`. Raises ValueError for an image without captions.
    """
    values = np.asarray(log_p, np.float64)
    right = np.asarray(image_of_caption) == np.arange(len(values))[:, None]
    return {
        "image_to_caption": score_ranks(first_ranks(normalise_by_prior(values), right)),
        "image_to_caption_not_normalised": score_ranks(first_ranks(values, right)),
        "caption_to_image": score_ranks(first_ranks(values.T, right.T)),
    }


def judge_retrieval(
    model: LrcnForImageCaptioning,
    processor: LrcnCaptioningProcessor,
    table: Dataset,
    *,
    memory_mb: float = MEMORY_MB,
) -> dict[str, Any]:
    """Find the captions of a table's images, and the images of its captions, each among all others of the table.

    `table` has the columns ``image`` and ``captions``. Gives what `judge_scores` does, and under ``images`` and
    ``captions`` how many there were.
    """
    import datasets

    cells = table.cast_column("image", datasets.Image(decode=False))["image"]
    captions = [(row, caption) for row, said in enumerate(table["captions"]) for caption in said]
    ids = word_ids(processor, [caption for _, caption in captions])
    log_p = score_pairs(model, encode_images(model, processor, cells), ids, memory_mb=memory_mb)
    judged = judge_scores(log_p.numpy(), [row for row, _ in captions])
    return {"images": len(table), "captions": len(captions), **judged}
