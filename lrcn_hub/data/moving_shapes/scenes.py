"""The truth behind a picture: which objects there are, and where. Nothing here draws or speaks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SHAPES = ("circle", "square", "triangle", "star", "heart")
RADIUS = {"small": (0.095, 0.115), "large": (0.17, 0.2)}
INVERSE = {"left": "right", "right": "left", "above": "below", "below": "above"}

MARGIN = 0.02  # between an object and the edge of the picture
GAP = 0.03  # between two objects
HALF_GAP = 0.08  # between the centre of one of two objects and the middle of the picture
LEAN = 0.3  # how far a pair may lie off the axis of its relation, over its distance along that axis
THIRDS = {-1: (MARGIN, 0.34), 0: (0.42, 0.58), 1: (0.66, 1 - MARGIN)}  # where a lone object's centre may lie

Kind = tuple[str, str]
"""(colour, shape): what makes an object the one it is."""


@dataclass(frozen=True)
class SceneObject:
    """One object. Lengths are fractions of the picture's side, y grows downwards; `angle` is in degrees."""

    colour: str
    shape: str
    size: str
    x: float
    y: float
    radius: float
    angle: float = 0.0
    tint: float = 0.0
    """How much lighter (to 1) or darker (to -1) than its colour usually is."""

    @property
    def kind(self) -> Kind:
        return (self.colour, self.shape)

    @property
    def region(self) -> tuple[str, str]:
        """Where in the picture: top, middle or bottom, and left, middle or right."""
        rows, columns = ("top", "middle", "bottom"), ("left", "middle", "right")
        return rows[_third(self.y)], columns[_third(self.x)]


@dataclass(frozen=True)
class Scene:
    """One or two objects before a background that runs from one grey tone to another."""

    objects: tuple[SceneObject, ...]
    background: tuple[tuple[int, int, int], tuple[int, int, int]] = ((236, 236, 236), (212, 212, 212))
    """RGB at the two ends."""
    light: float = 90.0
    """The direction, in degrees, in which the background runs; 90 is downwards."""

    def relation(self, first: int = 0, second: int = 1) -> str:
        """How object `first` lies to object `second`: left, right, above or below, by the longer way between them."""
        a, b = self.objects[first], self.objects[second]
        if abs(a.x - b.x) >= abs(a.y - b.y):
            return "left" if a.x < b.x else "right"
        return "above" if a.y < b.y else "below"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Scene:
        values = json.loads(text)
        first, last = values["background"]
        objects = tuple(SceneObject(**item) for item in values["objects"])
        return cls(objects, (tuple(first), tuple(last)), values["light"])


def random_scene(kinds: Sequence[Kind], random: Random) -> Scene:
    """Lay out one object or two of the given kinds, with all else (size, place, relation, tones) drawn at random."""
    sizes = [random.choice(tuple(RADIUS)) for _ in kinds]
    radii = [random.uniform(*RADIUS[size]) for size in sizes]
    places = _place_one(radii[0], random) if len(kinds) == 1 else _place_two(radii, random)
    objects = tuple(
        SceneObject(colour, shape, size, round(x, 4), round(y, 4), round(radius, 4), *_looks(random))
        for (colour, shape), size, radius, (x, y) in zip(kinds, sizes, radii, places, strict=True)
    )
    return Scene(objects, (_tone(random, 226, 248), _tone(random, 190, 226)), random.randrange(360))


def _place_one(radius: float, random: Random) -> list[tuple[float, float]]:
    def centre() -> float:
        low, high = THIRDS[random.choice((-1, 0, 1))]
        return random.uniform(max(low, radius + MARGIN), min(high, 1 - radius - MARGIN))

    return [(centre(), centre())]


def _place_two(radii: list[float], random: Random) -> list[tuple[float, float]]:
    """Centres of two objects that lie clearly beside or clearly above one another; which is which is random."""
    low = [radius + MARGIN for radius in radii]
    high = [1 - radius - MARGIN for radius in radii]
    near = far = 0.5
    while far - near < sum(radii) + GAP:  # each in its half of the picture, so that "on the left" is true as well
        near, far = random.uniform(low[0], 0.5 - HALF_GAP), random.uniform(0.5 + HALF_GAP, high[1])
    lean = random.uniform(-LEAN, LEAN) * (far - near)
    across = random.uniform(max(low[0], low[1] - lean), min(high[0], high[1] - lean))
    first, second = (near, across), (far, across + lean)
    if random.random() < 0.5:  # mirrored: the first object is right of or below the second
        first, second = ((1 - a, c) for a, c in (first, second))
    if random.random() < 0.5:  # along the vertical axis
        first, second = first[::-1], second[::-1]
    return [first, second]


def _looks(random: Random) -> tuple[float, float]:
    return round(random.uniform(-12, 12), 1), round(random.uniform(-1, 1), 2)


def _tone(random: Random, low: int, high: int) -> tuple[int, int, int]:
    grey = random.randint(low, high)
    red, green, blue = (min(255, grey + random.randint(-7, 7)) for _ in range(3))
    return red, green, blue


def _third(position: float) -> int:
    return (position > 0.38) + (position > 0.62)
