"""A demo of a few steps on a few pictures: everything happens, nothing is learnt."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from lrcn_hub.data.moving_shapes import load_activity_tables, load_captioning_tables, load_narration_tables
from lrcn_hub.data.videos import read_frames
from lrcn_hub.demo import main, reload
from lrcn_hub.demo.activity.watching import ROWS
from lrcn_hub.demo.outcomes import read_answers
from lrcn_hub.models.processing_lrcn import as_written

TINY = [
    *("--data.moving_shapes.validation", "10", "--data.moving_shapes.test", "20", "--captioning.hidden_size", "16"),
    *("--captioning.data.moving_shapes.train", "60", "--activity.data.moving_shapes.train", "20"),
    *("--captioning.embedding_size", "16", "--activity.model.hidden_size", "8", "--max_steps", "2"),
    *("--narration.data.moving_shapes.train", "40", "--narration.hidden_size", "8", "--narration.embedding_size", "8"),
    *("--eval_steps", "2", "--save_steps", "2", "--logging_steps", "1", "--disable_tqdm", "--use_cpu", "--thorough"),
]
CAPTIONER, RECOGNISER = Path("captioning", "model"), Path("activity", "model")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Run it in a folder; gives the folder and how to run it there again."""
    folder = tmp_path_factory.mktemp("demo") / "out"

    def run(*more):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CUDA_VISIBLE_DEVICES", "")
            return main(["--output_dir", str(folder), *TINY, *more])

    assert run() == 0
    return folder, run


def read_results(folder):
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_it_leaves_a_model_a_report_results_and_pictures(demo):
    folder, _ = demo
    assert sorted(path.name for path in folder.iterdir()) == [
        *("activity", "captioning", "combinations", "logs", "narration", "report.html", "results.json")
    ]
    assert {"model", "pictures"} <= {path.name for path in (folder / "captioning").iterdir()}
    results = read_results(folder)["splits"]["pairs"]
    assert results["pictures"] == {"train": 60, "validation": 10, "test": 20}
    assert results["captions_equal_in_a_new_process"] == 20
    assert set(results["scores"]) == {
        *("model", "nearest_by_feature", "nearest_by_pixels", "picture_blind", "human", "oracle")
    }
    assert results["steps"] == 2


def test_it_leaves_a_recogniser_its_baselines_answers_and_a_timeline(demo):
    folder, _ = demo
    results = read_results(folder)["activity"]
    assert results["videos"] == {"train": 20, "validation": 10, "test": 20}
    assert set(results["scores"]) == {"model", "single_frame", "mean_pooled", "shuffled"}
    assert results["answers_equal_in_a_new_process"] == 10
    assert results["watched_frames"] == 160
    for name in ("model", "single-frame", "mean-pooled"):
        answers = (folder / "activity" / name / "evaluation" / "test" / "predictions.jsonl").read_text().splitlines()
        assert len(answers) == 20
    with Image.open(folder / "activity" / "timeline.png") as picture:
        assert picture.width > 800


def test_it_leaves_narrators_their_sentences_and_subtitles_of_a_long_video(demo):
    folder, _ = demo
    results = read_results(folder)["narration"]
    assert set(results["events"]) == {"decoder-prob", "decoder-max", "encoder-decoder", "template", "nearest"}
    assert set(results["scenes"]) == {"frames", "shuffled"}
    assert results["rows"]["scenes"] == {"train": 40, "validation": 10, "test": 20}
    assert results["sentences_equal_in_a_new_process"] == 10 and results["narrated_live"] == 6
    with (folder / "narration" / "in-a-row.vtt").open("rb") as file:
        assert file.readline() == b"WEBVTT\n"
    rows = load_narration_tables(level="scene", videos=True, train=40, validation=10, test=20)["test"]["video"][:6]
    long = read_frames(str(folder / "narration" / "in-a-row.mov"))
    assert np.array_equal(long, np.concatenate([read_frames(path) for path in rows]))


def test_the_narrator_has_the_captioners_eyes(demo):
    folder, _ = demo
    captioner, narrator = (
        load_file(folder / name / "model" / "model.safetensors") for name in ("captioning", "narration")
    )
    eyes = {name: value for name, value in narrator.items() if name.startswith("encoder.frame_encoder.backbone.")}
    assert eyes
    assert all(captioner[name.replace("frame_encoder.", "")].equal(value) for name, value in eyes.items())


def test_who_does_not_know_the_order_of_frames_says_the_same_of_twins(demo):
    folder, _ = demo
    for name in ("single-frame", "mean-pooled"):
        answers = read_answers(folder / "activity" / name)
        for one, other in zip(answers[::2], answers[1::2], strict=True):
            assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
    answers = read_answers(folder / RECOGNISER)
    assert any(
        one["probabilities"] != pytest.approx(other["probabilities"], abs=1e-5)
        for one, other in zip(answers[::2], answers[1::2], strict=True)
    )


def test_the_long_video_is_the_videos_in_a_row(demo):
    folder, _ = demo
    table = load_activity_tables(seed=0, train=20, validation=10, test=20, picture_size=40)["test"]
    rows = [read_frames(table[row]["video"]) for row in ROWS]
    assert np.array_equal(read_frames(str(folder / "activity" / "in-a-row.mov")), np.concatenate(rows))


def test_a_human_reference_and_the_perfect_caption_are_true(demo):
    scores = read_results(demo[0])["splits"]["pairs"]["scores"]
    assert scores["oracle"]["objects_right"] == scores["human"]["objects_right"] == 1
    assert scores["oracle"]["relation_right"] == scores["oracle"]["relation_stated"] == 1
    assert scores["oracle"]["cider_d"] > scores["nearest_by_pixels"]["cider_d"]


def test_the_models_score_is_that_of_the_captions_its_training_left(demo):
    folder, _ = demo
    scores = read_results(folder)["splits"]["pairs"]["scores"]["model"]
    left = json.loads((folder / CAPTIONER / "evaluation" / "test" / "metrics.json").read_text())
    assert {name: scores[name] for name in scores.keys() & left.keys()} == {
        name: left[name] for name in scores.keys() & left.keys()
    }
    assert {"cider_d", "bleu_4"} <= scores.keys() & left.keys()


def test_the_pictures_written_are_the_first_held_out_ones(demo):
    folder, _ = demo
    table = load_captioning_tables(seed=0, train=60, validation=10, test=20)["test"]
    for row in table:
        with Image.open(folder / "captioning" / "pictures" / f"{row['id']}.png") as picture:
            assert picture.tobytes() == row["image"].convert(picture.mode).tobytes()


def test_the_report_shows_what_the_model_said(demo):
    folder, _ = demo
    report = (folder / "report.html").read_text(encoding="utf-8")
    captions = read_answers(folder / CAPTIONER)
    assert len(captions) == 20
    assert all(as_written(caption) in report for caption in captions)


def test_again_it_uses_the_training_that_is_there_and_finds_the_same(demo):
    folder, run = demo
    before, weights = read_results(folder), load_file(folder / CAPTIONER / "model.safetensors")
    assert not before["trained_before"]
    (folder / "report.html").unlink()
    assert run() == 0
    again = read_results(folder)
    assert again["trained_before"] and again["seconds_of_training"] == 0
    assert again["splits"]["pairs"]["scores"] == before["splits"]["pairs"]["scores"]
    order = ("model", "single_frame", "mean_pooled")  # a new shuffle may score otherwise
    assert [again["activity"]["scores"][name] for name in order] == [
        before["activity"]["scores"][name] for name in order
    ]
    assert (folder / "report.html").is_file()
    after = load_file(folder / CAPTIONER / "model.safetensors")
    assert all(weights[name].equal(after[name]) for name in weights | after)


def test_another_seed_in_the_same_folder_is_refused_and_nothing_is_lost(demo):
    folder, run = demo
    before = {file: file.read_bytes() for file in folder.rglob("*.json*")}
    with pytest.raises(ValueError, match=r"data\.moving_shapes.*--overwrite_output_dir"):
        run("--seed", "1")
    assert {file: file.read_bytes() for file in folder.rglob("*.json*")} == before


@pytest.mark.parametrize(
    ("pipeline_tag", "key", "file"),
    [
        ("image-to-text", "generated_text", "test-00000"),
        ("video-classification", "label", r"\.mov"),
        ("video-to-text", "generated_text", r"\.mov"),
    ],
)
def test_a_model_that_answers_otherwise_in_a_new_process_is_found_out(demo, monkeypatch, pipeline_tag, key, file):
    _, run = demo
    honest = reload.answers_in_a_new_process

    def dishonest(tag, model, files):
        return [{key: "a red herring"}] * len(files) if tag == pipeline_tag else honest(tag, model, files)

    monkeypatch.setattr(reload, "answers_in_a_new_process", dishonest)
    with pytest.raises(ValueError, match=rf"{file}.*a red herring.*must be equal"):
        run()
