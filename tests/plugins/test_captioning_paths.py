"""Captions from anybody: a file of theirs may name pictures in the images' folder, and none elsewhere."""

import json

import pytest
from datasets import Dataset

from lrcn_captioning.data import CaptioningDataOptions, DataReport
from lrcn_captioning.readers import read_tables

OUTSIDE = ["../../etc/passwd", "/etc/passwd", "photos/../../passwd"]


def coco(folder, name):
    content = {
        "images": [{"id": 3, "file_name": "a.jpg"}, {"id": 7, "file_name": name}],
        "annotations": [{"id": n, "image_id": n, "caption": "a dog"} for n in (3, 7)],
    }
    (folder / "captions.json").write_text(json.dumps(content))
    return {"reader": "coco", "train_file": str(folder / "captions.json"), "source": "captions.json, image 7"}


def karpathy(folder, name):
    path, _, file = name.rpartition("/")
    rows = [{"split": "train", "filename": file, "filepath": path or "/", "sentences": [{"raw": "a dog"}]}]
    (folder / "dataset.json").write_text(json.dumps({"images": rows}))
    return {"reader": "karpathy", "path": str(folder / "dataset.json"), "source": f"dataset.json, image {file}"}


def flickr(folder, name):
    (folder / "tokens.txt").write_text(f"a.jpg#0\ta dog\n{name}#0\ta dog\n")
    return {"reader": "flickr", "path": str(folder / "tokens.txt"), "source": f"tokens.txt, image {name}"}


def metadata(folder, name):
    rows = [{"file_name": "a.jpg", "text": "a dog"}, {"file_name": name, "text": "a dog"}]
    (folder / "metadata.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return {"reader": "folder", "path": str(folder), "source": "metadata.jsonl, line 2"}


def dataset(folder, name):
    table = Dataset.from_dict({"image": ["a.jpg", name], "captions": ["a dog", "a dog"]})
    table.save_to_disk(folder / "saved")
    return {"reader": "datasets", "path": str(folder / "saved"), "source": "saved, row 1", "image_folder": str(folder)}


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("written", [coco, karpathy, flickr, metadata, dataset])
def test_a_picture_outside_the_images_folder_is_refused_with_file_and_row(written, name, tmp_path):
    options = written(tmp_path, name)
    source = options.pop("source")
    with pytest.raises(ValueError, match="is not in the images' folder") as refusal:
        read_tables(CaptioningDataOptions(**options), DataReport(options["reader"]))
    assert f"{source}: '{name}'" in str(refusal.value)
