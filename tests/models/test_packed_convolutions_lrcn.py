"""Convolutions on packed weights against PyTorch's own."""

import pytest
import torch
from torch import nn

from lrcn_hub.models.packed_convolutions_lrcn import PackedConvolutions

needs_packing = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")


@pytest.fixture
def network():
    """Convolutions of many kinds; the two with odd padding are left to PyTorch."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, groups=16, bias=False),
        nn.Conv2d(16, 32, 1, dilation=1),
        nn.Conv2d(32, 8, 3, padding=(2, 1), dilation=2, groups=2),
        nn.Conv2d(8, 8, 3, padding="same"),
        nn.Conv2d(8, 4, 3, padding=1, padding_mode="reflect"),
    ).eval()


def close(ours, plain):
    return torch.allclose(ours, plain, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def under(packed, network, pictures):
    with packed:
        return network(pictures)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_kind_of_convolution_gives_the_same(network, layout):
    network.to(memory_format=layout)
    packed = PackedConvolutions()
    for batch, side in ((1, 33), (4, 33), (1, 40)):
        pictures = torch.randn(batch, 3, side, side).contiguous(memory_format=layout)
        assert close(under(packed, network, pictures), network(pictures))


@needs_packing
def test_a_weight_is_laid_out_once(network, monkeypatch):
    packed, pictures = PackedConvolutions(), torch.randn(1, 3, 33, 33)
    under(packed, network, pictures)
    assert len(packed._packed) == 5  # but for padding by name
    kept = [copy for _, _, copy in packed._packed.values()]
    under(packed, network, pictures)
    assert all(copy is one for (_, _, copy), one in zip(packed._packed.values(), kept, strict=True))


def change_in_place(network):
    with torch.no_grad():
        network[0].weight.mul_(2)


def load_others(network):
    network.load_state_dict({name: 2 * value for name, value in network.state_dict().items()})


def take_one_step(network):
    network(torch.randn(1, 3, 33, 33)).sum().backward()
    torch.optim.SGD(network.parameters(), 0.1).step()


def put_another_in_its_place(network):
    network[0].weight = nn.Parameter(torch.randn_like(network[0].weight))


@pytest.mark.parametrize("change", [change_in_place, load_others, take_one_step, put_another_in_its_place])
def test_changed_weights_are_laid_out_anew(network, change):
    packed, pictures = PackedConvolutions(), torch.randn(1, 3, 33, 33)
    before = under(packed, network, pictures)
    change(network)
    after = under(packed, network, pictures)
    assert close(after, network(pictures)) and not close(after, before)


def test_gradients_flow_as_ever(network):
    pictures = torch.randn(1, 3, 33, 33)
    with PackedConvolutions():
        network(pictures).sum().backward()
    found = network[0].weight.grad.clone()
    network.zero_grad()
    network(pictures).sum().backward()
    assert torch.equal(found, network[0].weight.grad)


def test_other_precisions_run_as_ever(network):
    network.double()
    pictures = torch.randn(1, 3, 33, 33, dtype=torch.float64)
    assert torch.equal(under(PackedConvolutions(), network, pictures), network(pictures))


def test_a_session_sees_weights_that_change_under_it(tiny_recogniser, clips):
    model, frames = tiny_recogniser(), clips(1, 3)[0]
    session = model.stream()
    session.push(frames)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.mul_(1.5)
    session.reset()
    for old, new in zip(session.push(frames), model.stream().push(frames), strict=True):
        assert torch.equal(old.probabilities, new.probabilities)
