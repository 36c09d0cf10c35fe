import json
import re
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator

from lrcn_hub.reporting import Card, Evaluation, ReportPage, ReportSection
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


@pytest.fixture
def evaluation(make_table, tmp_path):
    """Two rows of the toy task, judged."""
    return Evaluation(
        "model", "test", {"test": make_table(2, 0)}, [[1], [2]], {"accuracy": 0.25}, ToyOptions(), tmp_path
    )


@dataclass
class ToyOptions:
    beams: int = 3


def test_a_task_adds_files_and_a_page_is_written_that_needs_no_task(toy_task, evaluation, tmp_path):
    class Drawing(type(toy_task)):
        def write_report(self, predictions, table, options, folder):
            (folder / "report.txt").write_text(f"{len(table)} rows, {predictions}, {options.beams}")

    write_report(Drawing(), evaluation)
    assert (tmp_path / "report.txt").read_text() == "2 rows, [[1], [2]], 3"
    page = (tmp_path / "report.html").read_text()
    assert "<td>0.250</td>" in page and "Toy on test" in page and "beams 3" in page


def test_what_a_task_says_stands_on_the_page_as_text(toy_task, evaluation, tmp_path):
    class Telling(type(toy_task)):
        def report_page(self, evaluation):
            card = Card("<row>", [("<b>said</b>", "1 & 2")], ["<i>people</i>"])
            return ReportPage({"accuracy": (0.1, 0.4)}, sections=[ReportSection("<h1>", "a < b", cards=[card])])

    write_report(Telling(), evaluation)
    page = (tmp_path / "report.html").read_text()
    assert "[0.100, 0.400]" in page
    for said in ("&lt;row&gt;", "&lt;b&gt;said&lt;/b&gt;", "1 &amp; 2", "&lt;i&gt;people", "&lt;h1&gt;", "a &lt; b"):
        assert said in page


def test_reports_that_fail_cost_warnings_and_nothing_else(toy_task, evaluation, tmp_path, caplog):
    class Failing(type(toy_task)):
        def write_report(self, predictions, table, options, folder):
            raise OSError("no pens")

        def report_page(self, evaluation):
            raise KeyError("words")

    with caplog.at_level("WARNING", logger="lrcn_hub"):
        write_report(Failing(), evaluation)
    assert "goes without a report: OSError: no pens" in caplog.text
    assert "has the metrics alone: KeyError: 'words'" in caplog.text
    assert "<td>0.250</td>" in (tmp_path / "report.html").read_text()


def test_a_page_that_cannot_be_drawn_leaves_no_older_one(toy_task, evaluation, tmp_path, caplog):
    class Wrong(type(toy_task)):
        def report_page(self, evaluation):
            return ReportPage(sections=[ReportSection("drawn", pictures=[("not a picture", "x")])])

    (tmp_path / "report.html").write_text("of other answers")
    with caplog.at_level("WARNING", logger="lrcn_hub"):
        write_report(Wrong(), evaluation)
    assert "goes without report.html: AttributeError" in caplog.text
    assert not (tmp_path / "report.html").exists()


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


def test_two_runs_are_compared_on_the_page(train, known_task):
    (first, _), (second, _) = train(), train("--seed", 5, folder="second")
    output = first.folder / "compared"
    words = ["--split", "validation", "--compare", str(second.folder), "--output", str(output)]
    assert evaluate_main([str(first.folder), *words]) == 0
    page = (output / "report.html").read_text()
    ours, theirs = (run.metrics["validation"]["accuracy"] for run in (first, second))
    difference = f"{ours - theirs:+.3f}".replace("-", "\u2212")
    row = page[page.index(">accuracy<") :].partition("</tr>")[0]
    assert re.findall("<td>(.*?)</td>", row) == [f"{ours:.3f}", f"{theirs:.3f}", difference]
    assert ours != theirs and str(second.folder) in page
    assert "Other run" not in (first.folder / "evaluation" / "validation" / "report.html").read_text()


def test_a_run_that_cannot_be_compared_with_is_refused_before_anything_is_judged(train, known_task, tmp_path):
    result, _ = train()
    with pytest.raises(FileNotFoundError, match="no answers to split 'train'; it has answers to test, validation"):
        evaluate_main([str(result.folder), "--split", "train", "--compare", str(result.folder)])
    assert not (result.folder / "evaluation" / "train").exists()


def test_a_stock_architecture_is_loaded_with_its_head(tmp_path):
    from transformers import BertConfig, BertForMaskedLM

    small = SimpleNamespace(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=9
    )
    BertForMaskedLM(BertConfig(**vars(small))).save_pretrained(tmp_path)
    assert type(load_model(tmp_path)) is BertForMaskedLM
