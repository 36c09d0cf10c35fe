"""Events in words: what people might say of one event, and of a scene of several in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from lrcn_hub.data.moving_shapes.events import ABSENT, Event

ACTION_WORDS = {
    "moves right": ("moves right", "moves to the right", "goes right", "slides to the right"),
    "moves left": ("moves left", "moves to the left", "goes left", "slides to the left"),
    "moves up": ("moves up", "goes up", "rises", "slides up"),
    "moves down": ("moves down", "goes down", "sinks", "slides down"),
    "jumps": ("jumps", "hops", "jumps up and down", "bounces"),
    "blinks": ("blinks", "flashes", "goes on and off"),
    "grows": ("grows", "gets bigger", "becomes larger"),
    "shrinks": ("shrinks", "gets smaller", "becomes smaller"),
}
WORD_ODDS = (5, 2, 1, 1)  # of the ways above, the plainest first
PLACE_WORDS = {
    "on the left": ("on the left", "on the left side"),
    "on the right": ("on the right", "on the right side"),
    "at the top": ("at the top", "near the top"),
    "at the bottom": ("at the bottom", "near the bottom"),
}
PLACE_SHARE = {"event": 0.8, "scene": 0.25}  # of sentences say where, if it is not in the middle

# {a}: "a red circle"; {the}: "the red circle"; {acts}, {place}: as above. The numbers are how often each is said.
EVENT_WITH_PLACE = {
    "{a} {acts} {place}": 6,
    "{the} {acts} {place}": 3,
    "{place} {a} {acts}": 2,
    "there is {a} that {acts} {place}": 2,
    "we see how {a} {acts} {place}": 1,
}
EVENT = {"{a} {acts}": 6, "{the} {acts}": 3, "there is {a} that {acts}": 2, "we see how {a} {acts}": 1}
SCENES = {
    1: {"{0}": 1},
    2: {
        "{0}, then {1}": 6,
        "first {0}, then {1}": 4,
        "{0} and then {1}": 3,
        "{0} before {1}": 2,
        "after {0}, {1}": 1,
        "{1} after {0}": 1,
    },
    3: {
        "{0}, then {1}, then {2}": 5,
        "first {0}, then {1}, finally {2}": 5,
        "{0}, then {1} and finally {2}": 4,
        "first {0}, then {1} and then {2}": 2,
        "{0} before {1}, finally {2}": 1,
    },
}


def describe_event(event: Event, random: Random, count: int = 5) -> list[str]:
    """Write `count` different sentences about one event; each tells the truth, not every one says where."""
    return _different(lambda: _say(event, random), count)


def describe_events(events: Sequence[Event], random: Random, count: int = 5) -> list[str]:
    """Write `count` different sentences about a scene of one to three events; each tells all, in their order."""
    return _different(lambda: _tell(events, random), count)


def oracle_sentence(events: Sequence[Event]) -> str:
    """The one perfect sentence about a scene, in the plainest words: all events, with their places."""
    clauses = [f"{_noun('a', event)} {event.action} {event.place}".removesuffix(f" {ABSENT}") for event in events]
    return ", then ".join(clauses)


def _different(say: Callable[[], str], count: int) -> list[str]:
    sentences: dict[str, None] = {}
    while len(sentences) < count:
        sentences[say()] = None
    return list(sentences)


def _say(event: Event, random: Random) -> str:
    place = _place(event, random, PLACE_SHARE["event"])
    templates = EVENT_WITH_PLACE if place else EVENT
    words = {"a": _noun("a", event), "the": _noun("the", event), "acts": _acts(event, random), "place": place}
    return _one_of(templates, random).format(**words)


def _tell(events: Sequence[Event], random: Random) -> str:
    article = random.choices(("a", "the"), (3, 1))[0]
    clauses = []
    for event in events:
        words = [_noun(article, event), _acts(event, random), _place(event, random, PLACE_SHARE["scene"])]
        clauses.append(" ".join(filter(None, words)))
    return _one_of(SCENES[len(events)], random).format(*clauses)


def _noun(article: str, event: Event) -> str:
    if article == "a" and event.colour[0] in "aeiou":
        article = "an"
    return f"{article} {event.colour} {event.shape}"


def _acts(event: Event, random: Random) -> str:
    ways = ACTION_WORDS[event.action]
    return random.choices(ways, WORD_ODDS[: len(ways)])[0]


def _place(event: Event, random: Random, share: float) -> str:
    if event.place == ABSENT or random.random() >= share:
        return ""
    return random.choices(PLACE_WORDS[event.place], (3, 1))[0]


def _one_of(templates: dict[str, int], random: Random) -> str:
    return random.choices(tuple(templates), tuple(templates.values()))[0]
