"""``lrcn caption`` with a small model that was never trained: its words are senseless but fixed."""

import json

import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoProcessor
from transformers.utils.logging import enable_progress_bar

from lrcn_cli import main
from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnImageProcessor,
)

WORDS = ["a", "red", "green", "square", "circle"]
SIDE = {"height": 67, "width": 67}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "captioner"
    backbone = CaffeNetConfig(channels=(4, 4, 4, 4, 4), fc_sizes=(16, 16, 8), image_size=67)
    sizes = {"feature_size": 8, "hidden_size": 16, "embedding_size": 8, "vocab_size": len(WORDS) + 2}
    model = LrcnForImageCaptioning(LrcnCaptioningConfig(backbone_config=backbone, **sizes))
    for weights in model.parameters():
        weights.data.mul_(8)
    model.generation_config.max_new_tokens = 5
    model.save_pretrained(folder)
    image_processor = LrcnImageProcessor(size=SIDE, crop_size=SIDE)
    LrcnCaptioningProcessor(image_processor, build_word_tokenizer(WORDS)).save_pretrained(folder)
    return folder


@pytest.fixture
def photos(tmp_path):
    for colour in ("red", "green"):
        Image.new("RGB", (80, 60), colour).save(tmp_path / f"{colour}.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "red.png").read_bytes()[:60])
    return tmp_path


def run(capsys, *arguments):
    code = main(["caption", *map(str, arguments)])
    enable_progress_bar()
    return code, *capsys.readouterr()


def expected(model, photo, **options):
    processor = AutoProcessor.from_pretrained(model)
    ids = AutoModel.from_pretrained(model).generate(**processor(Image.open(photo)), **options)
    return processor.batch_decode(ids, skip_special_tokens=True)


def test_each_photo_gets_a_line_with_its_caption(model, photos, capsys):
    code, out, _ = run(capsys, photos / "red.png", photos / "green.png", "--model", model)
    assert code == 0
    wanted = [f"{photo}\t{expected(model, photo)[0]}" for photo in (photos / "red.png", photos / "green.png")]
    assert out.splitlines() == wanted


def test_several_captions_of_a_beam_are_given_best_first(model, photos, capsys):
    options = ["--num_beams", 3, "--num_return_sequences", 2]
    code, out, _ = run(capsys, photos / "red.png", "--model", model, *options, "--json")
    assert code == 0
    captions = expected(model, photos / "red.png", num_beams=3, num_return_sequences=2)
    assert json.loads(out) == [{"file": str(photos / "red.png"), "captions": captions}]


def test_a_caption_can_be_begun(model, photos, capsys):
    code, out, _ = run(capsys, photos / "red.png", "--model", model, "--prompt", "a green", "--json")
    assert code == 0
    assert json.loads(out)[0]["captions"][0].startswith("a green")


def test_an_unreadable_photo_is_named_and_the_others_are_described(model, photos, capsys):
    names = [photos / name for name in ("broken.png", "none.png", "green.png")]
    code, out, err = run(capsys, *names, "--model", model)
    assert code == 1
    assert [line.split("\t")[0] for line in out.splitlines()] == [str(photos / "green.png")]
    assert f"lrcn caption: {photos / 'broken.png'}: " in err
    assert f"lrcn caption: {photos / 'none.png'}: there is no such file" in err
    code, out, _ = run(capsys, *names, "--model", model, "--json")
    assert code == 1
    assert [sorted(answer) for answer in json.loads(out)] == [
        ["error", "file"],
        ["error", "file"],
        ["captions", "file"],
    ]


def test_a_folder_without_a_model_is_refused(photos, capsys):
    code, out, err = run(capsys, photos / "red.png", "--model", photos)
    assert (code, out) == (1, "")
    assert "lrcn caption: error: " in err
    assert str(photos) in err


def test_what_is_printed_is_the_caption_alone(model, photos, lrcn):
    answer = lrcn("caption", photos / "red.png", "--model", model)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("\n") == 1
    assert answer.stderr == ""
