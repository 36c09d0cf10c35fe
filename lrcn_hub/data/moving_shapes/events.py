"""The truth behind a narrated video: one to three events, one after the other, and what each of them looks like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from random import Random

from lrcn_hub.data.moving_shapes.scenes import Kind, Scene, SceneObject, random_scene

ABSENT = "none"
NARRATION_NODES: dict[str, list[str]] = {
    "colour": ["red", "orange", "yellow", "green", "blue", "purple"],
    "shape": ["circle", "heart", "triangle", "star", "square"],
    "action": ["moves right", "moves left", "jumps", "moves up", "moves down", "shrinks", "blinks", "grows"],
    "place": [ABSENT, "on the left", "at the top", "on the right", "at the bottom"],
}
"""What there is to know of an event: each node's labels. Colours, shapes and actions stand beside those that they are
easily taken for, the last beside the first. Nobody says where something is that happens in the middle: "none"."""

IN_SCENES = {
    *("red", "yellow", "green", "blue"),
    *("circle", "triangle", "square"),
    *("moves right", "moves left", "jumps", "shrinks", "blinks", "grows"),
}
"""What is seen in whole scenes: few things, since what is asked there is their order."""

FRAMES_PER_EVENT = 8
WAY = {"moves right": (1, 0), "moves left": (-1, 0), "moves up": (0, -1), "moves down": (0, 1)}  # y grows downwards
TOWARDS = {
    ABSENT: (0, 0),
    "on the left": (-1, 0),
    "at the top": (0, -1),
    "on the right": (1, 0),
    "at the bottom": (0, 1),
}
AWAY = 0.24  # from the middle of the picture to a place
TRAVEL = 0.27  # from the middle of a way to its ends
JITTER = 0.03  # by which a place is off at most
RADIUS = (0.17, 0.2)
SMALLEST, LARGEST = 0.09, 0.24  # radius of what grows, at first and in the end
JUMP, JUMP_FRAMES = 0.25, 4  # how high, and how long one jump takes
BLINK = 2  # frames with light, and as many without

HABITS = (0.5, 0.3, 0.2)  # how often an actor does each of the three things that it does mostly, where it does them
HABIT_SHARE = 0.9  # of all events; else anything happens anywhere


@dataclass(frozen=True)
class Event:
    """One event; its fields are the true labels of the nodes."""

    colour: str
    shape: str
    action: str
    place: str

    @property
    def actor(self) -> Kind:
        return self.colour, self.shape

    @property
    def labels(self) -> list[str]:
        """In the order of `NARRATION_NODES`."""
        return [self.colour, self.shape, self.action, self.place]


def event_odds() -> dict[Event, float]:
    """How likely each event is, by what the actors' habits are; these are the same for every seed."""
    return dict(_odds())


@lru_cache
def _odds() -> dict[Event, float]:
    world = Random("moving shapes: who does what, and where")
    places = [pair for pair in product(NARRATION_NODES["action"], NARRATION_NODES["place"]) if _is_possible(*pair)]
    kinds = list(product(NARRATION_NODES["colour"], NARRATION_NODES["shape"]))
    odds = {}
    for kind in kinds:
        habits = dict(zip(world.sample(places, len(HABITS)), HABITS, strict=True))
        for pair in places:
            share = HABIT_SHARE * habits.get(pair, 0) + (1 - HABIT_SHARE) / len(places)
            odds[Event(*kind, *pair)] = share / len(kinds)
    return odds


def _is_possible(action: str, place: str) -> bool:
    """Whoever moves to the right may do it at the top, not on the left."""
    if action not in WAY:
        return True
    (x, y), (to_x, to_y) = WAY[action], TOWARDS[place]
    return x * to_x + y * to_y == 0


def scene_odds() -> dict[Event, float]:
    """How likely each event of a whole scene is: without habits, of fewer colours, shapes and actions."""
    return dict(_scene_odds())


@lru_cache
def _scene_odds() -> dict[Event, float]:
    known = [event for event in _odds() if {event.colour, event.shape, event.action} <= IN_SCENES]
    return dict.fromkeys(known, 1 / len(known))


def random_events(count: int, random: Random, odds: dict[Event, float] | None = None) -> list[Event]:
    """Draw `count` events, each of another actor, in any order, by `odds`; by default those of `event_odds`."""
    odds = _odds() if odds is None else odds
    events: dict[Kind, Event] = {}
    while len(events) < count:
        event = random.choices(tuple(odds), tuple(odds.values()))[0]
        events.setdefault(event.actor, event)
    drawn = list(events.values())
    random.shuffle(drawn)
    return drawn


def lay_out(events: Sequence[Event], random: Random) -> list[Scene]:
    """What is where at each frame, `FRAMES_PER_EVENT` for each event, nobody but its actor in sight."""
    stage = random_scene([events[0].actor], random)
    return [replace(stage, objects=objects) for event in events for objects in _act(event, random)]


def _act(event: Event, random: Random) -> list[tuple[SceneObject, ...]]:
    x, y = (0.5 + AWAY * way + random.uniform(-JITTER, JITTER) for way in TOWARDS[event.place])
    radius, angle, tint = random.uniform(*RADIUS), random.uniform(-12, 12), random.uniform(-1, 1)
    actor = SceneObject(*event.actor, "large", x, y, radius, angle, tint)
    if event.action == "blinks":
        phase = random.choice((0, BLINK))
        return [(actor,) if (frame + phase) % (2 * BLINK) < BLINK else () for frame in range(FRAMES_PER_EVENT)]
    return [(_moved(actor, event.action, frame),) for frame in range(FRAMES_PER_EVENT)]


def _moved(actor: SceneObject, action: str, frame: int) -> SceneObject:
    share = frame / (FRAMES_PER_EVENT - 1)
    if action in WAY:
        along = TRAVEL * (2 * share - 1)
        return replace(actor, x=actor.x + along * WAY[action][0], y=actor.y + along * WAY[action][1])
    if action == "jumps":
        return replace(actor, y=actor.y + JUMP * (0.5 - math.sin(math.pi * (frame % JUMP_FRAMES) / JUMP_FRAMES)))
    grown = share if action == "grows" else 1 - share
    return replace(actor, radius=SMALLEST + (LARGEST - SMALLEST) * grown)
