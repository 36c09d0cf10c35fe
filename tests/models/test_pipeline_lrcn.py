import functools
import http.server
import logging
import re
import subprocess
import sys
import threading

import pytest
import torch
from PIL import Image
from transformers import (
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    ImageTextToTextPipeline,
    Pipeline,
    TimmWrapperConfig,
    pipeline,
    pipelines,
)

from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnImageProcessor,
)
from lrcn_hub.models.images_lrcn import UnreadableImageError
from lrcn_hub.models.pipeline_lrcn import LrcnImageToTextPipeline

WORDS = ["a", "red", "green", "blue", "square", "circle", "left", "right", "of", "the"]
COLOURS = ["red", "green", "blue", "white", "orange"]
REDIRECTS = hasattr(pipelines, "_resolve_deprecated_task")  # transformers 5.19 and later
# Older stock pipelines pass generate both a configuration and arguments, and it warns of that for every model.
QUIET_STOCK = hasattr(Pipeline, "_prepare_generate_kwargs")


@pytest.fixture(scope="module")
def pictures():
    return [Image.new("RGB", (80, 60), colour) for colour in COLOURS]


@pytest.fixture(scope="module")
def processor():
    side = {"height": 67, "width": 67}
    return LrcnCaptioningProcessor(LrcnImageProcessor(size=side, crop_size=side), build_word_tokenizer(WORDS))


@pytest.fixture(scope="module")
def model(processor, pictures):
    """Untrained, but with sentences that depend on the picture: features of mean 0 and variance 1 over `pictures`."""
    torch.manual_seed(3)
    backbone = CaffeNetConfig(channels=(4, 4, 4, 4, 4), fc_sizes=(16, 16, 8), image_size=67)
    config = LrcnCaptioningConfig(
        backbone_config=backbone, feature_size=8, hidden_size=16, embedding_size=8, vocab_size=len(WORDS) + 2
    )
    model = LrcnForImageCaptioning(config).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.requires_grad and "bias" not in name:
                weights.normal_(std=0.3 if "conv" in name else 1.0)
        features = model.encoder(processor(pictures)["pixel_values"])[0][:, 0]
        last = model.encoder.backbone.fc8
        last.weight.div_(features.std(0)[:, None])
        last.bias.copy_(-features.mean(0) / features.std(0))
    model.generation_config.max_new_tokens = 6
    return model


@pytest.fixture(scope="module")
def folder(model, processor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "lrcn-coco"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def captioner(folder):
    return pipeline("image-to-text", model=str(folder))


@pytest.fixture(scope="module")
def captions(model, processor, pictures):
    """What `generate` says of each picture alone."""
    sentences = [model.generate(**processor(picture)) for picture in pictures]
    captions = [processor.tokenizer.decode(ids[0], skip_special_tokens=True) for ids in sentences]
    assert len(set(captions)) >= 4, captions  # else a mixed-up batch would go unseen
    return captions


def answers(captions):
    return [[{"generated_text": caption}] for caption in captions]


def test_a_picture_gets_a_sentence_of_plain_words(captioner, pictures, captions):
    assert type(captioner) is LrcnImageToTextPipeline
    assert captioner.task == "image-to-text"
    assert captioner(pictures[0]) == [{"generated_text": captions[0]}]
    assert set(" ".join(captions).split()) <= set(WORDS)


def test_paths_bytes_and_images_give_the_same(captioner, pictures, captions, tmp_path):
    file = tmp_path / "photo.png"
    pictures[1].save(file)
    for picture in (str(file), file, file.read_bytes(), pictures[1]):
        assert captioner(picture) == [{"generated_text": captions[1]}]
        assert captioner([picture]) == answers(captions[1:2])


def test_a_url_is_fetched(captioner, pictures, captions, tmp_path):
    pictures[2].save(tmp_path / "photo.png")
    handler = functools.partial(QuietHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert captioner(f"{address}/photo.png", timeout=60) == [{"generated_text": captions[2]}]
        with pytest.raises(UnreadableImageError, match=re.escape(f"{address}/none.png: HTTP Error 404")):
            captioner(f"{address}/none.png")
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_a_data_url_holds_the_picture(captioner, captions):
    red_dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
    assert captioner(f"data:image/png;base64,{red_dot}") == [{"generated_text": captions[0]}]


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_a_list_gives_a_list_of_lists_in_order(captioner, pictures, captions, batch_size):
    assert captioner(pictures, batch_size=batch_size) == answers(captions)
    assert captioner(tuple(pictures), batch_size=batch_size) == answers(captions)


def test_a_generator_of_pictures_serves_as_well(captioner, pictures, captions):
    assert list(captioner(picture for picture in pictures)) == answers(captions)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_beams_give_each_picture_its_own_sentences(captioner, model, processor, pictures, batch_size):
    given = captioner(pictures, num_beams=4, num_return_sequences=3, batch_size=batch_size)
    for picture, answer in zip(pictures, given, strict=True):
        ids = model.generate(**processor(picture), num_beams=4, num_return_sequences=3)
        wanted = processor.tokenizer.batch_decode(ids, skip_special_tokens=True)
        assert [sentence["generated_text"] for sentence in answer] == wanted
        assert len(wanted) == 3


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_network_sees_every_picture_once(captioner, pictures, batch_size):
    seen = []
    backbone = captioner.model.encoder.backbone
    hook = backbone.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    captioner(pictures, num_beams=3, num_return_sequences=3, batch_size=batch_size)
    hook.remove()
    assert sum(seen) == len(pictures)
    assert len(seen) == -(-len(pictures) // batch_size)


def test_arguments_of_generate_come_in_any_of_three_ways(model, processor, captioner, pictures):
    wanted = captioner(pictures, max_new_tokens=2, num_beams=2)
    assert wanted != captioner(pictures)
    assert wanted == captioner(pictures, generate_kwargs={"max_new_tokens": 2, "num_beams": 2})
    assert wanted == captioner(pictures, num_beams=2, generate_kwargs={"max_new_tokens": 2})
    made_so = pipeline("image-to-text", model=model, processor=processor, num_beams=2, max_new_tokens=5)
    assert wanted == made_so(pictures, max_new_tokens=2)
    sampled = captioner(pictures[0], do_sample=True, num_return_sequences=5, return_dict_in_generate=True)
    assert len(sampled) == 5


def test_an_argument_given_twice_or_unknown_is_refused(captioner, pictures):
    with pytest.raises(ValueError, match="max_new_tokens"):
        captioner(pictures[0], max_new_tokens=2, generate_kwargs={"max_new_tokens": 2})
    with pytest.raises(ValueError, match="nmu_beams"):
        captioner(pictures[0], nmu_beams=2)


def test_a_prompt_is_continued(captioner, model, processor, pictures):
    wanted = []
    for picture in pictures:
        ids = model.generate(**processor(picture, text="a red"))
        wanted.append(processor.tokenizer.decode(ids[0], skip_special_tokens=True))
    assert all(caption.startswith("a red") for caption in wanted)
    assert len(set(wanted)) > 1
    assert captioner(pictures, text="a red", batch_size=2) == answers(wanted)
    assert captioner(pictures, prompt="a red") == answers(wanted)
    with pytest.raises(ValueError, match="one string"):
        captioner(pictures, text=["a red"] * 5)


def test_the_stock_pipeline_continues_a_prompt_too(folder, captioner, pictures):
    stock = pipeline("image-text-to-text", model=str(folder))
    assert type(stock) is ImageTextToTextPipeline
    for picture in pictures:
        wanted = captioner(picture, text="a red", max_new_tokens=5)[0]["generated_text"]
        assert stock(picture, text="a red", max_new_tokens=5) == [{"input_text": "a red", "generated_text": wanted}]


def test_a_model_and_a_processor_serve_as_well_as_a_folder(model, processor, pictures, captions):
    captioner = pipeline("image-to-text", model=model, processor=processor)
    assert captioner(pictures) == answers(captions)


def test_a_saved_pipeline_loads_again(captioner, pictures, captions, tmp_path):
    captioner.save_pretrained(tmp_path)
    assert pipeline("image-to-text", model=tmp_path)(pictures) == answers(captions)


def test_a_folder_is_found_by_its_name(folder, model, processor, pictures, captions, monkeypatch):
    monkeypatch.chdir(folder.parent)
    loaded = AutoModel.from_pretrained("lrcn-coco")
    assert type(loaded) is type(AutoModelForImageTextToText.from_pretrained("lrcn-coco")) is LrcnForImageCaptioning
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(loaded.parameters(), model.parameters(), strict=True))
    picture = pictures[0]
    assert torch.equal(
        AutoProcessor.from_pretrained("lrcn-coco")(picture)["pixel_values"], processor(picture)["pixel_values"]
    )
    assert pipeline("image-to-text", model="lrcn-coco")(picture) == [{"generated_text": captions[0]}]


def test_pictures_are_turned_upright_and_laid_over_white(captioner, captions, tmp_path):
    white = captions[COLOURS.index("white")]
    assert captioner(Image.new("RGBA", (80, 60), (255, 0, 0, 0))) == [{"generated_text": white}]
    Image.new("I;16", (80, 60), 65535).save(tmp_path / "deep.png")
    assert captioner(tmp_path / "deep.png") == [{"generated_text": white}]
    sideways = Image.new("RGB", (80, 60), "white")
    sideways.paste("black", (0, 0, 40, 60))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    sideways.save(tmp_path / "sideways.png", exif=exif)
    upright = captioner.preprocess(sideways.transpose(Image.Transpose.ROTATE_270))["pixel_values"]
    assert torch.equal(captioner.preprocess(tmp_path / "sideways.png")["pixel_values"], upright)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_an_unreadable_picture_is_named(captioner, pictures, tmp_path, batch_size):
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    with pytest.raises(UnreadableImageError, match=r"torn\.jpg"):
        captioner([pictures[0], str(tmp_path / "torn.jpg")], batch_size=batch_size)
    with pytest.raises(UnreadableImageError, match=r"none\.jpg: there is no such file"):
        captioner(tmp_path / "none.jpg")
    with pytest.raises(UnreadableImageError, match="allowed"):
        captioner(Image.new("1", (10_000, 10_000)))


@pytest.mark.parametrize(
    "arguments", [{"dtype": torch.float64}, {"dtype": "float64", "device": "cpu"}, {"device": -1}]
)
def test_device_and_precision_are_the_stock_arguments(folder, captioner, pictures, arguments):
    other = pipeline("image-to-text", model=str(folder), **arguments)
    assert other.model.dtype == (torch.float64 if "dtype" in arguments else torch.float32)
    assert other.device == torch.device("cpu")
    assert other(pictures) == captioner(pictures)


def test_a_timm_captioner_runs_in_bfloat16(processor, pictures):
    config = LrcnCaptioningConfig(
        backbone_config=TimmWrapperConfig(architecture="test_resnet"),
        feature="pooled",
        feature_size=96,
        hidden_size=8,
        embedding_size=8,
        vocab_size=len(WORDS) + 2,
    )
    model = LrcnForImageCaptioning(config).to(torch.bfloat16)
    answer = pipeline("image-to-text", model=model, processor=processor)(pictures, batch_size=2, max_new_tokens=3)
    assert [len(sentences) for sentences in answer] == [1] * len(pictures)


@pytest.fixture
def logged(caplog, monkeypatch):
    """What transformers logs, nothing held back: it keeps its records to itself and says many things only once."""
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    logging.Logger.warning_once.cache_clear()
    return caplog


def test_nothing_is_warned_of_or_logged(folder, pictures, recwarn, logged):
    for task in ("image-to-text", "image-text-to-text") if QUIET_STOCK else ("image-to-text",):
        captioner = pipeline(task, model=str(folder))
        for arguments in ({}, {"num_beams": 3, "num_return_sequences": 2}, {"do_sample": True}):
            if task == "image-to-text":
                captioner(pictures, batch_size=2, **arguments)
            captioner(pictures[0], text="a red", max_new_tokens=4, generate_kwargs=arguments)
    assert not recwarn.list
    assert not logged.records


NEW_PROCESS = """
import sys
{imports}
from PIL import Image
captioner = pipeline("image-to-text", model=sys.argv[1])
photo = Image.new("RGB", (80, 60), "red")
print(captioner(photo)[0]["generated_text"])
captioner([photo] * 3, batch_size=2, text="a", num_beams=2, max_new_tokens=3)
if sys.argv[2] == "True":
    pipeline("image-text-to-text", model=sys.argv[1])(photo, text="a")
"""
OURS, THEIRS = "import lrcn_hub", "from transformers import pipeline"


@pytest.mark.parametrize("imports", [f"{OURS}\n{THEIRS}", f"{THEIRS}\n{OURS}"], ids=["ours first", "theirs first"])
def test_a_new_process_is_silent_whichever_import_comes_first(folder, captions, imports):
    script = NEW_PROCESS.format(imports=imports)
    arguments = [sys.executable, "-W", "error", "-c", script, str(folder), str(QUIET_STOCK)]
    run = subprocess.run(arguments, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout == captions[0] + "\n"
    # transformers' own progress bar is on for every model, unless the user turns its bars off
    assert [line for line in run.stderr.splitlines() if line and not line.startswith("Loading weights:")] == []


@pytest.fixture
def blip():
    """A tiny captioner of another family, and its processor."""
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]", *WORDS]
    tokenizer = BertTokenizerFast({word: index for index, word in enumerate(words)})
    special = {"bos_token_id": 5, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    text = {**size, "vocab_size": len(words), "encoder_hidden_size": 8, "max_position_embeddings": 32, **special}
    config = BlipConfig(text_config=text, vision_config={**size, "image_size": 16, "patch_size": 8}, projection_dim=8)
    processor = BlipProcessor(BlipImageProcessor(size={"height": 16, "width": 16}), tokenizer)
    torch.manual_seed(0)
    return BlipForConditionalGeneration(config).eval(), processor


@pytest.mark.skipif(not REDIRECTS, reason="before transformers 5.19 the task is unknown")
def test_another_model_gets_the_stock_pipeline_and_one_readable_warning(blip, pictures, tmp_path, logged):
    model, processor = blip
    model.save_pretrained(tmp_path / "blip")
    processor.save_pretrained(tmp_path / "blip")
    stock = pipeline("image-text-to-text", model=model, processor=processor)
    wanted = stock(pictures[0], text="a red", max_new_tokens=4)
    logged.clear()
    for arguments in ({"model": str(tmp_path / "blip")}, {"model": model, "processor": processor}):
        redirected = pipeline("image-to-text", **arguments)
        assert type(redirected) is ImageTextToTextPipeline
        assert redirected.task == "image-text-to-text"
        assert redirected(pictures[0], text="a red", max_new_tokens=4) == wanted
        with pytest.raises(ValueError, match="must provide text"):
            redirected(pictures[0])
    warning = [record.getMessage() for record in logged.records if "image-to-text" in record.getMessage()]
    assert warning == ["The task `image-to-text` is `image-text-to-text` now, and so is the pipeline made for blip."]


@pytest.mark.skipif(REDIRECTS, reason="since transformers 5.19 the task is redirected")
def test_another_model_has_no_such_task(blip):
    model, processor = blip
    with pytest.raises(KeyError, match="Unknown task image-to-text"):
        pipeline("image-to-text", model=model, processor=processor)


UNTOUCHED = """
from transformers import pipelines
tasks = pipelines.PIPELINE_REGISTRY.supported_tasks
before = {name: (entry, dict(entry)) for name, entry in tasks.items()}
aliases = dict(pipelines.PIPELINE_REGISTRY.task_aliases)
resolve = getattr(pipelines, "_resolve_deprecated_task", str)
def outcome(resolve, name):
    try:
        return resolve(name)
    except KeyError as error:
        return str(error)
names = [*before, *aliases, "summarization", "translation_en_to_fr", "vqa", "no-such-task"]
outcomes = [outcome(resolve, name) for name in names]
import lrcn_hub
assert tasks.keys() - before.keys() == {"image-to-text", "video-to-text"}
assert all(tasks[name] is entry and entry == copy for name, (entry, copy) in before.items())
assert pipelines.PIPELINE_REGISTRY.task_aliases == aliases
resolve = getattr(pipelines, "_resolve_deprecated_task", str)
assert outcomes == [outcome(resolve, name) for name in names]
"""


def test_every_other_task_is_as_it_was():
    subprocess.run([sys.executable, "-c", UNTOUCHED], check=True)
