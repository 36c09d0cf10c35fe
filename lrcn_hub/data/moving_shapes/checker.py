"""Is a caption true? Reads it back and holds it against the scene, so that quality is more than word overlap."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from lrcn_hub.data.moving_shapes.captions import SIZE_WORDS
from lrcn_hub.data.moving_shapes.scenes import COLOURS, SHAPES, Scene, SceneObject

SIZE_OF = {word: size for size, words in SIZE_WORDS.items() for word in words}
PREPOSITIONS = {"above": "above", "over": "above", "below": "below", "under": "below"}
SIDES = {"left": "left", "right": "right", "top": "above", "bottom": "below", "middle": "middle", "center": "middle"}
DIRECTIONS = PREPOSITIONS | SIDES
REGION_OF = {"left": "left", "right": "right", "above": "top", "below": "bottom"}
PICTURE, NOTHING = -10, -11  # what a claim may refer to beside a mention


@dataclass(frozen=True)
class CaptionCheck:
    """What a caption says of a scene and whether it is true; what is not stated is not right either."""

    objects_right: bool
    """Every object of the scene is named once with its colour and shape, and nothing else is named."""
    size_stated: bool
    size_right: bool
    """Every size stated is true, of the objects as far as the caption tells them apart."""
    relation_stated: bool
    relation_right: bool
    """Every relation stated is the scene's; with one object: every place in the picture. Which object is meant is
    decided by the closest fit of colours and shapes, so that a wrong colour is not counted as a wrong relation as
    well; where two readings fit equally well, neither relation nor size is right."""


@dataclass(frozen=True)
class Mention:
    """An object a caption names; None where an attribute is missing or contradicts itself."""

    colour: str | None
    shape: str | None
    size: str | None = None


@dataclass(frozen=True)
class Claim:
    """That mention number `subject` lies `direction` of mention `reference`; either number may be of no mention."""

    subject: int
    direction: str
    reference: int


def check_caption(caption: str, scene: Scene) -> CaptionCheck:
    """Check one caption, of any wording, against the truth. Text that makes no sense is not right, never an error."""
    symbols = _read(caption)
    mentions = [symbol for symbol in symbols if isinstance(symbol, Mention)]
    claims = _claims(symbols)
    meant = _identify(mentions, scene)
    sized = [(number, mention) for number, mention in enumerate(mentions) if mention.size]
    named = Counter((mention.colour, mention.shape) for mention in mentions)
    return CaptionCheck(
        objects_right=named == Counter(item.kind for item in scene.objects),
        size_stated=bool(sized),
        size_right=bool(sized) and all(_size_holds(number, mention, meant, scene) for number, mention in sized),
        relation_stated=bool(claims),
        relation_right=bool(claims) and all(_claim_holds(claim, meant, scene) for claim in claims),
    )


def check_captions(captions: Sequence[str], scenes: Sequence[Scene]) -> dict[str, float]:
    """Shares over many captions, each with its scene, from 0 to 1.

    `objects_right`, `size_stated` and `relation_stated` are shares of all captions, `size_right` and `relation_right`
    of those that state it (0 where none does). Raises ValueError if the two lists differ in length.
    """
    checks = [check_caption(caption, scene) for caption, scene in zip(captions, scenes, strict=True)]

    def share(name: str, among: str | None = None) -> float:
        counted = [check for check in checks if among is None or getattr(check, among)]
        return sum(getattr(check, name) for check in counted) / max(1, len(counted))

    return {
        "objects_right": share("objects_right"),
        "relation_stated": share("relation_stated"),
        "relation_right": share("relation_right", among="relation_stated"),
        "size_stated": share("size_stated"),
        "size_right": share("size_right", among="size_stated"),
    }


def _read(caption: str) -> list[str | Mention]:
    """The caption's words without articles, each object phrase ("large blue square") joined into one Mention."""
    symbols: list[str | Mention] = []
    adjectives: list[str] = []
    for word in [*re.findall(r"[a-z]+", caption.lower()), ""]:
        if word in COLOURS or word in SIZE_OF:
            adjectives.append(word)
            continue
        if word in SHAPES or adjectives:  # adjectives without a shape: an object left unfinished
            symbols.append(_mention(adjectives, word if word in SHAPES else None))
            adjectives = []
        if word not in (*SHAPES, "a", "an", "the", ""):
            symbols.append(word)
    return symbols


def _mention(adjectives: list[str], shape: str | None) -> Mention:
    colours = {word for word in adjectives if word in COLOURS}
    sizes = {SIZE_OF[word] for word in adjectives if word in SIZE_OF}
    return Mention(colours.pop() if len(colours) == 1 else None, shape, sizes.pop() if len(sizes) == 1 else None)


def _claims(symbols: list[str | Mention]) -> list[Claim]:
    """Everything said about where things are, in order."""
    spots = [at for at, symbol in enumerate(symbols) if isinstance(symbol, Mention)]
    turns = [(at, word) for at, word in enumerate(symbols) if isinstance(word, str) and word in DIRECTIONS]
    sides_lead = bool(spots and turns) and turns[0][0] < spots[0]  # "on the left is a circle and ..."
    claims = []
    for at, word in turns:
        before = sum(spot < at for spot in spots)  # mentions so far; the next one has this number
        of = symbols[at + 1 : at + 2] == ["of"]
        target = symbols[at + 1 + of] if at + 1 + of < len(symbols) else ""
        direction = DIRECTIONS[word]
        if target == "it" or symbols[max(0, at - 1)] == "its":  # "... with a star below it"
            claims.append(Claim(before - 1, direction, before - 2))
        elif isinstance(target, Mention) and (of or word in PREPOSITIONS):
            claims.append(Claim(before - 1 if before else 1, direction, before))  # first of all: "below b is a"
        elif word in PREPOSITIONS:
            claims.append(Claim(before - 1, direction, NOTHING))
        else:
            claims.append(Claim(before if sides_lead else before - 1, direction, PICTURE))
    return claims


def _identify(mentions: list[Mention], scene: Scene) -> dict[int, int]:
    """Which object each mention means, by number; empty where several readings fit equally well."""
    numbers: list[int | None] = [*range(len(mentions)), *[None] * (len(scene.objects) - len(mentions))]

    def fit(reading: tuple[int | None, ...]) -> int:
        pairs = zip(reading, scene.objects, strict=True)
        return sum(_likeness(mentions[number], item) for number, item in pairs if number is not None)

    readings = sorted(permutations(numbers, len(scene.objects)), key=fit, reverse=True)
    if len(readings) > 1 and fit(readings[0]) == fit(readings[1]):
        return {}
    return {number: item for item, number in enumerate(readings[0]) if number is not None}


def _likeness(mention: Mention, item: SceneObject) -> int:
    return (mention.colour == item.colour) + (mention.shape == item.shape)


def _size_holds(number: int, mention: Mention, meant: dict[int, int], scene: Scene) -> bool:
    return number in meant and mention.size == scene.objects[meant[number]].size


def _claim_holds(claim: Claim, meant: dict[int, int], scene: Scene) -> bool:
    if claim.subject not in meant:
        return False
    subject = meant[claim.subject]
    if len(scene.objects) == 1:
        return claim.reference == PICTURE and _in_region(claim.direction, scene.objects[0])
    other = 1 - subject
    compared = claim.reference == PICTURE or meant.get(claim.reference) == other
    return compared and scene.relation(subject, other) == claim.direction


def _in_region(direction: str, item: SceneObject) -> bool:
    if direction == "middle":
        return item.region == ("middle", "middle")
    return REGION_OF[direction] in item.region
