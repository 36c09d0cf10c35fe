import hashlib
import os
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from lrcn_hub.data.moving_shapes import Scene, check_caption, draw_scene, load_captioning_tables
from lrcn_hub.data.moving_shapes.scenes import COLOURS, SHAPES

SIZES = {"train": 2000, "validation": 150, "test": 300}


@pytest.fixture(scope="module", params=["pairs", "combinations"])
def split(request):
    return request.param


@pytest.fixture(scope="module")
def tables(split):
    return load_captioning_tables(seed=1, split=split, **SIZES)


@pytest.fixture(scope="module")
def kinds(tables):
    """Split -> for each picture the set of its (colour, shape) objects."""
    scenes = {name: [Scene.from_json(text) for text in table["scene"]] for name, table in tables.items()}
    return {name: [frozenset(item.kind for item in scene.objects) for scene in all] for name, all in scenes.items()}


def digest(tables):
    """A hash of everything in the tables, pictures as stored."""
    from datasets import Image

    rows = {name: table.cast_column("image", Image(decode=False)).to_list() for name, table in tables.items()}
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def test_the_tables_have_the_columns_of_a_captioning_table(tables):
    assert {name: len(table) for name, table in tables.items()} == SIZES
    row = tables["test"][5]
    assert sorted(row) == ["captions", "id", "image", "scene"]
    assert (row["image"].size, row["image"].mode) == ((64, 64), "RGB")
    assert len(row["captions"]) == 5


def test_ids_are_unique_over_all_splits(tables):
    ids = [name for table in tables.values() for name in table["id"]]
    assert len(set(ids)) == sum(SIZES.values())


def test_picture_captions_and_scene_tell_of_the_same(tables):
    for row in tables["test"].select(range(50)):
        scene = Scene.from_json(row["scene"])
        assert np.array_equal(np.asarray(row["image"]), np.asarray(draw_scene(scene)))
        assert all(check_caption(caption, scene).objects_right for caption in row["captions"])


def test_no_picture_occurs_twice(tables):
    pictures = [np.asarray(image).tobytes() for table in tables.values() for image in table["image"]]
    assert len(set(pictures)) == len(pictures)


def test_every_test_picture_holds_two_different_objects_and_many_others_hold_one(kinds):
    assert {len(picture) for picture in kinds["test"]} == {2}
    for name in ("train", "validation"):
        assert 0.4 < np.mean([len(picture) == 1 for picture in kinds[name]]) < 0.6


@pytest.mark.parametrize("split", ["pairs"], indirect=True)
def test_no_test_pair_was_seen_in_training_though_each_of_its_objects_was(split, kinds):
    seen_pairs = {picture for picture in kinds["train"] + kinds["validation"] if len(picture) == 2}
    seen_kinds = set().union(*kinds["train"])
    assert not seen_pairs & set(kinds["test"])
    assert all(picture <= seen_kinds for picture in kinds["test"])
    assert len(seen_kinds) == len(COLOURS) * len(SHAPES)
    assert len(set(kinds["test"])) > 70  # of the 87 pairs held out


@pytest.mark.parametrize("split", ["combinations"], indirect=True)
def test_every_test_picture_holds_a_combination_unseen_in_training_of_a_colour_and_a_shape_seen(split, kinds):
    seen = set().union(*kinds["train"], *kinds["validation"])
    unseen = set().union(*kinds["test"]) - seen
    assert all(picture - seen for picture in kinds["test"])
    assert len(unseen) == len(SHAPES)
    assert {shape for _, shape in unseen} == set(SHAPES)
    assert {colour for colour, _ in seen} == set(COLOURS)
    assert {shape for _, shape in seen} == set(SHAPES)


def test_validation_is_drawn_as_training_is(kinds):
    pairs = {picture for picture in kinds["train"] if len(picture) == 2}
    seen = set().union(*kinds["train"])
    assert all(picture <= seen for picture in kinds["validation"])
    shared = [picture in pairs for picture in kinds["validation"] if len(picture) == 2]
    assert np.mean(shared) > 0.8  # 1,000 draws from some 300 pairs leave few undrawn


def test_another_process_makes_the_same_bytes():
    # Another hash seed would show an order taken from a set or dict of strings.
    code = (
        "import importlib.util as u; from lrcn_hub.data.moving_shapes import load_captioning_tables as load\n"
        f"spec = u.spec_from_file_location('this', {__file__!r}); this = u.module_from_spec(spec)\n"
        "spec.loader.exec_module(this); print(this.digest(load(seed=3, train=20, validation=4, test=4)))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12"}
    there = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == digest(load_captioning_tables(seed=3, train=20, validation=4, test=4))


def test_seed_and_split_change_the_pictures():
    sizes = {"train": 4, "validation": 1, "test": 1}
    made = [
        digest(load_captioning_tables(seed=s, split=k, **sizes)) for s in (0, 1) for k in ("pairs", "combinations")
    ]
    assert all(a != b for a, b in combinations(made, 2))


def test_fewer_pictures_are_the_first_of_more():
    few = load_captioning_tables(train=5, validation=2, test=2)
    more = load_captioning_tables(train=9, validation=3, test=4)
    for name, table in few.items():
        assert table["scene"][:] == more[name]["scene"][: len(table)]
        assert table["captions"][:] == more[name]["captions"][: len(table)]


def test_the_picture_size_can_be_chosen():
    assert load_captioning_tables(train=1, validation=0, test=0, picture_size=96)["train"][0]["image"].size == (96, 96)


def test_an_unknown_split_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'hard'.*'pairs' or 'combinations'"):
        load_captioning_tables(split="hard")
