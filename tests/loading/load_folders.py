"""``load_folders.py installed|remote CAFFENET RESAVED CAPTIONER...``: whether models load as promised.

The models are those of make_folders.py. installed: with lrcn_hub imported, by its classes, with or without the flag.
remote: without lrcn_hub, by the code in the folders, and only with the flag. The first captioner is saved again.
"""

import importlib.util
import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    pipeline,
)

HOW, CAFFENET, RESAVED, *CAPTIONERS = sys.argv[1:]
CAPTIONER = CAPTIONERS[0]
ANSWERS = load_file(Path(CAFFENET).parent / "answers.safetensors")
NARRATORS = {name: str(Path(CAFFENET).parent / f"narrator-{name}") for name in ("nodes", "videos")}
OURS = [AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor, AutoImageProcessor]
TRUST = {"trust_remote_code": True} if HOW == "remote" else {}

if HOW == "remote":
    assert importlib.util.find_spec("lrcn_hub") is None
else:
    import lrcn_hub  # noqa: F401


def refused_without_the_flag() -> None:
    loads = [(auto.from_pretrained, [CAPTIONER]) for auto in OURS]
    loads += [(auto.from_pretrained, [CAFFENET]) for auto in (AutoConfig, AutoModel, AutoImageProcessor)]
    for folder in NARRATORS.values():
        loads += [(auto.from_pretrained, [folder]) for auto in (AutoConfig, AutoModel, AutoProcessor)]
        loads += [(pipeline, ["video-to-text", folder])]
    for load, arguments in [*loads, (pipeline, ["image-to-text", CAPTIONER])]:
        try:
            load(*arguments)
        except ValueError as error:
            assert "trust_remote_code=True" in str(error), error
        else:
            raise AssertionError(f"{load} ran code that nobody trusted")


def check_where_from(thing: object) -> None:
    expected = "transformers_modules." if HOW == "remote" else "lrcn_hub.models."
    assert type(thing).__module__.startswith(expected), type(thing)


@torch.no_grad()
def check_captioner(folder: str, **trust: bool) -> None:
    for auto in OURS:
        check_where_from(auto.from_pretrained(folder, **trust))
    processor = AutoProcessor.from_pretrained(folder, **trust)
    check_where_from(processor.image_processor)
    assert AutoTokenizer.from_pretrained(folder, **trust).get_vocab() == processor.tokenizer.get_vocab()
    pixels = processor(images=list(ANSWERS["photos"]))["pixel_values"]
    assert torch.equal(pixels, ANSWERS["pixels"])
    for auto in (AutoModel, AutoModelForImageTextToText):
        model = auto.from_pretrained(folder, **trust)
        assert torch.equal(model(pixels, ANSWERS["words"]).logits, ANSWERS["logits"])
        assert torch.equal(model.generate(pixels, max_new_tokens=6), ANSWERS["greedy"])
        beams = model.generate(pixels, num_beams=3, num_return_sequences=2, max_new_tokens=6)
        assert torch.equal(beams, ANSWERS["beams"])
    captioner = pipeline("image-to-text", model=folder, max_new_tokens=6, **trust)
    check_pipeline(captioner)
    if HOW == "remote":  # the task stands in config.json
        check_pipeline(pipeline(model=folder, max_new_tokens=6, **trust))
    else:
        check_pipeline(pipeline("image-to-text", model=model, processor=processor, max_new_tokens=6))


def check_pipeline(captioner: object) -> None:
    photos = [Image.fromarray(photo.permute(1, 2, 0).numpy()) for photo in ANSWERS["photos"]]
    said = [answer[0]["generated_text"] for answer in captioner(photos, batch_size=2)]
    assert said == captioner.processor.batch_decode(ANSWERS["greedy"], skip_special_tokens=True), said
    assert len(set(said)) > 1, said


@torch.no_grad()
def check_narrator(name: str, folder: str, **trust: bool) -> None:
    seen = {"nodes": [[row[:2], row[2:]] for row in ANSWERS["nodes"]], "videos": list(ANSWERS["frames"])}[name]
    processor = AutoProcessor.from_pretrained(folder, **trust)
    check_where_from(processor)
    check_where_from(processor.video_processor)
    for auto in (AutoModel, AutoModelForImageTextToText):
        model = auto.from_pretrained(folder, **trust)
        check_where_from(model)
        assert torch.equal(model.generate(**processor(**{name: seen}), max_new_tokens=6), ANSWERS[f"{name}_words"])
    wanted = processor.batch_decode(ANSWERS[f"{name}_words"], skip_special_tokens=True)
    assert len(set(wanted)) > 1, wanted
    narrate = pipeline("video-to-text", model=folder, max_new_tokens=6, **trust)
    check_where_from(narrate)
    assert [answer[0]["generated_text"] for answer in narrate(seen, batch_size=2)] == wanted
    model.save_pretrained(f"{RESAVED}-{name}")
    processor.save_pretrained(f"{RESAVED}-{name}")


@torch.no_grad()
def check_caffenet(**trust: bool) -> None:
    model, processor = (auto.from_pretrained(CAFFENET, **trust) for auto in (AutoModel, AutoImageProcessor))
    check_where_from(AutoConfig.from_pretrained(CAFFENET, **trust))
    check_where_from(model)
    check_where_from(processor)
    pixels = processor(list(ANSWERS["photos"]), return_tensors="pt")["pixel_values"]
    assert torch.equal(model(pixels), ANSWERS["features"])


if HOW == "remote":
    refused_without_the_flag()
else:  # the flag changes nothing
    check_captioner(CAPTIONER, trust_remote_code=True)
    check_caffenet(trust_remote_code=True)
check_caffenet(**TRUST)
for kind, place in NARRATORS.items():
    check_narrator(kind, place, **TRUST)
    check_narrator(kind, f"{RESAVED}-{kind}", **TRUST)
AutoModel.from_pretrained(CAPTIONER, **TRUST).save_pretrained(RESAVED)
AutoProcessor.from_pretrained(CAPTIONER, **TRUST).save_pretrained(RESAVED)
for captioner in [*CAPTIONERS, RESAVED]:
    check_captioner(captioner, **TRUST)
