"""Systems that were judged, their pictures, a sheet made of them, and raters who fill it."""

import json

import numpy as np
import pytest
from PIL import Image

from lrcn_hub.judging import draw_lots, pictures_in_file
from lrcn_hub.judging.key import CRITERIA

SAID = {  # of five pictures; about the last all say the same
    "ours": ["a red square", "two circles", "A dog.", "nothing", "a cat"],
    "theirs": ["a blue square", "two circles.", "a cat", "", "a cat"],
    "human": ['Look: </script><b>a square</b> & "more"', "a wheel", "the dog sleeps", "empty ground", "A cat."],
}
IDS = ["a/1.png", "2", "__proto__", "Ünder 4", "5"]


@pytest.fixture
def answers():
    return {system: dict(zip(IDS, said, strict=True)) for system, said in SAID.items()}


@pytest.fixture
def photos(tmp_path):
    """A file that names five pictures, small and large."""
    lines = []
    for number, name in enumerate(IDS):
        side = 900 if number == 1 else 16
        pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        lines.append(json.dumps({"id": name, "image": f"{number}.png", "captions": [SAID["human"][number]]}))
    (tmp_path / "photos.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return pictures_in_file(tmp_path / "photos.jsonl")


@pytest.fixture
def key(answers):
    return draw_lots(answers, 30, seed=1)


@pytest.fixture
def fill(key):
    """Say what a page saves for a rater who ranks by a function of criterion, ballot and place of the caption."""

    def filled(rater, rank=lambda criterion, ballot, place: place + 1, **changes):
        ranks = {
            ballot.id: {
                criterion: [rank(criterion, ballot, place) for place in range(len(ballot.captions))]
                for criterion in CRITERIA
            }
            for ballot in key.ballots
        }
        form = {"form": "lrcn-judge-sheet", "version": 1, "sheet": key.id, "rater": rater, "copy": f"copy of {rater}"}
        return {**form, "ranks": ranks, **changes}

    return filled


@pytest.fixture
def saved(tmp_path):
    """Write what a page saves; gives the file."""

    def write(name, content):
        file = tmp_path / name
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return file

    return write
