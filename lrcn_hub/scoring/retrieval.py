"""How well queries find what belongs to them: the rank of the first right answer, as LRCN's retrieval experiments and
the image-caption retrieval literature report it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

DEPTHS = (1, 5, 10)


def first_ranks(scores: ArrayLike, right: ArrayLike) -> NDArray[np.int64]:
    """Find for each query where the first right item comes when items are sorted by score, the best at 1.

    `scores` is (queries, items), higher meaning likelier; `right`, of the same shape, says which items are right. Of
    equal scores the item of the lower index comes first.

    Raises ValueError for other shapes, scores that are not numbers, and a query without a right item.
    """
    values, truth = np.asarray(scores, np.float64), np.asarray(right, bool)
    if values.ndim != 2 or not values.size or values.shape != truth.shape:
        raise ValueError(f"scores {values.shape} and right answers {truth.shape}: give both as (queries, items)")
    if np.isnan(values).any():
        raise ValueError(f"the scores of query {int(np.isnan(values).any(axis=1).argmax())} are not numbers")
    if not truth.any(axis=1).all():
        raise ValueError(f"nothing is right for query {int(truth.any(axis=1).argmin())}; leave such queries out")
    order = np.argsort(-values, axis=1, kind="stable")
    ranks: NDArray[np.int64] = np.take_along_axis(truth, order, axis=1).argmax(axis=1) + 1
    return ranks


def score_ranks(ranks: ArrayLike, depths: Sequence[int] = DEPTHS) -> dict[str, float]:
    """Compute ``r@K`` for each depth K, ``median_rank`` and ``mean_rank`` from ranks counted from 1.

    R@K is the share, 0 to 1, of queries with a right item among the first K. (With five right captions for an image
    that is not recall, whose name it bears.) The median of an even number of ranks is the mean of the middle two.

    Raises ValueError without ranks and for ranks below 1.
    """
    values = np.asarray(ranks)
    if values.ndim != 1 or not len(values) or values.min() < 1:
        raise ValueError(f"ranks {values.tolist()[:5]}: give at least one, counted from 1")
    found = {f"r@{depth}": float((values <= depth).mean()) for depth in depths}
    return {**found, "median_rank": float(np.median(values)), "mean_rank": float(values.mean())}


def score_retrieval(
    scores: ArrayLike, image_of_caption: Sequence[int], depths: Sequence[int] = DEPTHS
) -> dict[str, dict[str, float]]:
    """Judge both directions, ``image_to_caption`` and ``caption_to_image``, as `score_ranks` does.

    `scores` is (images, captions); `image_of_caption` is the index of the image that each caption belongs to. Where
    the directions are scored differently, as with prior-normalised likelihoods, call `first_ranks` and `score_ranks`.

    Raises ValueError as `first_ranks`, and where there is not one image for each caption.
    """
    values, image = np.asarray(scores, np.float64), np.asarray(image_of_caption)
    if values.ndim != 2 or image.shape != values.shape[1:]:
        raise ValueError(f"scores {values.shape} for {len(image)} captions: give (images, captions)")
    right = image == np.arange(len(values))[:, None]
    return {
        "image_to_caption": score_ranks(first_ranks(values, right), depths),
        "caption_to_image": score_ranks(first_ranks(values.T, right.T), depths),
    }
