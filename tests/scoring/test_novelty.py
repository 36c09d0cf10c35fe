"""The share of new runs of words, against a count by brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrcn_hub.scoring import new_ngram_shares

SENTENCES = st.lists(st.sampled_from("abc"), max_size=9).map(" ".join)


@settings(deadline=None)
@given(st.lists(SENTENCES, min_size=1, max_size=5), st.lists(SENTENCES, max_size=5), st.integers(1, 4))
def test_a_share_is_what_looking_every_run_up_gives(captions, training, order):
    for caption, found in zip(captions, new_ngram_shares(captions, training, order), strict=True):
        words = caption.split()
        runs = [words[start : start + order] for start in range(len(words)) if start + order <= len(words)]
        known = [
            any(run == other.split()[at : at + order] for other in training for at in range(len(other.split())))
            for run in runs
        ]
        assert math.isnan(found) if not runs else found == pytest.approx(known.count(False) / len(runs))


def test_case_and_punctuation_make_nothing_new_and_a_copy_has_nothing_new():
    training = ["A red circle is left of a blue star.", "a green star"]
    shares = new_ngram_shares(
        ["a red circle is left of a blue star", "a red star is left of a moon", "a star"], training
    )
    assert shares[:2].tolist() == [0.0, 4 / 5] and np.isnan(shares[2])  # "is left of a" is known
