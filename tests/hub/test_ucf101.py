"""A small UCF-101 in its own form on disk: from the authors' recipes to the stock pipeline, by way of the Hub.

The files are made here: XviD in AVI, 320 x 240, B-frames and all; named, grouped and listed as UCF-101's are.
"""

import json

import av
import numpy as np
import pytest
import torch
from transformers import pipeline

from lrcn_cli import main
from lrcn_hub.models import CaffeNet, CaffeNetConfig
from lrcn_hub.publishing.push import travelling_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),  # how huggingface_hub sends files
]

ID = "user/ucf101-small"
CLASSES = {"Archery": (0, 0), "Biking": (6, 0), "Diving": (0, 6)}
"""Name -> the pixels that everything moves in a frame, to the right and down."""
COLOURS = {"Archery": (200, 60, 60), "Biking": (60, 200, 60), "Diving": (60, 60, 200)}
TEST_GROUPS = (1, 2)  # UCF-101's first split tests on groups 1 to 7
NARROW = {"channels": [8, 8, 8, 8, 8], "fc_sizes": [24, 24]}
SMALL = {
    "image_size": 67,
    "hidden_size": 12,
    "feature_dropout": 0.2,
    "lstm_dropout": 0.2,
    "max_steps": 6,
    "save_steps": 6,
    "learning_rate": 0.01,
    "clip_gradients": 1,
    "per_device_train_batch_size": 3,
    "per_device_eval_batch_size": 3,
    "dataloader_num_workers": 0,
    "disable_tqdm": True,
    "use_cpu": True,
}
CLASSIFY = """
import json, sys
import lrcn_hub
from transformers import pipeline

classify = pipeline("video-classification", model=sys.argv[1], top_k=3)
print(json.dumps([classify(file) for file in sys.argv[2:]]))
"""


def write_avi(file, class_name, group, frames=20):
    """A texture in the colour of the class that moves as the class does."""
    noise = np.random.default_rng(group).integers(-50, 50, (15, 20, 1)).repeat(16, 0).repeat(16, 1)
    picture = (np.array(COLOURS[class_name]) + noise).clip(0, 255).astype(np.uint8)
    right, down = CLASSES[class_name]
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=320, height=240, pix_fmt="yuv420p", bit_rate=400_000)
        stream.codec_context.codec_tag = "XVID"
        stream.codec_context.max_b_frames = 1
        for t in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, (t * down, t * right), (0, 1)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_lists(folder, files):
    """The official lists as they are: Windows' line ends, numbers from 1, no labels in the test list."""
    folder.mkdir(parents=True)
    names = list(CLASSES)
    train = [f"{name} {names.index(name.split('/')[0]) + 1}" for name, group in files if group not in TEST_GROUPS]
    test = [name for name, group in files if group in TEST_GROUPS]
    classes = [f"{number} {name}" for number, name in enumerate(names, 1)]
    for name, lines in {"classInd": classes, "trainlist01": train, "testlist01": test}.items():
        (folder / f"{name}.txt").write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    return test


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a small UCF-101, and a narrow hybrid CNN, where the recipes say that they are."""
    files = [(f"{name}/v_{name}_g{group:02d}_c01.avi", group) for name in CLASSES for group in (1, 2, 8, 9, 10)]
    for name, group in files:
        write_avi(tmp_path / "data/UCF-101" / name, name.split("/")[0], group)
    write_lists(tmp_path / "data/ucfTrainTestlist", files)
    torch.manual_seed(0)
    network = CaffeNet(CaffeNetConfig.hybrid(image_size=67, **NARROW))
    with torch.no_grad():
        for weights in network.parameters():  # so narrow, Caffe's own fillers would let no gradient through
            weights.normal_(std=(2 / weights[0].numel()) ** 0.5) if weights.dim() > 1 else weights.zero_()
        network.conv1.weight /= 64  # of pixel values, which go to 255
    network.save_pretrained(tmp_path / "weights/hybrid")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(recipe, *words, **options):
    flags = {**SMALL, "backbone_options": json.dumps(NARROW), **options}
    command = ["train", "--recipe", f"ucf101_hybrid_{recipe}", *words]
    for name, value in flags.items():
        command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    assert main(command) == 0


def judged(folder, capsys):
    """What ``lrcn evaluate`` says of a trained folder; its answers, by video."""
    capsys.readouterr()
    assert main(["evaluate", str(folder), "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    lines = (folder / "evaluation/test/predictions.jsonl").read_text().splitlines()
    return metrics, {row["id"]: row for row in map(json.loads, lines)}


def check(metrics, answers):
    """The videos are those of the list, and the accuracy is the share of answers that their folders' names confirm."""
    listed = [f"{name}/v_{name}_g{group:02d}_c01" for name in CLASSES for group in TEST_GROUPS]
    assert sorted(answers) == sorted(listed)
    right = [answer["prediction"]["label"] == video.split("/")[0] for video, answer in answers.items()]
    assert metrics["accuracy"] == pytest.approx(sum(right) / len(right))


def by_label(answer):
    return {one["label"]: one["score"] for one in answer}


def test_rgb_goes_from_avi_files_through_both_stages_and_the_hub_to_the_pipeline(place, hub, client, run, capsys):
    train("single_frame_rgb")
    one_layer = json.dumps({**NARROW, "fc_sizes": NARROW["fc_sizes"][:1]})
    train("lstm_rgb", backbone_options=one_layer)
    folder = place / "outputs/ucf101-lstm-rgb"
    metrics, answers = judged(folder, capsys)
    assert metrics == json.loads((folder / "metrics.json").read_text())["test"]
    check(metrics, answers)

    assert main(["push", str(folder), ID]) == 0
    assert set(hub.files(ID)) == set(travelling_files(folder))
    videos = sorted((place / "data/UCF-101").glob("*/*_g0[12]_c01.avi"))
    here = pipeline("video-classification", model=str(folder), top_k=3)
    wanted = [here(str(video)) for video in videos]
    assert len(wanted) == 6 and all(by_label(answer).keys() == set(CLASSES) for answer in wanted)
    there = run(ID, *videos, program=CLASSIFY)
    assert there.returncode == 0, there.stderr
    found = json.loads(there.stdout.splitlines()[-1])
    for answer, same in zip(found, wanted, strict=True):
        assert by_label(answer) == pytest.approx(by_label(same), abs=1e-6)


def test_flow_goes_from_avi_files_through_both_stages_to_an_evaluation(place, capsys):
    train("single_frame_flow")
    one_layer = json.dumps({**NARROW, "fc_sizes": NARROW["fc_sizes"][:1]})
    train("lstm_flow", backbone_options=one_layer)
    metrics, answers = judged(place / "outputs/ucf101-lstm-flow", capsys)
    check(metrics, answers)
    assert sum(1 for file in (place / "data/flow").rglob("*") if file.is_file()) == 15  # of every video, once
