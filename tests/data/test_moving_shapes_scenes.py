from itertools import combinations, product
from random import Random

import pytest

from lrcn_hub.data.moving_shapes.scenes import COLOURS, SHAPES, Scene, SceneObject, random_scene

KINDS = list(product(COLOURS, SHAPES))


def some_scenes(count, objects):
    draw = Random(7)
    groups = list(combinations(KINDS, objects))
    return [random_scene(draw.choice(groups), draw) for _ in range(count)]


def test_objects_lie_inside_the_picture():
    for scene in some_scenes(500, 1) + some_scenes(500, 2):
        for item in scene.objects:
            assert item.radius < item.x < 1 - item.radius
            assert item.radius < item.y < 1 - item.radius


def test_two_objects_do_not_touch_and_their_relation_is_clear():
    for scene in some_scenes(1000, 2):
        a, b = scene.objects
        along, across = sorted((abs(a.x - b.x), abs(a.y - b.y)), reverse=True)
        assert along > a.radius + b.radius
        assert across < 0.31 * along


def test_of_two_objects_each_has_its_half_of_the_picture():
    for scene in some_scenes(300, 2):
        a, b = scene.objects
        places = {"left": (a.x, b.x), "right": (b.x, a.x), "above": (a.y, b.y), "below": (b.y, a.y)}
        first, second = places[scene.relation()]
        assert first < 0.45 < 0.55 < second


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0.2, 0.5), (0.8, 0.6), "left"),
        ((0.8, 0.5), (0.2, 0.6), "right"),
        ((0.5, 0.1), (0.4, 0.9), "above"),
        ((0.5, 0.9), (0.4, 0.1), "below"),
    ],
)
def test_a_relation_reads_from_the_first_object_to_the_second(first, second, expected):
    inverse = {"left": "right", "right": "left", "above": "below", "below": "above"}
    scene = Scene(
        (SceneObject("red", "star", "small", *first, 0.1), SceneObject("blue", "heart", "small", *second, 0.1))
    )
    assert scene.relation() == expected
    assert scene.relation(1, 0) == inverse[expected]


def test_all_relations_and_all_regions_occur_about_equally_often():
    relations = [scene.relation() for scene in some_scenes(1000, 2)]
    regions = [scene.objects[0].region for scene in some_scenes(1800, 1)]
    assert {relation: relations.count(relation) for relation in set(relations)} == pytest.approx(
        dict.fromkeys(("left", "right", "above", "below"), 250), abs=60
    )
    assert len(set(regions)) == 9
    assert min(regions.count(region) for region in set(regions)) > 130


def test_large_objects_are_larger_than_small_ones():
    radii = {
        size: [o.radius for s in some_scenes(300, 2) for o in s.objects if o.size == size]
        for size in ("small", "large")
    }
    assert min(radii["large"]) > 1.4 * max(radii["small"])


def test_a_scene_survives_json():
    for scene in some_scenes(50, 1) + some_scenes(50, 2):
        assert Scene.from_json(scene.to_json()) == scene
