"""``lrcn fuse`` on what two runs left: recipes, answers, and the data their truth comes from."""

import json

import av
import numpy as np
import pytest
import yaml

from lrcn_cli import main

NAMES = ["jump", "run", "swim"]
IDS = [f"{name}/{number}.avi" for name in NAMES for number in range(2)]


@pytest.fixture
def runs(tmp_path):
    """Two folders of models that were judged on six videos, three classes of two."""
    for split in ("train", "test"):
        for name in IDS:
            file = tmp_path / "videos" / split / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with av.open(str(file), "w") as container:
                stream = container.add_stream("mpeg4", rate=10, width=32, height=32, pix_fmt="yuv420p")
                frame = np.full((32, 32, 3), 90 if split == "train" else 180, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
                container.mux(stream.encode(None))
    recipe = {
        "task": "activity",
        "data": {"reader": "folder", "path": str(tmp_path / "videos"), "check_videos": "none"},
    }
    random = np.random.RandomState(4)
    for name in ("rgb", "flow"):
        folder = tmp_path / name / "evaluation" / "test"
        folder.mkdir(parents=True)
        (tmp_path / name / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        write(folder.parent.parent, read_ids(tmp_path), random.dirichlet(np.ones(3), 6))
    return tmp_path


def read_ids(folder):
    from lrcn_activity.options import ActivityDataOptions
    from lrcn_activity.task import Activity

    return Activity().load_tables(ActivityDataOptions(reader="folder", path=str(folder / "videos")))["test"]["id"][:]


def write(folder, ids, probabilities):
    lines = [
        {"id": one, "prediction": {"label": NAMES[int(row.argmax())], "probabilities": row.tolist()}}
        for one, row in zip(ids, np.asarray(probabilities), strict=True)
    ]
    text = "".join(json.dumps(line) + "\n" for line in reversed(lines))  # in any order
    (folder / "evaluation/test/predictions.jsonl").write_text(text)


def read(folder):
    lines = (folder / "evaluation/test/predictions.jsonl").read_text().splitlines()
    return {line["id"]: np.array(line["prediction"]["probabilities"]) for line in map(json.loads, lines)}


def accuracy(answers):
    return np.mean([NAMES[row.argmax()] == one.split("/")[-2] for one, row in answers.items()])


def run(capsys, *arguments):
    try:
        code = main(["fuse", *map(str, arguments)])
    except SystemExit as ended:
        code = ended.code
    return code, *capsys.readouterr()


@pytest.mark.parametrize(("words", "share"), [([], 1 / 2), (["--weights", "1/3", "2/3"], 2 / 3)])
def test_the_fusion_is_judged_beside_its_parts(runs, capsys, words, share):
    code, out, err = run(capsys, runs / "rgb", runs / "flow", *words, "--json", "--output", runs / "fused")
    assert code == 0, err
    found = json.loads(out)
    rgb, flow = read(runs / "rgb"), read(runs / "flow")
    both = {one: (1 - share) * rgb[one] + share * flow[one] for one in rgb}
    assert [one["metrics"]["accuracy"] for one in found["models"]] == [accuracy(rgb), accuracy(flow)]
    assert found["fused"]["metrics"]["accuracy"] == accuracy(both)
    assert found["models"][1]["weight"] == ("2/3" if words else "1/2")
    lines = [json.loads(line) for line in (runs / "fused/predictions.jsonl").read_text().splitlines()]
    assert all(np.allclose(line["prediction"]["probabilities"], both[line["id"]]) for line in lines)
    assert json.loads((runs / "fused/metrics.json").read_text()) == found["fused"]["metrics"]
    assert (runs / "fused/confusion_matrix.png").is_file()


def test_fusion_can_know_what_neither_knows(runs, capsys):
    ids = list(read(runs / "rgb"))
    truth = np.array([np.eye(3)[NAMES.index(one.split("/")[-2])] for one in ids])
    wrong = np.roll(truth, 1, axis=1)
    write(runs / "rgb", ids, 0.4 * truth + 0.6 * wrong)
    write(runs / "flow", ids, 0.4 * truth + 0.6 * np.roll(wrong, 1, axis=1))
    code, out, _ = run(capsys, runs / "rgb", runs / "flow")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith(f"{runs / 'rgb'} x 1/2: accuracy 0,") and lines[2].startswith("fused: accuracy 1,")


def test_answers_to_other_rows_are_refused_by_id(runs, capsys):
    file = runs / "flow/evaluation/test/predictions.jsonl"
    lines = file.read_text().splitlines()
    gone = json.loads(lines[2])["id"]
    file.write_text("\n".join(lines[:2] + lines[3:]) + "\n")
    code, _, err = run(capsys, runs / "rgb", runs / "flow")
    assert code == 1 and f"flow on split test: 1 rows of the data without an answer (the first is {gone})" in err
    file.write_text("\n".join([*lines, lines[0].replace(json.loads(lines[0])["id"], "other")]) + "\n")
    code, _, err = run(capsys, runs / "rgb", runs / "flow")
    assert code == 1 and "1 answers to rows that the data lack (the first is other)" in err


def test_what_cannot_be_fused_is_refused(runs, capsys):
    code, _, err = run(capsys, runs / "rgb", runs / "flow", "--split", "validation")
    assert code == 1 and "predictions.jsonl is not there: judge the model first" in err
    (runs / "flow/evaluation/test/predictions.jsonl").write_text('{"id": "x", "prediction": "a cat"}\n')
    code, _, err = run(capsys, runs / "rgb", runs / "flow")
    assert code == 1 and "predictions.jsonl, line 1: no answer with probabilities" in err
    assert run(capsys, runs / "rgb")[0] == 2
    assert run(capsys, runs / "rgb", runs / "flow", "--weights", "1")[0] == 2
