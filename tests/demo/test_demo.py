"""The real demo, for one seed, as a user runs it: minutes on two cores."""

import json
import subprocess
import sys

import pytest

BASELINES = ("nearest_by_feature", "nearest_by_pixels", "picture_blind")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_demo_names_unseen_pairs_of_objects_tells_what_only_time_tells_and_narrates_in_order(tmp_path):
    command = [sys.executable, "-m", "lrcn_cli", "demo", "--output_dir", str(tmp_path / "demo")]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-4000:]
    assert str(tmp_path / "demo" / "report.html") in process.stdout

    everything = json.loads((tmp_path / "demo" / "results.json").read_text(encoding="utf-8"))
    results = everything["splits"]["pairs"]
    scores = results["scores"]
    model = scores["model"]
    assert model["objects_right"] >= 0.6
    assert model["objects_right"] >= 3 * max(scores[name]["objects_right"] for name in BASELINES)
    assert model["relation_stated"] >= 0.3  # else the next share would be of very few
    assert model["relation_right"] >= 0.75
    assert model["cider_d"] >= 1.2 * max(scores[name]["cider_d"] for name in BASELINES)
    assert scores["oracle"]["cider_d"] > scores["human"]["cider_d"] > 2
    assert results["captions_equal_in_a_new_process"] == 24

    scores = everything["activity"]["scores"]
    assert scores["model"]["accuracy"] > 0.9
    assert scores["shuffled"]["accuracy"] < 0.6
    assert scores["shuffled"]["both_twins_right"] < 0.3
    assert everything["activity"]["watched_right"] >= 8
    assert everything["activity"]["answers_equal_in_a_new_process"] == 10

    narration = everything["narration"]
    order = {name: scores["event_order_accuracy"] for name, scores in narration["scenes"].items()}
    assert order["frames"] >= 0.9
    assert order["shuffled"] <= 0.5 * order["frames"]
    for floor in ("nearest", "template"):
        for metric in ("bleu_4", "cider_d"):
            assert narration["events"]["decoder-prob"][metric] > narration["events"][floor][metric]
    assert narration["narrated_live_right"] >= 5
    assert narration["sentences_equal_in_a_new_process"] == 10
