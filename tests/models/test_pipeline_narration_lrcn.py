"""``pipeline("video-to-text")``: videos or nodes in, sentences out, as `generate` gives them one by one."""

import logging
import os
import subprocess
import sys

import av
import numpy as np
import pytest
import torch
from transformers import pipeline

from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnForVideoNarration,
    LrcnImageProcessor,
    LrcnNarrationConfig,
    LrcnNarrationProcessor,
    LrcnVideoProcessor,
)
from lrcn_hub.models.pipeline_narration_lrcn import LrcnVideoToTextPipeline

WORDS = ["the", "person", "cuts", "stirs", "with", "a", "knife", "spoon"]
LABELS = {"tool": ["none", "knife", "spoon"], "activity": ["cut", "stir"], "place": ["none", "cutting board"]}
SIDE = {"height": 67, "width": 67}
GIVEN = [
    {"tool": "knife", "activity": "cut", "place": "cutting board"},
    {"tool": [0.1, 0.2, 0.7], "activity": {"stir": 0.9, "cut": 0.1}, "place": "none"},
    {"tool": "none", "activity": "stir", "place": "none"},
    {"tool": "spoon", "activity": [0.5, 0.5], "place": [0.25, 0.75]},
]


def make(variant, seed=5, **options):
    """A narrator of large random weights, whose words depend on what it reads, and its processor."""
    tokenizer = build_word_tokenizer(WORDS)
    if variant == "frames":
        seeing = LrcnVideoProcessor(size=SIDE, crop_size=SIDE, image_std=(60.0, 60.0, 60.0))
        processor = LrcnNarrationProcessor(seeing, tokenizer, variant, frame_rate=10.0, max_frames=6)
        backbone = CaffeNetConfig(channels=(4, 4, 4, 4, 4), fc_sizes=(8, 8, 5), image_size=67)
        seen = {"backbone_config": backbone, "feature": "fc8", "feature_size": 5, "frame_size": 6}
    else:
        processor = LrcnNarrationProcessor(None, tokenizer, variant, LABELS)
        seen = {"node_sizes": processor.nodes.sizes, "source_size": len(processor.nodes.vocabulary) + 1}
    sizes = {"vocab_size": len(tokenizer), "embedding_size": 7, "hidden_size": 9}
    model = LrcnForVideoNarration(LrcnNarrationConfig(variant=variant, **seen, **sizes, **options)).eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            bound = 2.5
            if "backbone" in name:
                bound = (6 / weights[0].numel()) ** 0.5 if weights.dim() > 1 else 0.1
            weights.uniform_(-bound, bound, generator=random)
    model.generation_config.max_new_tokens = 6
    return model, processor


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Videos of one colour each, of different lengths, at 20 frames per second."""
    folder = tmp_path_factory.mktemp("videos")
    files = []
    for number, colour in enumerate([(250, 20, 20), (20, 250, 20), (20, 20, 250), (240, 240, 20)]):
        files.append(folder / f"{number}.mp4")
        with av.open(str(files[-1]), "w") as container:
            stream = container.add_stream("mpeg4", rate=20, width=80, height=80, pix_fmt="yuv420p")
            for _ in range(8 + 6 * number):
                frame = np.full((80, 80, 3), colour, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
    return [str(file) for file in files]


@pytest.fixture(
    scope="module", params=["decoder-prob", "decoder-max", "encoder-decoder", "shared", "separate", "mean"]
)
def narrator(request, videos, tmp_path_factory):
    """A pipeline from a folder, what it is to narrate, and what `generate` says of each alone."""
    reader = {"frame_reader": request.param} if request.param in ("shared", "separate", "mean") else {}
    given, name = (videos, "videos") if reader else (GIVEN, "nodes")
    model, processor, said = talkative(given, name, "frames" if reader else request.param, **reader)
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return pipeline("video-to-text", model=str(folder)), given, said


def talkative(given, name, *arguments, **options):
    """The first of many narrators that says at least three different things: else a mixed-up batch would go unseen."""
    for seed in range(100):
        model, processor = make(*arguments, seed=seed, **options)
        alone = [model.generate(**processor(**{name: [one]})) for one in given]
        said = [processor.tokenizer.decode(ids[0], skip_special_tokens=True) for ids in alone]
        if len(set(said)) >= 3:
            return model, processor, said
    raise AssertionError("none of them says different things")


def answers(sentences):
    return [[{"generated_text": sentence}] for sentence in sentences]


def test_one_input_gets_a_sentence(narrator):
    narrate, given, said = narrator
    assert type(narrate) is LrcnVideoToTextPipeline and narrate.task == "video-to-text"
    assert narrate(given[0]) == [{"generated_text": said[0]}]


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_a_list_gives_a_list_of_lists_in_order(narrator, batch_size):
    narrate, given, said = narrator
    assert narrate(given, batch_size=batch_size) == answers(said)
    assert narrate(tuple(given), batch_size=batch_size) == answers(said)
    assert list(narrate(one for one in given)) == answers(said)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_beams_give_each_input_its_own_sentences(narrator, batch_size):
    narrate, given, _ = narrator
    found = narrate(given, num_beams=4, num_return_sequences=3, batch_size=batch_size)
    name = "videos" if narrate.processor.variant == "frames" else "nodes"
    for one, answer in zip(given, found, strict=True):
        ids = narrate.model.generate(**narrate.processor(**{name: [one]}), num_beams=4, num_return_sequences=3)
        assert [sentence["generated_text"] for sentence in answer] == narrate.processor.batch_decode(
            ids, skip_special_tokens=True
        )


def test_a_prompt_is_continued(narrator):
    narrate, given, _ = narrator
    found = narrate(given, text="the person", batch_size=2)
    assert all(answer[0]["generated_text"].startswith("the person") for answer in found)
    assert found == narrate(given, prompt="the person")


def test_arrays_files_and_parts_of_files_are_videos(videos):
    model, processor = make("frames")
    narrate = pipeline("video-to-text", model=model, processor=processor)
    both = narrate([videos[3], {"video": videos[3], "start": 0.0, "end": 60}], batch_size=2)
    assert both[0] == both[1] == narrate(videos[3])
    frames = np.full((4, 80, 80, 3), (20, 20, 250), np.uint8)
    assert narrate(frames) == narrate([frames])[0] == narrate(torch.from_numpy(frames).permute(0, 3, 1, 2))
    part = {"video": videos[3], "start": 0.2, "end": 0.5}
    ids = model.generate(**processor(videos=[part]))
    assert narrate(part) == [{"generated_text": processor.tokenizer.decode(ids[0], skip_special_tokens=True)}]


def test_what_cannot_be_read_is_named(videos):
    narrate = pipeline("video-to-text", **dict(zip(("model", "processor"), make("frames"), strict=True)))
    with pytest.raises(ValueError, match=r"gone\.mp4: this video cannot be read"):
        narrate([videos[0], "gone.mp4"], batch_size=2)
    with pytest.raises(ValueError, match=r"0\.mp4: no frame lies from 9 s to its end"):
        narrate({"video": videos[0], "start": 9})
    of_nodes = pipeline("video-to-text", **dict(zip(("model", "processor"), make("decoder-prob"), strict=True)))
    with pytest.raises(ValueError, match="node 'tool' has no label 'fork'"):
        of_nodes({**GIVEN[0], "tool": "fork"})


def test_a_processor_that_reads_otherwise_and_a_model_of_another_task_are_refused():
    model, _ = make("decoder-prob")
    _, other = make("decoder-max")
    with pytest.raises(ValueError, match="processor's variant is decoder-max, but the model's is decoder-prob"):
        pipeline("video-to-text", model=model, processor=other)
    backbone = CaffeNetConfig(channels=(4, 4, 4, 4, 4), fc_sizes=(8, 8, 5), image_size=67)
    sizes = {"feature_size": 5, "hidden_size": 4, "embedding_size": 4, "vocab_size": len(WORDS) + 2}
    captioner = LrcnForImageCaptioning(LrcnCaptioningConfig(backbone_config=backbone, **sizes))
    processor = LrcnCaptioningProcessor(LrcnImageProcessor(), build_word_tokenizer(WORDS))
    with pytest.raises(
        ValueError, match="video-to-text is for lrcn_narration models, but this one is lrcn_captioning"
    ):
        pipeline("video-to-text", model=captioner, processor=processor)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("variant", ["decoder-prob", "frames"])
def test_precision_is_the_models(variant, dtype, videos):
    model, processor = make(variant)
    given = videos if variant == "frames" else GIVEN
    plain = pipeline("video-to-text", model=model, processor=processor)(given)
    other = pipeline("video-to-text", model=model.to(dtype), processor=processor)(given, batch_size=2)
    assert [len(sentences) for sentences in other] == [1] * len(given)
    assert dtype == torch.bfloat16 or other == plain


@pytest.fixture
def logged(caplog, monkeypatch):
    """What transformers logs, nothing held back: it keeps its records to itself and says many things only once."""
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    logging.Logger.warning_once.cache_clear()
    return caplog


def test_nothing_is_warned_of_or_logged(narrator, recwarn, logged):
    narrate, given, _ = narrator
    for arguments in ({}, {"num_beams": 3, "num_return_sequences": 2}, {"do_sample": True}):
        narrate(given, batch_size=2, **arguments)
        narrate(given[0], text="the", max_new_tokens=4, generate_kwargs=arguments)
    assert not recwarn.list and not logged.records


NEW_PROCESS = """
import sys
{imports}
narrate = pipeline("video-to-text", model=sys.argv[1])
print(narrate(sys.argv[2])[0]["generated_text"])
narrate([sys.argv[2]] * 3, batch_size=2, text="the", num_beams=2, max_new_tokens=3)
"""
OURS, THEIRS = "import lrcn_hub", "from transformers import pipeline"


@pytest.mark.parametrize("imports", [f"{OURS}\n{THEIRS}", f"{THEIRS}\n{OURS}"], ids=["ours first", "theirs first"])
def test_a_new_process_is_silent(imports, videos, tmp_path):
    model, processor = make("frames")
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    script = NEW_PROCESS.format(imports=imports)
    arguments = [sys.executable, "-W", "error", "-c", script, str(tmp_path), videos[1]]
    run = subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    assert run.returncode == 0, run.stderr
    ids = model.generate(**processor(videos=[videos[1]]))
    assert run.stdout == processor.tokenizer.decode(ids[0], skip_special_tokens=True) + "\n"
    assert [line for line in run.stderr.splitlines() if line and not line.startswith("Loading weights:")] == []
