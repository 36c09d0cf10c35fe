"""Scores of all pairs, held to one plain forward pass for each pair."""

import gc
import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lrcn_hub.models.configuration_lrcn import WIRINGS
from lrcn_hub.retrieval import score_pairs

CAPTIONS = [[2, 3], [2], [2, 3, 4, 4], [5, 1], [2, 3], [3, 3, 3, 3, 3, 3], [2, 3, 4, 5], [8]]


def random_captions(count, longest=6, words=9, seed=0):
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (count,), generator=draw).tolist()
    return [torch.randint(1, words, (length,), generator=draw).tolist() for length in lengths]


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
@pytest.mark.parametrize("wiring", WIRINGS)
def test_every_wiring_scores_as_the_plain_forward_pass_does(captioner, plain, wiring, cell):
    model, features = (
        captioner(wiring=wiring, cell=cell),
        torch.randn(3, 5, generator=torch.Generator().manual_seed(1)),
    )
    wanted = plain(model, features, CAPTIONS)
    assert (wanted[0] - wanted[1]).abs().min() > 1e-3  # pictures matter
    torch.testing.assert_close(score_pairs(model, features, CAPTIONS), wanted, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("memory_mb", [1e-6, 0.02, 0.1])
def test_small_memory_gives_the_same_scores(captioner, memory_mb):
    model, captions = captioner(wiring="4f"), random_captions(40)
    features = torch.randn(30, 5, generator=torch.Generator().manual_seed(2))
    wanted = score_pairs(model, features, captions)
    torch.testing.assert_close(score_pairs(model, features, captions, memory_mb=memory_mb), wanted)


@pytest.mark.parametrize("wiring", ["2f", "4f"])
def test_layers_below_the_image_read_each_beginning_once_for_all_images(captioner, wiring):
    model, rows = captioner(wiring=wiring), []
    model.decoder.layers[0].register_forward_hook(lambda layer, inputs, output: rows.append(len(inputs[0])))
    captions = random_captions(50)
    score_pairs(model, torch.randn(40, 5), captions)
    beginnings = {tuple(caption[:length]) for caption in captions for length in range(len(caption))}
    assert sum(rows) == len(beginnings)


def test_the_static_projection_is_made_once_for_each_image(captioner, monkeypatch):
    model, seen = captioner(wiring="2f"), []
    layer = model.decoder.layers[1]
    project = layer.project_static
    monkeypatch.setattr(layer, "project_static", lambda static: seen.append(len(static)) or project(static))
    score_pairs(model, torch.randn(40, 5), random_captions(50), memory_mb=0.1)
    assert sum(seen) == 40


class LiveBytes(TorchDispatchMode):
    """Count the bytes of storages that operators made and that are still there, and their peak."""

    def __init__(self):
        super().__init__()
        self.known, self.now, self.peak = set(), 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = func(*args, **(kwargs or {}))
        for value in given if isinstance(given, tuple | list) else [given]:
            if isinstance(value, torch.Tensor):
                self.count(value.untyped_storage())
        return given

    def count(self, storage):
        if storage._cdata in self.known:
            return
        self.known.add(storage._cdata)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self.forget, storage._cdata, storage.nbytes())

    def forget(self, key, size):
        self.known.discard(key)
        self.now -= size


@pytest.mark.parametrize(("wiring", "vocabulary"), [("1u", 9), ("2f", 3000), ("4f", 300), ("2u", 300)])
def test_memory_stays_below_what_is_stated(captioner, wiring, vocabulary, monkeypatch):
    monkeypatch.setattr("lrcn_hub.retrieval.pairs.ROWS_ON_CPU", 10**9)
    model = captioner(wiring=wiring, vocab_size=vocabulary, hidden_size=64)
    captions, features = random_captions(200, words=vocabulary), torch.randn(150, 5)
    gc.collect()
    with LiveBytes() as live:
        scores = score_pairs(model, features, captions, memory_mb=4)
    assert live.peak - scores.nbytes <= 4 * 2**20
    with LiveBytes() as more:
        score_pairs(model, features, captions, memory_mb=64)
    assert more.peak > live.peak  # more is used where there is more: the count counts


def test_what_cannot_be_scored_is_refused(captioner):
    model = captioner()
    with pytest.raises(ValueError, match=r"features \(2, 4\): give \(images, 5\)"):
        score_pairs(model, torch.randn(2, 4), CAPTIONS)
    with pytest.raises(ValueError, match="no captions"):
        score_pairs(model, torch.randn(2, 5), [])
    with pytest.raises(ValueError, match=r"caption 1 .* has no words"):
        score_pairs(model, torch.randn(2, 5), [[2], []])
