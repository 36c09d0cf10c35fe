import hashlib
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from lrcn_hub.data.moving_shapes import ACTIONS, draw_example, load_activity_tables
from lrcn_hub.data.moving_shapes.actions import PAIRS
from lrcn_hub.data.videos import check_videos, read_frames

SIZES = {"train": 40, "validation": 10, "test": 20}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def tables(folder):
    return load_activity_tables(seed=1, folder=folder, picture_size=32, **SIZES)


@pytest.fixture(scope="module")
def videos(tables):
    return {split: [read_frames(path) for path in table["video"]] for split, table in tables.items()}


def digest(folder):
    """A hash of the frames of all four videos of a small set, without the files they are in."""
    tables = load_activity_tables(seed=3, train=2, validation=1, test=1, folder=folder)
    frames = b"".join(read_frames(path).tobytes() for table in tables.values() for path in table["video"])
    return hashlib.sha256(frames).hexdigest()


def test_the_tables_have_the_columns_of_an_activity_table(tables):
    assert {split: len(table) for split, table in tables.items()} == SIZES
    assert sorted(tables["test"].column_names) == ["group", "id", "label", "video"]
    assert tables["train"].features["label"].names == list(ACTIONS)
    ids = [name for table in tables.values() for name in table["id"]]
    assert len(set(ids)) == sum(SIZES.values())


def test_every_action_is_as_frequent(tables):
    for split, table in tables.items():
        assert set(Counter(table["label"]).values()) == {SIZES[split] // len(ACTIONS)}


def test_every_video_is_a_good_file_of_sixteen_frames(tables, videos):
    good, bad = check_videos(tables["train"]["video"], every_frame=True)
    assert all(good)
    assert not bad
    assert {video.shape for split in videos.values() for video in split} == {(16, 32, 32, 3)}


def test_twins_have_the_same_frames_and_opposite_labels(tables, videos):
    for split, table in tables.items():
        for first in range(0, len(table), 2):
            one, two = table[first], table[first + 1]
            assert one["group"] == two["group"]
            assert (ACTIONS[one["label"]], ACTIONS[two["label"]]) in PAIRS
            assert np.array_equal(videos[split][first], videos[split][first + 1][::-1])
        assert set(Counter(table["group"]).values()) == {2}


def test_what_forgets_the_order_of_frames_is_right_once_in_two_twins_at_most(tables, videos):
    # Any score of a set of frames will do; here a random linear one of the mean frame, which separates no twins.
    weights = np.random.default_rng(0).normal(size=(32 * 32 * 3, len(ACTIONS)))
    means = np.stack([np.sort(video, axis=0).mean(axis=0).reshape(-1) for video in videos["test"]])
    answers = (means @ weights).argmax(axis=1)
    right = (answers == tables["test"]["label"]).reshape(-1, 2).sum(axis=1)
    assert right.max() <= 1


def test_no_video_occurs_twice_and_no_group_lies_in_two_splits(tables, videos):
    pixels = [video.tobytes() for split in videos.values() for video in split]
    assert len(set(pixels)) == len(pixels)
    groups = [set(table["group"]) for table in tables.values()]
    assert len(set().union(*groups)) == sum(map(len, groups))


def test_a_row_can_be_drawn_alone(videos):
    for split, index in (("train", 17), ("validation", 4), ("test", 19)):
        assert np.array_equal(videos[split][index], draw_example(1, split, index, picture_size=32))


def test_fewer_videos_are_the_first_of_more_and_written_once(folder, tables):
    written = {path: os.stat(path).st_mtime_ns for path in tables["train"]["video"]}
    few = load_activity_tables(seed=1, folder=folder, picture_size=32, train=7, validation=0, test=2)
    assert few["train"].to_list() == tables["train"].select(range(7)).to_list()
    assert {path: os.stat(path).st_mtime_ns for path in written} == written


def test_other_seeds_and_sizes_have_files_of_their_own(folder, tables):
    others = [
        load_activity_tables(seed=2, folder=folder, picture_size=32, train=1, validation=0, test=0),
        load_activity_tables(seed=1, folder=folder, picture_size=40, train=1, validation=0, test=0),
    ]
    paths = {tables["train"][0]["video"], *(other["train"][0]["video"] for other in others)}
    assert len({read_frames(path).tobytes() for path in paths}) == 3


def test_a_file_that_was_lost_is_written_again(tmp_path):
    make = {"train": 4, "validation": 0, "test": 0, "folder": tmp_path}
    path = load_activity_tables(**make)["train"][2]["video"]
    before = read_frames(path)
    os.remove(path)
    load_activity_tables(**make)
    assert np.array_equal(read_frames(path), before)


def test_without_a_folder_files_lie_in_the_cache_of_datasets(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    path = load_activity_tables(train=1, validation=0, test=0)["train"][0]["video"]
    assert path.startswith(f"{tmp_path}{os.sep}")
    assert os.path.isfile(path)


def test_another_process_draws_the_same_frames(tmp_path):
    code = (
        "import importlib.util as u\n"
        f"spec = u.spec_from_file_location('this', {__file__!r}); this = u.module_from_spec(spec)\n"
        f"spec.loader.exec_module(this); print(this.digest({str(tmp_path / 'there')!r}))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12"}
    there = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == digest(tmp_path / "here")
