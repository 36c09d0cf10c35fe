import json
from pathlib import Path

import numpy as np
import pytest

from lrcn_hub.scoring import first_ranks, score_ranks, score_retrieval

DEPTHS = (1, 5, 10, 50)


@pytest.fixture(scope="module")
def retrieval():
    """60 images x 300 captions with ranks and figures by the definitions of LRCN's retrieval experiment."""
    return json.loads((Path(__file__).parent / "retrieval.json").read_text(encoding="utf-8"))


def test_both_directions_are_those_of_the_golden(retrieval):
    owners = np.arange(300) // retrieval["captions_per_image"]
    found = score_retrieval(retrieval["similarity"], owners, DEPTHS)
    names = {"image_to_text": "image_to_caption", "text_to_image": "caption_to_image"}
    for theirs, ours in names.items():
        expected = retrieval["expected"][theirs]
        keys = {
            **{f"R@{depth}": f"r@{depth}" for depth in DEPTHS},
            "median_rank": "median_rank",
            "mean_rank": "mean_rank",
        }
        assert found[ours] == pytest.approx({key: expected[name] for name, key in keys.items()}, rel=0, abs=1e-9)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_r_at_k_is_the_hit_rate_of_torchmetrics(retrieval):
    torch = pytest.importorskip("torch")
    hit_rate = pytest.importorskip("torchmetrics.retrieval").RetrievalHitRate
    scores = np.array(retrieval["similarity"])
    right = np.arange(300) // 5 == np.arange(60)[:, None]
    found = score_ranks(first_ranks(scores, right), DEPTHS)
    for depth in DEPTHS:
        queries = torch.arange(60).repeat_interleave(300)
        expected = hit_rate(top_k=depth)(torch.tensor(scores.ravel()), torch.tensor(right.ravel()), indexes=queries)
        assert found[f"r@{depth}"] == pytest.approx(expected.item(), abs=1e-6)


def test_the_first_of_several_right_items_sets_the_rank():
    assert first_ranks([[0.1, 0.9, 0.5, 0.7]], [[1, 0, 1, 1]]).tolist() == [2]


def test_of_equal_scores_the_item_of_the_lower_index_comes_first():
    assert first_ranks(np.zeros((3, 3)), np.eye(3)).tolist() == [1, 2, 3]


def test_an_impossible_item_comes_last():
    assert first_ranks([[-np.inf, -5.0, -7.0]], [[1, 0, 0]]).tolist() == [3]


def test_the_median_of_an_even_number_of_ranks_lies_between_the_middle_two():
    assert score_ranks([1, 2, 5, 9]) == {"r@1": 0.25, "r@5": 0.75, "r@10": 1.0, "median_rank": 3.5, "mean_rank": 4.25}


def test_depths_beyond_the_items_are_reached_by_all():
    assert score_ranks([1, 2], depths=[50]) == {"r@50": 1.0, "median_rank": 1.5, "mean_rank": 1.5}


@pytest.mark.parametrize(
    ("scores", "right", "complaint"),
    [
        ([[1.0, 2.0]], [[1]], "give both as"),
        ([], [], "give both as"),
        ([[1.0], [float("nan")]], [[1], [1]], "scores of query 1 are not numbers"),
        ([[1.0, 2.0], [1.0, 2.0]], [[0, 1], [0, 0]], "nothing is right for query 1"),
    ],
)
def test_what_cannot_be_ranked_is_refused(scores, right, complaint):
    with pytest.raises(ValueError, match=complaint):
        first_ranks(scores, right)


def test_a_caption_of_an_image_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="nothing is right for query 1"):
        score_retrieval([[1.0, 2.0]], [0, 1])
    with pytest.raises(ValueError, match=r"scores \(1, 2\) for 1 captions"):
        score_retrieval([[1.0, 2.0]], [0])


@pytest.mark.parametrize("ranks", [[], [0, 1], [[1]]])
def test_ranks_that_are_none_are_refused(ranks):
    with pytest.raises(ValueError, match="counted from 1"):
        score_ranks(ranks)
