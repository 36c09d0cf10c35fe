"""Scenes in words: what people might say of a picture, with all the ways of saying the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from lrcn_hub.data.moving_shapes.scenes import INVERSE, Scene, SceneObject

SIZE_WORDS = {"small": ("small", "little"), "large": ("large", "big")}
RELATION_WORDS = {
    "left": ("to the left of", "left of"),
    "right": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
RELATION_TO_IT = {"left": "to its left", "right": "to its right", "above": "above it", "below": "below it"}
SIDE = {"left": "on the left", "right": "on the right", "above": "at the top", "below": "at the bottom"}

# {a}, {b}: the objects in the order of mention; {a_to}: "left of", so that "{a} {a_to} {b}" is true; {b_to_it}: "to
# its left", of b to a; {a_side}: "on the left". The numbers are how often each is said.
TWO_OBJECTS = {
    "{a} {a_to} {b}": 6,
    "{a} is {a_to} {b}": 5,
    "there is {a} {a_to} {b}": 3,
    "a picture of {a} {a_to} {b}": 2,
    "{the_a} is {a_to} {the_b}": 2,
    "{a_to} {b} is {a}": 1,
    "{a} with {b} {b_to_it}": 2,
    "{a} {a_side} and {b} {b_side}": 2,
    "{a_side} is {a} and {b_side} is {b}": 1,
    "{a} and {b}": 3,
    "a picture of {a} and {b}": 1,
    "{a} next to {b}": 2,
    "{a} beside {b}": 1,
}
ONE_OBJECT = {
    "{a} {place}": 6,
    "{a} is {place}": 4,
    "there is {a} {place}": 3,
    "a picture of {a} {place}": 2,
    "{the_a} is {place}": 1,
    "{place} is {a}": 1,
    "{place} there is {a}": 1,
    "{a}": 2,
    "a picture of {a}": 2,
    "{a} alone": 1,
    "only {a}": 1,
}
SIZE_SHARE = 0.5  # of mentions that say the size
READING_SHARE = 0.75  # of captions begin with the left or the upper object, as people mostly do


def describe(scene: Scene, random: Random, count: int = 5) -> list[str]:
    """Write `count` different captions of a scene; each tells the truth, not every one tells all of it."""
    captions: dict[str, None] = {}
    while len(captions) < count:
        captions[_say(scene, random)] = None
    return list(captions)


def oracle_caption(scene: Scene) -> str:
    """The one perfect caption of a scene, in its plainest words: all objects, their sizes, their relation or place."""
    order = _reading_order(scene)
    nouns = [_noun(scene.objects[index], scene.objects[index].size) for index in order]
    if len(nouns) == 1:
        return f"{nouns[0]} {_places(scene.objects[0])[0]}"
    return f"{nouns[0]} {RELATION_WORDS[scene.relation(*order)][0]} {nouns[1]}"


def human_caption(captions: Sequence[str]) -> tuple[str, list[str]]:
    """Split a picture's captions into a human candidate (the first) and the references it is judged by (the rest)."""
    return captions[0], list(captions[1:])


def _say(scene: Scene, random: Random) -> str:
    order = _reading_order(scene)
    if random.random() >= READING_SHARE:
        order = order[::-1]
    sizes = [_size_word(scene.objects[index], random) for index in order]
    first = scene.objects[order[0]]
    words = {"a": _noun(first, sizes[0]), "the_a": _noun(first, sizes[0], article="the")}
    if len(order) == 1:
        words["place"] = random.choice(_places(first))
        return _template(ONE_OBJECT, random).format(**words)
    second = scene.objects[order[1]]
    relation = scene.relation(*order)
    words |= {
        "b": _noun(second, sizes[1]),
        "the_b": _noun(second, sizes[1], article="the"),
        "a_to": random.choices(RELATION_WORDS[relation], (3, 1))[0],
        "b_to_it": RELATION_TO_IT[INVERSE[relation]],
        "a_side": SIDE[relation],
        "b_side": SIDE[INVERSE[relation]],
    }
    return _template(TWO_OBJECTS, random).format(**words)


def _reading_order(scene: Scene) -> list[int]:
    """The objects' numbers, the left or the upper one first."""
    if len(scene.objects) == 1:
        return [0]
    return [0, 1] if scene.relation() in ("left", "above") else [1, 0]


def _template(templates: dict[str, int], random: Random) -> str:
    return random.choices(tuple(templates), tuple(templates.values()))[0]


def _size_word(item: SceneObject, random: Random) -> str:
    if random.random() >= SIZE_SHARE:
        return ""
    return random.choices(SIZE_WORDS[item.size], (3, 1))[0]


def _noun(item: SceneObject, size_word: str, article: str = "a") -> str:
    words = [size_word, item.colour, item.shape] if size_word else [item.colour, item.shape]
    if article == "a" and words[0][0] in "aeiou":
        article = "an"
    return " ".join([article, *words])


def _places(item: SceneObject) -> tuple[str, ...]:
    """The ways to say where in the picture a lone object is."""
    row, column = item.region
    if row == column == "middle":
        return ("in the middle", "in the center")
    if row == "middle":
        return (f"on the {column}", f"on the {column} side")
    if column == "middle":
        return (f"at the {row}", f"near the {row}")
    return (f"in the {row} {column} corner", f"at the {row} {column}")
