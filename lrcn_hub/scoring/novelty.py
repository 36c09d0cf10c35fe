"""How much of a caption is new: which of its runs of words no training caption has."""

from collections.abc import Iterable, Sequence

import numpy as np

from lrcn_hub.scoring.corpus import MAX_ORDER, Ngram, Tokens
from lrcn_hub.scoring.ptb_tokenizer import ptb_tokenize


def new_ngram_shares(captions: Sequence[str], training_captions: Iterable[str], order: int = MAX_ORDER) -> np.ndarray:
    """Give for each caption the share of its n-grams, runs of `order` tokens, that no training caption has.

    A run that comes twice in a caption counts twice. Shape (captions,), from 0 to 1; NaN for a caption too short to
    have a run.
    """
    said = [_runs(ptb_tokenize(caption), order) for caption in captions]
    unknown = {run for runs in said for run in runs}  # of the training captions' runs only these need be remembered
    for caption in training_captions:
        unknown.difference_update(_runs(ptb_tokenize(caption), order))
    shares = [sum(run in unknown for run in runs) / len(runs) if runs else np.nan for runs in said]
    return np.array(shares)


def _runs(tokens: Tokens, order: int) -> list[Ngram]:
    return [tuple(tokens[start : start + order]) for start in range(len(tokens) - order + 1)]
