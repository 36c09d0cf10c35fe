"""BLEU-1 to BLEU-4 (Papineni et al., 2002) as the coco-caption evaluation defines it.

Its particulars: the reference length is the closest one, of two equally close the shorter; and two tiny constants
keep every quotient defined, so that a caption too short for an order has a small score and not 0 (a perfect caption
of three words has BLEU-4 = 0.0316).
"""

from collections.abc import Sequence

import numpy as np

from lrcn_hub.scoring.corpus import MAX_ORDER, Tokens, check_corpus
from lrcn_hub.scoring.ngrams import Corpus, Integers

_TINY, _SMALL = 1e-15, 1e-9


def bleu_scores(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[np.ndarray, np.ndarray]:
    """Score tokenised captions; BLEU-n is at index n - 1.

    Returns the scores of the corpus, shape (4,), from counts summed over all captions, and those of each caption by
    itself, shape (captions, 4). Raises ValueError and TypeError as `check_corpus`.
    """
    counts = corpus_bleu_counts(candidates, references)
    return bleu_from_counts(counts.sum(axis=0)), bleu_from_counts(counts)


def bleu_counts(candidate: Tokens, references: Sequence[Tokens]) -> list[int]:
    """Count what BLEU is made of, for one caption: a row of `corpus_bleu_counts`."""
    counts: list[int] = corpus_bleu_counts([candidate], [references])[0].tolist()
    return counts


def corpus_bleu_counts(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> Integers:
    """Count what BLEU is made of, shape (captions, 10); the rows of several captions may be added.

    The 10 numbers: for each order the n-grams also found in a reference (each at most as often as in the reference
    with most of it), for each order all n-grams of the candidate, its length, and the closest reference length.
    Raises ValueError and TypeError as `check_corpus`.
    """
    check_corpus(candidates, references)
    corpus = Corpus(candidates, references)
    matched = []
    for order in corpus.compare():
        most = np.zeros_like(order.candidates.count)
        np.maximum.at(most, order.match, order.references.count[order.shared])
        clipped = np.minimum(most, order.candidates.count)
        matched.append(np.bincount(order.candidates.caption, clipped, corpus.images).astype(np.int64))
    lengths = corpus.candidate_lengths
    possible = [np.maximum(0, lengths - order) for order in range(MAX_ORDER)]
    return np.stack([*matched, *possible, lengths, _closest_lengths(corpus)], axis=1)


def bleu_from_counts(counts: np.ndarray) -> np.ndarray:
    """BLEU-1 to BLEU-4, shape (..., 4), from counts of shape (..., 10) in the order of `bleu_counts`."""
    matched, possible = counts[..., :MAX_ORDER], counts[..., MAX_ORDER:-2]
    precisions = np.cumprod((matched + _TINY) / (possible + _SMALL), axis=-1)
    ratio = (counts[..., -2:-1] + _TINY) / (counts[..., -1:] + _SMALL)
    brevity_penalty = np.exp(np.minimum(0.0, 1.0 - 1.0 / ratio))
    return brevity_penalty * precisions ** (1.0 / np.arange(1, MAX_ORDER + 1))


def _closest_lengths(corpus: Corpus) -> Integers:
    """The length of the reference closest in length to each candidate; of two equally close, the shorter."""
    lengths = corpus.reference_lengths
    distance = np.abs(lengths - corpus.candidate_lengths[corpus.image])
    best_first = np.lexsort((lengths, distance, corpus.image))
    first_of_image = np.cumsum(corpus.references_of) - corpus.references_of
    closest: Integers = lengths[best_first[first_of_image]]
    return closest
