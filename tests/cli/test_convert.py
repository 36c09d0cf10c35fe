"""``lrcn convert`` as a user runs it."""

import json
from pathlib import Path

import pytest

from lrcn_cli import main

FILES = Path(__file__).parents[1] / "caffe" / "files"


@pytest.fixture
def vocabulary(tmp_path):
    file = tmp_path / "vocabulary.txt"
    file.write_text("<unk>\n" + "".join(f"word{k}\n" for k in range(21)))
    return file


def test_weights_become_a_folder_and_the_command_says_what_they_were(lrcn, tmp_path, vocabulary):
    out = tmp_path / "model"
    answer = lrcn("convert", FILES / "caption_2f.caffemodel", "--vocabulary", vocabulary, out)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1].startswith(f"{out}: captioner 2f, 23 words, 12 units")
    assert "passed over: cont_sentence" in answer.stdout
    assert "Reading weights" in answer.stderr
    assert "the files hold no CNN" in answer.stderr
    assert json.loads((out / "config.json").read_text())["wiring"] == "2f"


def test_a_recogniser_gets_its_classes_and_its_stream(tmp_path, capsys):
    classes, out = tmp_path / "classInd.txt", tmp_path / "model"
    classes.write_text("".join(f"{k + 1} Class{k}\r\n" for k in range(11)), newline="")
    words = [FILES / "activity_narrow.caffemodel", "--class-file", classes, "--stream", "flow", out]
    assert main(["convert", *map(str, words)]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1].startswith(f"{out}: recogniser of flow, 11 classes, 16 units")
    assert "lrcn convert: " not in captured.err
    assert json.loads((out / "config.json").read_text())["id2label"]["10"] == "Class10"


@pytest.mark.parametrize("order", [["W", "W2", "--vocabulary", "V", "OUT"], ["--vocabulary", "V", "W,W2", "OUT"]])
def test_several_files_are_given_one_by_one_or_with_commas(order, tmp_path, vocabulary, capsys):
    words = {"W": FILES / "caption_1u.caffemodel", "W2": FILES / "decode.caffemodel", "V": vocabulary}
    out = tmp_path / "model"
    words |= {"OUT": out, "W,W2": f"{words['W']},{words['W2']}"}
    assert main(["convert", "--json", *(str(words.get(word, word)) for word in order)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["folder"] == str(out)
    assert answer["model"].startswith("captioner 2f")
    files = json.loads((out / "conversion.json").read_text())["files"]
    assert [file["name"] for file in files] == ["caption_1u.caffemodel", "decode.caffemodel", "vocabulary.txt"]


def test_a_file_whose_name_has_a_comma_is_one_file(tmp_path, capsys):
    file = tmp_path / "one,two.caffemodel"
    file.write_bytes((FILES / "caption_1u.caffemodel").read_bytes())
    assert main(["convert", str(file), str(tmp_path / "model")]) == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([FILES / "lstm_static.caffemodel", "OUT"], "nothing but recurrent layers ('lstm'): this is no whole model"),
        ([FILES / "README.md", "OUT"], "byte "),
        (["nowhere.caffemodel", "OUT"], "nowhere.caffemodel"),
        ([FILES / "caption_1u.caffemodel", "OUT", "--skip", "lstm2"], "in none of the files: 'lstm2'"),
        ([FILES / "caption_1u.caffemodel", "OUT", "--skip", "predict,lstm*"], "of the captioner"),
        ([FILES / "caption_1u.caffemodel", "OUT", "--prototxt", FILES / "caption_2f.prototxt"], "the LSTM layers"),
        ([FILES / "caption_1u.caffemodel", FILES], "is not an empty folder"),
    ],
)
def test_a_failure_is_one_line_and_leaves_nothing(arguments, reason, tmp_path, capsys):
    out = tmp_path / "model"
    assert main(["convert", *(str(out) if word == "OUT" else str(word) for word in arguments)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("lrcn convert: error: ")
    assert reason in captured.err
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["only.caffemodel"],
        ["a.caffemodel", "out", "--feature", "conv5"],
        ["a.caffemodel", "out", "--stream", "depth"],
    ],
)
def test_wrong_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(["convert", *arguments])
    assert end.value.code == 2
    assert "usage: lrcn convert" in capsys.readouterr().err
