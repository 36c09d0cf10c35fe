"""Pictures to pixel values: the authors' preprocessing, or a timm network's own."""

import math
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as tvF
from transformers.image_processing_backends import TorchvisionBackend
from transformers.image_processing_utils import BatchFeature
from transformers.image_utils import PILImageResampling, SizeDict
from transformers.processing_utils import ImagesKwargs, Unpack

from .limits_lrcn import MAX_SIDE, check_count

CAFFE_MEAN_RGB = (123.0, 117.0, 104.0)  # lrcn.prototxt: mean_value 104, 117, 123, in BGR order


class LrcnImageProcessorKwargs(ImagesKwargs, total=False):  # type: ignore[call-arg]  # a TypedDict, seen as Any
    """What this processor can do beyond the stock one.

    - edge_crop: share of each dimension cut off in all, half at each edge, before resizing. The authors' captioner.py
      cuts 29/256 of the original picture and resizes the rest straight to the network's input.
    - channel_order: "rgb", or "bgr", the order of networks trained with Caffe. Mean and std are given in RGB.
    - antialias: smooth when shrinking, as Pillow and timm do; Caffe's tools do not.
    """

    edge_crop: float
    channel_order: str
    antialias: bool


class LrcnImageProcessor(TorchvisionBackend):
    """Resize, crop, scale and normalise pictures to (batch, 3, H, W).

    The defaults are Caffe's test phase: the whole picture warped to 256 x 256, the centre 227 x 227 taken, the mean
    subtracted from values 0..255. `for_timm` gives a timm network's own numbers.
    """

    valid_kwargs = LrcnImageProcessorKwargs
    model_input_names = ("pixel_values",)
    do_convert_rgb = True
    do_resize = True
    size: Any = {"height": 256, "width": 256}  # noqa: RUF012 - the stock processors' way of giving defaults
    default_to_square = True
    resample = PILImageResampling.BILINEAR
    do_center_crop = True
    crop_size: Any = {"height": 227, "width": 227}  # noqa: RUF012
    do_rescale = True
    rescale_factor = 1.0
    do_normalize = True
    image_mean = CAFFE_MEAN_RGB
    image_std = (1.0, 1.0, 1.0)
    edge_crop = 0.0
    channel_order = "bgr"
    antialias = False

    def __init__(self, **kwargs: Unpack[LrcnImageProcessorKwargs]):
        super().__init__(**kwargs)
        if self.channel_order not in ("rgb", "bgr"):
            raise ValueError(f"channel_order is {self.channel_order!r}; it must be 'rgb' or 'bgr'")
        if not 0 <= self.edge_crop < 1:
            raise ValueError(f"edge_crop is {self.edge_crop}; it must be at least 0 and below 1")
        for name in ("size", "crop_size"):
            for edge, pixels in dict(getattr(self, name) or {}).items():
                check_count(f"{name}.{edge}", pixels, MAX_SIDE)

    @classmethod
    def for_timm(cls, network: Any, image_size: int | None = None) -> "LrcnImageProcessor":
        """Carry the evaluation preprocessing of a timm network over; `image_size` replaces its own input size."""
        from timm.data import resolve_model_data_config

        numbers = resolve_model_data_config(network)
        side = image_size or numbers["input_size"][-1]
        before_crop = math.floor(side / numbers["crop_pct"])
        squash = numbers["crop_mode"] == "squash"
        return cls(
            size={"height": before_crop, "width": before_crop} if squash else {"shortest_edge": before_crop},
            default_to_square=squash,
            crop_size={"height": side, "width": side},
            resample=getattr(PILImageResampling, numbers["interpolation"].upper()),
            rescale_factor=1 / 255,
            image_mean=list(numbers["mean"]),
            image_std=list(numbers["std"]),
            channel_order="rgb",
            antialias=True,
        )

    def random_view(self, image: Image.Image, generator: torch.Generator, *, mirror: bool = True) -> Tensor:
        """A training view, (3, H, W): resized as for evaluation, cropped anywhere, mirrored half of the time."""
        x = self._cut_edges(self.process_image(image, do_convert_rgb=True), self.edge_crop)
        if self.do_resize:
            x = self._resize(x, self.size, self.resample, self.antialias)
        if self.do_center_crop:
            wanted = (self.crop_size.height, self.crop_size.width)
            spare = [max(have - want, 0) for have, want in zip(x.shape[-2:], wanted, strict=True)]
            top, left = (int(torch.randint(space + 1, (), generator=generator)) for space in spare)
            x = tvF.crop(x, top, left, *wanted)
        if mirror and torch.rand((), generator=generator) < 0.5:
            x = x.flip(-1)
        x = self.rescale_and_normalize(
            x, self.do_rescale, self.rescale_factor, self.do_normalize, tuple(self.image_mean), tuple(self.image_std)
        )
        return x.flip(-3) if self.channel_order == "bgr" else x

    def _resize(self, x: Tensor, size: SizeDict, resample: Any, antialias: bool) -> Tensor:
        # Whole grey levels as in Pillow and timm, or exact values as in captioner.py, where torch's bytes are 1 off.
        return self.resize(x if antialias else x.float(), size, resample, antialias=antialias)

    @staticmethod
    def _cut_edges(x: Tensor, share: float) -> Tensor:
        top, left = (int(side * share / 2 + 0.5) for side in x.shape[-2:])  # rounded as in captioner.py
        return x[..., top : x.shape[-2] - top, left : x.shape[-1] - left]

    def _preprocess(
        self,
        images: list[Tensor],
        do_resize: bool,
        size: SizeDict,
        resample: Any,
        do_center_crop: bool,
        crop_size: SizeDict,
        do_rescale: bool,
        rescale_factor: float,
        do_normalize: bool,
        image_mean: Any,
        image_std: Any,
        edge_crop: float,
        channel_order: str,
        antialias: bool,
        return_tensors: Any = None,
        **kwargs: Any,
    ) -> BatchFeature:
        views = []
        for image in images:  # pictures differ in size: nothing is gained by grouping them
            x = self._cut_edges(image, edge_crop)
            if do_resize:
                x = self._resize(x, size, resample, antialias)
            if do_center_crop:
                x = tvF.center_crop(x, [crop_size.height, crop_size.width])  # rounds the offset as timm and Caffe do
            x = self.rescale_and_normalize(x, do_rescale, rescale_factor, do_normalize, image_mean, image_std)
            views.append(x.flip(-3) if channel_order == "bgr" else x)
        return BatchFeature({"pixel_values": views}, tensor_type=return_tensors)


__all__ = ["LrcnImageProcessor"]
