"""A demo of a few steps on a few pictures: everything happens, nothing is learnt."""

import json

import pytest
from PIL import Image
from safetensors.torch import load_file

from lrcn_hub.data.moving_shapes import load_captioning_tables
from lrcn_hub.demo import main, story

TINY = [
    *("--data.moving_shapes.train", "60", "--data.moving_shapes.validation", "10", "--data.moving_shapes.test", "12"),
    *("--max_steps", "2", "--eval_steps", "2", "--save_steps", "2", "--logging_steps", "1", "--disable_tqdm"),
    *("--hidden_size", "16", "--embedding_size", "16", "--dataloader_pin_memory", "false", "--use_cpu"),
]


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
    assert sorted(path.name for path in folder.iterdir()) == ["model", "pictures", "report.html", "results.json"]
    results = read_results(folder)["splits"]["pairs"]
    assert results["pictures"] == {"train": 60, "validation": 10, "test": 12}
    assert results["captions_equal_in_a_new_process"] == 12
    assert set(results["scores"]) == {
        *("model", "nearest_by_feature", "nearest_by_pixels", "picture_blind", "human", "oracle")
    }
    assert results["steps"] == 2


def test_a_human_reference_and_the_perfect_caption_are_true(demo):
    scores = read_results(demo[0])["splits"]["pairs"]["scores"]
    assert scores["oracle"]["objects_right"] == scores["human"]["objects_right"] == 1
    assert scores["oracle"]["relation_right"] == scores["oracle"]["relation_stated"] == 1
    assert scores["oracle"]["cider_d"] > scores["nearest_by_pixels"]["cider_d"]


def test_the_models_score_is_that_of_the_captions_its_training_left(demo):
    folder, _ = demo
    scores = read_results(folder)["splits"]["pairs"]["scores"]["model"]
    left = json.loads((folder / "model" / "evaluation" / "test" / "metrics.json").read_text())
    assert {name: scores[name] for name in scores.keys() & left.keys()} == {
        name: left[name] for name in scores.keys() & left.keys()
    }
    assert {"cider_d", "bleu_4"} <= scores.keys() & left.keys()


def test_the_pictures_written_are_the_first_held_out_ones(demo):
    folder, _ = demo
    table = load_captioning_tables(seed=0, train=60, validation=10, test=12)["test"]
    for row in table:
        with Image.open(folder / "pictures" / f"{row['id']}.png") as picture:
            assert picture.tobytes() == row["image"].convert(picture.mode).tobytes()


def test_the_report_shows_what_the_model_said(demo):
    folder, _ = demo
    report = (folder / "report.html").read_text(encoding="utf-8")
    lines = (folder / "model" / "evaluation" / "test" / "predictions.jsonl").read_text().splitlines()
    assert len(lines) == 12
    assert all(json.loads(line)["prediction"] in report for line in lines)


def test_again_it_uses_the_training_that_is_there_and_finds_the_same(demo):
    folder, run = demo
    before, weights = read_results(folder), load_file(folder / "model" / "model.safetensors")
    assert not before["splits"]["pairs"]["trained_before"]
    (folder / "report.html").unlink()
    assert run() == 0
    again = read_results(folder)
    assert again["splits"]["pairs"]["trained_before"]
    assert again["splits"]["pairs"]["scores"] == before["splits"]["pairs"]["scores"]
    assert (folder / "report.html").is_file()
    after = load_file(folder / "model" / "model.safetensors")
    assert all(weights[name].equal(after[name]) for name in weights | after)


def test_another_seed_in_the_same_folder_is_refused_and_nothing_is_lost(demo):
    folder, run = demo
    before = (folder / "results.json").read_bytes()
    with pytest.raises(ValueError, match=r"data\.moving_shapes.*--overwrite_output_dir"):
        run("--seed", "1")
    assert (folder / "results.json").read_bytes() == before


def test_a_model_that_speaks_otherwise_in_a_new_process_is_found_out(demo, monkeypatch):
    _, run = demo
    monkeypatch.setattr(story, "caption_in_a_new_process", lambda model, pictures: ["a red herring"] * len(pictures))
    with pytest.raises(ValueError, match=r"test-00000.*a red herring.*must be equal"):
        run()
