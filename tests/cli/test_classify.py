"""``lrcn classify`` with small models that were never trained: their answers are senseless but fixed."""

import json

import av
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoProcessor
from transformers.utils.logging import enable_progress_bar

from lrcn_activity.options import ActivityDataOptions, ActivityEvaluationOptions
from lrcn_activity.task import Activity
from lrcn_cli import main
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnActivityConfig,
    LrcnActivityProcessor,
    LrcnForVideoClassification,
    LrcnVideoProcessor,
)

NAMES = ["run", "jump", "swim"]
SIDE = {"height": 67, "width": 67}


@pytest.fixture(scope="module")
def save_model(tmp_path_factory):
    def save(stream, seed, names=NAMES):
        torch.manual_seed(seed)
        folder = tmp_path_factory.mktemp("models") / stream
        backbone = CaffeNetConfig(channels=(4, 4, 4, 4, 4), fc_sizes=(8,), image_size=67)
        sizes = {"feature_size": 8, "hidden_size": 6, "num_frames": 9, "id2label": dict(enumerate(names))}
        model = LrcnForVideoClassification(LrcnActivityConfig(backbone_config=backbone, **sizes))
        for weights in model.parameters():
            weights.data.mul_(12)
        model.save_pretrained(folder)
        processor = LrcnVideoProcessor(size=SIDE, crop_size=SIDE, num_frames=9, stream=stream)
        LrcnActivityProcessor(processor, names).save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="module")
def model(save_model):
    return save_model("rgb", 0)


@pytest.fixture(scope="module")
def flow_model(save_model):
    return save_model("flow", 1)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for seed, (name, frames) in enumerate({"one.avi": 21, "two.avi": 4}.items()):
        picture = np.random.RandomState(seed).randint(0, 256, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("mpeg4", rate=10, width=64, height=48, pix_fmt="yuv420p")
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(np.roll(picture, 3 * number, axis=1), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    (folder / "cut.avi").write_bytes((folder / "one.avi").read_bytes()[:-2000])
    return folder


def run(capsys, *arguments):
    try:
        code = main(["classify", *map(str, arguments)])
    except SystemExit as ended:
        code = ended.code
    enable_progress_bar()
    return code, *capsys.readouterr()


def expected(folder, video, **options):
    """What the activity task's own evaluation says of a video."""
    model, processor = AutoModel.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    data = ActivityDataOptions(stream=processor.video_processor.stream, **options)
    batch = Activity().collator(processor, data, training=False)([{"id": "x", "video": str(video), "label": 0}])
    return Activity().predict(model.eval(), batch, processor, ActivityEvaluationOptions())[0]


def ranked(probabilities):
    order = np.argsort(-np.array(probabilities))
    return [(NAMES[label], pytest.approx(probabilities[label], abs=1e-5)) for label in order]


def test_each_video_gets_a_line_with_its_class(model, videos, capsys):
    files = [videos / "one.avi", videos / "two.avi"]
    code, out, err = run(capsys, *files, "--model", model)
    assert (code, err) == (0, "")
    answers = [expected(model, file) for file in files]
    assert [line.split("\t")[:2] for line in out.splitlines()] == [
        [str(file), answer["label"]] for file, answer in zip(files, answers, strict=True)
    ]
    assert out.splitlines()[0].endswith(f"{max(answers[0]['probabilities']):.4f}")


def test_the_likeliest_classes_are_given_best_first(model, videos, capsys):
    code, out, _ = run(capsys, videos / "one.avi", "--model", model, "--top-k", 3, "--json")
    (answer,) = json.loads(out)
    found = [(one["label"], one["score"]) for one in answer.pop("answers")]
    assert code == 0 and found == ranked(expected(model, videos / "one.avi")["probabilities"])
    assert answer == {"file": str(videos / "one.avi"), "frames_seen": 21, "frames": 21, "seconds": 2.0}


@pytest.mark.parametrize("data", [{"clip_stride": 3}, {"frame_rate": 4.0}, {"chunk_frames": 5}])
def test_videos_are_judged_as_the_model_s_run_did(model, videos, capsys, data):
    recipe = model / "recipe.yaml"
    recipe.write_text(json.dumps({"task": "activity", "data": data}))
    try:
        _, out, _ = run(capsys, videos / "one.avi", "--model", model, "--top-k", 3, "--json")
    finally:
        recipe.unlink()
    wanted = expected(model, videos / "one.avi", **data)["probabilities"]
    assert [(one["label"], one["score"]) for one in json.loads(out)[0]["answers"]] == ranked(wanted)


def test_an_unreadable_video_is_named_and_the_others_are_answered(model, videos, capsys):
    files = [videos / name for name in ("cut.avi", "none.avi", "two.avi")]
    code, out, err = run(capsys, *files, "--model", model)
    assert code == 1
    assert [line.split("\t")[0] for line in out.splitlines()] == [str(videos / "two.avi")]
    assert f"lrcn classify: {videos / 'cut.avi'}: cut short" in err
    assert f"lrcn classify: {videos / 'none.avi'}: there is no such file" in err
    code, out, _ = run(capsys, *files, "--model", model, "--json")
    assert code == 1 and [sorted(answer)[:2] for answer in json.loads(out)] == [
        ["error", "file"],
        ["error", "file"],
        ["answers", "file"],
    ]


def test_a_sure_answer_ends_the_decoding_and_says_when(model, videos, capsys):
    options = [videos / "one.avi", "--model", model, "--early-exit"]
    code, out, _ = run(capsys, *options, "0.01", "--json")
    assert code == 0 and json.loads(out)[0]["frames_seen"] == 1
    code, _, err = run(capsys, *options, "0.01")
    assert code == 0 and "sure after 1 of 21 frames (0.0 s)" in err
    _, out, _ = run(capsys, *options, "1", "--json")
    assert json.loads(out)[0]["frames_seen"] == 21


@pytest.mark.parametrize("weights", [None, ("1/3", "2/3"), ("0.2", "0.8")])
def test_two_streams_are_fused_by_their_weights(model, flow_model, videos, tmp_path, capsys, weights):
    video = videos / "one.avi"
    words = ["--weights", *weights] if weights else []
    code, out, _ = run(capsys, video, "--model", model, "--flow-model", flow_model, *words, "--top-k", 3, "--json")
    rgb, flow = (
        np.array(expected(folder, video, flow_folder=str(tmp_path))["probabilities"]) for folder in (model, flow_model)
    )
    share = {None: 0.5, ("1/3", "2/3"): 2 / 3, ("0.2", "0.8"): 0.8}[weights]
    found = [(one["label"], one["score"]) for one in json.loads(out)[0]["answers"]]
    assert code == 0 and found == ranked((1 - share) * rgb + share * flow)


def test_a_flow_model_alone_is_shown_flow(flow_model, videos, tmp_path, capsys):
    _, out, _ = run(capsys, videos / "one.avi", "--model", flow_model, "--top-k", 3, "--json")
    wanted = expected(flow_model, videos / "one.avi", flow_folder=str(tmp_path))["probabilities"]
    assert [(one["label"], one["score"]) for one in json.loads(out)[0]["answers"]] == ranked(wanted)


def test_a_timeline_is_drawn_as_its_name_says(model, videos, tmp_path, capsys):
    for name in ("t.png", "t.html"):
        assert run(capsys, videos / "one.avi", "--model", model, "--timeline", tmp_path / name)[0] == 0
    with Image.open(tmp_path / "t.png") as image:
        assert image.width > 1000
    page = (tmp_path / "t.html").read_text()
    assert "one.avi: " in page and page.count("<img ") == 10


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--timeline", "t.gif"], "must end in .png or .html"),
        (["--timeline", "t.png"], "shows one video"),
        (["--top-k", "0"], "at least 1"),
        (["--early-exit", "1.5"], "it is a probability"),
        (["--weights", "1", "2"], "give --flow-model"),
        (["--flow-model", "f", "--weights", "0", "0"], "nor both 0"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_loaded(capsys, words, complaint):
    code, out, err = run(capsys, "a.avi", "b.avi", "--model", "m", *words)
    assert (code, out) == (2, "") and complaint in err


def test_models_that_do_not_fit_are_refused(model, save_model, videos, capsys):
    other = save_model("flow", 1, ["run", "swim", "jump"])
    code, _, err = run(capsys, videos / "one.avi", "--model", model, "--flow-model", other)
    assert code == 1 and "do not know the same classes" in err
    code, _, err = run(capsys, videos / "one.avi", "--model", videos)
    assert code == 1 and str(videos) in err


def test_what_is_printed_is_the_answer_alone(model, videos, lrcn):
    answer = lrcn("classify", videos / "one.avi", "--model", model)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("\n") == 1 and answer.stderr == ""


def test_half_precision_gives_about_the_same(model, videos, capsys):
    code, out, err = run(capsys, videos / "one.avi", "--model", model, "--dtype", "bfloat16", "--json", "--top-k", 3)
    assert (code, err) == (0, "")
    found = {one["label"]: one["score"] for one in json.loads(out)[0]["answers"]}
    exact = dict(zip(NAMES, expected(model, videos / "one.avi")["probabilities"], strict=True))
    assert found == pytest.approx(exact, abs=0.05)
    assert found != pytest.approx(exact, abs=1e-6)
