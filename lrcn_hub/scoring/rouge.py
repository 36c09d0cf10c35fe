"""ROUGE-L (Lin, 2004) as the coco-caption evaluation defines it.

Its particulars: precision weighs less than recall (beta 1.2), the best precision and the best recall over an image's
references are taken apart, from two references even, and the score of a corpus is the mean over its captions.
"""

from collections.abc import Sequence

from lrcn_hub.scoring.corpus import Tokens, check_corpus

_BETA_SQUARED = 1.2**2
_NO_TOKENS = ("",)  # coco-caption cuts an empty caption into one empty token, which another empty caption matches


def rouge_l_scores(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, list[float]]:
    """Score tokenised captions; returns the mean over the corpus and the score of each caption, from 0 to 1.

    Raises ValueError and TypeError as `check_corpus`.
    """
    check_corpus(candidates, references)
    scores = [_rouge_l(*pair) for pair in zip(candidates, references, strict=True)]
    return sum(scores) / len(scores), scores


def _rouge_l(candidate: Tokens, references: Sequence[Tokens]) -> float:
    candidate = candidate or _NO_TOKENS
    references = [reference or _NO_TOKENS for reference in references]
    common = _common_subsequences(candidate, references)
    precision = max(common) / len(candidate)
    recall = max(length / len(reference) for length, reference in zip(common, references, strict=True))
    if not precision:
        return 0.0
    return (1 + _BETA_SQUARED) * precision * recall / (recall + _BETA_SQUARED * precision)


def _common_subsequences(candidate: Tokens, references: Sequence[Tokens]) -> list[int]:
    """The length of the longest common subsequence of `candidate` and each reference.

    A row of the usual table is one integer here: bit i is 0 where the i-th token of `candidate` makes the subsequence
    longer (Crochemore et al., 2001). One addition then works on a whole row.
    """
    where: dict[str, int] = {}
    for index, token in enumerate(candidate):
        where[token] = where.get(token, 0) | 1 << index
    every = (1 << len(candidate)) - 1
    lengths = []
    for reference in references:
        row = every
        for token in reference:
            if matches := row & where.get(token, 0):
                row = (row + matches | row - matches) & every
        lengths.append(len(candidate) - row.bit_count())
    return lengths
