"""Frames read a few at a time are what they are all at once: what the encoder gives, and what is said of it."""

import pytest
import torch
from transformers import TimmWrapperConfig
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models import LrcnForVideoNarration, LrcnNarrationConfig, LrcnReading

READERS = {
    "S2VT": {},
    "two stacks": {"frame_reader": "separate", "num_layers": 3},
    "mean of frames": {"frame_reader": "mean"},
}
TIMM = {
    "backbone_config": TimmWrapperConfig(architecture="test_resnet", num_classes=0),
    "feature": "pooled",
    "feature_size": 96,
}
every_reader = pytest.mark.parametrize("options", READERS.values(), ids=READERS)
given_or_seen = pytest.mark.parametrize("backbone", [{"feature_size": 5}, TIMM], ids=["features", "timm"])


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def narrator(options):
    sizes = {"vocab_size": 9, "embedding_size": 6, "hidden_size": 7, "frame_size": 4}
    model = LrcnForVideoNarration(LrcnNarrationConfig(variant="frames", **sizes, **options)).eval()
    random = torch.Generator().manual_seed(0)
    for name, weights in model.named_parameters():
        if "backbone" not in name:
            weights.uniform_(-1.5, 1.5, generator=random)
    return model


def videos(model, rows=3, length=7):
    random = torch.Generator().manual_seed(1)
    shape = (5,) if model.config.feature_size == 5 else (3, 32, 32)
    return torch.randn(rows, length, *shape, generator=random)


@given_or_seen
@every_reader
@pytest.mark.parametrize("sizes", [[1] * 7, [3, 4], [1, 5, 1], [7]], ids=str)
def test_frames_in_pieces_are_read_as_the_whole(options, backbone, sizes):
    model = narrator({**options, **backbone})
    frames = videos(model)
    for beginning in (None, model.encoder.nothing_read(3)):
        reading, done = beginning, 0
        for piece in frames.split(sizes, dim=1):
            reading, done = model.encoder.read_on(piece, reading=reading), done + piece.shape[1]
            whole = model.encoder(pixel_values=frames[:, :done])[0][:, 0]
            torch.testing.assert_close(reading.encoded, whole, rtol=0, atol=1e-5)
            assert reading.counts.tolist() == [done] * 3
            said = model.generate(encoder_outputs=BaseModelOutput(reading.encoded[:, None]), num_beams=2)
            assert said.tolist() == model.generate(pixel_values=frames[:, :done], num_beams=2).tolist()
    last = model.encoder.read_on(frames[:, -1:]).encoded
    assert not torch.allclose(last, reading.encoded, atol=1e-2)  # what was read before is not forgotten


@given_or_seen
@every_reader
def test_rows_go_on_with_as_many_frames_as_each_has(options, backbone):
    model = narrator({**options, **backbone})
    frames, reading = videos(model), None
    masks = torch.tensor([[[1, 1, 1], [1, 0, 0], [0, 0, 0]], [[1, 1, 0], [1, 1, 1], [0, 0, 0]]]).bool()
    for mask, piece in zip(masks, (frames[:, :3], frames[:, 3:6]), strict=True):
        reading = model.encoder.read_on(piece, mask, reading)
    assert reading.counts.tolist() == [5, 4, 0]
    for row, chosen in ((0, [0, 1, 2, 3, 4]), (1, [0, 3, 4, 5])):
        alone = model.encoder(pixel_values=frames[row : row + 1, chosen])[0][0, 0]
        torch.testing.assert_close(reading.encoded[row], alone, rtol=0, atol=1e-5)
    assert torch.equal(reading.encoded[2], model.encoder.nothing_read(1).encoded[0])


@every_reader
def test_a_reading_that_goes_on_leaves_the_earlier_one_as_it_is(options):
    model = narrator({**options, "feature_size": 5})
    frames = videos(model)
    earlier = model.encoder.read_on(frames[:, :3])
    kept = LrcnReading(earlier.encoded.clone(), earlier.counts.clone())
    model.encoder.read_on(frames[:, 3:], reading=earlier)
    assert torch.equal(earlier.encoded, kept.encoded) and torch.equal(earlier.counts, kept.counts)
