import json
import logging

import pytest
import torch
from safetensors.torch import load_file

from lrcn_hub.tasks import ParameterGroup
from lrcn_hub.training import trainer as trainer_module
from lrcn_hub.training.examples import EpochSampler, SeededExamples
from lrcn_hub.training.trainer import LrcnTrainer

SGD = ["--optim", "sgd", "--max_grad_norm", 0, "--model.dropout", 0, "--rows", 24, "--lr_scheduler_type", "constant"]
CAFFE = [
    *("--optim", "caffe_sgd", "--clip_gradients", 0.2, "--loss_normalization", "batch"),
    *("--lr_scheduler_type", "step", "--lr_step_size", 2, "--lr_gamma", 0.5),
    *("--model.dropout", 0, "--training.weight_decay", 0.1, "--training.learning_rate", 0.5, "--rows", 10),
    *("--gradient_accumulation_steps", 2, "--load_best_model_at_end", "false", "--backbone_multiplier", 2),
]


def distance(one, other):
    return max((one[name] - other[name]).abs().max().item() for name in one)


def make_trainer(task, recipe):
    options = recipe.options(task)
    tables = task.load_tables(options.data)
    processor = task.build_processor(tables, options.model)
    torch.manual_seed(0)
    model = task.build_model(processor, options.model)
    return LrcnTrainer(task, model, processor, tables, options)


def test_the_gradient_does_not_depend_on_how_a_step_is_cut_up(train):
    _, whole = train(*SGD, "--per_device_train_batch_size", 8, folder="whole")
    for size, steps in ((4, 2), (2, 4)):
        words = ["--per_device_train_batch_size", size, "--gradient_accumulation_steps", steps]
        _, cut = train(*SGD, *words, folder=f"cut-{size}")
        assert distance(whole, cut) < 1e-6
    _, otherwise = train(*SGD, *words, "--loss_normalization", "batch", folder="batch")
    assert distance(whole, otherwise) > 1e-4


def caffe_by_hand(task, recipe, model):
    """Caffe's solver in plain arithmetic, on the batches of that recipe."""
    options = recipe.options(task)
    table = task.load_tables(options.data)["train"]
    examples = SeededExamples(table, 1701)
    collate = task.collator(None, options.data, training=True)
    parameters = [(p, 2.0 if name.startswith("backbone") else 1.0) for name, p in model.named_parameters()]
    velocity = [torch.zeros_like(p) for p, _ in parameters]
    step = 0
    for epoch in range(3):
        examples.set_epoch(epoch)
        order = list(EpochSampler(examples, 1701))
        batches = [collate(examples.__getitems__(order[i : i + 4])) for i in range(0, len(order), 4)]
        for group in (batches[:2], batches[2:]):  # three batches an epoch: the second step has one
            total = [torch.zeros_like(p) for p, _ in parameters]
            for batch in group:
                grads = torch.autograd.grad(model(**batch).loss, [p for p, _ in parameters])
                total = [t + g for t, g in zip(total, grads, strict=True)]
            norm = torch.sqrt(sum((t**2).sum() for t in total))
            scale = 0.2 / norm if norm > 0.2 else 1.0
            rate = 0.5 * 0.5 ** (step // 2)
            with torch.no_grad():
                for i, (p, multiplier) in enumerate(parameters):
                    gradient = total[i] * scale / len(group) + 0.1 * p
                    velocity[i] = 0.9 * velocity[i] + rate * multiplier * gradient
                    p -= velocity[i]
            step += 1
    return model.state_dict()


def test_a_run_with_caffe_sgd_is_caffe_s_own_arithmetic(toy_task, make_recipe, tmp_path):
    recipe = make_recipe(*CAFFE, "--max_steps", 6, "--output_dir", tmp_path)
    torch.manual_seed(0)
    expected = caffe_by_hand(toy_task, recipe, toy_task.build_model(None, recipe.options(toy_task).model))
    trainer = make_trainer(toy_task, recipe)
    trainer.train()
    assert distance(trainer.model.state_dict(), expected) < 1e-6


def test_groups_have_their_rates_and_biases_do_not_decay(toy_task, make_recipe, tmp_path):
    words = ["--training.weight_decay", 0.1, "--backbone_multiplier", 0.5, "--output_dir", tmp_path]
    trainer = make_trainer(toy_task, make_recipe(*words))
    names = {id(p): name for name, p in trainer.model.named_parameters()}
    groups = {
        names[id(p)]: (group["lr"], group["weight_decay"])
        for group in trainer.create_optimizer().param_groups
        for p in group["params"]
    }
    assert groups == {
        "head.weight": (0.05, 0.1),
        "head.bias": (0.05, 0.0),
        "backbone.weight": (0.025, 0.1),
        "backbone.bias": (0.025, 0.0),
    }


def test_what_is_in_no_group_is_frozen(toy_task, make_recipe, tmp_path, monkeypatch):
    trainer = make_trainer(toy_task, make_recipe("--output_dir", tmp_path))
    before = trainer.model.backbone.weight.detach().clone()
    only_head = [ParameterGroup(list(trainer.model.head.parameters()))]
    monkeypatch.setattr(toy_task, "parameter_groups", lambda model, options: only_head, raising=False)
    trainer.train()
    assert torch.equal(trainer.model.backbone.weight, before)
    assert not trainer.model.backbone.weight.requires_grad


@pytest.mark.parametrize("normalization", ["step", "batch"])
def test_a_loss_in_parts_teaches_what_the_whole_does(train, normalization):
    words = [*SGD, "--per_device_train_batch_size", 4, "--gradient_accumulation_steps", 2]
    if normalization == "batch":
        words += ["--loss_normalization", "batch"]
    _, whole = train(*words, folder="whole")
    _, parts = train(*words, "--objective", "in-parts", folder="parts")
    assert distance(whole, parts) < 1e-6


def test_the_recipe_chooses_the_objective(toy_task, make_recipe, train):
    _, once = train(*SGD, "--training.learning_rate", 0.1, folder="once")
    _, twice = train(*SGD, "--training.learning_rate", 0.05, "--objective", "doubled", folder="twice")
    assert distance(once, twice) < 1e-6
    with pytest.raises(ValueError, match="task toy has no objective 'tripled'; it has: likelihood, doubled, in-parts"):
        make_trainer(toy_task, make_recipe("--objective", "tripled", "--output_dir", "unused"))


def test_judging_does_not_disturb_training(train):
    words = ["--load_best_model_at_end", "false", "--save_steps", 8, "--evaluation.sample"]
    _, often = train(*words, "--eval_steps", 1, folder="often")
    _, once = train(*words, "--eval_steps", 8, folder="once")
    assert distance(often, once) == 0


def test_the_best_model_is_kept_and_exported(train, tmp_path):
    words = ["--max_steps", 12, "--eval_steps", 1, "--save_steps", 12, "--training.learning_rate", 0.3]
    result, _ = train(*words, "--final_splits", "validation")
    history = [json.loads(line) for line in (result.folder / "history.jsonl").read_text().splitlines()]
    accuracies = {entry["step"]: entry["eval_accuracy"] for entry in history if "eval_accuracy" in entry}
    assert len(accuracies) == 12
    best = max(accuracies, key=lambda step: (accuracies[step], -step))
    assert accuracies[best] > accuracies[1]
    assert result.metrics["validation"]["accuracy"] == accuracies[best]
    assert (result.folder / f"checkpoint-{best}").is_dir()
    assert len(list(result.folder.glob("checkpoint-*"))) <= 2


def test_training_stops_early_when_nothing_gets_better(train):
    words = ["--training.learning_rate", 0, "--max_steps", 30, "--eval_steps", 2, "--save_steps", 2]
    result, _ = train(*words, "--early_stopping_patience", 3)
    steps = [json.loads(line)["step"] for line in (result.folder / "history.jsonl").read_text().splitlines()]
    assert max(steps) == 2 + 3 * 2


def test_plugins_are_told_of_every_evaluation(train, monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr(trainer_module, "notify", lambda hook, **arguments: told.append((hook, arguments)))
    train("--eval_rows", 3)
    assert [(hook, a["step"], a["metrics"]["answers"]) for hook, a in told] == [
        ("evaluated", 4, 3),
        ("evaluated", 8, 3),
    ]
    assert all(a["output_dir"] == str(tmp_path / "run") and a["task"].name == "toy" for _, a in told)


def test_an_unknown_best_metric_is_refused_with_those_there_are(train):
    with pytest.raises(ValueError, match="'cider' is not among the metrics: accuracy, answers"):
        train("--metric_for_best_model", "cider", "--greater_is_better")


def test_without_validation_the_last_model_is_kept(train, caplog):
    with caplog.at_level(logging.WARNING):
        result, _ = train("--validation_rows", 0)
    assert "the last model is kept" in caplog.text
    assert list(result.metrics) == ["test"]


def test_the_trainer_leaves_the_model_s_configuration_alone(toy_task, make_recipe, tmp_path):
    trainer = make_trainer(toy_task, make_recipe("--output_dir", tmp_path))
    assert "use_cache" not in trainer.model.config.to_dict()


def test_convolutions_are_laid_out_channels_last_on_a_cpu_and_saved_like_any(
    toy_task, make_recipe, tmp_path, monkeypatch
):
    build = toy_task.build_model

    def with_convolution(processor, options):
        model = build(processor, options)
        model.convolution = torch.nn.Conv2d(3, 4, 3)
        return model

    monkeypatch.setattr(toy_task, "build_model", with_convolution)
    trainer = make_trainer(toy_task, make_recipe("--output_dir", tmp_path, "--use_cpu"))
    weight = trainer.model.convolution.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    trainer.save_model(str(tmp_path / "saved"))
    assert torch.equal(load_file(tmp_path / "saved" / "model.safetensors")["convolution.weight"], weight)
