"""Ground truth and the mapping from Caffe's blobs to torch's parameters, written independently of the library."""

from pathlib import Path

import numpy as np
import pytest
import torch

GOLDENS = Path(__file__).parents[1] / "goldens"


@pytest.fixture
def golden():
    def load(name):
        return {key: torch.from_numpy(np.asarray(value)) for key, value in np.load(GOLDENS / f"{name}.npz").items()}

    return load


@pytest.fixture
def from_caffe_rows():
    """Reorder gate rows i, f, o, g (Caffe) to i, f, g, o (torch)."""

    def reorder(blob):
        i, f, o, g = blob.chunk(4, dim=0)
        return torch.cat([i, f, g, o])

    return reorder


@pytest.fixture
def load_layer(from_caffe_rows):
    """Put the blobs of a Caffe LSTM layer into an `LrcnLayer`."""

    def load(layer, blobs):
        weight_x, bias, *static, weight_h = blobs
        with torch.no_grad():
            layer.cell.weight_ih_l0.copy_(from_caffe_rows(torch.cat([weight_x, *static], dim=1)))
            layer.cell.weight_hh_l0.copy_(from_caffe_rows(weight_h))
            layer.cell.bias_ih_l0.copy_(from_caffe_rows(bias))

    return load


@pytest.fixture
def assert_close_to_golden():
    """Within 1e-5 of the array's maximum."""

    def check(ours, golden):
        assert ours.shape == golden.shape
        assert (ours - golden).abs().max() <= 1e-5 * golden.abs().max().clamp(min=1e-30)

    return check
