"""Does a sentence tell what happens, and in what order? Reads it back and holds it against the true events."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lrcn_hub.data.moving_shapes.events import ABSENT, NARRATION_NODES, Event
from lrcn_hub.data.moving_shapes.narration_sentences import ACTION_WORDS, PLACE_WORDS

ACTION_OF = {words: action for action, ways in ACTION_WORDS.items() for words in ways}
PLACE_OF = {words: place for place, ways in PLACE_WORDS.items() for words in ways}
OPENINGS = ("", "first", "after", "before")
LINKS = ("then", "and then", "finally", "and finally", "before", "after")


@dataclass(frozen=True)
class NarrationCheck:
    """What a sentence says of a scene and whether it is true."""

    events_right: bool
    """Every event is told once, by its actor (colour and shape) and its action, and nothing else is; in any order."""
    order_right: bool
    """The same, in the order in which the events happen."""
    actors_right: bool
    """The actors are those of the scene in their order, whatever they are said to do."""
    place_stated: bool
    place_right: bool
    """The sentence tells all events, and every place that it states is true."""


def read_events(sentence: str) -> list[Event]:
    """What a sentence in any of our wordings says, in the order in which it says that things happen.

    A place that is not stated is "none". Text that makes no sense as a whole gives no events.
    """
    text = " ".join(re.findall(r"[a-z]+", sentence.lower()))
    clauses = list(_CLAUSE.finditer(text))
    if not clauses or clauses[-1].end() != len(text) or any(clause["early"] and clause["late"] for clause in clauses):
        return []
    starts = [0, *(clause.end() for clause in clauses)]
    links = [text[start : clause.start()].strip() for start, clause in zip(starts, clauses, strict=False)]
    commas = ("",) if links[0] in ("after", "before") else ()  # "after a, b", "before b, a"
    if links[0] not in OPENINGS or not all(link in LINKS + commas for link in links[1:]):
        return []
    events: list[Event] = []
    for number, (link, clause) in enumerate(zip(links, clauses, strict=True)):
        earlier = (number > 0 and link == "after") or (number == 1 and links[0] == "before")  # than the one before
        events.insert(len(events) - earlier, _event(clause))
    return events


def check_narration(sentence: str, true_events: Sequence[Sequence[str]]) -> NarrationCheck:
    """Check one sentence against the events' true labels (`true_nodes`), each in the order of `NARRATION_NODES`.

    Text that makes no sense is not right, never an error.
    """
    told, true = read_events(sentence), [Event(*labels) for labels in true_events]
    acts, true_acts = ([(event.actor, event.action) for event in events] for events in (told, true))
    stated = [event for event in told if event.place != ABSENT]
    events_right = Counter(acts) == Counter(true_acts)
    return NarrationCheck(
        events_right=events_right,
        order_right=acts == true_acts,
        actors_right=[event.actor for event in told] == [event.actor for event in true],
        place_stated=bool(stated),
        place_right=bool(stated) and events_right and all(event in true for event in stated),
    )


def check_narrations(sentences: Sequence[str], scenes: Sequence[Sequence[Sequence[str]]]) -> dict[str, float]:
    """Shares over many sentences, each with the true labels of its scene's events, from 0 to 1.

    - ``events_right``: of sentences that tell every event, by actor and action, and nothing else, in any order;
    - ``event_order_accuracy``: of those that also tell the events in their true order;
    - ``actor_order_accuracy``: of those with the right actors in their true order, whatever they do;
    - ``place_stated``, and among these ``place_right``: all events told and each stated place true.

    Raises ValueError if the two lists differ in length or are empty.
    """
    if len(sentences) != len(scenes) or not sentences:
        raise ValueError(f"there are {len(sentences)} sentences about {len(scenes)} scenes; give one for each")
    checks = [check_narration(sentence, events) for sentence, events in zip(sentences, scenes, strict=True)]
    return {
        "events_right": _share(check.events_right for check in checks),
        "event_order_accuracy": _share(check.order_right for check in checks),
        "actor_order_accuracy": _share(check.actors_right for check in checks),
        "place_stated": _share(check.place_stated for check in checks),
        "place_right": _share(check.place_right for check in checks if check.place_stated),
    }


def _share(values: Iterable[bool]) -> float:
    counted = list(values)
    return sum(counted) / max(1, len(counted))


def _event(clause: re.Match[str]) -> Event:
    place = clause["early"] or clause["late"]
    return Event(clause["colour"], clause["shape"], ACTION_OF[clause["action"]], PLACE_OF[place] if place else ABSENT)


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))  # "jumps up and down" before "jumps"


_CLAUSE = re.compile(
    rf"\b(?:(?P<early>{_any_of(PLACE_OF)}) )?(?:there is |we see how )?(?:an?|the) "
    rf"(?P<colour>{_any_of(NARRATION_NODES['colour'])}) (?P<shape>{_any_of(NARRATION_NODES['shape'])}) (?:that )?"
    rf"(?P<action>{_any_of(ACTION_OF)})\b(?: (?P<late>{_any_of(PLACE_OF)})\b)?"
)
