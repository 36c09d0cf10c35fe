from itertools import pairwise
from random import Random

import pytest

from lrcn_hub.data.moving_shapes import NARRATION_NODES, Event, event_odds, random_events
from lrcn_hub.data.moving_shapes.events import FRAMES_PER_EVENT, lay_out
from lrcn_hub.data.moving_shapes.scenes import COLOURS, SHAPES

PLACES = {
    "none": (0, 0),
    "on the left": (-1, 0),
    "on the right": (1, 0),
    "at the top": (0, -1),
    "at the bottom": (0, 1),
}


def act(action, place="none", seed=0):
    """What is seen at each frame: the actor, or None."""
    scenes = lay_out([Event("red", "star", action, place)], Random(seed))
    assert len(scenes) == FRAMES_PER_EVENT
    return [scene.objects[0] if scene.objects else None for scene in scenes]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def test_nodes_know_all_colours_and_shapes():
    assert sorted(NARRATION_NODES["colour"]) == sorted(COLOURS)
    assert sorted(NARRATION_NODES["shape"]) == sorted(SHAPES)


@pytest.mark.parametrize(
    ("action", "way"),
    [("moves right", (1, 0)), ("moves left", (-1, 0)), ("moves up", (0, -1)), ("moves down", (0, 1))],
)
def test_movers_go_their_way_steadily(action, way):
    frames = act(action)
    for one, next_one in pairwise(frames):
        step = (next_one.x - one.x, next_one.y - one.y)
        assert step[0] * way[0] + step[1] * way[1] > 0.05
        assert abs(step[0] * way[1]) + abs(step[1] * way[0]) < 1e-9


def test_growing_is_shrinking_backwards():
    grown = [item.radius for item in act("grows")]
    assert grown == sorted(grown) and grown[-1] > 2 * grown[0]
    assert [item.radius for item in act("shrinks")][::-1] == pytest.approx(grown)


def test_a_jump_goes_up_and_comes_down_twice():
    heights = [-item.y for item in act("jumps")]
    turns = [
        (after - here) * (here - before) < 0
        for before, here, after in zip(heights, heights[1:], heights[2:], strict=False)
    ]
    assert sum(turns) == 3  # top, floor, top
    assert len({item.x for item in act("jumps")}) == 1


def test_a_blink_is_seen_half_of_the_time():
    for seed in range(4):
        assert sum(item is not None for item in act("blinks", seed=seed)) == FRAMES_PER_EVENT // 2


def test_an_event_is_where_it_is_said_to_be():
    for event in event_odds():
        if event.actor != ("red", "star"):
            continue
        frames = [item for item in act(event.action, event.place, seed=3) if item is not None]
        x, y = PLACES[event.place]
        assert mean(item.x for item in frames) == pytest.approx(0.5 + 0.24 * x, abs=0.06)
        assert mean(item.y for item in frames) == pytest.approx(0.5 + 0.24 * y, abs=0.06)


def test_nobody_moves_along_the_way_on_which_the_place_lies():
    pairs = {(event.action, event.place) for event in event_odds()}
    assert ("moves right", "at the top") in pairs
    assert not {("moves right", "on the left"), ("moves up", "at the top")} & pairs
    assert {action for action, _ in pairs} == set(NARRATION_NODES["action"])


def test_only_the_actor_of_an_event_is_in_sight_in_its_frames():
    draw = Random(2)
    for _ in range(30):
        events = random_events(draw.choice((1, 2, 3)), draw)
        scenes = lay_out(events, draw)
        assert len(scenes) == FRAMES_PER_EVENT * len(events)
        for number, scene in enumerate(scenes):
            assert {item.kind for item in scene.objects} <= {events[number // FRAMES_PER_EVENT].actor}


def test_an_event_is_as_likely_first_as_last():
    draw = Random(4)
    first = 0
    for _ in range(2000):
        one, other = random_events(2, draw)
        assert one.actor != other.actor
        first += one.labels < other.labels
    assert abs(first / 2000 - 0.5) < 0.04
