import torch

from lrcn_hub.demo.narration.shuffling import in_any_order, shuffled_frames
from lrcn_hub.models import LrcnForVideoNarration, LrcnNarrationConfig


def test_frames_of_a_row_stay_in_their_row_and_filling_stays_behind():
    frames = torch.arange(24.0).reshape(2, 6, 2)
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    shuffled = in_any_order(frames, mask, torch.Generator().manual_seed(0))
    assert not shuffled.equal(frames)
    for row in range(2):
        assert sorted(shuffled[row].tolist()) == sorted(frames[row].tolist())
    assert shuffled[1, 4:].equal(frames[1, 4:])


def test_a_narrator_is_shuffled_only_as_long_as_asked_for_and_a_mean_does_not_mind():
    sizes = {"vocab_size": 9, "embedding_size": 3, "hidden_size": 4, "feature_size": 5, "frame_size": 4}
    frames = torch.randn(2, 6, 5)
    for reader, minds in (("separate", True), ("mean", False)):
        config = LrcnNarrationConfig(variant="frames", frame_reader=reader, num_layers=1, **sizes)
        model = LrcnForVideoNarration(config).eval()
        with torch.no_grad():
            before = model.encoder(pixel_values=frames)[0]
            with shuffled_frames(model):
                between = model.encoder(pixel_values=frames)[0]
            after = model.encoder(pixel_values=frames)[0]
        assert after.equal(before)
        assert torch.allclose(between, before, atol=1e-6) is not minds
