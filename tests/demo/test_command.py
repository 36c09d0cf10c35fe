from pathlib import Path

import pytest
import yaml

from lrcn_hub.demo import main
from lrcn_hub.demo.command import RECIPE, plans
from lrcn_hub.demo.reload import caption_in_a_new_process
from lrcn_hub.training.command import parse_command
from lrcn_hub.training.recipe import read_recipe

FLAGS = {"output_dir": True, "split": True, "seed": True, "harder": False}


def planned(*arguments, seed=0):
    return plans(parse_command(list(arguments), FLAGS), Path("out"), seed)


def test_it_trains_on_unseen_pairs_by_the_shipped_recipe():
    ((task, recipe, split, folder),) = planned()
    assert (task.name, split, folder) == ("captioning", "pairs", Path("out"))
    assert recipe.sections["training"]["output_dir"] == str(Path("out", "model"))
    written = read_recipe(RECIPE)
    for section in ("data", "model", "evaluation"):
        assert written[section].items() <= recipe.sections[section].items()


def test_the_harder_split_has_a_folder_of_its_own():
    assert [plan[2:] for plan in planned("--harder")] == [
        ("pairs", Path("out")),
        ("combinations", Path("out", "harder")),
    ]
    assert [plan[2:] for plan in planned("--harder", "--split", "combinations")] == [("combinations", Path("out"))]


def test_the_seed_draws_pictures_and_weights():
    for _, recipe, split, _ in planned("--harder", seed=7):
        assert (
            recipe.sections["data"]["moving_shapes"] | {"seed": 7, "split": split}
            == (recipe.sections["data"]["moving_shapes"])
        )
        assert recipe.sections["training"]["seed"] == 7


def test_any_option_of_a_recipe_can_be_given():
    ((_, recipe, _, _),) = planned("--max_steps", "3", "--data.moving_shapes.train", "50", "--overwrite_output_dir")
    assert recipe.sections["training"]["max_steps"] == 3
    assert recipe.sections["training"]["overwrite_output_dir"] is True
    assert recipe.sections["data"]["moving_shapes"]["train"] == 50
    assert recipe.sections["data"]["moving_shapes"]["test"] == 500


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
        caption_in_a_new_process(tmp_path, [tmp_path / "picture.png"])


def test_the_recipe_shows_the_whole_picture_and_never_its_mirror_image():
    recipe = yaml.safe_load(Path(__file__).parents[2].joinpath("recipes", f"{RECIPE}.yaml").read_text())
    assert recipe["data"]["mirror"] is False  # "left" would become wrong
    assert recipe["data"]["augment"] is False and recipe["model"]["preprocessing"]["do_center_crop"] is False
