"""What the captioning task tells a model card: counts, names without folders, pictures where that is allowed."""

import json
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from lrcn_captioning.card import describe_data, draw_strip
from lrcn_captioning.data import load_tables
from lrcn_captioning.options import CaptioningDataOptions
from lrcn_captioning.task import Captioning

COLOURS = [(200, 30, 40), (20, 160, 60), (40, 60, 220)]


@pytest.fixture
def load(tmp_path):
    """Read an image folder with two training pictures and a test picture, and what a test adds to it."""

    def load(rows=(), **options):
        for number, colour in enumerate(COLOURS):
            Image.new("RGB", (40, 30), colour).save(tmp_path / f"{number}.png")
        (tmp_path / "broken.png").write_bytes(b"no picture")
        base = [
            {"file_name": "0.png", "captions": ["red", "a red field"], "split": "train"},
            {"file_name": "1.png", "captions": ["green"], "split": "train"},
            {"file_name": "2.png", "captions": ["blue"], "split": "test"},
        ]
        (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, [*base, *rows])))
        chosen = CaptioningDataOptions(reader="folder", path=str(tmp_path), **options)
        return load_tables(chosen), chosen

    return load


def test_rows_captions_and_the_folder_s_name_are_told_but_not_where_it_lies(load, tmp_path):
    told = describe_data(*load())
    assert told["rows"] == {"train": 2, "test": 1}
    assert told["captions"] == {"train": 3, "test": 1}
    assert told["source"] == f"{tmp_path.name}, read as folder"
    assert (told["leaks"], told["bad_samples"]) == (0, 0)
    assert str(tmp_path.parent) not in json.dumps(told)


def test_leaks_and_bad_samples_are_counted(load):
    broken = {"file_name": "broken.png", "captions": ["?"], "split": "train"}
    again = {"file_name": "0.png", "captions": ["red"], "split": "test", "id": "another"}
    told = describe_data(*load([broken, again], on_bad_sample="skip", allow_leak=True))
    assert (told["leaks"], told["bad_samples"]) == (1, 1)
    assert told["rows"] == {"train": 2, "test": 2}


def test_the_licence_is_the_recipe_s_word_and_ours_for_moving_shapes(load):
    assert "license" not in describe_data(*load())
    assert describe_data(*load(license="cc-by-4.0"))["license"] == "cc-by-4.0"
    shapes = CaptioningDataOptions(moving_shapes={"train": 1, "validation": 1, "test": 1, "seed": 4})
    told = describe_data(load_tables(shapes), shapes)
    assert told["license"] == "apache-2.0"
    assert told["source"] == "moving shapes, built in (seed 4)"


def test_a_dataset_of_the_hub_is_named_with_the_commit_that_was_read(load):
    options = CaptioningDataOptions(reader="datasets", path="somebody/photos", subset="large")
    table = load()[0]["train"]

    class Cached:
        info = table.info
        cache_files: ClassVar = [{"filename": f"/cache/somebody___photos/large/0.0.0/{'ab' * 20}/photos-train.arrow"}]

    told = describe_data({"train": Cached()}, options)
    assert (told["dataset"], told["revision"]) == ("somebody/photos", "ab" * 20)
    assert told["source"] == "somebody/photos, large"
    assert "revision" not in describe_data({"train": table}, options)


def test_pictures_are_shown_only_where_the_recipe_says_that_they_may_be(load):
    tables, options = load()
    assert Captioning().illustrate(tables["train"], ["a", "b"], options) is None
    tables, options = load(show_pictures=True)
    assert Captioning().illustrate(tables["train"], ["a", "b"], options) is not None


def test_the_strip_holds_each_picture_over_its_own_caption(load):
    table = load()[0]["train"]
    one, other = (np.asarray(draw_strip(table, said)).astype(int) for said in (["a", "b"], ["a", "quite another"]))
    width = one.shape[1] // 2
    assert one[112, width // 2].tolist() == list(COLOURS[0])
    assert one[112, width + width // 2].tolist() == list(COLOURS[1])
    assert (one[:, :width] == other[: one.shape[0], :width]).all()
    assert (one[:, width:] != other[: one.shape[0], width:]).any()


def test_a_caption_without_end_is_cut_off(load):
    table = load()[0]["train"]
    assert draw_strip(table, ["word " * 500, ""]).height == draw_strip(table, ["word " * 5000, ""]).height
