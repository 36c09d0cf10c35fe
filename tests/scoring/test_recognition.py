import random

import numpy as np
import pytest

from lrcn_hub.scoring.recognition import confusion_matrix, score_classes


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
