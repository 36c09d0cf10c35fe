from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.data.moving_shapes import (
    Event,
    check_narration,
    check_narrations,
    describe_event,
    describe_events,
    oracle_sentence,
    random_events,
    read_events,
)
from lrcn_hub.data.moving_shapes.narration_sentences import ACTION_WORDS, PLACE_WORDS

RED = Event("red", "circle", "moves right", "none")
ORANGE = Event("orange", "heart", "grows", "on the left")
BLUE = Event("blue", "square", "jumps", "at the top")


def labels(*events):
    return [event.labels for event in events]


def scenes(count, seed=7):
    draw = Random(seed)
    for _ in range(count):
        events = random_events(draw.choice((1, 2, 3)), draw)
        yield events, describe_events(events, draw)


@pytest.mark.parametrize(
    "sentence",
    [
        "a red circle moves right, then an orange heart grows",
        "First the red circle goes right then the orange heart gets bigger on the left side.",
        "a red circle moves to the right before an orange heart becomes larger",
        "after a red circle slides to the right, an orange heart grows",
        "an orange heart grows after a red circle moves right",
        "before an orange heart grows, a red circle moves right",
        "there is a red circle that moves right and finally on the left an orange heart grows",
    ],
)
def test_all_wordings_of_one_order_are_read(sentence):
    check = check_narration(sentence, labels(RED, ORANGE))
    assert check.order_right and check.events_right and check.actors_right
    turned = check_narration(sentence, labels(ORANGE, RED))
    assert turned.events_right and not turned.order_right and not turned.actors_right


def test_every_sentence_of_ours_is_read_back():
    said_where = 0
    for events, sentences in scenes(400):
        for sentence in [*sentences, oracle_sentence(events)]:
            told = read_events(sentence)
            assert [(event.actor, event.action) for event in told] == [(e.actor, e.action) for e in events], sentence
            assert all(told.place in ("none", true.place) for told, true in zip(told, events, strict=True))
            said_where += any(event.place != "none" for event in told)
        assert read_events(oracle_sentence(events)) == events
    assert said_where > 100
    draw = Random(1)
    for event in random_events(20, draw):
        for sentence in describe_event(event, draw, 10):
            assert check_narration(sentence, [event.labels]).order_right, sentence


def test_every_wording_of_an_action_and_a_place_is_read():
    for action, ways in ACTION_WORDS.items():
        assert all(read_events(f"a red star {words}") == [Event("red", "star", action, "none")] for words in ways)
    for place, ways in PLACE_WORDS.items():
        assert all(read_events(f"{words} a red star grows")[0].place == place for words in ways)


def test_no_wording_of_an_action_or_a_place_stands_for_two():
    for table in (ACTION_WORDS, PLACE_WORDS):
        ways = [words for group in table.values() for words in group]
        assert len(set(ways)) == len(ways)


def test_the_parts_of_a_check_are_independent():
    true = labels(RED, ORANGE, BLUE)
    swapped = check_narration("a red circle grows, then an orange heart moves right, then a blue square hops", true)
    assert (swapped.actors_right, swapped.events_right, swapped.order_right) == (True, False, False)
    short = check_narration("a red circle moves right, then an orange heart grows", true)
    assert not (short.actors_right or short.events_right or short.order_right)
    long = "a red circle moves right, then an orange heart grows, then a blue square jumps, then a blue star jumps"
    assert not check_narration(long, true).events_right


def test_a_wrong_place_is_wrong_and_an_unstated_one_is_not_right():
    right = check_narration("an orange heart grows near the left", labels(ORANGE))
    assert not right.events_right  # no wording of ours
    right = check_narration("an orange heart grows on the left", labels(ORANGE))
    assert (right.place_stated, right.place_right) == (True, True)
    wrong = check_narration("an orange heart grows at the top", labels(ORANGE))
    assert (wrong.place_stated, wrong.place_right, wrong.order_right) == (True, False, True)
    assert not check_narration("an orange heart grows", labels(ORANGE)).place_stated


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        ",",
        "a red",
        "red circle moves right",
        "a red blue circle moves right",
        "a red circle circle moves right",
        "a red circle moves right <unk>",
        "a red circle moves right then",
        "then a red circle moves right",
        "a red circle moves right grows",
        "a red circle moves right the orange heart grows",
        "on the left a red circle grows on the right",
        "after a red circle moves right then then an orange heart grows",
        "a red circle growsa red circle grows",
    ],
)
def test_text_that_makes_no_sense_tells_nothing(nonsense):
    assert read_events(nonsense) == []
    assert not check_narration(nonsense, labels(RED)).events_right


WORDS = sorted({word for _, said in scenes(60) for sentence in said for word in sentence.split()} | {",", "<unk>", ""})


@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)))
def test_no_text_is_an_error(text):
    told = read_events(text)
    assert text.lower().count("circle") >= sum(event.shape == "circle" for event in told)
    check_narration(text, labels(RED, BLUE))


def test_shares_count_scenes():
    told = [
        "a red circle moves right, then an orange heart grows on the left",
        "an orange heart grows, then a red circle moves right",
        "a red circle grows, then an orange heart grows at the top",
        "rhubarb",
    ]
    shares = check_narrations(told, [labels(RED, ORANGE)] * 4)
    assert shares == {
        "events_right": 0.5,
        "event_order_accuracy": 0.25,
        "actor_order_accuracy": 0.5,
        "place_stated": 0.5,
        "place_right": 0.5,
    }
    with pytest.raises(ValueError, match="1 sentences about 0 scenes"):
        check_narrations(told[:1], [])


def test_a_random_order_is_right_by_chance_alone():
    draw = Random(3)
    for count, chance in ((2, 1 / 2), (3, 1 / 6)):
        told, true = [], []
        for _ in range(1500):
            events = random_events(count, draw)
            told.append(oracle_sentence(draw.sample(events, count)))
            true.append(labels(*events))
        shares = check_narrations(told, true)
        assert shares["events_right"] == 1
        assert abs(shares["event_order_accuracy"] - chance) < 0.05
