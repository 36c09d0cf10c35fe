import re
from itertools import combinations, product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.data.moving_shapes import (
    Scene,
    SceneObject,
    check_caption,
    check_captions,
    describe,
    oracle_caption,
    random_scene,
)
from lrcn_hub.data.moving_shapes.scenes import COLOURS, SHAPES

KINDS = list(product(COLOURS, SHAPES))
NOUN = re.compile(rf"\b(?:an?|the) (?:(?:small|little|large|big) )?(?:{'|'.join(COLOURS)}) (?:{'|'.join(SHAPES)})\b")
OPPOSITES = [("left", "right"), ("above", "below"), ("over", "under"), ("top", "bottom")]
OPPOSITE = dict(OPPOSITES) | {b: a for a, b in OPPOSITES}

# a small red circle left of a large blue square
PAIR = Scene(
    (SceneObject("red", "circle", "small", 0.2, 0.5, 0.1), SceneObject("blue", "square", "large", 0.7, 0.5, 0.18))
)
LONE = Scene((SceneObject("green", "star", "large", 0.2, 0.2, 0.18),))  # in the top left corner


def described(count, objects):
    draw = Random(11)
    groups = list(combinations(KINDS, objects))
    scenes = [random_scene(draw.choice(groups), draw) for _ in range(count)]
    return [(caption, scene) for scene in scenes for caption in describe(scene, draw)]


PAIRS_DESCRIBED, LONE_DESCRIBED = described(1500, 2), described(500, 1)


def another(words, word):
    return words[(words.index(word) + 1) % len(words)]


def words_swapped(caption, swaps):
    return " ".join(swaps.get(word, word) for word in caption.split())


def test_every_reference_caption_is_right():
    for caption, scene in PAIRS_DESCRIBED + LONE_DESCRIBED:
        check = check_caption(caption, scene)
        assert check.objects_right, caption
        assert check.size_stated == any(word in caption.split() for word in ("small", "little", "large", "big"))
        assert check.size_right == check.size_stated, caption
        assert check.relation_right == check.relation_stated, caption


def test_a_relation_is_stated_exactly_where_a_word_of_direction_is():
    places = {*OPPOSITE, "middle", "center"}
    for caption, scene in PAIRS_DESCRIBED + LONE_DESCRIBED:
        assert check_caption(caption, scene).relation_stated == bool(places & set(caption.split())), caption


def test_every_oracle_caption_is_wholly_right():
    scenes = [scene for _, scene in PAIRS_DESCRIBED + LONE_DESCRIBED]
    shares = check_captions([oracle_caption(scene) for scene in scenes], scenes)
    assert shares == dict.fromkeys(
        ("objects_right", "relation_stated", "relation_right", "size_stated", "size_right"), 1.0
    )


@pytest.mark.parametrize("names", [COLOURS, SHAPES], ids=["colour", "shape"])
def test_a_swapped_colour_or_shape_makes_the_objects_wrong(names):
    for caption, scene in PAIRS_DESCRIBED + LONE_DESCRIBED:
        words = caption.split()
        for at in [at for at, word in enumerate(words) if word in names]:
            wrong = " ".join([*words[:at], another(names, words[at]), *words[at + 1 :]])
            assert not check_caption(wrong, scene).objects_right, wrong


def test_a_swapped_size_is_wrong_though_the_objects_are_right():
    swaps = {"small": "large", "large": "small", "little": "big", "big": "little"}
    for caption, scene in PAIRS_DESCRIBED + LONE_DESCRIBED:
        check = check_caption(words_swapped(caption, swaps), scene)
        assert check.objects_right
        assert not check.size_right


def test_an_inverted_relation_is_wrong_though_the_objects_are_right():
    for caption, scene in PAIRS_DESCRIBED + LONE_DESCRIBED:
        check = check_caption(words_swapped(caption, OPPOSITE), scene)
        assert check.objects_right
        if not {"middle", "center"} & set(caption.split()):
            assert not check.relation_right, caption


def test_exchanged_objects_make_the_relation_wrong():
    for caption, scene in PAIRS_DESCRIBED:
        first, second = NOUN.findall(caption)
        exchanged = caption.replace(first, "@").replace(second, first).replace("@", second)
        check = check_caption(exchanged, scene)
        assert check.objects_right
        assert not check.relation_right, exchanged


def test_the_same_relation_told_from_the_other_object_is_right():
    for caption, scene in PAIRS_DESCRIBED:
        first, second = NOUN.findall(caption)
        exchanged = caption.replace(first, "@").replace(second, first).replace("@", second)
        inverse = check_caption(words_swapped(exchanged, OPPOSITE), scene)
        assert inverse.objects_right
        assert inverse.relation_right == inverse.relation_stated, exchanged


def test_a_dropped_object_is_wrong():
    for caption, scene in PAIRS_DESCRIBED + LONE_DESCRIBED:
        for noun in NOUN.findall(caption):
            assert not check_caption(caption.replace(noun, ""), scene).objects_right


def test_an_added_object_is_wrong():
    for caption, scene in PAIRS_DESCRIBED + LONE_DESCRIBED:
        colour, shape = scene.objects[0].kind
        for extra in (f"a {another(COLOURS, colour)} {shape}", f"a {colour} {shape}"):
            assert not check_caption(f"{caption} and {extra}", scene).objects_right


@pytest.mark.parametrize(
    ("caption", "objects", "relation"),
    [
        ("A red circle, to the LEFT of a blue square.", True, True),
        ("under the red circle is a blue square", True, False),
        ("a red circle above a blue square", True, False),  # neither above nor below: beside
        ("a blue square with a red circle to the left of it", True, True),
        ("on the right is a blue square and on the left is a red circle", True, True),
        ("a red circle on the left and a blue square", True, True),
        ("a red circle on the right and a blue square on the left", True, False),
        ("a red circle left of a blue square right of a red circle", False, False),  # names three objects
        ("a green circle to the left of a blue square", False, True),  # the other object tells which is meant
        ("a green star to the left of a purple heart", False, False),  # nothing tells
        ("a blue circle to the left of a red square", False, False),  # two readings fit equally well
        ("a red circle", False, None),
        ("a red circle and a red circle", False, None),
        ("a red red circle and a blue square", True, None),
        ("a red blue circle and a blue square", False, None),
        ("a circle and a blue square", False, None),
        ("a red circle and a blue square and a green", False, None),
        ("a red circle above", False, False),
        ("left left left of of its it", False, False),
        ("", False, None),
    ],
)
def test_captions_of_two_objects_are_read_as_people_read_them(caption, objects, relation):
    check = check_caption(caption, PAIR)
    assert check.objects_right is objects
    assert check.relation_stated is (relation is not None)
    assert check.relation_right is bool(relation)


@pytest.mark.parametrize(
    ("caption", "objects", "relation"),
    [
        ("a green star in the top left corner", True, True),
        ("at the top of the picture is a green star", True, True),
        ("a green star on the left", True, True),
        ("a green star in the bottom left corner", True, False),
        ("a green star in the middle", True, False),
        ("a green star to the left of a red circle", False, False),
        ("the green star", True, None),
    ],
)
def test_captions_of_a_lone_object_are_read_as_people_read_them(caption, objects, relation):
    check = check_caption(caption, LONE)
    assert check.objects_right is objects
    assert check.relation_stated is (relation is not None)
    assert check.relation_right is bool(relation)


@given(st.lists(st.sampled_from(sorted({w for c, _ in PAIRS_DESCRIBED[:500] for w in c.split()})), max_size=30))
def test_no_heap_of_words_breaks_the_checker(words):
    for scene in (PAIR, LONE):
        check = check_caption(" ".join(words), scene)
        assert check.size_stated or not check.size_right
        assert check.relation_stated or not check.relation_right


@given(st.text())
def test_no_text_breaks_the_checker(text):
    assert not check_caption(text + " circle", LONE).objects_right


def test_shares_count_rightness_among_those_that_state_it():
    captions = [
        "a red circle to the left of a blue square",
        "a red circle to the right of a blue square",
        "a large red circle and a blue square",
        "a small star",
    ]
    assert check_captions(captions, [PAIR] * 4) == {
        "objects_right": 0.75,
        "relation_stated": 0.5,
        "relation_right": 0.5,
        "size_stated": 0.5,
        "size_right": 0.0,
    }


def test_captions_without_scenes_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        check_captions(["a red circle", "a blue square"], [PAIR])
