"""Which pictures are judged, and in which order their captions are shown: drawn by lot, so that nobody knows whose
is whose."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tqdm import tqdm

from lrcn_hub.judging.key import Ballot, Key
from lrcn_hub.models.processing_lrcn import as_written


def draw_lots(answers: Mapping[str, Mapping[str, str]], number: int, seed: int) -> Key:
    """Draw up to `number` pictures of those that all systems answered; `answers` has captions by system and picture.

    The same answers and seed give the same key. Captions that read the same are shown once; a picture about which all
    say the same is passed over. Raises ValueError for fewer than two systems, without a picture that all answered, and
    where all say the same about every one.
    """
    if len(answers) < 2:
        raise ValueError(f"ranks need two systems or more, but there is {', '.join(answers) or 'none'}")
    if number < 1:
        raise ValueError(f"a sheet of {number} pictures cannot be judged: choose 1 or more")
    shared = set.intersection(*(set(given) for given in answers.values()))
    if not shared:
        counts = ", ".join(f"{name} {len(given)}" for name, given in answers.items())
        raise ValueError(f"no picture was answered by all systems; they answered: {counts}")
    drawn = sorted(shared)
    random.Random(seed).shuffle(drawn)
    ballots: list[Ballot] = []
    alike = []
    for name in tqdm(drawn, desc="drawing lots", unit="picture", leave=False, disable=None):
        if len(ballots) == number:
            break
        ballot = _ballot(name, {system: given[name] for system, given in answers.items()}, seed)
        if len(ballot.captions) > 1:
            ballots.append(ballot)
        else:
            alike.append(name)
    if not ballots:
        raise ValueError(
            f"all systems say the same about each of the {len(shared)} pictures: there is nothing to rank"
        )
    return Key(list(answers), seed, ballots, alike)


def evened(caption: str) -> str:
    """Write a caption as all are shown: a large first letter, no blank before punctuation, no full stop at its end.

    Trained captioners do otherwise; who is a person could be told by these alone.
    """
    text = as_written(" ".join(caption.split())).removesuffix(".").rstrip()
    return text[:1].upper() + text[1:]


def _ballot(name: str, captions: Mapping[str, str], seed: int) -> Ballot:
    said: dict[str, list[str]] = {}
    for system, caption in captions.items():
        said.setdefault(evened(caption), []).append(system)
    order = sorted(said)
    random.Random(f"{seed} {name}").shuffle(order)
    return Ballot(name, order, [said[caption] for caption in order])
