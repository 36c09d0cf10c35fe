import json
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator

from lrcn_hub.training.evaluate import evaluate_main, load_model
from lrcn_hub.training.evaluation import evaluate_table, write_evaluation, write_report


@pytest.fixture
def judge(toy_task, make_recipe, make_table):
    def judge(rows, *words, task=toy_task):
        options = make_recipe("--output_dir", "unused", "--per_device_eval_batch_size", 4, *words).options(task)
        torch.manual_seed(0)
        model = task.build_model(None, options.model)
        table = make_table(rows, 1)
        return evaluate_table(task, model.train(), None, table, options, Accelerator(cpu=True)), model, table

    return judge


@pytest.mark.parametrize("rows", [1, 3, 4, 9])
def test_each_row_has_one_answer_in_its_place(judge, rows):
    (predictions, metrics), model, table = judge(rows)
    assert metrics["answers"] == rows
    for prediction, numbers in zip(predictions, table["numbers"], strict=True):
        padded = torch.zeros(1, 4)
        padded[0, : len(numbers)] = torch.tensor(numbers)
        assert prediction == model.eval()(padded).logits[0].argmax(-1)[: len(numbers)].tolist()


def test_judging_neither_moves_the_random_state_nor_the_model_s_mode(judge, toy_task, make_recipe):
    torch.manual_seed(0)
    toy_task.build_model(None, make_recipe().options(toy_task).model)
    expected = torch.get_rng_state()
    (first, _), model, _ = judge(9, "--evaluation.sample")
    assert torch.equal(torch.get_rng_state(), expected)
    assert model.training
    (again, _), _, _ = judge(9, "--evaluation.sample")
    (other, _), _, _ = judge(9, "--evaluation.sample", "--seed", 4)
    assert again == first != other


def test_a_task_that_loses_rows_is_refused(judge, toy_task, monkeypatch):
    predict = toy_task.predict
    monkeypatch.setattr(toy_task, "predict", lambda *arguments: predict(*arguments)[1:], raising=False)
    with pytest.raises(ValueError, match="task toy gave 6 predictions for 9 rows"):
        judge(9)


def test_answers_are_written_with_their_ids(tmp_path, make_table):
    write_evaluation(tmp_path / "e", make_table(2, 0), [[1], "zwei ü"], {"accuracy": 0.5})
    lines = (tmp_path / "e" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines == ['{"id": "row-0", "prediction": [1]}', '{"id": "row-1", "prediction": "zwei ü"}']
    assert json.loads((tmp_path / "e" / "metrics.json").read_text()) == {"accuracy": 0.5}


def test_a_report_that_fails_costs_a_warning_and_nothing_else(toy_task, make_recipe, make_table, tmp_path, caplog):
    options = make_recipe("--output_dir", "unused").options(toy_task)

    class Drawing(type(toy_task)):
        def write_report(self, predictions, table, options, folder):
            (folder / "report.txt").write_text(f"{len(table)} rows, {predictions}, {options.beams}")

    write_report(Drawing(), tmp_path, make_table(2, 0), [[1], [2]], options)
    assert (tmp_path / "report.txt").read_text() == "2 rows, [[1], [2]], 1"
    with caplog.at_level("WARNING", logger="lrcn_hub"):
        write_report(Drawing(), tmp_path / "none", make_table(2, 0), [[1], [2]], options)
    assert "goes without a report: FileNotFoundError" in caplog.text


@pytest.fixture
def known_task(toy_task, monkeypatch):
    from lrcn_hub.training import evaluate

    monkeypatch.setattr(evaluate, "get_task", {"toy": toy_task}.__getitem__)
    return toy_task


def test_an_exported_model_is_judged_as_it_was_at_the_end_of_its_run(train, known_task, capsys):
    result, weights = train()
    loaded = load_model(result.folder).state_dict()
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)
    capsys.readouterr()
    assert evaluate_main([str(result.folder), "--split", "validation", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == result.metrics["validation"]
    assert (
        evaluate_main(
            [
                str(result.folder),
                "--validation_rows",
                "3",
                "--split",
                "validation",
                "--output",
                str(result.folder / "x"),
            ]
        )
        == 0
    )
    assert "answers 3" in capsys.readouterr().out
    assert len((result.folder / "x" / "predictions.jsonl").read_text().splitlines()) == 3


def test_what_cannot_be_judged_is_refused(train, known_task, tmp_path):
    result, _ = train()
    with pytest.raises(ValueError, match=r"no rows in split 'dev'; there are: train, validation, test"):
        evaluate_main([str(result.folder), "--split", "dev"])
    with pytest.raises(FileNotFoundError, match=r"no recipe.yaml"):
        evaluate_main([str(tmp_path)])
    with pytest.raises(ValueError, match="name one folder"):
        evaluate_main(["--split", "test"])


def test_a_stock_architecture_is_loaded_with_its_head(tmp_path):
    from transformers import BertConfig, BertForMaskedLM

    small = SimpleNamespace(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=9
    )
    BertForMaskedLM(BertConfig(**vars(small))).save_pretrained(tmp_path)
    assert type(load_model(tmp_path)) is BertForMaskedLM
