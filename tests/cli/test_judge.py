"""``lrcn judge``: from what evaluations left to a sheet and its key, and from filled sheets to mean ranks."""

import json
import re
import shutil

import pytest
import yaml
from PIL import Image

from lrcn_cli import main

WORDS = {"ours": "a red square", "theirs": "a square", "third": "no words"}


@pytest.fixture
def judged(tmp_path):
    """Folders of models that were judged on four pictures, and those pictures with two captions each."""
    (tmp_path / "photos" / "test").mkdir(parents=True)
    lines = []
    for number in range(4):
        name = f"test/{number}.png"
        Image.new("RGB", (20, 20), (60 * number, 90, 0)).save(tmp_path / "photos" / name)
        lines.append({"file_name": name, "captions": [f"people say {number}", f"they said {number}"]})
    (tmp_path / "photos/metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    recipe = {"task": "captioning", "data": {"reader": "folder", "path": str(tmp_path / "photos")}}
    for system, words in WORDS.items():
        folder = tmp_path / system / "evaluation" / "test"
        folder.mkdir(parents=True)
        (tmp_path / system / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        answers = [{"id": line["file_name"], "prediction": f"{words} {n}"} for n, line in enumerate(lines)]
        (folder / "predictions.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    return tmp_path


def run(capsys, *arguments):
    try:
        code = main(["judge", *map(str, arguments)])
    except SystemExit as ended:
        code = ended.code
    return code, *capsys.readouterr()


def export(capsys, folder, *words):
    code, out, err = run(capsys, "export", *words, "--output", folder / "judging")
    assert code == 0, err
    key = json.loads((folder / "judging/key.json").read_text(encoding="utf-8"))
    return out, key, (folder / "judging/sheet.html").read_text(encoding="utf-8")


def fill(folder, key, rater, order):
    """Rank by the systems' `order`, alike by all criteria, and save as the page does."""
    ranks = {
        ballot["id"]: {
            criterion: [1 + min(map(order.index, names)) for names in ballot["systems"]]
            for criterion in ("correctness", "grammar", "relevance")
        }
        for ballot in key["ballots"]
    }
    sheet = {"form": "lrcn-judge-sheet", "version": 1, "sheet": key["id"], "rater": rater, "copy": rater}
    (folder / f"{rater}.json").write_text(json.dumps({**sheet, "ranks": ranks}))
    return folder / f"{rater}.json"


def test_a_sheet_of_models_and_people_is_made_from_their_own_data(judged, capsys):
    out, key, page = export(capsys, judged, judged / "ours", judged / "theirs", "--human", "--number", "3")
    assert "3 of 4 pictures that ours, theirs, human answered" in out
    assert key["systems"] == ["ours", "theirs", "human"]
    for ballot in key["ballots"]:
        number = ballot["id"][-5]
        said = dict(zip((names[0] for names in ballot["systems"]), ballot["captions"], strict=True))
        assert (said["ours"], said["theirs"]) == (f"A red square {number}", f"A square {number}")
        assert said["human"] in (f"People say {number}", f"They said {number}")
    assert page.count("data:image/png;base64,") == 3
    assert not re.search("ours|theirs|human", page)  # whose a caption is cannot be read from the page


def test_files_with_names_and_pictures_in_a_folder_will_do(judged, capsys):
    words = [f"{name}={judged / name / 'evaluation/test/predictions.jsonl'}" for name in ("ours", "theirs")]
    _, key, _ = export(capsys, judged, *words, "--images", judged / "photos")
    assert (key["systems"], len(key["ballots"])) == (["ours", "theirs"], 4)


def test_the_ranks_of_raters_are_counted(judged, capsys):
    _, key, _ = export(capsys, judged, *(judged / name for name in WORDS))
    sheets = [
        fill(judged, key, "Ann", ["theirs", "ours", "third"]),
        fill(judged, key, "Bob", ["theirs", "third", "ours"]),
    ]
    code, out, err = run(capsys, "tally", *sheets, "--key", judged / "judging/key.json", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert {name: ranks["score"] for name, ranks in found["ranks"]["grammar"].items()} == {
        "ours": 2.5,
        "theirs": 1.0,
        "third": 2.5,
    }
    # rank sums 5, 2, 5 about 4: S = 6, of at most 2^2 * (3^3 - 3) / 12 = 8
    assert found["agreement"]["grammar"]["w"]["score"] == pytest.approx(6 / 8)
    assert (found["raters"], found["pictures"]) == (["Ann", "Bob"], 4)
    code, out, _ = run(capsys, "tally", *sheets, "--key", judged / "judging/key.json")
    assert code == 0
    assert re.search(r"^theirs +1\.00 \[1\.00, 1\.00\]", out, re.MULTILINE)
    assert re.search(r"^Kendall's W +0\.75 \[", out, re.MULTILINE)
    assert "2 raters (Ann, Bob), 4 pictures" in out and "0.50 on average by chance" in out


def test_one_rater_alone_has_nobody_to_agree_with(judged, capsys):
    _, key, _ = export(capsys, judged, judged / "ours", judged / "theirs")
    sheet = fill(judged, key, "Ann", ["theirs", "ours"])
    code, out, _ = run(capsys, "tally", sheet, "--key", judged / "judging/key.json")
    assert code == 0 and "Kendall" not in out and "1 rater (Ann)" in out


def test_sheets_that_cannot_be_counted_end_with_1_and_their_names(judged, capsys):
    _, key, _ = export(capsys, judged, judged / "ours", judged / "theirs")
    ann = fill(judged, key, "Ann", ["theirs", "ours"])
    (judged / "broken.json").write_text(ann.read_text()[:-20])
    other = fill(judged, {**key, "id": "f" * 16}, "Bob", ["theirs", "ours"])
    code, out, err = run(
        capsys, "tally", ann, judged / "broken.json", other, ann, "--key", judged / "judging/key.json"
    )
    assert (code, out) == (1, "")
    assert "3 of 4 sheets cannot be counted" in err
    assert "broken.json: not JSON" in err and "Bob.json: saved from the sheet 'ffffffffffffffff'" in err
    assert "a second sheet by 'Ann'" in err


def test_a_key_is_not_overwritten_by_that_of_another_sheet(judged, capsys):
    words = ["export", judged / "ours", judged / "theirs", "--output", judged / "judging"]
    assert run(capsys, *words)[0] == run(capsys, *words)[0] == 0  # the same sheet again
    before = (judged / "judging/sheet.html").read_bytes()
    code, _, err = run(capsys, *words, "--seed", "8")
    assert code == 1 and "key.json is the key of another sheet" in err
    assert (judged / "judging/sheet.html").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["ours"], "ranks need two systems or more, but there is ours"),
        (["ours", "gone"], "gone: there is no such folder of a model"),
        (["ours", "x=gone.jsonl"], "gone.jsonl is not there: judge the model first"),
        (["ours", "theirs", "--split", "validation"], "predictions.jsonl is not there: judge the model first"),
        (["ours", "ours"], "two systems are called ours"),
        (["ours", "human=theirs", "--human"], "two systems are called human"),
        (["ours", "theirs", "--images", "photos/test"], "photos/test has no picture with the id"),
        (["ours", "theirs", "--images", "gone"], "gone"),
        (["ours", "theirs", "--images", "photos", "--human"], "photos has no captions by people"),
        (["ours", "theirs", "--number", "0"], "a sheet of 0 pictures"),
    ],
)
def test_what_no_sheet_can_be_made_of_is_refused(words, fault, judged, capsys, monkeypatch):
    monkeypatch.chdir(judged)
    code, _, err = run(capsys, "export", *words, "--output", "judging")
    assert code == 1 and fault in err
    assert not (judged / "judging").exists()


def test_models_that_were_judged_on_other_pictures_of_the_same_names_are_refused(judged, capsys):
    recipe = yaml.safe_load((judged / "theirs/recipe.yaml").read_text())
    shutil.copytree(judged / "photos", judged / "copies")
    recipe["data"]["path"] = str(judged / "copies")
    (judged / "theirs/recipe.yaml").write_text(yaml.safe_dump(recipe))
    export(capsys, judged, judged / "ours", judged / "theirs")  # elsewhere, but the same
    Image.new("RGB", (20, 20), "blue").save(judged / "copies/test/2.png")
    code, _, err = run(capsys, "export", judged / "ours", judged / "theirs", "--output", judged / "other")
    assert code == 1 and "picture test/2.png of split test of " in err and "only on the same pictures" in err


@pytest.mark.parametrize("words", [[], ["export"], ["tally", "x.json"], ["count"]])
def test_wrong_usage_ends_with_2(words, capsys):
    assert run(capsys, *words)[0] == 2
