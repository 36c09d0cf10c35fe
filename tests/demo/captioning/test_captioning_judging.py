import math

import pytest

from lrcn_hub.data.moving_shapes import Scene, SceneObject
from lrcn_hub.demo.captioning.judging import bars, judge, ratio

SCENE = Scene(
    (SceneObject("red", "circle", "small", 0.2, 0.5, 0.1), SceneObject("blue", "star", "large", 0.8, 0.5, 0.2))
)


def scores(objects_right, relation_right, cider_d):
    return {"objects_right": objects_right, "relation_right": relation_right, "cider_d": cider_d}


def systems(model, feature, pixels, blind):
    return {"model": model, "nearest_by_feature": feature, "nearest_by_pixels": pixels, "picture_blind": blind}


def test_captions_are_judged_by_their_words_and_by_what_is_true():
    references = [["a red circle left of a blue star", "a circle beside a star"]] * 2
    found = judge(["a red circle left of a blue star", "a blue star above a green circle"], references, [SCENE] * 2)
    assert (found["objects_right"], found["relation_stated"], found["relation_right"]) == (0.5, 1.0, 0.5)
    assert 0 < found["bleu_4"] < 1 and found["cider_d"] >= 0


def test_the_better_baseline_counts_for_each_metric_by_itself():
    found = systems(scores(0.9, 0.8, 3.0), scores(0.1, 0.9, 2.0), scores(0.3, 0.2, 1.0), scores(0.0, 0.0, 0.5))
    assert ratio(found, "objects_right") == pytest.approx(3)
    assert ratio(found, "cider_d") == pytest.approx(1.5)


def test_a_bar_is_reached_at_what_is_asked_and_not_below():
    low = scores(0.1875, 0.5, 2.5)  # binary fractions: 3 times this is exact
    at = bars(systems(scores(0.6, 0.75, 3.0), low, low, low))
    assert [bar.reached for bar in at] == [True] * 4
    below = bars(systems(scores(0.55, 0.74, 2.99), low, low, low))
    assert [bar.reached for bar in below] == [False] * 4


def test_nothing_right_is_not_more_than_a_baseline_with_nothing_right():
    nothing = scores(0.0, 0.0, 0.0)
    assert ratio(systems(nothing, nothing, nothing, nothing), "objects_right") == 0
    assert math.isinf(ratio(systems(scores(0.1, 0, 0), nothing, nothing, nothing), "objects_right"))
