import logging
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.data.splits import (
    SPLIT_NAMES,
    SPLITS,
    check_validation_share,
    chosen_for_validation,
    refuse_leaks,
    split_off_validation,
)


def test_every_name_of_a_split_means_one_of_ours():
    assert set(SPLITS.values()) == set(SPLIT_NAMES) and all(SPLITS[name] == name for name in SPLIT_NAMES)


@given(st.integers(1, 300), st.floats(0.01, 0.99))
def test_validation_is_its_share_evenly_spread_and_at_least_one(total, share):
    chosen = sorted(chosen_for_validation(total, share))
    assert len(chosen) == max(1, round(share * total)) and chosen[0] == 0 and chosen[-1] < total
    gaps = {later - earlier for earlier, later in pairwise(chosen)}
    assert len(gaps) <= 2 and max(gaps, default=0) - min(gaps, default=0) <= 1


def test_a_group_is_split_off_whole_and_the_last_one_never():
    found = split_off_validation([1, 2, 3, 4, 5], ["a", "b", "a", "c", "b"], 0.4, "group of songs")
    assert found == {"train": [2, 4, 5], "validation": [1, 3]}
    with pytest.raises(ValueError, match=r"validation_share is 0\.4, but there is only one group of songs: a"):
        split_off_validation([1, 2], ["a", "a"], 0.4, "group of songs")


@pytest.mark.parametrize("share", [-0.1, 1, float("nan")])
def test_what_is_no_share_is_refused(share):
    check_validation_share(0.0)
    with pytest.raises(ValueError, match=r"validation_share is .*; it must be at least 0 and below 1"):
        check_validation_share(share)


def test_leaks_are_refused_with_a_way_out_or_remembered_with_a_warning(caplog):
    leaks = [f"{name} in train and in test" for name in "abcdefg"]
    with pytest.raises(
        ValueError, match=r"7 videos are in more than one split: a in .*; e in [^;]*; \.\.\..*--allow_leak"
    ):
        refuse_leaks(leaks, False, "videos")
    with caplog.at_level(logging.WARNING):
        assert refuse_leaks(leaks, True, "videos") == leaks
    assert "Scores on them are too good" in caplog.text
    assert refuse_leaks([], False, "videos") == []
