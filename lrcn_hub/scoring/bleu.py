"""BLEU-1 to BLEU-4 (Papineni et al., 2002) as the coco-caption evaluation defines it.

Its particulars: the reference length is the closest one, of two equally close the shorter; and two tiny constants
keep every quotient defined, so that a caption too short for an order has a small score and not 0 (a perfect caption
of three words has BLEU-4 = 0.0316).
"""

from collections.abc import Sequence

import numpy as np

from lrcn_hub.scoring.corpus import MAX_ORDER, Tokens, check_corpus, count_ngrams

_TINY, _SMALL = 1e-15, 1e-9


def bleu_scores(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[np.ndarray, np.ndarray]:
    """Score tokenised captions; BLEU-n is at index n - 1.

    Returns the scores of the corpus, shape (4,), from counts summed over all captions, and those of each caption by
    itself, shape (captions, 4). Raises ValueError and TypeError as `check_corpus`.
    """
    check_corpus(candidates, references)
    counts = np.array([bleu_counts(*pair) for pair in zip(candidates, references, strict=True)], dtype=np.float64)
    return bleu_from_counts(counts.sum(axis=0)), bleu_from_counts(counts)


def bleu_counts(candidate: Tokens, references: Sequence[Tokens]) -> list[int]:
    """Count what BLEU is made of; the counts of several captions may be added.

    Returns 10 numbers: for each order the n-grams also found in a reference (each at most as often as in the reference
    with most of it), for each order all n-grams of the candidate, its length, and the closest reference length.
    """
    counted_references = zip(*map(count_ngrams, references), strict=True)
    matched = [
        sum(min(count, max(other.get(ngram, 0) for other in others)) for ngram, count in ours.items())
        for ours, others in zip(count_ngrams(candidate), counted_references, strict=True)
    ]
    length = len(candidate)
    possible = [max(0, length - order) for order in range(MAX_ORDER)]
    closest = min((len(reference) for reference in references), key=lambda other: (abs(other - length), other))
    return [*matched, *possible, length, closest]


def bleu_from_counts(counts: np.ndarray) -> np.ndarray:
    """BLEU-1 to BLEU-4, shape (..., 4), from counts of shape (..., 10) in the order of `bleu_counts`."""
    matched, possible = counts[..., :MAX_ORDER], counts[..., MAX_ORDER:-2]
    precisions = np.cumprod((matched + _TINY) / (possible + _SMALL), axis=-1)
    ratio = (counts[..., -2:-1] + _TINY) / (counts[..., -1:] + _SMALL)
    brevity_penalty = np.exp(np.minimum(0.0, 1.0 - 1.0 / ratio))
    return brevity_penalty * precisions ** (1.0 / np.arange(1, MAX_ORDER + 1))
