"""Training with --push_to_hub, then loading elsewhere: the same tokens, the same logits, the same files."""

import hashlib
import json
import re

import pytest
from stand_in import FOREVER

from lrcn_cli import main
from lrcn_hub.publishing.push import travelling_files

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # how huggingface_hub sends files

ID = "user/lrcn-coco"
COMMIT = "POST .*/commit/"
RECIPE = {
    "task": "captioning",
    "data": {
        "moving_shapes": {"train": 12, "validation": 3, "test": 2, "picture_size": 32},
        "max_length": 8,
        "augment": False,
    },
    "model": {
        "backbone": "test_resnet",
        "feature": "grid",
        "image_size": 32,
        "preprocessing": {"size": {"height": 32, "width": 32}, "do_center_crop": False},
        "train_backbone": "whole",
        "hidden_size": 12,
        "embedding_size": 8,
        "min_count": 1,
    },
    "training": {"max_steps": 4, "eval_steps": 2, "save_steps": 2, "use_cpu": True, "disable_tqdm": True},
}
LOAD = """
import hashlib, json, logging, sys
import lrcn_hub, torch
from huggingface_hub import snapshot_download
from transformers import AutoModel, AutoModelForImageTextToText, AutoProcessor

pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
words = torch.randint(3, 9, (3, 5), generator=torch.Generator().manual_seed(1))
answers = []
for source in sys.argv[1:]:
    place = snapshot_download(source.removeprefix("snapshot:")) if source.startswith("snapshot:") else source
    processor = AutoProcessor.from_pretrained(place)
    for auto in (AutoModel, AutoModelForImageTextToText):
        model = auto.from_pretrained(place).eval()
        with torch.no_grad():
            logits = model(pixels, words).logits
        tokens = model.generate(pixels, num_beams=3, max_new_tokens=8)
        digest = hashlib.sha256(logits.numpy().tobytes()).hexdigest()
        answers.append([digest, tokens.tolist(), processor.batch_decode(tokens)])
print(json.dumps(answers))
"""

LOAD_WITHOUT_THE_PACKAGE = LOAD.replace(
    "import lrcn_hub, torch", "import importlib.util, torch\nassert importlib.util.find_spec('lrcn_hub') is None"
).replace("from_pretrained(place)", "from_pretrained(place, trust_remote_code=True)")


@pytest.fixture
def train(tmp_path):
    """Run ``lrcn train`` on a few moving shapes into a folder ``run``; gives the exit code."""
    (tmp_path / "recipe.yaml").write_text(json.dumps(RECIPE))

    def train(*words):
        place = ["--recipe", str(tmp_path / "recipe.yaml"), "--output_dir", str(tmp_path / "run")]
        return main(["train", *place, *words])

    return train


def digests(folder, names):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def held(hub):
    return {name: hashlib.sha256(content).hexdigest() for name, content in hub.files(ID).items()}


@pytest.mark.slow
def test_a_model_that_was_trained_and_pushed_says_the_same_wherever_it_is_loaded(
    hub, client, train, run, bare_python, tmp_path
):
    assert train("--push_to_hub", "--hub_model_id", ID) == 0
    folder = tmp_path / "run"
    names = travelling_files(folder)
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "recipe.yaml"} <= set(
        names
    )
    assert held(hub) == digests(folder, names)
    assert len(hub.repositories[ID].commits) == 2  # no unfinished model was pushed
    assert not re.search("hf_writer|hub_token", (folder / "recipe.yaml").read_text())

    hub.make_peace()
    assert train("--push_to_hub", "--hub_model_id", ID) == 0
    assert len(hub.repositories[ID].commits) == 2
    assert not [line for line in hub.requests if re.search(f"^PUT|{COMMIT}", line)]

    online = run(folder, ID, "lrcn-coco", f"snapshot:{ID}", program=LOAD)
    assert online.returncode == 0, online.stderr
    answers = json.loads(online.stdout.splitlines()[-1])
    assert len(answers) == 8
    assert all(answer == answers[0] for answer in answers)

    empty = {"HF_HOME": str(tmp_path / "another"), "PYTHONPATH": ""}
    without = run(ID, "lrcn-coco", program=LOAD_WITHOUT_THE_PACKAGE, python=bare_python, **empty)
    assert without.returncode == 0, without.stderr
    assert json.loads(without.stdout.splitlines()[-1]) == answers[:4]

    hub.make_peace()
    offline = run(ID, "lrcn-coco", f"snapshot:{ID}", program=LOAD, HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr
    assert json.loads(offline.stdout.splitlines()[-1]) == answers[:6]
    assert hub.requests == []

    download = "import sys; from huggingface_hub.cli.hf import main; sys.exit(main())"
    copied = run("download", ID, "--local-dir", tmp_path / "copy", program=download)
    assert copied.returncode == 0, copied.stderr
    assert digests(tmp_path / "copy", names) == digests(folder, names)
    again = run(tmp_path / "copy", program=LOAD, HF_HUB_OFFLINE="1")
    assert json.loads(again.stdout.splitlines()[-1]) == answers[:2]


@pytest.mark.parametrize(
    ("words", "variables", "complaint"),
    [
        ([], {}, "push_to_hub needs hub_model_id, the repository to push to: user/name"),
        (["--hub_model_id", "lrcn"], {}, "write user/lrcn"),
        (["--hub_model_id", ID, "--hub_revision", "a..b"], {}, "cannot be a branch"),
        (["--hub_model_id", ID], {"HF_TOKEN": "hf_unknown"}, "the Hub refuses the token"),
        (["--hub_model_id", ID], {"HF_TOKEN": "hf_reader"}, "the token may not write to user/lrcn-coco"),
        (["--hub_model_id", ID], {"HF_TOKEN": ""}, "there is no token for the Hub"),
        (["--hub_model_id", ID, "--hub_token", "hf_writer"], {}, "no option --hub_token"),
    ],
)
def test_what_would_keep_a_model_from_being_pushed_is_told_before_training(
    words, variables, complaint, hub, client, train, tmp_path, monkeypatch, capsys
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert train("--push_to_hub", *words) == 1
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert hub.repositories == {}


@pytest.mark.slow
def test_a_push_that_fails_after_training_leaves_the_model_and_says_how_to_repeat(
    hub, client, train, tmp_path, capsys
):
    wish = ["--push_to_hub", "--hub_model_id", ID, "--hub_revision", "v1", "--hub_private_repo"]
    hub.make_trouble("answer", on=COMMIT, status=503, times=FOREVER)
    assert train(*wish) == 1
    folder = tmp_path / "run"
    said = capsys.readouterr().err.splitlines()[-2:]
    assert "the Hub has trouble of its own (status 503)" in said[0]
    command = f"lrcn push {folder} {ID} --private --revision v1"
    assert said[1] == f"{folder} holds the whole model; to push it: {command}"
    assert hub.files(ID) == hub.files(ID, "v1") == {}
    assert (folder / "metrics.json").is_file()

    hub.make_peace()
    assert main(command.split()[1:]) == 0
    pushed = hub.files(ID, "v1")
    assert {name: (folder / name).read_bytes() for name in travelling_files(folder)} == pushed
    assert (hub.files(ID), hub.repositories[ID].private) == ({}, True)
    assert train(*wish) == 0  # as the same command would have done
    assert hub.files(ID, "v1") == pushed
    assert len(hub.repositories[ID].commits) == 2
