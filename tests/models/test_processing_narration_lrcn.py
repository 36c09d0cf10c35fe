"""Nodes, videos and words in, tensors out; saved and loaded, and refused where a folder holds nonsense."""

import json

import av
import numpy as np
import pytest
import torch
from transformers import AutoProcessor

from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.data.videos import iterate_frames
from lrcn_hub.models import LrcnForVideoNarration, LrcnNarrationConfig, LrcnNarrationProcessor, LrcnVideoProcessor
from lrcn_hub.models.frame_ticks_lrcn import frames_at_ticks

# Not in the order of their names: what is saved as a mapping comes back sorted.
LABELS = {"tool": ["none", "knife", "spoon"], "activity": ["cut", "stir"], "place": ["none", "cutting board"]}
CUTTING = {"tool": {"knife": 0.5, "none": 0.25, "spoon": 0.25}, "activity": [0.75, 0.25], "place": "cutting board"}
STIRRING = ["none", "stir", "none"]
SMALL = {"size": {"height": 24, "width": 32}, "crop_size": {"height": 20, "width": 20}}


def make(variant="decoder-prob", **values):
    labels = None if variant == "frames" else LABELS
    tokenizer = build_word_tokenizer(["the", "person", "cuts", "stirs"])
    return LrcnNarrationProcessor(LrcnVideoProcessor(**SMALL), tokenizer, variant, **{"node_labels": labels, **values})


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Forty frames at 20 per second, each of its own grey."""
    file = tmp_path_factory.mktemp("videos") / "grey.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=20, width=32, height=24, pix_fmt="yuv420p")
        for number in range(40):
            frame = np.full((24, 32, 3), 6 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return file


@pytest.mark.parametrize("variant", ["decoder-prob", "decoder-max"])
def test_nodes_are_distributions_in_a_row(variant):
    batch = make(variant)(nodes=[CUTTING, STIRRING])
    assert set(batch) == {"nodes"}
    assert batch["nodes"].tolist() == [[0.25, 0.5, 0.25, 0.75, 0.25, 0, 1], [1, 0, 0, 0, 1, 1, 0]]
    assert batch["nodes"].dtype == torch.float32
    assert torch.equal(make(variant)(nodes=CUTTING)["nodes"], batch["nodes"][:1])


def test_an_encoder_decoder_reads_the_words_of_the_likeliest_labels():
    batch = make("encoder-decoder")(nodes=[CUTTING, STIRRING, ["none", "cut", "none"]])
    vocabulary = ["board", "cut", "cutting", "knife", "spoon", "stir"]  # ids from 1
    words = [[vocabulary[number - 1] for number in row if number] for row in batch["source_ids"].tolist()]
    assert words == [["knife", "cut", "cutting", "board"], ["stir"], ["cut"]]
    assert batch["source_mask"].tolist() == [[True] * 4, [True, False, False, False], [True, False, False, False]]
    silent = LrcnNarrationProcessor(None, make().tokenizer, "encoder-decoder", {"tool": ["none", "knife"]})
    nothing = silent(nodes=[["none"]])
    assert nothing["source_ids"].tolist() == [[0]] and nothing["source_mask"].tolist() == [[False]]


def test_a_row_that_is_wrong_is_named():
    with pytest.raises(ValueError, match=r"^row 1: the probabilities of node 'activity' sum to 0\.5"):
        make()(nodes=[CUTTING, {**CUTTING, "activity": [0.5, 0]}])


def test_each_variant_refuses_what_it_does_not_read():
    with pytest.raises(ValueError, match="'decoder-prob' reads nodes: give nodes, not videos"):
        make()(videos=[np.zeros((2, 24, 32, 3), np.uint8)])
    with pytest.raises(ValueError, match="'frames' reads videos: give videos, not nodes"):
        make("frames")(nodes=[CUTTING])
    with pytest.raises(ValueError, match="'decoder-max' reads nodes: give node_labels"):
        make("decoder-max", node_labels=None)


def test_arrays_of_frames_are_read_as_they_are_and_masked():
    frames = [np.random.RandomState(seed).randint(0, 256, (3 + seed, 24, 32, 3), dtype=np.uint8) for seed in (0, 1)]
    processor = make("frames", max_frames=1)
    batch = processor(videos=frames)
    assert batch["pixel_values"].shape == (2, 4, 3, 20, 20)
    assert batch["frame_mask"].tolist() == [[True, True, True, False], [True] * 4]
    alone = processor.video_processor(frames[0], return_tensors="pt")["pixel_values"]
    assert torch.equal(batch["pixel_values"][:1, :3], alone)
    assert torch.equal(processor(videos=frames[0])["pixel_values"], alone)


@pytest.mark.parametrize("rate", [None, 5, 7.5])
@pytest.mark.parametrize(("start", "end"), [(None, None), (0.4, None), (0.35, 1.2)])
def test_of_a_file_the_frames_at_ticks_are_read(video, rate, start, end):
    processor = make("frames", frame_rate=rate, max_frames=9)
    frames, times = zip(*iterate_frames(video), strict=True)
    chosen = frames_at_ticks(times, rate, start or 0.0, end, 9)
    assert 1 < len(chosen) <= 9
    expected = processor(videos=[np.stack(frames)[chosen]])["pixel_values"]
    given = {name: value for name, value in {"start": start, "end": end}.items() if value is not None}
    assert torch.equal(processor(videos=[{"video": str(video), **given}])["pixel_values"], expected)
    if not given:
        assert torch.equal(processor(videos=video)["pixel_values"], expected)
        assert torch.equal(processor(videos=[str(video)])["pixel_values"], expected)


@pytest.mark.parametrize(
    ("segment", "said"),
    [
        ({"start": 2.5}, r"grey\.mp4: no frame lies from 2.5 s to its end: its last one is at 1.950 s"),
        ({"start": 1.0, "end": 1.0}, r"grey\.mp4: the segment from 1.0 s to 1.0 s is empty"),
        ({"start": 1.5, "end": 0.5}, r"grey\.mp4: the segment from 1.5 s to 0.5 s is empty"),
        ({"end": -1}, r"grey\.mp4: the segment from 0.0 s to -1 s is empty"),
        ({"begin": 1}, "'begin': 1.* is no part of a video; give video"),
        ({"start": "1"}, "'start': '1'.* is no part of a video"),
        ({"video": None}, "is no part of a video"),
        ({"video": "gone.mp4"}, r"gone\.mp4: this video cannot be read"),
    ],
)
def test_a_segment_without_frames_is_refused_by_name(video, segment, said):
    with pytest.raises(ValueError, match=said):
        make("frames")(videos=[{"video": str(video), **segment}])


def test_words_are_those_of_the_captioner():
    processor = make()
    batch = processor(nodes=[CUTTING], text="the person", text_target="the person cuts")
    assert batch["decoder_input_ids"].tolist() == [[0, 2, 3]]
    assert batch["labels"].tolist() == [[2, 3, 4, 0]]
    assert processor.batch_decode([[0, 2, 3, 4, 0]], skip_special_tokens=True) == ["the person cuts"]
    with pytest.raises(ValueError, match="the tokenizer has 6 words, but the model was trained with 7"):
        processor.check_vocabulary(7)


@pytest.mark.parametrize("variant", ["encoder-decoder", "decoder-max", "decoder-prob", "frames"])
def test_a_saved_processor_does_the_same(variant, video, tmp_path):
    processor = make(variant, frame_rate=5.0, max_frames=7, absent_label="none")
    LrcnNarrationConfig(variant=variant, node_sizes=[3, 2, 2]).save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert "processing_narration_lrcn.py" in {file.name for file in tmp_path.iterdir()}
    for again in (AutoProcessor.from_pretrained(tmp_path), LrcnNarrationProcessor.from_pretrained(tmp_path)):
        assert type(again) is LrcnNarrationProcessor
        assert (again.variant, again.frame_rate, again.max_frames) == (variant, 5.0, 7)
        assert again.nodes == processor.nodes
        assert again.nodes is None or list(again.nodes.labels) == list(LABELS)
        given = {"videos": [str(video)]} if variant == "frames" else {"nodes": [CUTTING, STIRRING]}
        one, other = (p(**given, text="the", text_target="cuts") for p in (processor, again))
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"variant": "video"}, "variant is 'video'"),
        ({"variant": 7}, "variant is 7"),
        ({"node_labels": "text"}, "node_labels is text; it must be a mapping"),
        ({"node_labels": [["tool", ["a"]], ["tool", ["b"]]]}, "node_labels has a node twice"),
        ({"node_labels": [["tool", "knife"]]}, "labels of node 'tool' are 'knife'"),
        ({"node_labels": [["tool", ["x", "x"]]]}, "node 'tool' has the label 'x' twice"),
        ({"node_labels": []}, "reads nodes: give node_labels"),
        ({"absent_label": 3}, "absent_label is 3"),
        ({"frame_rate": 0}, "frame_rate is 0; it must be above 0"),
        ({"frame_rate": "5"}, "frame_rate is '5'"),
        ({"frame_rate": 1e9}, "frame_rate is 1000000000.0; it must be above 0 and at most 1000"),
        ({"frame_rate": float("nan")}, "frame_rate is nan"),
        ({"max_frames": 0}, "max_frames is 0"),
        ({"max_frames": 10**12}, "max_frames is 1000000000000"),
        ({"max_frames": None}, "max_frames is None"),
    ],
)
def test_nonsense_in_a_folder_is_refused(values, said, tmp_path):
    make().save_pretrained(tmp_path)
    file = tmp_path / "processor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    with pytest.raises(ValueError, match=said):
        LrcnNarrationProcessor.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("variant", "fit", "other", "said"),
    [
        (
            "decoder-prob",
            {"node_sizes": [3, 2, 2]},
            {"node_sizes": [2, 3, 2]},
            r"node_sizes is \[3, 2, 2\], but the mod",
        ),
        ("encoder-decoder", {"source_size": 7}, {"source_size": 6}, "source_size is 7, but the model's is 6"),
        ("frames", {}, {"variant": "decoder-max"}, "variant is frames, but the model's is decoder-max"),
        ("decoder-max", {"node_sizes": (3, 2, 2)}, {"vocab_size": 9}, "the tokenizer has 6 words"),
    ],
)
def test_a_model_that_reads_otherwise_is_refused(variant, fit, other, said):
    config = {"variant": variant, "vocab_size": 6, **fit}
    make(variant).check_model(LrcnNarrationConfig(**config))
    with pytest.raises(ValueError, match=said):
        make(variant).check_model(LrcnNarrationConfig(**{**config, **other}))


@pytest.mark.parametrize("variant", ["encoder-decoder", "decoder-max", "decoder-prob"])
def test_what_it_makes_is_what_the_narrator_reads(variant):
    config = LrcnNarrationConfig(
        variant=variant, node_sizes=[3, 2, 2], source_size=7, vocab_size=6, embedding_size=5, hidden_size=4
    )
    model = LrcnForVideoNarration(config).eval()
    processor = make(variant)
    both = model.generate(**processor(nodes=[CUTTING, STIRRING]), max_new_tokens=4)
    alone = [model.generate(**processor(nodes=[row]), max_new_tokens=4)[0] for row in (CUTTING, STIRRING)]
    for together, single in zip(processor.batch_decode(both), processor.batch_decode(alone), strict=True):
        assert together.split("<EOS>")[1].strip() == single.split("<EOS>")[1].strip()
