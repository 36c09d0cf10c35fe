"""CIDEr-D (Vedantam et al., 2015), the metric that the coco-caption evaluation prints as "CIDEr".

A caption is a vector of its n-gram counts, each weighted by how rare the n-gram is among the images of a corpus of
references. Its score is the mean clipped cosine with the reference vectors over orders and references, damped by the
difference in length, times 10. (The released code compares numbers of bigrams, which differ by as much as the lengths
wherever a score is not 0 anyway.)
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from lrcn_hub.scoring.corpus import MAX_ORDER, Ngram, Tokens, check_corpus, count_ngrams

_SIGMA = 6.0
_SCALE = 10.0


class CiderVector(NamedTuple):
    """A caption as CIDEr-D sees it."""

    weights: list[dict[Ngram, float]]
    """For each order, the n-grams and their counts times their inverse document frequencies."""
    norms: list[float]
    """For each order, the Euclidean length of the weights."""
    length: int
    """How many tokens the caption has."""


class CiderD:
    """CIDEr-D with the document frequencies of one corpus of references, counted once.

    To score many candidates for the same images, keep `vector` of each reference and call `score`.
    """

    def __init__(self, references: Sequence[Sequence[Tokens]]) -> None:
        """Count in how many images of the corpus each n-gram is used; `references` holds a list for each image."""
        if not references:
            raise ValueError("document frequencies need the references of at least one image")
        frequencies: Counter[Ngram] = Counter()
        for image_references in references:
            frequencies.update(set().union(*chain.from_iterable(map(count_ngrams, image_references))))
        self._rarest = math.log(len(references))
        self._rarity = {ngram: self._rarest - math.log(images) for ngram, images in frequencies.items()}

    def vector(self, tokens: Tokens) -> CiderVector:
        """Make the vector of a caption; an n-gram that no reference uses counts as used for one image."""
        rarity, rarest = self._rarity.get, self._rarest
        weights = [
            {ngram: count * rarity(ngram, rarest) for ngram, count in counts.items()}
            for counts in count_ngrams(tokens)
        ]
        return CiderVector(weights, [math.hypot(*order.values()) for order in weights], len(tokens))

    def score(self, candidate: CiderVector, references: Sequence[CiderVector]) -> float:
        """CIDEr-D of one candidate against the references of its image, from 0 to 10."""
        similarity = sum(_similarity(candidate, reference) for reference in references)
        return _SCALE * similarity / len(references)


def cider_d_scores(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, list[float]]:
    """Score tokenised captions, with document frequencies from these references.

    Returns the mean over the corpus and the score of each caption. A score thus depends on the corpus: in one of a
    single image no n-gram is rare and every score is 0. Raises ValueError and TypeError as `check_corpus`.
    """
    check_corpus(candidates, references)
    metric = CiderD(references)
    scores = [
        metric.score(metric.vector(candidate), [metric.vector(reference) for reference in image_references])
        for candidate, image_references in zip(candidates, references, strict=True)
    ]
    return sum(scores) / len(scores), scores


def _similarity(candidate: CiderVector, reference: CiderVector) -> float:
    """Mean over the orders of the clipped cosine, damped by the difference in length; from 0 to 1."""
    total = 0.0
    for ours, theirs, our_norm, their_norm in zip(
        candidate.weights, reference.weights, candidate.norms, reference.norms, strict=True
    ):
        product = 0.0
        for ngram in filter(theirs.__contains__, ours):  # few are in both: the others cost no Python step
            product += min(ours[ngram], theirs[ngram]) * theirs[ngram]
        if product:
            total += product / (our_norm * their_norm)
    difference = candidate.length - reference.length
    return total / MAX_ORDER * math.exp(-(difference**2) / (2 * _SIGMA**2))
