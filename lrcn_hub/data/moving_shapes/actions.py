"""The truth behind a video: which objects are where at every frame. Only time tells the actions of a pair apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random

from lrcn_hub.data.moving_shapes.scenes import COLOURS, SHAPES, Scene, SceneObject, random_scene

PAIRS = (
    ("moving right", "moving left"),
    ("approaching", "leaving"),
    ("circling clockwise", "circling counter-clockwise"),
    ("bouncing lower", "bouncing higher"),
    ("red then blue", "blue then red"),
)
ACTIONS = tuple(action for pair in PAIRS for action in pair)
FORWARD = {backward: forward for forward, backward in PAIRS}

FRAMES = 16
BYSTANDER_SHARE = 0.25  # of videos hold another object, which stands still behind the one that acts
OUTSIDE = 0.2  # how far beyond an edge a moving object turns up again on the other side
NEAREST, FARTHEST = 0.42, 0.05  # radius of an approaching object as it passes, and as the next one comes
LIGHTS = ("red", "blue")
UNLIT = ("green", "yellow")  # unlike both lights; orange and purple are not

Objects = tuple[SceneObject, ...]


def random_action(action: str, random: Random) -> list[Scene]:
    """Lay out the frames of one video of `action`, with all else (shapes, colours, place, speed, phase) at random.

    The same `random` gives an action and its partner in `PAIRS` the same scenes, in opposite order. Raises ValueError
    for an unknown action.
    """
    if action in FORWARD:
        return random_action(FORWARD[action], random)[::-1]
    if action not in _MOTIONS:
        raise ValueError(f"unknown action {action!r}; choose one of {', '.join(ACTIONS)}")
    setting = random_scene([(random.choice(UNLIT), random.choice(SHAPES))], random)
    bystanders = setting.objects if random.random() < BYSTANDER_SHARE else ()
    return [replace(setting, objects=bystanders + actors) for actors in _MOTIONS[action](random)]


def _moving_right(random: Random) -> list[Objects]:
    """Across the picture; who leaves it comes back on the other side, so that every place is as likely at any time."""
    item = _object(random, radius=(0.09, 0.18))
    start, speed = random.random(), random.uniform(0.5, 0.9) / FRAMES
    return [(replace(item, x=(start + speed * frame) % 1 * (1 + 2 * OUTSIDE) - OUTSIDE),) for frame in range(FRAMES)]


def _approaching(random: Random) -> list[Objects]:
    """Growing at a constant rate, as what comes nearer does; when one has passed the next one comes."""
    item = _object(random, place=(0.35, 0.65))
    start, speed = random.random(), random.uniform(0.5, 0.9) / FRAMES
    growth = NEAREST / FARTHEST
    return [(replace(item, radius=FARTHEST * growth ** ((start + speed * frame) % 1)),) for frame in range(FRAMES)]


def _circling_clockwise(random: Random) -> list[Objects]:
    """Around a point near the middle, from anywhere on the way."""
    item = _object(random, radius=(0.09, 0.15))
    x, y, arm = random.uniform(0.42, 0.58), random.uniform(0.42, 0.58), random.uniform(0.22, 0.32)
    start, speed = random.uniform(0, 360), random.uniform(13, 26)  # degrees, and degrees a frame
    turns = [math.radians(start + speed * frame) for frame in range(FRAMES)]
    return [(replace(item, x=x + arm * math.cos(turn), y=y + arm * math.sin(turn)),) for turn in turns]  # y: downwards


def _bouncing_lower(random: Random) -> list[Objects]:
    """Under gravity, every bounce lower than the last. The first and the last one may be seen in part."""
    item = _object(random, radius=(0.08, 0.13))
    floor = random.uniform(0.85, 0.95) - item.radius
    height, length = random.uniform(0.5, 0.7), random.uniform(6, 8)  # of the first bounce; its length in frames
    damping = random.uniform(0.6, 0.75)  # one bounce's height over the last one's
    start = random.uniform(0, length)
    return [(replace(item, y=floor - _height(start + frame, height, length, damping)),) for frame in range(FRAMES)]


def _height(time: float, height: float, length: float, damping: float) -> float:
    """How high a bouncing object is `time` frames after it first left the floor."""
    while time > length:
        time -= length
        height *= damping
        length *= math.sqrt(damping)
    share = time / length
    return 4 * height * share * (1 - share)


def _red_then_blue(random: Random) -> list[Objects]:
    """Standing still, lit up twice, three or four frames long, with up to four between."""
    item = replace(_object(random, radius=(0.2, 0.3)), colour=random.choice(UNLIT))
    first, dark, second = random.randint(3, 4), random.randint(0, 4), random.randint(3, 4)
    begin = random.randint(0, FRAMES - first - dark - second)
    again = begin + first + dark
    colours = [item.colour] * FRAMES
    colours[begin : begin + first] = [LIGHTS[0]] * first
    colours[again : again + second] = [LIGHTS[1]] * second
    return [(replace(item, colour=colour),) for colour in colours]


def _object(
    random: Random, radius: tuple[float, float] = (0.1, 0.15), place: tuple[float, float] = (0.25, 0.75)
) -> SceneObject:
    x, y = random.uniform(*place), random.uniform(*place)
    angle, tint = random.uniform(-12, 12), random.uniform(-1, 1)
    size = random.uniform(*radius)
    return SceneObject(random.choice(COLOURS), random.choice(SHAPES), "small", x, y, size, angle, tint)


_MOTIONS: dict[str, Callable[[Random], list[Objects]]] = {
    "moving right": _moving_right,
    "approaching": _approaching,
    "circling clockwise": _circling_clockwise,
    "bouncing lower": _bouncing_lower,
    "red then blue": _red_then_blue,
}
