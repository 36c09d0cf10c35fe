"""What the platform does about cached features, whatever the task: a toy whose frozen backbone is a linear layer."""

import pytest
import torch

from lrcn_hub.training.run import run


def caching(task, change=lambda tables: tables):
    """Give the toy task a cache of features: columns of what its backbone gives."""
    calls = []

    def cache_features(model, processor, tables, options, folder, *, training):
        calls.append({"folder": folder, "training": training, "weight": model.backbone.weight.detach().clone()})
        return change(
            {split: table.add_column("features", list(range(len(table)))) for split, table in tables.items()}
        )

    task.cache_features = cache_features
    return calls


def test_a_task_without_a_cache_says_so_before_anything_is_written(toy_task, make_recipe, tmp_path):
    with pytest.raises(ValueError, match="task toy keeps no features: go on without --cache_features"):
        run(toy_task, make_recipe("--output_dir", tmp_path / "run", "--cache_features"))
    assert not (tmp_path / "run").exists()


def test_the_task_is_asked_once_and_its_tables_are_trained_and_judged_on(toy_task, make_recipe, tmp_path):
    calls, seen, collator = caching(toy_task), set(), toy_task.collator

    def watched(processor, options, *, training):
        collate = collator(processor, options, training=training)

        def look(rows):
            seen.update((training, "features" in row) for row in rows)
            return collate(rows)

        return look

    toy_task.collator = watched
    words = ["--output_dir", tmp_path / "run", "--cache_features", "--feature_folder", tmp_path / "features"]
    result = run(toy_task, make_recipe(*words))
    assert [(call["folder"], call["training"]) for call in calls] == [(str(tmp_path / "features"), True)]
    assert seen == {(True, True), (False, True)}
    assert "features" not in result.tables["train"].column_names


def test_without_the_option_the_task_is_not_asked(toy_task, make_recipe, tmp_path):
    calls = caching(toy_task)
    run(toy_task, make_recipe("--output_dir", tmp_path / "run"))
    assert not calls


def test_a_resumed_run_caches_what_its_checkpoint_sees(toy_task, make_recipe, tmp_path):
    """The frozen weights came by init_from; after a resume they are those of the checkpoint, not new ones."""
    run(toy_task, make_recipe("--output_dir", tmp_path / "first", "--training.seed", 3))
    calls = caching(toy_task)
    words = ["--output_dir", tmp_path / "run", "--init_from", tmp_path / "first", "--frozen", "--cache_features"]
    run(toy_task, make_recipe(*words))
    (tmp_path / "run/metrics.json").unlink()
    run(toy_task, make_recipe(*words))
    assert torch.equal(calls[0]["weight"], calls[1]["weight"])


@pytest.mark.parametrize(
    "change",
    [
        lambda tables: {"train": tables["train"]},
        lambda tables: {**tables, "test": tables["test"].select([0, 1])},
        lambda tables: {**tables, "test": tables["test"].select([1, 0, 2, 3, 4])},
    ],
    ids=["a split", "rows", "their order"],
)
def test_a_task_that_loses_rows_is_told_so(toy_task, make_recipe, tmp_path, change):
    caching(toy_task, change)
    with pytest.raises(ValueError, match=r"task toy: cache_features must give split .* back, row by row"):
        run(toy_task, make_recipe("--output_dir", tmp_path / "run", "--cache_features"))
