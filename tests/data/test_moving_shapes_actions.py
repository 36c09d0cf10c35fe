from collections import Counter
from random import Random

import numpy as np
import pytest

from lrcn_hub.data.moving_shapes import ACTIONS, random_action
from lrcn_hub.data.moving_shapes.actions import FRAMES, LIGHTS, PAIRS

SEEDS = range(40)


def actors(action, seed):
    """For each frame the objects that act: those drawn after the bystander, which is the same in every frame."""
    objects = [scene.objects for scene in random_action(action, Random(seed))]
    standing = len(objects[0]) - 1
    assert len({frame[:standing] for frame in objects}) == 1
    return [frame[standing:] for frame in objects]


def test_every_action_has_one_partner():
    assert len(set(ACTIONS)) == len(ACTIONS) == 2 * len(PAIRS) == 10


@pytest.mark.parametrize(("action", "partner"), PAIRS)
def test_an_action_is_its_partner_backwards(action, partner):
    for seed in SEEDS:
        scenes = random_action(action, Random(seed))
        assert len(scenes) == FRAMES
        assert scenes == random_action(partner, Random(seed))[::-1]
        assert len(set(scenes)) > 2


@pytest.mark.parametrize(("action", "sign"), [("moving right", 1), ("moving left", -1)])
def test_what_moves_keeps_its_direction_and_comes_back_on_the_other_side(action, sign):
    for seed in SEEDS:
        steps = np.diff([item.x for (item,) in actors(action, seed)])
        returns = np.abs(steps) > 0.5
        assert returns.sum() <= 1
        assert (np.sign(steps[~returns]) == sign).all()
        assert (np.sign(steps[returns]) == -sign).all()


@pytest.mark.parametrize(("action", "sign"), [("approaching", 1), ("leaving", -1)])
def test_what_comes_nearer_grows_and_what_leaves_shrinks(action, sign):
    for seed in SEEDS:
        growth = np.diff(np.log([item.radius for (item,) in actors(action, seed)]))
        next_one = np.abs(growth) > 1
        assert next_one.sum() <= 1
        assert (np.sign(growth[~next_one]) == sign).all()


@pytest.mark.parametrize(("action", "sign"), [("circling clockwise", 1), ("circling counter-clockwise", -1)])
def test_what_circles_goes_round_one_point_one_way(action, sign):
    for seed in SEEDS:
        places = np.array([(item.x, item.y) for (item,) in actors(action, seed)])  # y grows downwards
        # Of all points at the same distance a from each place p: |p|^2 = 2 p c + (a^2 - |c|^2), linear in c.
        columns = np.column_stack([2 * places, np.ones(len(places))])
        solution, *_ = np.linalg.lstsq(columns, (places**2).sum(axis=1), rcond=None)
        arms = places - solution[:2]
        assert np.ptp(np.hypot(*arms.T)) < 1e-6
        assert (np.diff(np.unwrap(np.arctan2(arms[:, 1], arms[:, 0]))) * sign > 0.2).all()


@pytest.mark.parametrize(("action", "sign"), [("bouncing lower", -1), ("bouncing higher", 1)])
def test_tops_of_bounces_come_in_order_of_height(action, sign):
    for seed in SEEDS:
        heights = [-item.y for (item,) in actors(action, seed)]
        tops = [b for a, b, c in zip(heights, heights[1:], heights[2:], strict=False) if a < b > c]
        top, last = (tops[0], tops[-1]) if sign < 0 else (tops[-1], tops[0])
        assert len(tops) >= 2
        assert top > last + 0.05
        assert len({item.x for (item,) in actors(action, seed)}) == 1


@pytest.mark.parametrize(("action", "order"), [("red then blue", ("red", "blue")), ("blue then red", ("blue", "red"))])
def test_both_lights_come_on_once_in_order(action, order):
    for seed in SEEDS:
        colours = [item.colour for (item,) in actors(action, seed)]
        changes = [b for a, b in zip(["", *colours], colours, strict=False) if a != b]
        assert tuple(colour for colour in changes if colour in LIGHTS) == order
        assert all(3 <= Counter(colours)[light] <= 4 for light in LIGHTS)
        assert 1 <= colours.index(order[1]) - max(i for i, c in enumerate(colours) if c == order[0]) <= 5


@pytest.mark.parametrize("pair", [("moving right", "moving left"), ("approaching", "leaving")])
def test_not_even_the_first_frame_tells_the_direction(pair):
    # Place and size go round in a circle from a random point: their quantiles agree up to the error of 1,000 draws.
    def first(action, seed):
        (item,) = actors(action, seed)[0]
        return item.x if "moving" in action else item.radius

    one, other = (np.sort([first(action, f"{action} {seed}") for seed in range(1000)]) for action in pair)
    span = one[-1] - one[0]
    assert np.abs(one - other).max() < 0.1 * span


def test_an_unknown_action_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'jumping'.*moving right"):
        random_action("jumping", Random(0))
