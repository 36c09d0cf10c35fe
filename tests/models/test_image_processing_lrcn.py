"""Pictures to pixel values, against the authors' and timm's preprocessing written or run independently."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from timm.models import get_pretrained_cfg
from transformers import AutoImageProcessor

from lrcn_hub.models import LrcnImageProcessor

MEAN_BGR = np.array([104, 117, 123])


def photo(width, height, seed=0):
    """A picture with slopes, edges and noise."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    slope = np.stack([rows * 255 / height, columns * 255 / width, (rows + columns) * 255 / (height + width)], axis=-1)
    boxes = np.kron(random.integers(0, 2, (8, 8, 3)), np.ones((height // 8 + 1, width // 8 + 1, 1)))[:height, :width]
    noise = random.normal(0, 8, (height, width, 3))
    return Image.fromarray(np.clip(0.6 * slope + 80 * boxes + noise, 0, 255).astype(np.uint8))


def warp(pixels, height, width):
    """Bilinear interpolation between pixel centres, edges repeated, nothing smoothed: OpenCV's INTER_LINEAR."""

    def positions(new, old):
        centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.floor(centres).astype(int)
        return low, np.minimum(low + 1, old - 1), centres - low

    top, bottom, down = positions(height, pixels.shape[0])
    left, right, across = positions(width, pixels.shape[1])
    down, across = down[:, None, None], across[None, :, None]
    upper = pixels[top][:, left] * (1 - across) + pixels[top][:, right] * across
    lower = pixels[bottom][:, left] * (1 - across) + pixels[bottom][:, right] * across
    return upper * (1 - down) + lower * down


def as_caffe(pixels):
    return (pixels[..., ::-1] - MEAN_BGR).transpose(2, 0, 1)


@pytest.mark.parametrize("size", [(320, 240), (200, 301), (640, 480), (256, 256), (30, 500)], ids=str)
def test_the_default_is_caffes_test_phase(size):
    picture = photo(*size)
    ours = LrcnImageProcessor()(picture, return_tensors="pt")["pixel_values"][0].numpy()
    warped = warp(np.asarray(picture).astype(float), 256, 256)
    expected = as_caffe(warped[14 : 14 + 227, 14 : 14 + 227])
    assert ours.shape == (3, 227, 227)
    assert np.abs(ours - expected).max() < 0.01
    assert np.abs(ours - as_caffe(warped[15:242, 15:242])).mean() > 0.5


@pytest.mark.parametrize("size", [(320, 240), (201, 307), (53, 640)], ids=str)
def test_the_edge_crop_is_that_of_the_authors_captioner(size):
    picture = photo(*size)
    side = {"height": 227, "width": 227}
    processor = LrcnImageProcessor(edge_crop=29 / 256, size=side, do_center_crop=False)
    ours = processor(picture, return_tensors="pt")["pixel_values"][0].numpy()
    pixels = np.asarray(picture).astype(float)
    rows, columns = (int(dim * (29 / 256 / 2) + 0.5) for dim in pixels.shape[:2])
    expected = as_caffe(warp(pixels[rows : pixels.shape[0] - rows, columns : pixels.shape[1] - columns], 227, 227))
    assert np.abs(ours - expected).max() < 0.01


def test_no_edge_is_cut_by_default_nor_of_pictures_too_small_for_it():
    pixels = torch.arange(5 * 7.0).view(1, 5, 7)
    assert torch.equal(LrcnImageProcessor._cut_edges(pixels, 0.0), pixels)
    assert torch.equal(LrcnImageProcessor._cut_edges(pixels, 29 / 256), pixels)  # int(7 * 0.0566 + 0.5) = 0
    assert LrcnImageProcessor._cut_edges(torch.zeros(1, 9, 30), 29 / 256).shape == (1, 7, 26)


def data_of(name):
    """As much of a timm network as its preprocessing is read from."""
    return SimpleNamespace(pretrained_cfg=get_pretrained_cfg(name).to_dict())


NETWORKS = ["resnet18", "vit_tiny_patch16_224", "test_resnet", "regnetz_c16", "convnext_tiny.in12k_ft_in1k_384"]


@pytest.mark.parametrize("size", [(320, 240), (201, 307), (375, 500), (160, 160), (90, 70)], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_timm_networks_preprocessing_is_carried_over(name, size):
    numbers = resolve_model_data_config(data_of(name))
    picture = photo(*size)
    expected = create_transform(**numbers, is_training=False)(picture)
    ours = LrcnImageProcessor.for_timm(data_of(name))(picture, return_tensors="pt")["pixel_values"][0]
    assert ours.shape == expected.shape
    grey_levels = (ours - expected) * 255 * torch.tensor(numbers["std"]).view(3, 1, 1)
    assert (grey_levels.abs() > 1.01).float().mean() < 2e-4  # torch rounds between rows and columns, Pillow hardly
    assert grey_levels.abs().max() < 4 and abs(grey_levels.mean()) < 0.01


def test_the_networks_compared_cover_timms_ways_of_preparing_pictures():
    numbers = [resolve_model_data_config(data_of(name)) for name in NETWORKS]
    assert {number["crop_mode"] for number in numbers} == {"center", "squash"}
    assert {number["interpolation"] for number in numbers} == {"bilinear", "bicubic"}
    assert len({number["crop_pct"] for number in numbers}) >= 4
    assert len({number["mean"] for number in numbers}) >= 2


def test_a_timm_networks_input_size_can_be_replaced():
    processor = LrcnImageProcessor.for_timm(timm.create_model("test_resnet"), 64)
    assert processor.size.shortest_edge == math.floor(64 / 0.95)
    assert processor(photo(80, 120), return_tensors="pt")["pixel_values"].shape == (1, 3, 64, 64)


VIEWS = {
    "caffe": LrcnImageProcessor(size={"height": 40, "width": 40}, crop_size={"height": 32, "width": 32}),
    "rgb": LrcnImageProcessor(
        size={"shortest_edge": 40}, default_to_square=False, crop_size={"height": 32, "width": 32},
        channel_order="rgb", antialias=True, rescale_factor=1 / 255, image_mean=[0.5, 0.4, 0.3],
        image_std=[0.2, 0.3, 0.4],
    ),
}  # fmt: skip


def drawn(processor, picture, seed, **options):
    return processor.random_view(picture, torch.Generator().manual_seed(seed), **options)


@pytest.mark.parametrize("processor", VIEWS.values(), ids=VIEWS)
def test_a_random_view_is_fixed_by_its_generator(processor):
    picture = photo(64, 48)
    views = [drawn(processor, picture, seed) for seed in range(20)]
    assert all(view.shape == (3, 32, 32) for view in views)
    assert all(torch.equal(view, drawn(processor, picture, seed)) for seed, view in enumerate(views))
    assert len({view.numpy().tobytes() for view in views}) > 15


@pytest.mark.parametrize("processor", VIEWS.values(), ids=VIEWS)
def test_random_views_are_the_crops_of_the_resized_picture_and_their_mirror_images(processor):
    picture = photo(64, 48)
    options = {"do_center_crop": False, "return_tensors": "pt"}
    whole = processor(picture, **options)["pixel_values"][0]
    height, width = whole.shape[-2:]
    crops = {}
    for top in range(height - 32 + 1):
        for left in range(width - 32 + 1):
            crop = whole[:, top : top + 32, left : left + 32]
            crops[crop.contiguous().numpy().tobytes()] = (top, left, False)
            crops[crop.flip(-1).contiguous().numpy().tobytes()] = (top, left, True)
    found = [crops[drawn(processor, picture, seed).contiguous().numpy().tobytes()] for seed in range(400)]
    tops, lefts, mirrored = zip(*found, strict=True)
    assert set(tops) == set(range(height - 32 + 1)) and set(lefts) == set(range(width - 32 + 1))
    assert 150 < sum(mirrored) < 250
    plain = [crops[drawn(processor, picture, s, mirror=False).contiguous().numpy().tobytes()] for s in range(50)]
    assert not any(mirror for _, _, mirror in plain)


def test_without_room_and_mirror_a_random_view_is_the_evaluation_picture():
    side = {"height": 32, "width": 32}
    picture = photo(64, 48)
    for options in ({}, {"edge_crop": 0.2}, {"channel_order": "rgb", "antialias": True}, {"do_center_crop": False}):
        processor = LrcnImageProcessor(size=side, crop_size=side, **options)
        plain = processor(picture, return_tensors="pt")["pixel_values"][0]
        assert torch.equal(drawn(processor, picture, 0, mirror=False), plain)


def test_grey_pictures_and_arrays_are_taken_too():
    processor = VIEWS["rgb"]
    grey = photo(50, 60).convert("L")
    assert torch.equal(
        processor(grey, return_tensors="pt")["pixel_values"],
        processor(grey.convert("RGB"), return_tensors="pt")["pixel_values"],
    )
    array = np.array(photo(50, 60))
    assert torch.equal(
        processor(array, return_tensors="pt")["pixel_values"],
        processor(photo(50, 60), return_tensors="pt")["pixel_values"],
    )
    assert torch.equal(drawn(processor, grey, 1), drawn(processor, grey.convert("RGB"), 1))


def test_pictures_of_different_sizes_make_one_batch_each_as_if_alone():
    pictures = [photo(50, 60), photo(70, 41, seed=1), photo(32, 200, seed=2)]
    for processor in VIEWS.values():
        batch = processor(pictures, return_tensors="pt")["pixel_values"]
        alone = [processor(picture, return_tensors="pt")["pixel_values"][0] for picture in pictures]
        assert torch.equal(batch, torch.stack(alone))


@pytest.mark.parametrize("processor", VIEWS.values(), ids=VIEWS)
def test_a_saved_processor_does_the_same(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    again = LrcnImageProcessor.from_pretrained(tmp_path)
    assert again.to_dict() == processor.to_dict()
    picture = photo(50, 60)
    assert torch.equal(again(picture, return_tensors="pt")["pixel_values"],
                       processor(picture, return_tensors="pt")["pixel_values"])  # fmt: skip
    assert torch.equal(drawn(again, picture, 3), drawn(processor, picture, 3))


def test_the_auto_class_finds_a_saved_processor_by_its_own_name(tmp_path):
    VIEWS["caffe"].save_pretrained(tmp_path)
    assert type(AutoImageProcessor.from_pretrained(tmp_path)) is LrcnImageProcessor


def test_options_of_a_single_call_hold_for_it_alone():
    processor, picture = VIEWS["caffe"], photo(50, 60)
    before = processor(picture, return_tensors="pt")["pixel_values"]
    other = processor(picture, return_tensors="pt", channel_order="rgb", image_mean=[0.0, 0.0, 0.0])["pixel_values"]
    mean = torch.tensor(MEAN_BGR).view(1, 3, 1, 1)
    assert torch.equal(other.flip(1), before + mean)
    assert torch.equal(processor(picture, return_tensors="pt")["pixel_values"], before)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"channel_order": "grb"}, "'grb'; it must be 'rgb' or 'bgr'"), ({"edge_crop": 1.0}, "1.0; it must be at least")],
)
def test_wrong_values_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        LrcnImageProcessor(**options)
