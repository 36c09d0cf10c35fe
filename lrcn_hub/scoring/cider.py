"""CIDEr and CIDEr-D (Vedantam et al., 2015); the second is what the coco-caption evaluation prints as "CIDEr".

A caption is a vector of its n-gram counts, each weighted by how rare the n-gram is among the images of a corpus of
references. CIDEr is the mean cosine with the reference vectors over orders and references, times 10. CIDEr-D takes no
more of an n-gram than the reference has, and damps by the difference in length. (The released code compares numbers of
bigrams, which differ by as much as the lengths wherever a score is not 0 anyway.)

`cider_d_scores` judges a corpus in one go; `CiderD` judges caption by caption, where the candidates change and the
references stay.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from lrcn_hub.scoring.corpus import MAX_ORDER, Ngram, Tokens, check_corpus, count_ngrams, split_words
from lrcn_hub.scoring.ngrams import Corpus, Integers, NgramComparison

_SIGMA = 6.0
_SCALE = 10.0


class CiderVector(NamedTuple):
    """A caption as CIDEr-D sees it."""

    weights: list[dict[Ngram, float]]
    """For each order, the n-grams and their counts times their inverse document frequencies."""
    norms: list[float]
    """For each order, the Euclidean length of the weights."""
    length: int
    """How many words the caption has."""


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
            frequencies.update(
                set().union(
                    *chain.from_iterable(count_ngrams(split_words(reference)) for reference in image_references)
                )
            )
        self._rarest = math.log(len(references))
        self._rarity = {ngram: self._rarest - math.log(images) for ngram, images in frequencies.items()}

    def vector(self, tokens: Tokens) -> CiderVector:
        """Make the vector of a caption; an n-gram that no reference uses counts as used for one image."""
        words = split_words(tokens)
        rarity, rarest = self._rarity.get, self._rarest
        weights = [
            {ngram: count * rarity(ngram, rarest) for ngram, count in counts.items()} for counts in count_ngrams(words)
        ]
        return CiderVector(weights, [math.hypot(*order.values()) for order in weights], len(words))

    def score(self, candidate: CiderVector, references: Sequence[CiderVector]) -> float:
        """CIDEr-D of one candidate against the references of its image, from 0 to 10."""
        similarity = sum(_similarity(candidate, reference) for reference in references)
        return _SCALE * similarity / len(references)


def cider_d_scores(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, list[float]]:
    """Score tokenised captions by CIDEr-D, with document frequencies from these references.

    Returns the mean over the corpus and the score of each caption, from 0 to 10. A score thus depends on the corpus:
    in one of a single image no n-gram is rare and every score is 0. Raises ValueError and TypeError as `check_corpus`.
    """
    return _corpus_scores(candidates, references, damped=True)


def cider_scores(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, list[float]]:
    """Score tokenised captions by CIDEr: the plain cosine, whatever the lengths; all else as in `cider_d_scores`.

    As in the authors' released code, words are not stemmed, which their paper does.
    """
    return _corpus_scores(candidates, references, damped=False)


def _corpus_scores(
    candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]], *, damped: bool
) -> tuple[float, list[float]]:
    check_corpus(candidates, references)
    corpus = Corpus(candidates, references)
    similarity = sum(_cosines(order, corpus, clipped=damped) for order in corpus.compare()) / MAX_ORDER
    if damped:
        difference = corpus.candidate_lengths[corpus.image] - corpus.reference_lengths
        similarity = similarity * np.exp(-(difference**2) / (2 * _SIGMA**2))
    each = _SCALE * np.bincount(corpus.image, similarity) / corpus.references_of
    return float(each.mean()), each.tolist()


def _cosines(order: NgramComparison, corpus: Corpus, *, clipped: bool) -> np.ndarray:
    """The cosine of each reference with its candidate for n-grams of one order, shape (references,)."""
    rarity = math.log(corpus.images) - np.log(np.maximum(1, _document_frequencies(order, corpus)))
    ours, theirs = (entries.count * rarity[entries.ngram] for entries in (order.candidates, order.references))
    our_norms = np.sqrt(np.bincount(order.candidates.caption, ours**2, corpus.images))[corpus.image]
    their_norms = np.sqrt(np.bincount(order.references.caption, theirs**2, len(corpus.image)))
    our_shared, their_shared = ours[order.match], theirs[order.shared]
    products = (np.minimum(our_shared, their_shared) if clipped else our_shared) * their_shared
    sums = np.bincount(order.references.caption[order.shared], products, len(corpus.image))
    norms = our_norms * their_norms
    return np.divide(sums, norms, out=np.zeros(len(norms)), where=norms > 0)


def _document_frequencies(order: NgramComparison, corpus: Corpus) -> Integers:
    """Of how many images the references use each n-gram."""
    entries = order.references
    # Asked for counts, `unique` sorts, which takes a hundredth of the time of its hash table.
    used, _ = np.unique(corpus.image[entries.caption] * order.distinct + entries.ngram, return_counts=True)
    return np.bincount(used % order.distinct, minlength=order.distinct) if order.distinct else used


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
