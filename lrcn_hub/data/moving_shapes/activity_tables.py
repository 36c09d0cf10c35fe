"""Moving shapes as tables of videos: what the activity task knows, and the files its `video` column names."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

from lrcn_hub.data.moving_shapes.actions import ACTIONS
from lrcn_hub.data.moving_shapes.videos import Frames, draw_action, write_video

if TYPE_CHECKING:
    from datasets import Dataset

EDITION = 1  # of the drawings; to be raised with any change of a pixel, so that no old file is taken for a new one


def load_activity_tables(
    seed: int = 0,
    train: int = 2000,
    validation: int = 200,
    test: int = 500,
    picture_size: int = 48,
    folder: str | os.PathLike[str] | None = None,
) -> dict[str, Dataset]:
    """Make videos of 16 frames, one of ten actions each: tables ``train``, ``validation`` and ``test``.

    Columns: ``video``, the path of a lossless file; ``label``, an action of `ACTIONS`, in turn; ``id``, unique over
    all tables; ``group``, shared by the two videos of one drawing. Rows come in such twins: an action, then the same
    frames backwards, which are its partner's. Whatever forgets the order of frames answers both alike.

    Files are written once, by default to a folder in the cache of `datasets`, about 110 KB each. The same seed gives
    the same frames, and a smaller number of videos gives the first ones of a larger number.
    """
    place = _cache_folder() if folder is None else Path(folder).absolute()
    place = place / f"actions-{EDITION}-seed{seed}-{picture_size}px"
    place.mkdir(parents=True, exist_ok=True)
    counts = {"train": train, "validation": validation, "test": test}
    tables = {}
    with tqdm(total=sum(counts.values()), desc="Drawing moving shapes", unit="video") as progress:
        for split, count in counts.items():
            paths = [place / f"{split}-{index:05d}.mov" for index in range(count)]
            for first in range(0, count, 2):
                twins = paths[first : first + 2]
                if not all(path.exists() for path in twins):
                    frames = draw_example(seed, split, first, picture_size)
                    for path, video in zip(twins, (frames, frames[::-1]), strict=False):  # the last may be alone
                        write_video(video, path)
                progress.update(len(twins))
            tables[split] = _table(paths)
    return tables


def draw_example(seed: int, split: str, index: int, picture_size: int = 48) -> Frames:
    """Draw the video of one row: uint8 RGB, (frames, picture_size, picture_size, 3)."""
    random = Random(f"moving shapes {seed} actions {split} {index // 2}")
    return draw_action(ACTIONS[index % len(ACTIONS)], random, picture_size)


def _table(paths: list[Path]) -> Dataset:
    from datasets import ClassLabel, Dataset, Features, Value  # takes a second to import

    names = [path.stem for path in paths]
    columns = {
        "video": [str(path) for path in paths],
        "label": [index % len(ACTIONS) for index in range(len(paths))],
        "id": names,
        "group": [names[index - index % 2] for index in range(len(names))],
    }
    text = Value("string")
    features = {"video": text, "label": ClassLabel(names=list(ACTIONS)), "id": text, "group": text}
    return Dataset.from_dict(columns, Features(features))


def _cache_folder() -> Path:
    from datasets import config

    return Path(config.HF_DATASETS_CACHE) / "lrcn_moving_shapes"
