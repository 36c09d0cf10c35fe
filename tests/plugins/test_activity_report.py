"""What an evaluation of the activity task leaves beside its metrics."""

import csv
import json
import re

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from PIL import Image

from lrcn_activity.clips import ClipCollator
from lrcn_activity.generation import classify_videos
from lrcn_activity.options import ActivityDataOptions, ActivityEvaluationOptions, ActivityModelOptions
from lrcn_activity.report import draw_confusion_matrix, draw_early_recognition, write_report
from lrcn_activity.task import Activity
from lrcn_hub.scoring.recognition import early_answers
from lrcn_hub.timeline.dense import DenseVideo

NAMES = ["run", "jump", "swim, fast"]
TINY = {"channels": [4, 4, 4, 4, 4], "fc_sizes": [8]}


def table_of(*labels, **columns):
    features = Features({"id": Value("string"), "label": ClassLabel(names=NAMES)})
    rows = {"id": [f"v{number}" for number in range(len(labels))], "label": list(labels)}
    return Dataset.from_dict(rows, features)


def answer(*probabilities, **more):
    return {"label": NAMES[int(np.argmax(probabilities))], "probabilities": list(probabilities), **more}


ANSWERS = [answer(0.8, 0.1, 0.1), answer(0.2, 0.7, 0.1), answer(0.5, 0.4, 0.1), answer(0.1, 0.2, 0.7)]


def test_the_matrix_is_written_as_counts_and_as_a_picture(tmp_path):
    Activity().write_report(ANSWERS, table_of(0, 1, 1, 2), ActivityEvaluationOptions(), tmp_path)
    rows = list(csv.reader((tmp_path / "confusion_matrix.csv").read_text().splitlines()))
    assert rows == [
        ["true class", *NAMES],
        ["run", "1", "0", "0"],
        ["jump", "1", "1", "0"],
        ["swim, fast", "0", "0", "1"],
    ]
    with Image.open(tmp_path / "confusion_matrix.png") as image:
        assert min(image.size) > 500
    assert sorted(path.name for path in tmp_path.iterdir()) == ["confusion_matrix.csv", "confusion_matrix.png"]


@pytest.mark.parametrize("count", [2, 10, 101])
def test_the_picture_has_the_shares_the_names_and_where_there_is_room_the_counts(count):
    names = [f"class {number}" for number in range(count)]
    matrix = np.diag(np.full(count, 6)) + 2 * np.eye(count, k=1, dtype=int)
    axes = draw_confusion_matrix(matrix, names).axes[0]
    shares = np.asarray(axes.images[0].get_array())
    assert shares[0].tolist()[:2] == [0.75, 0.25] and shares[-1, -1] == 1
    assert [label.get_text() for label in axes.get_yticklabels() if label.get_text()] == names
    counts = [text.get_text() for text in axes.texts]
    assert counts.count("6") == (count if count < 30 else 0)
    assert axes.get_title(loc="left") == f"{6 * count} of {8 * count - 2} videos right"


def test_a_class_without_videos_leaves_its_row_empty():
    figure = draw_confusion_matrix(np.array([[2, 0], [0, 0]]), ["a", "b"])
    assert np.asarray(figure.axes[0].images[0].get_array())[1].tolist() == [0, 0]


def test_hundreds_of_names_are_thinned():
    labels = draw_confusion_matrix(np.eye(400, dtype=int), [f"n{k}" for k in range(400)]).axes[0].get_yticklabels()
    assert 40 < len(labels) < 250 and labels[0].get_text() == "n0"


def test_early_figures_are_written_and_drawn_and_old_ones_removed(tmp_path):
    early = [early_answers([[0.6, 0.4, 0], [0, 1, 0]]), early_answers([[0, 1, 0], [0, 1, 0]])]
    answers = [answer(0.3, 0.7, 0, early=early[0]), answer(0, 1, 0, early=early[1])]
    write_report(answers, table_of(1, 1), tmp_path)
    figures = json.loads((tmp_path / "early_recognition.json").read_text())
    assert figures["early_recognition"][0] == {"share_seen": 0.1, "accuracy": 0.5}
    assert figures["early_exit"][0] == {"confidence": 0.5, "accuracy": 0.5, "frames_saved": 0.5}
    left, right = draw_early_recognition(figures).axes
    assert left.lines[0].get_ydata().tolist()[-1] == 1.0
    assert [text.get_text() for text in right.texts] == ["0.5", "0.7", "all frames"]
    write_report(ANSWERS, table_of(0, 1, 1, 2), tmp_path)
    assert not list(tmp_path.glob("early*"))


@pytest.fixture
def tiny(monkeypatch):
    """A recogniser with large weights, its processor, and evaluation batches of videos."""
    task = Activity()
    options = ActivityModelOptions(backbone_options=TINY, image_size=67, hidden_size=6, num_frames=6)
    table = table_of(0)
    table.info.description = json.dumps({"reader": "folder", "bad_samples": []})
    torch.manual_seed(0)
    processor = task.build_processor({"train": table}, options)
    model = task.build_model(processor, options).eval()
    for weights in model.parameters():
        weights.data.mul_(20 if weights.dim() < 4 else 8)
    return model, processor


@pytest.mark.parametrize("frames", [3, 6, 17])
@pytest.mark.parametrize("ten_crops", [False, True])
def test_early_answers_follow_the_frames_in_time(tiny, tmp_path, write_video, frames, ten_crops):
    model, processor = tiny
    rows = [{"video": str(write_video(tmp_path / f"{n}.avi", frames + n, seed=n)), "label": 0} for n in range(2)]
    options = ActivityDataOptions(clip_stride=4, ten_crops=ten_crops)
    batch = ClipCollator(processor, options, training=False)(rows)
    found = classify_videos(model, batch, early=True)
    plain = classify_videos(model, batch)
    for number, (row, one) in enumerate(zip(rows, found, strict=True)):
        early = one.pop("early")
        assert one == plain[number]
        assert early["frames"] == frames + number
        assert early["labels"][-1] == int(np.argmax(one["probabilities"]))
        if not ten_crops:
            dense = list(DenseVideo(model, processor, row["video"], clip_stride=4))
            so_far = np.array([frame.so_far for frame in dense])
            for seen, label in zip(early["exit_frames"], early["exit_labels"], strict=True):
                assert so_far[seen - 1].argmax() == label
            sure = [
                next((k for k, p in enumerate(so_far, 1) if p.max() >= c), len(dense)) for c in early["confidences"]
            ]
            assert early["exit_frames"] == sure


def test_chunks_and_early_recognition_do_not_go_together():
    with pytest.raises(ValueError, match=re.escape("early_recognition looks at clips")):
        Activity().predict(None, {"chunks": []}, None, ActivityEvaluationOptions(early_recognition=True))
