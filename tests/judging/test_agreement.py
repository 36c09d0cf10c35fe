"""Kendall's W against examples that can be checked by hand, scipy's Friedman test, and what must hold of it."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.judging import kendalls_w, mid_ranks

# Siegel, Nonparametric Statistics (1956), chapter 9: three executives rank six applicants.
EXECUTIVES = [[1, 6, 3, 2, 5, 4], [1, 5, 6, 4, 2, 3], [6, 3, 2, 5, 4, 1]]
# Kendall, Rank Correlation Methods (1948), chapter 6, also in Siegel: three rankings of ten with ties.
TIED = [
    [1, 4.5, 2, 4.5, 3, 7.5, 6, 9, 7.5, 10],
    [2.5, 1, 2.5, 4.5, 4.5, 8, 9, 6.5, 10, 6.5],
    [2, 1, 4.5, 4.5, 4.5, 4.5, 8, 8, 8, 10],
]


def test_the_textbook_example_without_ties():
    # Rank sums 8 14 11 11 11 8 about 10.5: S = 6.25 + 12.25 + 3 * 0.25 + 6.25 = 25.5; W = 12 S / (9 * (216 - 6))
    assert kendalls_w(EXECUTIVES) == pytest.approx(12 * 25.5 / 1890)
    assert round(kendalls_w(EXECUTIVES), 2) == 0.16  # as printed


def test_the_textbook_example_with_ties():
    # Rank sums 5.5 6.5 9 13.5 12 20 23 23.5 25.5 26.5 about 16.5: S = 591. Sums of t^3 - t of the ties, t in a group:
    # 2 * 6, 3 * 6, 60 + 24. W = 12 * 591 / (9 * (1000 - 10) - 3 * 114)
    assert kendalls_w(TIED) == pytest.approx(12 * 591 / (8910 - 342))
    assert round(kendalls_w(TIED), 3) == 0.828  # as printed


def test_ties_count_the_same_however_they_are_written():
    written = [[10 * rank for rank in row] for row in TIED]
    assert kendalls_w(written) == pytest.approx(kendalls_w(TIED))
    assert kendalls_w([[1, 1, 4], [1, 2, 3]]) == pytest.approx(kendalls_w([[1, 1, 2], [1, 2, 3]]))


@pytest.mark.filterwarnings("default")
def test_it_is_friedmans_statistic_as_scipy_computes_it():
    friedman = pytest.importorskip("scipy.stats").friedmanchisquare
    random = np.random.default_rng(3)
    for raters, items in itertools.product((2, 3, 7), (3, 5, 6)):
        ranks = random.integers(1, items + 1, (raters, items))
        assert kendalls_w(ranks) == pytest.approx(friedman(*ranks.T).statistic / (raters * (items - 1)))


def test_the_same_order_is_full_agreement_and_opposite_ones_are_none():
    assert kendalls_w([[1, 2, 3, 4]] * 3) == pytest.approx(1)
    assert kendalls_w([[1, 2, 3, 4], [4, 3, 2, 1]]) == pytest.approx(0)


def test_a_rater_who_prefers_nothing_neither_agrees_nor_hides_the_other():
    assert kendalls_w([[1, 2, 3], [2, 2, 2]]) == pytest.approx(1 / 2)
    assert kendalls_w([[1, 1, 1], [2, 2, 2]]) is None


def test_by_chance_it_is_one_over_the_number_of_raters_ties_or_not():
    for ranks in ([[1, 2, 3], [1, 2, 3]], [[1, 1, 3], [1, 2, 3]], [[1, 1, 2], [2, 1, 1]]):
        orders = itertools.product(itertools.permutations(ranks[0]), itertools.permutations(ranks[1]))
        assert np.mean([kendalls_w(order) for order in orders]) == pytest.approx(1 / 2)


@pytest.mark.parametrize("rankings", [[[1, 2]], [[1], [1]], [1, 2]])
def test_too_few_to_agree_are_refused(rankings):
    with pytest.raises(ValueError, match="needs two raters and two items"):
        kendalls_w(rankings)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_mid_ranks_are_the_mean_of_the_places_over_all_ways_to_break_ties(values):
    ranks = mid_ranks(values)
    below = [sum(other < value for other in values) for value in values]
    equal = [sum(other == value for other in values) for value in values]
    assert ranks == pytest.approx([b + (e + 1) / 2 for b, e in zip(below, equal, strict=True)])
    assert ranks.sum() == pytest.approx(len(values) * (len(values) + 1) / 2)
