"""What is pushed to the Hub and what is refused beforehand; the pushing itself is tested in tests/hub."""

import json

import pytest
import torch
from safetensors.torch import save_file

from lrcn_hub.publishing.push import check_is_model, push, travelling_files


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"weights": torch.zeros(100)}, folder / "model.safetensors")
    for name in ("config.json", "processor_config.json", "tokenizer.json", "metrics.json", "versions.json"):
        (folder / name).write_text("{}")
    for name in ("modeling_lrcn.py", "recipe.yaml", "README.md", "LICENSE"):
        (folder / name).write_text("text")
    return folder


def test_the_model_and_its_card_travel_and_nothing_else(model):
    wanted = sorted(path.name for path in model.iterdir())
    for name in (
        *("training_args.bin", "optimizer.pt", "weights.pth", "data.pkl", "history.jsonl", "notes.txt", "my.py"),
        *(".export.partial/model.safetensors", ".hidden.json", ".env", "checkpoint-20/model.safetensors"),
        *("checkpoint-20/config.json", "evaluation/test/metrics.json", "evaluation/test/predictions.jsonl"),
        *("photo.jpg", "images/other.png"),
    ):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text("private")
    assert travelling_files(model) == wanted


def test_the_pictures_that_the_card_shows_travel(model):
    (model.parent / "outside.png").write_bytes(b"")
    (model / "images").mkdir()
    for name in ("a.png", "images/b.jpg", "images/c.PNG", "d.svg", "e.webp", "other.png", "weights.pt"):
        (model / name).write_bytes(b"")
    (model / "README.md").write_text(
        "---\nwidget:\n- src: e.webp\n---\n![a](a.png) [![b](images/b.jpg)](weights.pt) <img width='3' "
        "src='images/c.PNG'>"
        '<img src="d.svg"> ![no](../outside.png) ![no](missing.png) ![no](https://other.org/other.png)'
    )
    pictures = set(travelling_files(model)) & {path.relative_to(model).as_posix() for path in model.rglob("*.*")}
    assert {name for name in pictures if name.lower().endswith(("png", "jpg", "svg", "webp", "pt"))} == {
        *("a.png", "d.svg", "e.webp", "images/b.jpg", "images/c.PNG"),
    }
    assert "../outside.png" not in travelling_files(model)


def test_a_model_in_parts_is_whole_with_all_of_them(model):
    (model / "model.safetensors").rename(model / "model-1.safetensors")
    index = model / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors"}}))
    check_is_model(model)
    assert {"model-1.safetensors", index.name} <= set(travelling_files(model))
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}))
    with pytest.raises(ValueError, match=r"model-2\.safetensors: not whole"):
        check_is_model(model)


DAMAGE = {
    "no config": (lambda f: (f / "config.json").unlink(), "no exported model, it has no config.json"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no exported model, it has no model.safetensors"),
    "cut weights": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-1]),
        r"model\.safetensors: not whole",
    ),
    "empty weights": (lambda f: (f / "model.safetensors").write_bytes(b""), r"model\.safetensors: not whole"),
    "still in training": (
        lambda f: (f / "metrics.json").unlink(),
        "its training has not ended; the command that began",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_folder_that_is_no_finished_model_is_refused(case, model):
    damage, complaint = DAMAGE[case]
    damage(model)
    with pytest.raises(ValueError, match=complaint):
        push(model, "user/name")


@pytest.mark.parametrize(
    ("index", "complaint"),
    [
        ("{", "this is no index of weights"),
        ("[]", "this is no index of weights"),
        ('{"weight_map": {"a": 1}}', "names '1', which is no weight file"),
        ('{"weight_map": {"a": "../model.safetensors"}}', r"names '\.\./model\.safetensors', which is no weight file"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "names '/etc/passwd', which is no weight file"),
        ('{"weight_map": {"a": "weights.bin"}}', r"names 'weights\.bin', which is no weight file"),
    ],
)
def test_a_strange_index_of_weights_is_refused(index, complaint, model):
    (model / "model.safetensors").unlink()
    (model / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ValueError, match=complaint):
        push(model, "user/name")


@pytest.mark.parametrize(
    ("repo_id", "complaint"),
    [
        ("lrcn-coco", "'lrcn-coco' does not say whose it is; write user/lrcn-coco"),
        ("a/b/c", "'a/b/c' cannot be a repository"),
        ("user/two words", "'user/two words' cannot be a repository"),
        ("user/", "'user/' cannot be a repository"),
        ("", "'' cannot be a repository"),
        ("user/a--b", "'user/a--b' cannot be a repository"),
    ],
)
def test_an_impossible_name_is_refused(repo_id, complaint, model):
    with pytest.raises(ValueError, match=complaint):
        push(model, repo_id)


@pytest.mark.parametrize("revision", ["two words", "../main", "a..b", "-x", "a/", "0123456789" * 4, "refs~1"])
def test_an_impossible_branch_is_refused(revision, model):
    with pytest.raises(ValueError, match="cannot be a branch; give a name such as v1"):
        push(model, "user/name", revision=revision)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere: there is no such folder"):
        push(tmp_path / "nowhere", "user/name")
