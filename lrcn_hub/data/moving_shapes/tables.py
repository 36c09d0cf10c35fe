"""Moving shapes as tables: which pictures are in which split, and the columns the captioning task knows."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from itertools import combinations, product
from random import Random
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from lrcn_hub.data.moving_shapes.captions import describe
from lrcn_hub.data.moving_shapes.drawing import draw_scene
from lrcn_hub.data.moving_shapes.scenes import COLOURS, SHAPES, Kind, Scene, random_scene

if TYPE_CHECKING:
    from datasets import Dataset

KINDS: tuple[Kind, ...] = tuple(product(COLOURS, SHAPES))
PAIRS = tuple(combinations(KINDS, 2))
KindsOf = Callable[[Random], Sequence[Kind]]
"""Draws the kinds of one picture's objects."""

HELD_OUT_PAIRS = 0.2  # of all pairs of kinds
LONE_SHARE = 0.5  # of training and validation pictures hold one object: they teach what each kind looks like
CAPTIONS_PER_PICTURE = 5


def load_captioning_tables(
    seed: int = 0,
    split: str = "pairs",
    train: int = 8000,
    validation: int = 500,
    test: int = 500,
    picture_size: int = 64,
) -> dict[str, Dataset]:
    """Make captioned pictures of one or two objects: tables ``train``, ``validation`` and ``test``.

    Columns: ``image``; ``captions``, five for each; ``id``, unique over all tables; ``scene``, the truth as JSON (see
    `Scene.from_json`). Every test picture holds two objects that ask for more than recall, by `split`:

    - ``pairs``: two kinds (a kind is a colour and a shape) never seen together in training, each seen otherwise;
    - ``combinations``: at least one kind never seen in training, though its colour and its shape were.

    Validation pictures are drawn as the training pictures are. The same seed gives the same bytes, and a smaller
    number of pictures gives the first ones of a larger number. Raises ValueError for any other `split`.
    """
    training, testing = _kinds_of_splits(split, Random(f"moving shapes {seed} {split}"))
    draw: dict[str, tuple[int, KindsOf]] = {
        "train": (train, training),
        "validation": (validation, training),
        "test": (test, testing),
    }
    tables = {}
    with tqdm(total=train + validation + test, desc="Drawing moving shapes", unit="picture") as progress:
        for name, (count, kinds) in draw.items():
            rows = []
            for number in range(count):
                random = Random(f"moving shapes {seed} {split} {name} {number}")
                rows.append(_row(f"{name}-{number:05d}", random_scene(kinds(random), random), random, picture_size))
                progress.update()
            tables[name] = _table(rows)
    return tables


def _kinds_of_splits(split: str, random: Random) -> tuple[KindsOf, KindsOf]:
    """How the kinds of a training (and validation) picture are drawn, and how those of a test picture."""
    if split == "pairs":
        held_out = random.sample(PAIRS, round(HELD_OUT_PAIRS * len(PAIRS)))
        return _train_on(KINDS, sorted(set(PAIRS) - set(held_out))), lambda draw: draw.sample(draw.choice(held_out), 2)
    if split == "combinations":
        unseen = tuple(zip(random.sample(COLOURS, len(SHAPES)), SHAPES, strict=True))  # one colour of each shape
        seen = sorted(set(KINDS) - set(unseen))
        new_pairs = [pair for pair in PAIRS if set(pair) & set(unseen)]
        return _train_on(seen, list(combinations(seen, 2))), lambda draw: draw.sample(draw.choice(new_pairs), 2)
    raise ValueError(f"unknown split {split!r} of the moving shapes; choose 'pairs' or 'combinations'")


def _train_on(kinds: Sequence[Kind], pairs: Sequence[tuple[Kind, Kind]]) -> KindsOf:
    def draw_kinds(draw: Random) -> Sequence[Kind]:
        if draw.random() < LONE_SHARE:
            return [draw.choice(kinds)]
        return draw.sample(draw.choice(pairs), 2)

    return draw_kinds


def _row(name: str, scene: Scene, random: Random, picture_size: int) -> dict[str, Any]:
    picture = io.BytesIO()
    draw_scene(scene, picture_size).save(picture, "BMP")  # read four times as fast as PNG, at 12 KB each
    return {
        "image": {"bytes": picture.getvalue(), "path": None},
        "captions": describe(scene, random, CAPTIONS_PER_PICTURE),
        "id": name,
        "scene": scene.to_json(),
    }


def _table(rows: list[dict[str, Any]]) -> Dataset:
    from datasets import Dataset, Features, Image, List, Value  # takes a second to import

    features = {"image": Image(), "captions": List(Value("string")), "id": Value("string"), "scene": Value("string")}
    return Dataset.from_dict({name: [row[name] for row in rows] for name in features}, Features(features))
