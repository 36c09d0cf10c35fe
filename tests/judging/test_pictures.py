"""Pictures are found by their ids, in a table, a file or a folder, and made small."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from lrcn_hub.judging import pictures_in_file, pictures_in_folder, pictures_in_table


def decoded(url):
    head, _, content = url.partition(",")
    return head, Image.open(io.BytesIO(base64.b64decode(content)))


def test_a_small_picture_is_kept_to_the_bit_and_a_large_one_is_made_smaller(photos, tmp_path):
    head, small = decoded(photos.data_url("a/1.png"))
    assert head == "data:image/png;base64"
    assert np.array_equal(small, Image.open(tmp_path / "0.png"))
    head, large = decoded(photos.data_url("2"))
    assert (head, large.format, large.size) == ("data:image/jpeg;base64", "JPEG", (640, 640))


def test_pictures_of_a_table_come_with_what_people_said(tmp_path):
    import datasets

    Image.new("RGB", (20, 10), "red").save(tmp_path / "red.png")
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "image": datasets.Image(),
            "captions": datasets.List(datasets.Value("string")),
        }
    )
    columns = {"id": ["r"], "image": [str(tmp_path / "red.png")], "captions": [["red", "so red"]]}
    pictures = pictures_in_table(datasets.Dataset.from_dict(columns, features), "the table")
    assert decoded(pictures.data_url("r"))[1].size == (20, 10)
    assert list(pictures.captions) == [["red", "so red"]]
    videos = datasets.Dataset.from_dict({"id": ["r"], "video": ["x.mp4"]})
    with pytest.raises(ValueError, match="the table has no column image: sheets are made of pictures only"):
        pictures_in_table(videos, "the table")


def test_a_picture_in_a_folder_has_its_path_as_id_with_or_without_its_ending(tmp_path):
    (tmp_path / "in").mkdir()
    for name, side in (("a.png", 3), ("in/b.jpg", 4), ("in/b.png", 5)):
        Image.new("RGB", (side, side)).save(tmp_path / name)
    pictures = pictures_in_folder(tmp_path)
    assert [decoded(pictures.data_url(name))[1].width for name in ("a", "a.png", "in/b.jpg", "in/b.png")] == [
        3,
        3,
        4,
        5,
    ]
    with pytest.raises(ValueError, match="has no picture with the id 'in/b'"):  # either could be meant
        pictures.data_url("in/b")


def test_a_broken_picture_is_named(tmp_path):
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="picture x: not an image"):
        pictures_in_folder(tmp_path).data_url("x")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["{"], "line 1: not JSON"),
        ([{"id": "1"}], "line 1: not an id with the path of an image"),
        ([{"id": "1", "image": "a"}, {"id": 1, "image": "b"}], "line 2: a second picture with the id 1"),
        ([{"id": "1", "image": "../a"}], r"line 1: '\.\./a' is not in the images' folder"),
    ],
)
def test_a_file_of_pictures_that_cannot_be_meant_is_refused(lines, fault, tmp_path):
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(ValueError, match=r"p\.jsonl, " + fault):
        pictures_in_file(tmp_path / "p.jsonl")
