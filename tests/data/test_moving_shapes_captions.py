from itertools import combinations, product
from random import Random

from lrcn_hub.data.moving_shapes import Scene, SceneObject, describe, human_caption, oracle_caption, random_scene
from lrcn_hub.data.moving_shapes.scenes import COLOURS, SHAPES

KINDS = list(product(COLOURS, SHAPES))
PAIR = Scene(
    (SceneObject("red", "circle", "small", 0.2, 0.5, 0.1), SceneObject("orange", "star", "large", 0.7, 0.5, 0.18))
)
LONE = Scene((SceneObject("orange", "heart", "large", 0.2, 0.2, 0.18),))


def captions_of(scene, times=300):
    return {caption for number in range(times) for caption in describe(scene, Random(number))}


def test_five_captions_of_a_picture_differ():
    for scene in (PAIR, LONE):
        for number in range(100):
            captions = describe(scene, Random(number))
            assert len(set(captions)) == len(captions) == 5


def test_the_same_seed_says_the_same():
    assert describe(PAIR, Random(3)) == describe(PAIR, Random(3))
    assert describe(PAIR, Random(3)) != describe(PAIR, Random(4))


def test_captions_vary_in_order_wording_size_and_what_they_leave_out():
    said = captions_of(PAIR)
    assert {
        "a red circle to the left of an orange star",
        "a big orange star is to the right of a small red circle",
        "a red circle with an orange star to its right",
        "an orange star on the right and a red circle on the left",
        "to the left of an orange star is a red circle",
        "a red circle and an orange star",
    } <= said
    assert len(said) > 200


def test_a_lone_object_is_described_by_its_place():
    said = captions_of(LONE)
    assert {
        "an orange heart in the top left corner",
        "a picture of a large orange heart",
        "only an orange heart",
    } <= said


def test_articles_fit_the_word_that_follows():
    for caption in captions_of(PAIR) | captions_of(LONE):
        assert " a orange" not in f" {caption}"
        assert "an o" in caption or " an " not in f" {caption}"


def test_most_captions_begin_with_the_left_object_wherever_it_stands_in_the_scene():
    mirrored = Scene(PAIR.objects[::-1])
    for scene in (PAIR, mirrored):
        captions = [caption for number in range(200) for caption in describe(scene, Random(number))]
        begins = [caption.index("circle") < caption.index("star") for caption in captions]
        assert 0.65 < sum(begins) / len(begins) < 0.8


def test_the_oracle_tells_everything():
    assert oracle_caption(PAIR) == "a small red circle to the left of a large orange star"
    assert oracle_caption(Scene(PAIR.objects[::-1])) == oracle_caption(PAIR)
    assert oracle_caption(LONE) == "a large orange heart in the top left corner"


def test_the_human_candidate_is_not_among_its_references():
    captions = describe(PAIR, Random(0))
    candidate, references = human_caption(captions)
    assert [candidate, *references] == captions


def test_the_vocabulary_is_small():
    draw = Random(0)
    groups = [*((kind,) for kind in KINDS), *combinations(KINDS, 2)]
    scenes = [random_scene(draw.choice(groups), draw) for _ in range(1000)]
    words = {word for scene in scenes for caption in describe(scene, draw) for word in caption.split()}
    assert 40 <= len(words) <= 60
    assert all(word.isalpha() and word.islower() for word in words)
