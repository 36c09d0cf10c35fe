"""The caption metrics by name, as `evaluate` knows metrics; nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluate import Metric

NAMES = ("bleu", "cider", "cider_d", "meteor", "rouge_l", "spice")


def load(name: str, **options: Any) -> Metric:
    """Make the metric called `name`, one of `NAMES`, as an `evaluate.Metric`; `options` are that class's.

    Its ``compute(predictions=..., references=...)`` takes a caption for each image and a list of captions for each,
    and returns the corpus scores: ``bleu_1`` to ``bleu_4``, or one under the metric's name. With ``per_caption=True``
    further keys, such as ``cider_d_per_caption``, hold a list each. ``add`` and ``add_batch`` collect in memory,
    unless ``keep_in_memory=False``.

    Importing `evaluate` takes seconds and happens here. Raises ValueError for another name, and ToolMissingError where
    ``meteor`` or ``spice`` lacks its Java program.
    """
    if name not in NAMES:
        raise ValueError(f"no metric is called {name!r}; there are {', '.join(NAMES)}")
    from lrcn_hub.scoring.evaluate_metrics import CaptionMetric

    return CaptionMetric(name, **{"keep_in_memory": True, **options})
