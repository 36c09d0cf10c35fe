"""What is said of where data come from."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lrcn_hub.data.sources import describe_origin, is_on_hub, needed_path, split_files


@dataclass
class Options:
    reader: str = "folder"
    path: str = ""
    subset: str | None = None
    license: str = ""
    moving_shapes: dict = field(default_factory=dict)
    train_file: str = ""
    validation_file: str = ""
    test_file: str = ""
    train_list: str = ""
    validation_list: str = ""
    test_list: str = ""


def test_files_are_named_without_the_folders_of_this_machine():
    options = Options("coco", "", train_file="/home/me/a.json", test_file="b.json", test_list="/data/ids.txt")
    assert describe_origin(options) == {"source": "a.json, b.json, ids.txt, read as coco"}
    assert (
        describe_origin(options, files=["/tmp/n.npz", ""])["source"] == "a.json, b.json, ids.txt, n.npz, read as coco"
    )


def test_a_dataset_on_the_hub_is_named_with_its_subset_and_revision_and_a_folder_is_not(tmp_path):
    on_hub = Options("datasets", "someone/pictures", subset="small", license="cc-by-4.0")
    assert is_on_hub(on_hub)
    assert describe_origin(on_hub, revision="abc") == {
        "source": "someone/pictures, small",
        "dataset": "someone/pictures",
        "revision": "abc",
        "license": "cc-by-4.0",
    }
    folder = Options("datasets", str(tmp_path))
    assert describe_origin(folder) == {"source": f"{tmp_path.name}, read as datasets"}


def test_moving_shapes_are_named_with_the_chosen_options_and_a_licence():
    options = Options("moving-shapes", moving_shapes={"seed": 3, "train": 5, "split": "pairs"})
    assert describe_origin(options) == {"source": "moving shapes, built in (seed 3)", "license": "apache-2.0"}
    assert describe_origin(options, ("split",))["source"] == "moving shapes, built in (split pairs)"
    assert describe_origin(Options("moving-shapes"))["source"] == "moving shapes, built in"


def test_a_path_that_is_needed_is_asked_for_with_what_it_must_be():
    assert needed_path(Options(path="a/b"), "a folder") == Path("a/b")
    with pytest.raises(ValueError, match="the folder reader needs path: a folder"):
        needed_path(Options(), "a folder")


def test_files_of_splits_are_those_that_are_set():
    assert split_files(Options(test_file="t", train_list="l"), "file") == {"test": Path("t")}
