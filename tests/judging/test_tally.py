"""Mean ranks counted by hand, and what the numbers must do."""

import numpy as np
import pytest

from lrcn_hub.judging import Ballot, Key, Sheet, tally
from lrcn_hub.judging.key import CRITERIA
from lrcn_hub.judging.tally import system_ranks

SYSTEMS = ["a", "b", "c"]


def a_key(pictures):
    """Pictures about which all systems say something else, shown in turning order."""
    ballots = []
    for number in range(pictures):
        order = SYSTEMS[number % 3 :] + SYSTEMS[: number % 3]
        ballots.append(Ballot(str(number), [f"by {name}" for name in order], [[name] for name in order]))
    return Key(SYSTEMS, 0, ballots, [])


def a_sheet(key, rater, places):
    """A rater for whom `places` gives the rank of a system, by criterion, picture and name."""
    ranks = {
        ballot.id: {c: [places(c, number, names[0]) for names in ballot.systems] for c in CRITERIA}
        for number, ballot in enumerate(key.ballots)
    }
    return Sheet(rater, rater, ranks)


def test_ranks_go_to_the_systems_that_were_behind_the_captions():
    key = a_key(6)
    places = {"correctness": "bca", "grammar": "abc", "relevance": "cab"}
    found = tally(key, [a_sheet(key, "Ann", lambda criterion, _, name: places[criterion].index(name) + 1)])
    assert {c: {s: i.score for s, i in ranks.items()} for c, ranks in found.ranks.items()} == {
        "correctness": {"a": 3, "b": 1, "c": 2},
        "grammar": {"a": 1, "b": 2, "c": 3},
        "relevance": {"a": 2, "b": 3, "c": 1},
    }
    assert all(i.low == i.score == i.high for ranks in found.ranks.values() for i in ranks.values())
    assert (found.raters, found.pictures, found.agreement["grammar"].w) == (["Ann"], 6, None)


def test_means_are_over_raters_and_pictures():
    key = a_key(2)
    one = a_sheet(key, "Ann", lambda _, picture, name: SYSTEMS.index(name) + 1)  # a b c, a b c
    two = a_sheet(key, "Bob", lambda _, picture, name: [[1, 1, 3], [3, 2, 1]][picture][SYSTEMS.index(name)])
    ranks = tally(key, [one, two]).ranks["grammar"]
    # a: (1 + 1.5 + 1 + 3) / 4, b: (2 + 1.5 + 2 + 2) / 4, c: (3 + 3 + 3 + 1) / 4
    assert [ranks[name].score for name in SYSTEMS] == pytest.approx([1.625, 1.875, 2.5])
    assert (ranks["c"].low, ranks["c"].high) == (2, 3)  # of two pictures, one or the other


def test_systems_that_say_the_same_share_their_rank():
    ballot = Ballot("1", ["x", "y", "z"], [["d"], ["b", "a"], ["c"]])
    assert list(system_ranks(ballot, [3, 1, 2], ["a", "b", "c", "d"])) == [1.5, 1.5, 3, 4]
    assert list(system_ranks(ballot, [1, 3, 3], ["a", "b", "c", "d"])) == [3, 3, 3, 1]


def test_agreement_is_the_mean_of_w_over_the_pictures_where_somebody_prefers_something():
    key = a_key(3)
    one = a_sheet(key, "Ann", lambda _, picture, name: 1 if picture == 2 else SYSTEMS.index(name) + 1)
    two = a_sheet(key, "Bob", lambda _, picture, name: [[1, 2, 3], [3, 2, 1], [2, 2, 2]][picture][SYSTEMS.index(name)])
    found = tally(key, [one, two])
    assert found.agreement["relevance"].w.score == pytest.approx(1 / 2)  # of 1 and 0
    assert found.agreement["relevance"].pictures == 2
    assert found.agreement_by_chance == 1 / 2


def test_captions_shared_by_systems_are_no_agreement_of_raters():
    key = Key(["a", "b", "c"], 0, [Ballot("1", ["x", "y"], [["a", "b"], ["c"]])], [])
    sheets = [
        Sheet(name, name, {"1": dict.fromkeys(CRITERIA, ranks)}) for name, ranks in (("Ann", [1, 2]), ("Bob", [2, 1]))
    ]
    assert tally(key, sheets).agreement["grammar"].w.score == 0


def test_raters_who_prefer_nothing_give_all_systems_the_middle_and_no_agreement():
    key = a_key(4)
    found = tally(key, [a_sheet(key, rater, lambda *_: 1) for rater in ("Ann", "Bob")])
    assert [found.ranks["grammar"][name].score for name in SYSTEMS] == [2, 2, 2]
    assert (found.agreement["grammar"].w, found.agreement["grammar"].pictures) == (None, 0)


def test_intervals_narrow_with_pictures_and_hold_the_truth():
    # raters who see that a is better than b in 7 of 10 comparisons: a mean rank of 1.3 between the two
    held, widths = 0, {20: [], 320: []}
    for pictures, widths_found in widths.items():
        for seed in range(40):
            random = np.random.default_rng(seed)
            key = Key(["a", "b"], 0, [Ballot(str(n), ["x", "y"], [["a"], ["b"]]) for n in range(pictures)], [])
            better = random.random(pictures) < 0.7
            ranks = {str(n): dict.fromkeys(CRITERIA, [1, 2] if better[n] else [2, 1]) for n in range(pictures)}
            interval = tally(key, [Sheet("Ann", "Ann", ranks)]).ranks["grammar"]["a"]
            held += interval.low <= 1.3 <= interval.high
            widths_found.append(interval.high - interval.low)
    assert held >= 70  # of 80, at 95%
    assert np.mean(widths[320]) == pytest.approx(np.mean(widths[20]) / 4, rel=0.1)


def test_nothing_is_counted_without_sheets():
    with pytest.raises(ValueError, match="no sheets"):
        tally(a_key(1), [])
