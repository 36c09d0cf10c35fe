from pathlib import Path

import pytest
import yaml

from lrcn_hub.demo import main
from lrcn_hub.demo.plans import CAPTIONING, RECIPES, activity_plans, captioning_plans, narration_plans
from lrcn_hub.demo.reload import answers_in_a_new_process
from lrcn_hub.training.command import parse_command
from lrcn_hub.training.recipe import read_recipe

FLAGS = {"output_dir": True, "split": True, "seed": True, "thorough": False}


def planned(*arguments, seed=0, make=captioning_plans):
    return make(parse_command(list(arguments), FLAGS), Path("out"), seed)


def test_it_trains_on_unseen_pairs_by_the_shipped_recipe():
    ((split, plan),) = planned().items()
    assert (plan.task.name, split, plan.folder) == ("captioning", "pairs", Path("out", "captioning", "model"))
    written = read_recipe(CAPTIONING)
    for section in ("data", "model", "evaluation"):
        assert written[section].items() <= plan.recipe.sections[section].items()


def test_combinations_have_a_folder_of_their_own():
    easy, hard = Path("out", "captioning", "model"), Path("out", "combinations", "model")
    assert {split: plan.folder for split, plan in planned("--thorough").items()} == {
        "pairs": easy,
        "combinations": hard,
    }
    only = planned("--thorough", "--split", "combinations")
    assert {split: plan.folder for split, plan in only.items()} == {"combinations": easy}


def test_the_seed_draws_pictures_videos_and_weights():
    plans = [*planned("--thorough", seed=7).items(), *planned("--thorough", seed=7, make=activity_plans).items()]
    plans += planned("--thorough", seed=7, make=narration_plans).items()
    assert len(plans) == 9
    for name, plan in plans:
        drawn = plan.recipe.sections["data"]["moving_shapes"]
        assert drawn["seed"] == plan.recipe.sections["training"]["seed"] == 7
        assert drawn.get("split", name) == name


def test_the_recogniser_and_its_baselines_differ_in_nothing_else():
    plans = planned("--thorough", make=activity_plans)
    for name, plan in plans.items():
        differences = plans["model"].recipe.differences(plan.recipe)
        assert differences == (["model.num_layers: 1 against 0"] if name == "single_frame" else [])
    assert len({plan.folder for plan in plans.values()}) == 3
    assert planned(make=activity_plans).keys() == {"model"}


def test_narrators_of_nodes_differ_in_what_they_read_and_in_nothing_else():
    assert planned(make=narration_plans).keys() == {"frames", "decoder-prob"}
    plans = planned("--thorough", make=narration_plans)
    frames = plans.pop("frames")
    assert frames.after == planned()["pairs"].name
    assert frames.recipe.sections["model"]["backbone_weights"] == str(planned()["pairs"].folder / "model.safetensors")
    assert frames.recipe.sections["data"]["level"] == "scene" and frames.folder == Path("out", "narration", "model")
    for variant, plan in plans.items():
        assert plan.folder == Path("out", "narration", variant)
        found = plans["decoder-prob"].recipe.differences(plan.recipe)
        assert found == ([] if variant == "decoder-prob" else [f"model.variant: 'decoder-prob' against {variant!r}"])


def test_any_option_of_a_recipe_can_be_given_to_all_or_to_one_task():
    words = ["--max_steps", "3", "--activity.data.moving_shapes.train", "50", "--overwrite_output_dir"]
    ((_, captioner),) = planned(*words).items()
    recogniser = planned(*words, make=activity_plans)["model"]
    for plan in (captioner, recogniser):
        assert plan.recipe.sections["training"]["max_steps"] == 3
        assert plan.overwrite and not plan.is_done
        assert plan.recipe.sections["training"]["overwrite_output_dir"] is False  # by then it is trained
        assert plan.recipe.sections["data"]["moving_shapes"]["test"] == 500
    assert captioner.recipe.sections["data"]["moving_shapes"]["train"] == 8000
    assert recogniser.recipe.sections["data"]["moving_shapes"]["train"] == 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "pears"], "--split pears: choose pairs or combinations"),
        (["--seed", "-1"], "--seed -1"),
        (["--seed", "x"], "--seed x: it must be a whole number"),
        (["--max_stps", "3"], "no option --max_stps .*'max_steps'"),
        (["out"], "unexpected argument 'out'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main([*arguments, "--output_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_help_names_every_option_of_the_demo(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"--{name}" in said for name in FLAGS)


def test_a_model_that_cannot_be_loaded_in_the_new_process_is_an_error_with_its_reason(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ChildProcessError, match=r"(?s)could not be used in a new process.*model_type"):
        answers_in_a_new_process("image-to-text", tmp_path, [tmp_path / "picture.png"])


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipes_show_all_that_there_is_and_never_its_mirror_image(name):
    recipe = yaml.safe_load(Path(__file__).parents[2].joinpath("recipes", f"{name}.yaml").read_text())
    assert (
        recipe["data"].get("mirror", False) is recipe["data"].get("augment", False) is False
    )  # "left" would be wrong
    assert recipe["model"].get("preprocessing", {}).get("do_center_crop", False) is False
