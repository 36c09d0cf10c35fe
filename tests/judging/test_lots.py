"""Which pictures and captions are drawn, and that nobody can tell whose a caption is."""

from collections import Counter

import pytest

from lrcn_hub.judging import draw_lots
from lrcn_hub.judging.lots import evened


def test_every_caption_is_there_once_with_all_who_gave_it(answers):
    key = draw_lots(answers, 30, seed=1)
    assert {ballot.id for ballot in key.ballots} == {"a/1.png", "2", "__proto__", "Ünder 4"}
    assert key.alike == ["5"]
    for ballot in key.ballots:
        given = {system: evened(said[ballot.id]) for system, said in answers.items()}
        shown = zip(ballot.captions, ballot.systems, strict=True)
        assert {system: caption for caption, names in shown for system in names} == given
        assert len(set(ballot.captions)) == len(ballot.captions)
    two = next(ballot for ballot in key.ballots if ballot.id == "2")
    assert sorted(map(tuple, two.systems)) == [("human",), ("ours", "theirs")]


def test_the_lots_are_those_of_the_seed_whatever_the_order_of_systems_and_answers(answers):
    turned = {system: dict(reversed(said.items())) for system, said in reversed(answers.items())}
    shown = [(one.id, one.captions) for one in draw_lots(answers, 3, seed=5).ballots]
    assert [(one.id, one.captions) for one in draw_lots(turned, 3, seed=5).ballots] == shown
    assert draw_lots(answers, 3, seed=5).id == draw_lots(answers, 3, seed=5).id
    others = [[(one.id, one.captions) for one in draw_lots(answers, 3, seed=seed).ballots] for seed in range(6, 12)]
    assert any(other != shown for other in others)


def test_every_system_stands_in_every_place_equally_often():
    # whatever the alphabet says: "a" of the first system always sorts before "b" of the second
    said = {letter: {str(number): letter for number in range(3000)} for letter in "abc"}
    key = draw_lots(said, 3000, seed=0)
    places = Counter((place, names[0]) for ballot in key.ballots for place, names in enumerate(ballot.systems))
    assert len(places) == 9
    assert all(abs(count - 1000) < 130 for count in places.values())  # 5 standard deviations of 26


def test_pictures_are_drawn_from_all_that_every_system_answered():
    said = {
        name: {str(number): f"{name} {number}" for number in range(start, 100)}
        for name, start in (("a", 0), ("b", 40))
    }
    drawn = [ballot.id for ballot in draw_lots(said, 10, seed=0).ballots]
    assert len(set(drawn)) == 10
    assert all(int(name) >= 40 for name in drawn)
    assert len(draw_lots(said, 1000, seed=0).ballots) == 60


def test_captions_are_written_alike():
    assert evened("  a red\tsquare .") == "A red square"
    assert evened("A dog, an ox...") == "A dog, an ox.."
    assert evened("a dog , an ox") == evened("A dog, an ox.") == "A dog, an ox"
    assert evened("éclair") == "Éclair"
    assert evened(" ") == ""


@pytest.mark.parametrize(
    ("said", "number", "fault"),
    [
        ({"a": {"1": "x"}}, 3, "two systems or more, but there is a"),
        ({"a": {"1": "x"}, "b": {"2": "x"}}, 3, "no picture was answered by all systems; they answered: a 1, b 1"),
        ({"a": {"1": "x"}, "b": {"1": "X."}}, 3, "all systems say the same"),
        ({"a": {"1": "x"}, "b": {"1": "y"}}, 0, "a sheet of 0 pictures"),
    ],
)
def test_where_nothing_can_be_ranked_that_is_said(said, number, fault):
    with pytest.raises(ValueError, match=fault):
        draw_lots(said, number, seed=0)
