"""``lrcn retrieve`` and ``lrcn rank`` with a small captioner that was never trained: senseless but fixed."""

import json

import numpy as np
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
from lrcn_hub.retrieval import normalise_by_prior, score

WORDS = ["a", "red", "green", "square", "circle"]
SIDE = {"height": 67, "width": 67}
CAPTIONS = ["a red square", "green", "a circle"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "captioner"
    backbone = CaffeNetConfig(channels=(4, 4, 4, 4, 4), fc_sizes=(16, 16, 8), image_size=67)
    sizes = {"feature_size": 8, "hidden_size": 16, "embedding_size": 8, "vocab_size": len(WORDS) + 2}
    model = LrcnForImageCaptioning(LrcnCaptioningConfig(backbone_config=backbone, **sizes))
    for weights in model.parameters():
        weights.data.mul_(8)
    model.save_pretrained(folder)
    image_processor = LrcnImageProcessor(size=SIDE, crop_size=SIDE, image_std=(60.0,) * 3)
    LrcnCaptioningProcessor(image_processor, build_word_tokenizer(WORDS)).save_pretrained(folder)
    return folder


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (70, 70, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def captions(tmp_path):
    file = tmp_path / "captions.txt"
    file.write_text("\n".join([*CAPTIONS[:2], "", CAPTIONS[2], ""]), encoding="utf-8")
    return file


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments):
        code = main(list(map(str, arguments)))
        enable_progress_bar()
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def wanted(model):
    """Score sentences of photos, (photos, sentences), one by one."""

    def scores(photos, sentences):
        parts = AutoModel.from_pretrained(model), AutoProcessor.from_pretrained(model)
        return np.array([[one.log_p for one in score(*parts, photo, sentences)] for photo in photos])

    return scores


def test_photos_come_by_their_normalised_likelihood_best_first(model, photos, run, wanted, tmp_path):
    files = sorted(photos.iterdir())
    log_p = wanted(files, ["a red square"])
    scores = normalise_by_prior(log_p)[:, 0]
    code, out, _ = run("retrieve", "a red square", "--images", photos, "--model", model, "--json")
    assert code == 0
    answer = json.loads(out)
    order = np.argsort(-scores)
    assert [photo["file"] for photo in answer["photos"]] == [str(files[number]) for number in order]
    assert [photo["score"] for photo in answer["photos"]] == pytest.approx(scores[order], abs=1e-4)
    assert [photo["log_p"] for photo in answer["photos"]] == pytest.approx(log_p[order, 0], abs=1e-4)
    assert (answer["skipped"], answer["unknown_words"]) == ([], [])
    assert list((tmp_path / "cache" / "lrcn-hub" / "features").rglob("*.safetensors"))
    code, out, err = run("retrieve", "a red square", "--images", photos, "--model", model, "--top", 2)
    assert out == "".join(f"{files[number]}\t{scores[number]:+.2f}\n" for number in order[:2])
    assert err == ""  # nothing is looked at again


def test_unreadable_photos_are_named_counted_and_left_out(model, photos, run):
    (photos / "broken.png").write_bytes((photos / "0.png").read_bytes()[:60])
    code, out, err = run("retrieve", "green", "--images", photos, "--model", model, "--json")
    assert code == 0
    assert len(json.loads(out)["photos"]) == 3
    assert [one["file"] for one in json.loads(out)["skipped"]] == [str(photos / "broken.png")]
    assert f"lrcn retrieve: {photos / 'broken.png'}: " in err
    assert "1 of 4 photos cannot be read" in err


def test_unknown_words_are_said(model, photos, run):
    code, out, err = run("retrieve", "a red Zebra", "--images", photos, "--model", model, "--json")
    assert (code, json.loads(out)["unknown_words"]) == (0, ["Zebra"])
    assert "words that the model does not know, all alike to it: Zebra" in err


@pytest.mark.parametrize(
    ("sentence", "folder", "fault"),
    [
        ("green", "none", "there is no such folder"),
        ("green", ".", "there are no images in it"),
        ("", "photos", "words"),
    ],
)
def test_what_cannot_be_searched_is_refused(model, photos, run, tmp_path, sentence, folder, fault):
    folder = photos if folder == "photos" else tmp_path / "empty" / folder
    (tmp_path / "empty").mkdir(exist_ok=True)
    code, out, err = run("retrieve", sentence, "--images", folder, "--model", model)
    assert (code, out) == (1, "")
    assert err.startswith("lrcn retrieve: error: ")
    assert fault in err


def test_captions_come_by_their_likelihood_best_first(model, photos, captions, run, wanted):
    log_p = wanted([photos / "0.png"], CAPTIONS)[0]
    code, out, _ = run("rank", photos / "0.png", "--captions", captions, "--model", model)
    assert code == 0
    assert out == "".join(f"{CAPTIONS[number]}\t{log_p[number]:+.2f}\n" for number in np.argsort(-log_p))
    code, out, _ = run("rank", photos / "0.png", "--captions", captions, "--model", model, "--json")
    for caption in json.loads(out)["captions"]:
        assert sum(word["log_p"] for word in caption["words"]) == pytest.approx(caption["score"])
        assert " ".join(word["word"] for word in caption["words"]) == caption["caption"]


def test_captions_are_normalised_over_the_photos_of_a_folder(model, photos, captions, run, wanted):
    files = [photos / f"{number}.png" for number in (1, 0, 2)]  # the photo itself, which is in the folder, once
    scores = normalise_by_prior(wanted(files, CAPTIONS))[0]
    options = ["--captions", captions, "--images", photos, "--model", model, "--json"]
    code, out, _ = run("rank", photos / "1.png", *options)
    assert code == 0
    found = {caption["caption"]: caption["score"] for caption in json.loads(out)["captions"]}
    assert [found[caption] for caption in CAPTIONS] == pytest.approx(scores, abs=1e-4)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_a_list_without_captions_is_refused(model, photos, captions, run):
    captions.write_text("\n \n")
    code, out, err = run("rank", photos / "0.png", "--captions", captions, "--model", model)
    assert (code, out) == (1, "")
    assert f"lrcn rank: error: {captions}: there are no captions in it" in err
    captions.write_bytes(b"\xff\xfe\x00 no text")
    assert "not a text in UTF-8" in run("rank", photos / "0.png", "--captions", captions, "--model", model)[2]


def test_a_photo_that_cannot_be_read_is_named(model, photos, captions, run):
    code, _, err = run("rank", photos / "none.png", "--captions", captions, "--model", model)
    assert code == 1
    assert f"lrcn rank: error: {photos / 'none.png'}: there is no such file" in err
