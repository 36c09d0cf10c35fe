"""The page of an evaluation as the three tasks fill it."""

from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from lrcn_activity.options import ActivityEvaluationOptions
from lrcn_activity.task import Activity
from lrcn_captioning.options import CaptioningDataOptions, CaptioningEvaluationOptions
from lrcn_captioning.task import Captioning
from lrcn_hub.data.videos.segments import read_segment
from lrcn_hub.reporting import Evaluation, OtherRun
from lrcn_hub.reporting.page import render_page
from lrcn_hub.scoring.recognition import score_classes
from lrcn_narration.options import NarrationDataOptions, NarrationEvaluationOptions
from lrcn_narration.report import film
from lrcn_narration.task import Narration

NAMES = ["run", "jump", "swim", "fly", "sit", "stand"]


def judged(task, tables, predictions, folder, options, other=None):
    table = tables["test"]
    metrics = task.compute_metrics(predictions, table, options)
    if other:
        other = OtherRun("other", other, task.compute_metrics(other, table, options))
    return Evaluation("model", "test", tables, predictions, metrics, options, folder, other)


def cards(page):
    return [card for section in page.sections for card in section.cards]


def test_a_captioner_s_page_has_the_pictures_of_its_table(tmp_path):
    task = Captioning()
    tables = task.load_tables(
        CaptioningDataOptions(moving_shapes={"train": 4, "validation": 1, "test": 5, "picture_size": 32})
    )
    said = [captions[1] for captions in tables["test"]["captions"]]
    said[3] = "<b>nothing</b> of it"
    evaluation = judged(task, tables, said, tmp_path, CaptioningEvaluationOptions(), said[1:] + said[:1])
    page = task.report_page(evaluation)
    table = {row["id"]: row for row in tables["test"]}
    for card in cards(page):
        row = table[card.name]
        assert np.array_equal(np.array(card.picture), np.array(row["image"].convert("RGB")))
        assert list(card.references) == row["captions"]
    assert page.sections[-1].cards[0].answers[0][0] == "<b>nothing</b> of it"  # the worst caption of all
    html = render_page(task, evaluation, page)
    assert html.count("<img") == len(cards(page)) and "&lt;b&gt;nothing" in html and "<b>nothing" not in html


def test_a_narrator_of_nodes_has_a_page_without_pictures(tmp_path):
    task = Narration()
    tables = task.load_tables(NarrationDataOptions(moving_shapes={"train": 4, "validation": 1, "test": 3}))
    said = [sentences[0] for sentences in tables["test"]["sentences"]]
    evaluation = judged(task, tables, said, tmp_path, NarrationEvaluationOptions())
    page = task.report_page(evaluation)
    assert [section.title for section in page.sections][1:] == ["Best sentences", "Worst sentences"]
    assert {card.picture for card in cards(page)} == {None} and len(cards(page)) == 3
    assert "<img" not in render_page(task, evaluation, page)


@pytest.mark.parametrize(("start", "end", "numbers"), [(0.4, 1.2, [13, 18, 23, 28]), (None, None, [6, 17, 28, 39])])
def test_frames_are_evenly_out_of_the_segment(write_video, tmp_path, start, end, numbers):
    file = write_video(tmp_path / "video.mp4", frames=44)  # 25 a second
    strip = np.array(film({"video": str(file), "start": start, "end": end}))
    frames = read_segment(str(file)).frames
    assert strip.shape == (48, 4 * 64, 3)
    for place, number in enumerate(numbers):
        assert np.array_equal(strip[:, 64 * place : 64 * (place + 1)], frames[number]), (place, number)


def test_of_a_long_segment_only_the_middle_is_read(write_video, tmp_path):
    file = write_video(tmp_path / "video.mp4", frames=300)
    picture = np.array(film({"video": str(file), "start": 0.0, "end": 11.0}))
    assert np.array_equal(picture, read_segment(str(file), 5.5, max_frames=1).frames[0])


@pytest.fixture
def recognised():
    """Videos of six classes, and two recognisers' answers, the first right more often."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 6, 60).tolist()
    features = Features({"id": Value("string"), "label": ClassLabel(names=NAMES)})
    table = Dataset.from_dict({"id": [f"v{n}" for n in range(60)], "label": labels}, features)

    def answers(help_):
        scores = random.random((60, 6)) + help_ * np.eye(6)[labels]
        shares = scores / scores.sum(1, keepdims=True)
        return [{"label": NAMES[int(row.argmax())], "probabilities": row.tolist()} for row in shares]

    return table, answers(0.5), answers(0.0)


def test_a_recogniser_s_page_says_how_sure_accuracies_are_and_shows_its_drawings(recognised, tmp_path):
    table, ours, theirs = recognised
    task, options = Activity(), ActivityEvaluationOptions()
    evaluation = judged(task, {"test": table}, ours, tmp_path, options, theirs)
    task.write_report(ours, table, options, tmp_path)
    page = task.report_page(evaluation)
    metrics = {
        name: [score_classes([one["probabilities"] for one in said], table["label"])[name] for said in (ours, theirs)]
        for name in page.intervals
    }
    assert page.intervals.keys() == page.differences.keys() == {"accuracy", "top_5_accuracy"}
    for name, (first, second) in metrics.items():
        low, high = page.intervals[name]
        assert low < first < high
        # For a share of right answers the bootstrap's interval is nearly the binomial one.
        assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(first * (1 - first) / 60), rel=0.25)
        low, high = page.differences[name]
        assert low < first - second < high
    assert page.differences["accuracy"][0] > 0
    assert [section.title for section in page.sections] == ["What was taken for what"]
    assert render_page(task, evaluation, page).count("<img") == 1


def test_a_recogniser_s_page_does_without_drawings(recognised):
    table, ours, _ = recognised
    evaluation = judged(Activity(), {"test": table}, ours, Path("nowhere"), ActivityEvaluationOptions())
    page = Activity().report_page(evaluation)
    assert page.sections == [] and page.differences == {}
