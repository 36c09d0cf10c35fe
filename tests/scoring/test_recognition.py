import json
import math
import random
import warnings
from pathlib import Path

import numpy as np
import pytest

from lrcn_hub.scoring.recognition import confusion_matrix, early_answers, fuse, score_classes, score_early


def by_hand(scores, labels):
    """The same measures with sorting and counting, one example at a time."""
    orders = [sorted(range(len(row)), key=lambda label, row=row: (-row[label], label)) for row in scores]
    right = [order[0] == label for order, label in zip(orders, labels, strict=True)]
    among_five = [label in order[:5] for order, label in zip(orders, labels, strict=True)]
    classes = sorted(set(labels))
    shares = [
        sum(hit for hit, label in zip(right, labels, strict=True) if label == one) / labels.count(one)
        for one in classes
    ]
    return {
        "accuracy": sum(right) / len(labels),
        "top_5_accuracy": sum(among_five) / len(labels),
        "mean_class_accuracy": sum(shares) / len(classes),
    }


@pytest.mark.parametrize("classes", [2, 7, 30])
def test_measures_are_those_counted_by_hand(classes):
    draw = random.Random(classes)
    labels = [draw.randrange(classes - 1) for _ in range(60)]  # one class never occurs
    scores = [[draw.randrange(6) for _ in range(classes)] for _ in labels]  # with ties
    assert score_classes(scores, labels) == pytest.approx(by_hand(scores, labels))


@pytest.fixture(scope="module")
def golden():
    """200 clips of 101 classes, one of them absent, with the measures of scikit-learn."""
    return json.loads((Path(__file__).parent / "activity_topk.json").read_text(encoding="utf-8"))


def test_measures_are_those_of_the_golden(golden):
    expected, scores, labels = golden["expected"], golden["scores"], golden["y"]
    assert score_classes(scores, labels) == pytest.approx(
        {
            "accuracy": expected["top1"],
            "top_5_accuracy": expected["top5"],
            "mean_class_accuracy": expected["mean_class_accuracy_present_classes"],
        },
        rel=0,
        abs=1e-9,
    )
    matrix = confusion_matrix(scores, labels)
    found = [[row, column, int(matrix[row, column])] for row, column in zip(*matrix.nonzero(), strict=True)]
    assert found == expected["confusion_matrix_nonzero"]
    for label, share in expected["per_class"].items():
        assert matrix[int(label), int(label)] / matrix[int(label)].sum() == pytest.approx(share)


def test_measures_are_those_of_scikit_learn(golden):
    metrics = pytest.importorskip("sklearn.metrics")
    for scores, labels in [(golden["scores"], golden["y"]), (np.random.RandomState(2).rand(80, 6), [0, 2] * 40)]:
        classes = range(len(scores[0]))
        answers = np.argmax(scores, axis=1)
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="y_pred contains classes not in y_true"
            )  # it leaves them out too
            balanced = metrics.balanced_accuracy_score(labels, answers)
        top_5 = metrics.top_k_accuracy_score(labels, scores, k=5, labels=classes)
        found = score_classes(scores, labels)
        assert found == pytest.approx(
            {"accuracy": np.mean(answers == labels), "top_5_accuracy": top_5, "mean_class_accuracy": balanced}
        )
        expected = metrics.confusion_matrix(labels, answers, labels=classes)
        np.testing.assert_array_equal(confusion_matrix(scores, labels), expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_measures_are_those_of_torchmetrics(golden):
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("torchmetrics.functional.classification")
    scores, labels, classes = torch.tensor(golden["scores"]), torch.tensor(golden["y"]), len(golden["scores"][0])
    found = score_classes(golden["scores"], golden["y"])
    for name, depth in {"accuracy": 1, "top_5_accuracy": 5}.items():
        expected = library.multiclass_accuracy(scores, labels, classes, average="micro", top_k=depth)
        assert found[name] == pytest.approx(expected.item(), abs=1e-6)
    matrix = library.multiclass_confusion_matrix(scores, labels, classes)
    np.testing.assert_array_equal(confusion_matrix(golden["scores"], golden["y"]), matrix.numpy())


def test_of_equal_scores_the_lower_class_is_the_answer():
    assert score_classes([[0.5, 0.5], [0.5, 0.5]], [0, 1])["accuracy"] == 0.5
    six = np.zeros((1, 6))
    assert score_classes(six, [4])["top_5_accuracy"] == 1 and score_classes(six, [5])["top_5_accuracy"] == 0
    assert confusion_matrix([[0.5, 0.5]], [1]).tolist() == [[0, 0], [1, 0]]


def test_a_class_that_never_occurs_counts_for_nothing_even_where_it_is_answered():
    scores = [[0.9, 0.1, 0.0], [0.1, 0.0, 0.9]]  # the second is taken for class 2, which never occurs
    assert score_classes(scores, [0, 0])["mean_class_accuracy"] == 0.5
    assert score_classes(scores, [0, 1])["mean_class_accuracy"] == 0.5
    assert score_classes([*scores, [0.0, 1.0, 0.0]], [0, 1, 1])["mean_class_accuracy"] == 0.75


def test_with_fewer_than_five_classes_all_are_among_the_first_five():
    assert score_classes([[0.0, 1.0], [1.0, 0.0]], [0, 1])["top_5_accuracy"] == 1


def test_a_rare_class_counts_as_much_as_a_frequent_one_in_the_mean():
    measures = score_classes([[1, 0]] * 10, [0] * 9 + [1])
    assert measures == {"accuracy": 0.9, "top_5_accuracy": 1.0, "mean_class_accuracy": 0.5}


def test_the_confusion_matrix_counts_truth_by_row_and_answer_by_column():
    scores = [[0.1, 0.9, 0], [0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0, 0, 1]]
    assert confusion_matrix(scores, [0, 0, 1, 1]).tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]


def test_the_diagonal_of_the_matrix_is_the_accuracy():
    numbers = np.random.RandomState(1)
    scores, labels = numbers.rand(50, 4), numbers.randint(4, size=50)
    matrix = confusion_matrix(scores, labels)
    assert matrix.sum() == 50
    assert matrix.trace() / 50 == pytest.approx(score_classes(scores, labels)["accuracy"])


@pytest.mark.parametrize(
    ("scores", "labels", "complaint"),
    [
        ([], [], "one row of class scores for each label"),
        ([[1, 0]], [0, 1], "one row of class scores for each label"),
        ([[1, 0]], [2], "labels go from 2 to 2, but there are 2 classes"),
        ([[1, 0]], [-1], "labels go from -1"),
        ([[1, 0], [float("nan"), 0]], [0, 0], "scores of example 1 are not numbers"),
    ],
)
def test_what_cannot_be_judged_is_refused(scores, labels, complaint):
    with pytest.raises(ValueError, match=complaint):
        score_classes(scores, labels)


def test_streams_are_fused_by_their_weights():
    rgb, flow = [[0.9, 0.1], [0.2, 0.8]], [[0.3, 0.7], [0.5, 0.5]]
    assert fuse([rgb, flow], (1 / 2, 1 / 2)) == pytest.approx(np.array([[0.6, 0.4], [0.35, 0.65]]))
    assert fuse([rgb, flow], (1, 2)) == pytest.approx(np.array([[0.5, 0.5], [0.4, 0.6]]))
    assert fuse([rgb, flow], (1 / 3, 2 / 3)) == pytest.approx(fuse([rgb, flow], (1, 2)))
    assert np.array_equal(fuse([rgb, flow], (0, 1)), flow)


@pytest.mark.parametrize(
    ("scores", "weights", "complaint"),
    [
        ([[[1, 0]], [[1, 0, 0]]], (1, 1), "cannot be fused"),
        ([[[1, 0]], [[1, 0]]], (1, 1, 1), "for 2 models"),
        ([[[1, 0]], [[1, 0]]], (-1, 2), "not below 0"),
        ([[[1, 0]], [[1, 0]]], (0, 0), "not below 0"),
    ],
)
def test_what_cannot_be_fused_is_refused(scores, weights, complaint):
    with pytest.raises(ValueError, match=complaint):
        fuse(scores, weights)


def early_by_hand(frames, weights, share):
    """The mean over the first frames, added up one by one; its class and probability."""
    seen = math.ceil(share * len(frames) - 1e-9)
    sums = [sum(w * row[c] for row, w in zip(frames[:seen], weights, strict=False)) for c in range(len(frames[0]))]
    best = max(range(len(sums)), key=lambda c: (sums[c], -c))
    return best, sums[best] / sum(weights[:seen])


@pytest.mark.parametrize("frames", [1, 3, 10, 37])
def test_an_early_answer_is_the_mean_of_the_frames_seen(frames):
    numbers = np.random.RandomState(frames)
    video, weights = numbers.dirichlet(np.full(4, 0.5), frames), numbers.randint(1, 3, frames)
    found = early_answers(video, weights)
    assert found["frames"] == frames
    assert found["labels"] == [early_by_hand(video, weights, share)[0] for share in found["shares"]]
    for confidence, count, label in zip(found["confidences"], found["exit_frames"], found["exit_labels"], strict=True):
        scores = [early_by_hand(video, weights, (k + 1) / frames) for k in range(frames)]
        sure = [k for k in range(frames) if scores[k][1] >= confidence]
        assert count == (sure[0] + 1 if sure else frames)
        assert label == scores[count - 1][0]


def test_the_figures_of_early_recognition_are_counted_over_videos():
    slow = [[0.6, 0.4]] * 2 + [[0.0, 1.0]] * 2  # 0.6, 0.6, 0.4, 0.3 of the first class
    quick = [[0.1, 0.9]] * 6
    answers = [early_answers(video, None, (0.5, 1.0), (0.55, 0.8)) for video in (slow, quick)]
    assert [one["labels"] for one in answers] == [[0, 1], [1, 1]]
    assert [one["exit_frames"] for one in answers] == [[1, 4], [1, 1]]
    assert score_early(answers, [1, 1]) == {
        "early_recognition": [{"share_seen": 0.5, "accuracy": 0.5}, {"share_seen": 1.0, "accuracy": 1.0}],
        "early_exit": [
            {"confidence": 0.55, "accuracy": 0.5, "frames_saved": 0.8},
            {"confidence": 0.8, "accuracy": 1.0, "frames_saved": 0.5},
        ],
    }


def test_early_answers_of_no_frames_and_of_other_videos_are_refused():
    with pytest.raises(ValueError, match=r"have the shape \(0,\)"):
        early_answers([])
    with pytest.raises(ValueError, match="1 answers for 2 labels"):
        score_early([early_answers([[1.0, 0.0]])], [0, 1])
