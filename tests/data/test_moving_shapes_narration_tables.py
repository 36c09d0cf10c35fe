from pathlib import Path

import numpy as np
import pytest

from lrcn_hub.data.moving_shapes import (
    NARRATION_NODES,
    check_narrations,
    draw_narrated,
    load_narration_tables,
)
from lrcn_hub.data.moving_shapes.events import FRAMES_PER_EVENT
from lrcn_hub.data.videos import check_videos, read_frames

SIZES = {"train": 120, "validation": 30, "test": 60}
COLUMNS = ["end", "id", "level", "nodes", "sentences", "start", "true_nodes", "video"]


@pytest.fixture(scope="module")
def events():
    return load_narration_tables(seed=1, **SIZES)


@pytest.fixture(scope="module")
def scenes():
    return load_narration_tables(seed=1, level="scene", **SIZES)


def told(row):
    return tuple(sorted(tuple(labels[:3]) for labels in row["true_nodes"]))


def test_both_levels_have_the_columns_of_a_narration_table(events, scenes):
    for level, tables in (("event", events), ("scene", scenes)):
        assert {split: len(table) for split, table in tables.items()} == SIZES
        for table in tables.values():
            assert sorted(table.column_names) == COLUMNS
            assert set(table["level"]) == {level}
            assert set(table["video"]) == {None}
            assert all(len(set(sentences)) == 5 for sentences in table["sentences"])
        ids = [name for table in tables.values() for name in table["id"]]
        assert len(set(ids)) == sum(SIZES.values())


def test_an_event_has_its_time_its_nodes_and_its_truth(events):
    for row in events["train"]:
        number = int(row["id"].split("-")[2])
        assert (row["start"], row["end"]) == (number, number + 1)
        assert all(label in labels for label, labels in zip(row["true_nodes"], NARRATION_NODES.values(), strict=True))
        assert [len(given) for given in row["nodes"]] == [len(labels) for labels in NARRATION_NODES.values()]
    for table in events.values():
        for number in range(5):
            shares = check_narrations([row["sentences"][number] for row in table], [[t] for t in table["true_nodes"]])
            assert shares["event_order_accuracy"] == 1
            assert shares["place_right"] == 1


def test_the_sentences_of_a_scene_tell_its_events_in_order(scenes):
    for table in scenes.values():
        for number in range(5):
            shares = check_narrations([row["sentences"][number] for row in table], table["true_nodes"])
            assert shares["event_order_accuracy"] == 1
            assert shares["place_right"] == 1
        assert table["start"] == table["end"] == table["nodes"] == [None] * len(table)


def test_only_training_has_scenes_of_one_event(scenes):
    assert {len(labels) for labels in scenes["train"]["true_nodes"]} == {1, 2, 3}
    for split in ("validation", "test"):
        assert {len(labels) for labels in scenes[split]["true_nodes"]} == {2, 3}


def test_every_event_of_a_scene_has_another_actor(scenes):
    for table in scenes.values():
        for labels in table["true_nodes"]:
            assert len({tuple(event[:2]) for event in labels}) == len(labels)


def test_no_split_has_another_ones_scenes_in_whatever_order(scenes):
    seen = [{told(row) for row in table if len(row["true_nodes"]) > 1} for table in scenes.values()]
    assert all(len(one) > 20 for one in seen)
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_a_small_table_begins_a_large_one(events, scenes):
    for level, tables in (("event", events), ("scene", scenes)):
        few = load_narration_tables(seed=1, level=level, train=7, validation=2, test=4)
        for split, table in few.items():
            assert table.to_list() == tables[split].select(range(len(table))).to_list()


def test_seeds_differ(events):
    other = load_narration_tables(seed=2, train=5, validation=0, test=0)["train"]
    assert other["sentences"] != events["train"]["sentences"][:5]


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match=r"unknown level 'shot'.*event, scene"):
        load_narration_tables(level="shot")


def test_videos_are_written_once_and_hold_every_pixel(tmp_path):
    sizes = {"train": 4, "validation": 1, "test": 2}
    tables = load_narration_tables(level="scene", videos=True, folder=tmp_path, picture_size=32, **sizes)
    paths = [path for table in tables.values() for path in table["video"]]
    written = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*.mov"))]
    assert all(check_videos(paths, every_frame=True)[0])
    for split, table in tables.items():
        for number, row in enumerate(table):
            frames = read_frames(row["video"])
            assert frames.shape == (FRAMES_PER_EVENT * len(row["true_nodes"]), 32, 32, 3)
            np.testing.assert_array_equal(frames, draw_narrated(0, split, number, 32))
    events = load_narration_tables(videos=True, folder=tmp_path, picture_size=32, train=4, validation=0, test=0)
    again = load_narration_tables(level="scene", videos=True, folder=tmp_path, picture_size=32, **sizes)
    assert [Path(path).stat().st_mtime_ns for path in sorted(paths)] == written
    assert [table["video"][:] for table in again.values()] == [table["video"][:] for table in tables.values()]
    assert not set(events["train"]["video"]) & set(paths)  # events have habits, scenes have none
    for row in events["train"]:
        assert row["end"] * 8 <= len(read_frames(row["video"]))
