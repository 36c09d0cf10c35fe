"""All caption metrics at once, from captions as people write them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from lrcn_hub.scoring.bleu import bleu_from_counts, corpus_bleu_counts
from lrcn_hub.scoring.bootstrap import Interval, PairedDifference, bootstrap_interval, mean_of_rows, paired_bootstrap
from lrcn_hub.scoring.cider import cider_d_scores, cider_scores
from lrcn_hub.scoring.coco_tools import meteor_scores, spice_scores, why_missing
from lrcn_hub.scoring.corpus import MAX_ORDER, Tokens, check_corpus
from lrcn_hub.scoring.ptb_tokenizer import ptb_tokenize
from lrcn_hub.scoring.rouge import rouge_l_scores

logger = logging.getLogger(__name__)

_JAVA = {"meteor": meteor_scores, "spice": spice_scores}


@dataclass(frozen=True)
class CaptionScores:
    """What captions score by each metric: ``bleu_1`` to ``bleu_4``, ``rouge_l``, ``cider_d``, ``cider``, ..."""

    corpus: dict[str, float]
    """Of the corpus. BLEU is of summed counts and METEOR of summed statistics; the others are means over captions."""
    each: dict[str, np.ndarray]
    """Of each caption, shape (captions,); for CIDEr, with the document frequencies of the whole corpus."""
    bleu_counts: np.ndarray
    """Of each caption, what `bleu_from_counts` takes; shape (captions, 10)."""

    def intervals(self, *, resamples: int = 2000, seed: int = 0) -> dict[str, Interval]:
        """Say for each metric but METEOR, whose statistics are its program's own, how sure the corpus score is.

        Images are drawn with replacement; document frequencies stay those of the whole corpus.
        """
        draw = partial(bootstrap_interval, resamples=resamples, seed=seed)
        return {name: draw([self._rows(name)], _score_of(name)) for name in self.corpus if name != "meteor"}

    def _rows(self, name: str) -> np.ndarray:
        """What is summed over captions to score the corpus."""
        values = self.each[name]
        return self.bleu_counts if name.startswith("bleu") else np.stack([values, np.ones(len(values))], axis=1)


def score_captions(
    candidates: Sequence[str], references: Sequence[Sequence[str]], *, java: Sequence[str] = ()
) -> dict[str, float]:
    """Score one candidate caption for each image against the human captions of that image, as coco-caption does.

    Returns ``bleu_1`` to ``bleu_4`` and ``rouge_l`` (0 to 1), ``cider_d`` and ``cider`` (0 to 10; 1.0 is what a table
    prints as 100) of the whole corpus. An empty candidate is allowed and scores nearly nothing. `java` names metrics
    that need Java, ``meteor`` and ``spice``: the key of one that cannot run here is left out, and a warning says why,
    once.

    Raises ValueError for an empty corpus, unequal lengths or an image without references, TypeError where the
    references of an image are a bare string.
    """
    return score_each_caption(candidates, references, java=java).corpus


def score_each_caption(
    candidates: Sequence[str], references: Sequence[Sequence[str]], *, java: Sequence[str] = ()
) -> CaptionScores:
    """Score as `score_captions`, and keep what each caption scored, for intervals and comparisons."""
    check_corpus(candidates, references)
    ours = [ptb_tokenize(caption) for caption in candidates]
    theirs = [[ptb_tokenize(caption) for caption in captions] for captions in references]
    counts = corpus_bleu_counts(ours, theirs)
    orders = [f"bleu_{order}" for order in range(1, MAX_ORDER + 1)]
    corpus = dict(zip(orders, bleu_from_counts(counts.sum(axis=0)).tolist(), strict=True))
    each = dict(zip(orders, bleu_from_counts(counts).T, strict=True))
    metrics = {"rouge_l": rouge_l_scores, "cider_d": cider_d_scores, "cider": cider_scores}
    for name, metric in (metrics | _runnable(java)).items():
        corpus[name], scores = metric(ours, theirs)
        each[name] = np.array(scores)
    return CaptionScores(corpus, each, counts)


def compare_captions(
    first: Sequence[CaptionScores], second: Sequence[CaptionScores], *, resamples: int = 2000, seed: int = 0
) -> dict[str, PairedDifference]:
    """Compare two systems that captioned the same images, each in one run or in several, by paired bootstrap.

    Gives, for every metric that both have but METEOR, the first system's score minus the second one's. Raises
    ValueError where runs or captions differ in number.
    """
    shared = [name for name in first[0].corpus if name in second[0].corpus and name != "meteor"]
    return {
        name: paired_bootstrap(
            [run._rows(name) for run in first],
            [run._rows(name) for run in second],
            _score_of(name),
            resamples=resamples,
            seed=seed,
        )
        for name in shared
    }


def _score_of(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """The function from sums of rows to scores of the corpus."""
    if not name.startswith("bleu"):
        return mean_of_rows
    order = int(name.removeprefix("bleu_"))
    return lambda sums: bleu_from_counts(sums)[..., order - 1]


def _runnable(
    tools: Sequence[str],
) -> dict[str, Callable[[Sequence[Tokens], Sequence[Sequence[Tokens]]], tuple[float, list[float]]]]:
    if unknown := set(tools) - _JAVA.keys():
        raise ValueError(f"no tool is called {', '.join(sorted(unknown))}; there are {', '.join(_JAVA)}")
    missing = {tool: why_missing(tool) for tool in tools}
    for tool, reason in missing.items():
        if reason:
            _say_once(f"{tool} is left out: {reason}")
    return {tool: _JAVA[tool] for tool in tools if not missing[tool]}


@cache
def _say_once(message: str) -> None:
    logger.warning(message)
