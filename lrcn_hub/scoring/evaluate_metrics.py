"""Our caption metrics as an `evaluate.Metric`: a class of this package, since `evaluate.load` needs a network."""

from collections.abc import Callable, Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from lrcn_hub.scoring.bleu import bleu_scores
from lrcn_hub.scoring.cider import cider_d_scores, cider_scores
from lrcn_hub.scoring.coco_tools import TOOLS, ToolMissingError, meteor_scores, spice_scores, why_missing
from lrcn_hub.scoring.corpus import MAX_ORDER, Tokens, check_corpus
from lrcn_hub.scoring.ptb_tokenizer import ptb_tokenize
from lrcn_hub.scoring.rouge import rouge_l_scores

_MEAN_SCORES: dict[str, Callable[[Sequence[Tokens], Sequence[Sequence[Tokens]]], tuple[float, list[float]]]] = {
    "cider": cider_scores,
    "cider_d": cider_d_scores,
    "meteor": meteor_scores,
    "rouge_l": rouge_l_scores,
    "spice": spice_scores,
}
_CITATIONS = {
    "bleu": "Papineni et al., BLEU: a method for automatic evaluation of machine translation, ACL 2002",
    "cider": "Vedantam et al., CIDEr: consensus-based image description evaluation, CVPR 2015",
    "cider_d": "Vedantam et al., CIDEr: consensus-based image description evaluation, CVPR 2015",
    "meteor": "Denkowski and Lavie, Meteor universal, WMT 2014",
    "rouge_l": "Lin, ROUGE: a package for automatic evaluation of summaries, ACL workshop 2004",
    "spice": "Anderson et al., SPICE: semantic propositional image caption evaluation, ECCV 2016",
}


class CaptionMetric(evaluate.Metric):
    """A caption metric computed as the coco-caption evaluation does, from captions as people write them."""

    def __init__(self, metric: str, **options: Any) -> None:
        if metric in TOOLS and (reason := why_missing(metric)):
            raise ToolMissingError(f"{metric} cannot be run: {reason}")
        self._metric = metric
        super().__init__(config_name=metric, **options)

    def _info(self) -> evaluate.MetricInfo:
        captions = datasets.Value("string")
        return evaluate.MetricInfo(
            description=f"{self._metric} of captions, as the coco-caption evaluation computes it",
            citation=_CITATIONS[self._metric],
            inputs_description="predictions: a caption for each image; references: a list of captions for each image",
            features=datasets.Features({"predictions": captions, "references": datasets.Sequence(captions)}),
        )

    def _compute(
        self, predictions: list[str], references: list[list[str]], per_caption: bool = False
    ) -> dict[str, float | list[float]]:
        check_corpus(predictions, references)
        ours = [ptb_tokenize(caption) for caption in predictions]
        theirs = [[ptb_tokenize(caption) for caption in captions] for captions in references]
        names = [self._metric]
        if self._metric == "bleu":
            corpus, each = bleu_scores(ours, theirs)
            names = [f"bleu_{order}" for order in range(1, MAX_ORDER + 1)]
        else:
            score, scores = _MEAN_SCORES[self._metric](ours, theirs)
            corpus, each = np.array([score]), np.array(scores)[:, None]
        found: dict[str, float | list[float]] = dict(zip(names, corpus.tolist(), strict=True))
        if per_caption:
            found |= {f"{name}_per_caption": values.tolist() for name, values in zip(names, each.T, strict=True)}
        return found
