"""Moving shapes as tables of the narration task: events with what a labeller says of them, scenes, their videos."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from lrcn_hub.data.moving_shapes.drawing import draw_scene
from lrcn_hub.data.moving_shapes.events import FRAMES_PER_EVENT, Event, lay_out, random_events, scene_odds
from lrcn_hub.data.moving_shapes.narration_sentences import describe_event, describe_events
from lrcn_hub.data.moving_shapes.node_noise import noisy_nodes
from lrcn_hub.data.moving_shapes.videos import FRAME_RATE, Frames, write_video

if TYPE_CHECKING:
    from datasets import Dataset

EDITION = 4  # of the drawings; to be raised with any change of a pixel, so that no old file is taken for a new one
LEVELS = ("event", "scene")
LONE_SHARE = 0.5  # of training scenes have one event: they teach what each event looks like
FIFTHS = {"validation": (3,), "test": (4,), "train": (0, 1, 2)}  # of all sets of events, which may happen in a split
SENTENCES = 5


def load_narration_tables(
    seed: int = 0,
    level: str = "event",
    train: int = 3000,
    validation: int = 300,
    test: int = 500,
    picture_size: int = 64,
    videos: bool = False,
    folder: str | os.PathLike[str] | None = None,
) -> dict[str, Dataset]:
    """Make narrated events, or whole scenes of them: tables ``train``, ``validation`` and ``test``.

    Columns: ``id``, unique over all tables; ``video``, the path of a lossless file, None without `videos`; ``start``
    and ``end`` in seconds; ``nodes``, a labeller's distribution for each of `NARRATION_NODES`; ``sentences``, five;
    ``level``; ``true_nodes``. By `level`:

    - ``event``: a row is one event of a scene, from start to end, with nodes; true_nodes are its true labels. Actors
      have habits (`event_odds`);
    - ``scene``: a row is a whole scene; start, end and nodes are None, true_nodes are each event's labels in turn.
      There are fewer labels, and any actor does anything: who guesses what is not seen has nothing from it.

    Scenes have two or three events, each of another actor, in any order; some training scenes have one. No two splits
    share a scene of the same events, in whatever order. The same seed gives the same rows, and a smaller number of
    rows gives the first ones of a larger number. Files are written once, by default to a folder in the cache of
    `datasets`, about 10 KB each. Raises ValueError for any other `level`.
    """
    if level not in LEVELS:
        raise ValueError(f"unknown level {level!r} of the moving shapes; choose one of {', '.join(LEVELS)}")
    place = _video_folder(folder, seed, level, picture_size) if videos else None
    counts = {"train": train, "validation": validation, "test": test}
    tables = {}
    with tqdm(total=sum(counts.values()), desc="Narrating moving shapes", unit=level) as progress:
        for split, count in counts.items():
            rows: list[dict[str, Any]] = []
            number = 0
            while len(rows) < count:
                new = _rows(seed, split, number, level)[: count - len(rows)]
                if place is not None:
                    path = place / f"{split}-{number:05d}.mov"
                    if not path.exists():
                        write_video(draw_narrated(seed, split, number, picture_size, level), path, codec="png")
                    new = [{**row, "video": str(path)} for row in new]
                rows += new
                number += 1
                progress.update(len(new))
            tables[split] = _table(rows, level)
    return tables


def narrated_events(seed: int, split: str, number: int, level: str) -> list[Event]:
    """What happens in scene `number` of a split of this level, in order."""
    random = _random(seed, split, number, "events")
    count = 1 if split == "train" and random.random() < LONE_SHARE else random.choice((2, 3))
    while True:
        events = random_events(count, random, scene_odds() if level == "scene" else None)
        if count == 1 or _fifth(events) in FIFTHS[split]:
            return events


def draw_narrated(seed: int, split: str, number: int, picture_size: int = 64, level: str = "scene") -> Frames:
    """Draw the video of scene `number` of a split: uint8 RGB, (frames, picture_size, picture_size, 3)."""
    scenes = lay_out(narrated_events(seed, split, number, level), _random(seed, split, number, "video"))
    return np.stack([np.asarray(draw_scene(scene, picture_size)) for scene in scenes])


def _random(seed: int, split: str, number: int, what: str) -> Random:
    return Random(f"moving shapes {seed} narration {split} {number} {what}")


def _fifth(events: list[Event]) -> int:
    """Which fifth of all sets of events a scene is in; its order, and where things happen, do not matter."""
    told = sorted(f"{event.colour} {event.shape} {event.action}" for event in events)
    return zlib.crc32(", ".join(told).encode()) % 5


def _rows(seed: int, split: str, number: int, level: str) -> list[dict[str, Any]]:
    events = narrated_events(seed, split, number, level)
    name = f"{split}-{number:05d}"
    random = _random(seed, split, number, level)
    if level == "scene":
        labels = [event.labels for event in events]
        return [{"id": name, "sentences": describe_events(events, random, SENTENCES), "true_nodes": labels}]
    seconds = FRAMES_PER_EVENT / FRAME_RATE
    return [
        {
            "id": f"{name}-{index}",
            "start": index * seconds,
            "end": (index + 1) * seconds,
            "nodes": noisy_nodes(event, random),
            "sentences": describe_event(event, random, SENTENCES),
            "true_nodes": event.labels,
        }
        for index, event in enumerate(events)
    ]


def _table(rows: list[dict[str, Any]], level: str) -> Dataset:
    from datasets import Dataset, Features, List, Value  # takes a second to import

    text, number = Value("string"), Value("float64")
    features = {
        "id": text,
        "video": text,
        "start": number,
        "end": number,
        "nodes": List(List(Value("float32"))),
        "sentences": List(text),
        "level": text,
        "true_nodes": List(text) if level == "event" else List(List(text)),
    }
    columns = {name: [row.get(name) for row in rows] for name in features}
    return Dataset.from_dict({**columns, "level": [level] * len(rows)}, Features(features))


def _video_folder(folder: str | os.PathLike[str] | None, seed: int, level: str, picture_size: int) -> Path:
    if folder is None:
        from datasets import config

        folder = Path(config.HF_DATASETS_CACHE) / "lrcn_moving_shapes"
    place = Path(folder).absolute() / f"narration-{EDITION}-{level}s-seed{seed}-{picture_size}px"
    place.mkdir(parents=True, exist_ok=True)
    return place
