"""Videos to pixel values: the authors' preprocessing of a clip, or a timm network's own for each of its frames."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tvF
from transformers.image_processing_utils import BatchFeature
from transformers.image_utils import PILImageResampling, SizeDict
from transformers.processing_utils import Unpack, VideosKwargs
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from .frame_ticks_lrcn import FrameTicks
from .image_processing_lrcn import LrcnImageProcessor
from .limits_lrcn import MAX_SIDE, check_count

STREAMS = ("rgb", "flow")
CAFFE_VIDEO_MEAN_RGB = (128.68, 116.779, 103.939)  # sequence_input_layer.py; 128.68 is its own slip for 123.68
FLOW_MEAN = (128.0, 128.0, 128.0)


class LrcnVideoProcessorKwargs(VideosKwargs, total=False):  # type: ignore[call-arg]  # a TypedDict, seen as Any
    """What this processor can do beyond the stock one.

    - channel_order: "rgb", or "bgr", the order of networks trained with Caffe. Mean and std are given in RGB.
    - antialias: smooth when shrinking, as Pillow and timm do; Caffe's tools do not.
    - stream: what the model looks at, "rgb" frames or "flow" images (flow-x, flow-y, magnitude).
    """

    channel_order: str
    antialias: bool
    stream: str


class LrcnVideoProcessor(BaseVideoProcessor):
    """Clips to pixel_values (batch, frames, 3, H, W) and frame_mask (batch, frames), True where there is a frame.

    The defaults are the authors' test phase: frames resized to 240 x 320, the centre 227 x 227 taken, the mean
    subtracted from values 0..255, BGR. Asked to sample, it takes the `num_frames` successive frames in the middle.
    Files are decoded by PyAV, upright.
    """

    valid_kwargs = LrcnVideoProcessorKwargs
    model_input_names = ("pixel_values", "frame_mask")
    do_convert_rgb = False
    do_resize = True
    size: Any = {"height": 240, "width": 320}  # noqa: RUF012 - the stock processors' way of giving defaults
    default_to_square = True
    resample = PILImageResampling.BILINEAR
    do_center_crop = True
    crop_size: Any = {"height": 227, "width": 227}  # noqa: RUF012
    do_rescale = True
    rescale_factor = 1.0
    do_normalize = True
    image_mean: Any = CAFFE_VIDEO_MEAN_RGB
    image_std: Any = (1.0, 1.0, 1.0)
    do_sample_frames = False
    num_frames = 16
    channel_order = "bgr"
    antialias = False
    stream = "rgb"

    def __init__(self, **kwargs: Unpack[LrcnVideoProcessorKwargs]):
        super().__init__(**kwargs)
        for name, known in (("channel_order", ("rgb", "bgr")), ("stream", STREAMS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be {' or '.join(map(repr, known))}")
        for name in ("size", "crop_size"):
            for edge, pixels in dict(getattr(self, name) or {}).items():
                check_count(f"{name}.{edge}", pixels, MAX_SIDE)

    @classmethod
    def for_timm(cls, network: Any, image_size: int | None = None, stream: str = "rgb") -> "LrcnVideoProcessor":
        """Carry the evaluation preprocessing of a timm network over; `image_size` replaces its own input size."""
        still = LrcnImageProcessor.for_timm(network, image_size)
        names = ("size", "default_to_square", "crop_size", "resample", "rescale_factor", "image_mean", "image_std")
        values = {name: getattr(still, name) for name in (*names, "channel_order", "antialias")}
        return cls(**{**values, "size": dict(still.size), "crop_size": dict(still.crop_size), "stream": stream})

    def resized(self, frames: Tensor) -> Tensor:
        """Resize frames, uint8 (T, 3, h, w), as `size` says."""
        return self._scaled(frames, self.size, self.resample, self.antialias) if self.do_resize else frames

    def warped(self, frames: Tensor) -> Tensor:
        """Resize whole frames (T, 3, h, w) to what is otherwise cut out of them."""
        return self._scaled(frames, self.crop_size, self.resample, self.antialias)

    def normalized(self, frames: Tensor) -> Tensor:
        """Scale and shift the values of frames (T, 3, H, W), and put the channels in the network's order."""
        values = (self.do_rescale, self.rescale_factor, self.do_normalize, self.image_mean, self.image_std)
        return self._network_values(frames, self.channel_order, *values)

    def _network_values(
        self,
        x: Tensor,
        channel_order: str,
        do_rescale: bool,
        rescale_factor: float,
        do_normalize: bool,
        image_mean: Any,
        image_std: Any,
    ) -> Tensor:
        """Do what `normalized` does, channels last in memory."""
        mean, std = tuple(image_mean), tuple(image_std)
        x = x.permute(0, 2, 3, 1)
        if channel_order == "bgr":
            x, mean, std = x.index_select(-1, torch.tensor([2, 1, 0], device=x.device)), mean[::-1], std[::-1]
        rows = x.flatten(2)  # (T, H, W * 3): a loop over whole rows is faster than over 3 channels
        width = x.shape[-2]
        rows = self.rescale_and_normalize(
            rows[..., None, None], do_rescale, rescale_factor, do_normalize, mean * width, std * width
        )
        return rows[..., 0, 0].unflatten(2, (width, -1)).permute(0, 3, 1, 2)

    def sample_frames(self, metadata: VideoMetadata, num_frames: int | None = None, **kwargs: Any) -> np.ndarray:
        """Choose the `num_frames` successive frames in the middle, or all there are of a shorter video."""
        total = int(metadata.total_num_frames)
        wanted = min(num_frames or self.num_frames, total)
        return (total - wanted) // 2 + np.arange(wanted)

    def fetch_videos(self, video_url_or_urls: Any, sample_indices_fn: Any = None) -> Any:
        """Decode files or URLs: RGB frames, uint8 (T, H, W, 3), and their metadata; lists of both for a list."""
        if isinstance(video_url_or_urls, list):
            return list(zip(*[self.fetch_videos(one, sample_indices_fn) for one in video_url_or_urls], strict=True))
        if self.stream == "flow":
            raise ValueError(
                f"{video_url_or_urls}: this model looks at optical flow, not at frames: give it flow images as arrays"
            )
        return _decode(os.fspath(video_url_or_urls), sample_indices_fn)

    def _scaled(self, x: Tensor, size: SizeDict, resample: Any, antialias: bool) -> Tensor:
        if tuple(x.shape[-2:]) == (size.height, size.width):
            return x
        # Whole grey levels as in Pillow and timm, or exact values as in the authors' code.
        return self.resize(x if antialias else x.float(), size, resample, antialias=antialias)

    def _preprocess(
        self,
        videos: list[Tensor],
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
        channel_order: str,
        antialias: bool,
        return_tensors: Any = None,
        **kwargs: Any,
    ) -> BatchFeature:
        clips = []
        for x in videos:
            if do_resize:
                x = self._scaled(x, size, resample, antialias)
            if do_center_crop:
                x = tvF.center_crop(x, [crop_size.height, crop_size.width])
            values = (do_rescale, rescale_factor, do_normalize, image_mean, image_std)
            clips.append(self._network_values(x, channel_order, *values))
        return BatchFeature(pad_clips(clips), tensor_type=return_tensors)


def pad_clips(clips: list[Tensor]) -> dict[str, Tensor]:
    """Put clips (T, 3, H, W) of different lengths in one batch: pixel_values (B, T, 3, H, W), frame_mask (B, T)."""
    lengths = torch.tensor([len(clip) for clip in clips])
    return {
        "pixel_values": torch.nn.utils.rnn.pad_sequence(clips, batch_first=True),
        "frame_mask": torch.arange(int(lengths.max()))[None] < lengths[:, None],
    }


def _decode(source: str, sample_indices_fn: Any) -> tuple[np.ndarray, VideoMetadata]:
    """Read the frames that are asked for, or all, of a file or URL by PyAV; headers are not believed, but counted."""
    import av

    name = f"file:{source}" if os.path.isfile(source) else source  # or what stands before a colon is a protocol
    try:
        with av.open(name) as container:
            stream = container.streams.video[0]
            total = sum(bool(packet.size) and not packet.is_discard for packet in container.demux(stream))
            metadata = VideoMetadata(total, fps=float(stream.average_rate or 25), video_backend="pyav")
        chosen = np.arange(total) if sample_indices_fn is None else sample_indices_fn(metadata)
        wanted, frames = {int(index) for index in chosen}, {}
        with av.open(name) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index in wanted:
                    frames[index] = _upright(frame)
                if len(frames) == len(wanted):
                    break
    except (OSError, ValueError, IndexError) as error:
        raise ValueError(f"{source}: this video cannot be read ({error})") from error
    if not wanted or len(frames) < len(wanted):
        raise ValueError(f"{source}: this video has {len(frames)} of the {len(wanted)} frames that are needed")
    metadata.frames_indices = chosen
    return np.stack([frames[int(index)] for index in chosen]), metadata


def read_at_ticks(
    source: str | os.PathLike[str],
    start: float | None = None,
    end: float | None = None,
    rate: float | None = None,
    most: int | None = None,
) -> np.ndarray:
    """Read the frames of a file or URL that `FrameTicks` takes from `start` up to, but not, `end`; uint8 (T, H, W, 3).

    Times are seconds since the first frame. It decodes from the first frame on, and no further than it must. Raises
    ValueError with the name of what cannot be read, or has no frame there.
    """
    import av

    name, ticks = os.fspath(source), FrameTicks(rate, start or 0.0, most)
    if end is not None and not ticks.start < end:
        raise ValueError(f"{name}: the segment from {ticks.start} s to {end} s is empty: it must end after it starts")
    frames: list[np.ndarray] = []
    last: float | None = None
    size: dict[str, int] = {}
    try:
        with av.open(f"file:{name}" if os.path.isfile(name) else name) as container:
            for time, frame in _timed(container):
                if (end is not None and time >= end) or ticks.taken == most:
                    break
                last, size = time, size or {"width": frame.width, "height": frame.height}
                if ticks.takes(time):
                    frames.append(_upright(frame, **size))
    except (OSError, ValueError, IndexError) as error:
        raise ValueError(f"{name}: this video cannot be read ({error})") from error
    if not frames:
        there = "it has no frames" if last is None else f"its last one is at {last:.3f} s"
        raise ValueError(f"{name}: no frame lies from {ticks.start} s to {end or 'its end'}: {there}")
    return np.stack(frames)


def _timed(container: Any) -> Iterator[tuple[float, Any]]:
    """Decode frames with their times, which always grow; of AVI, which stores none, and where one lacks, evenly."""
    stream = container.streams.video[0]
    step, evenly = 1 / float(stream.average_rate or stream.guessed_rate or 25), container.format.name == "avi"
    first, time = None, 0.0
    for number, frame in enumerate(container.decode(stream)):
        if number == 0:
            first = frame.pts
        elif evenly:
            time = number * step
        else:
            stamped = None if frame.pts is None or first is None else float((frame.pts - first) * stream.time_base)
            time = stamped if stamped is not None and stamped > time else time + step
        yield time, frame


def _upright(frame: Any, **size: int) -> np.ndarray:
    return np.rot90(frame.to_ndarray(format="rgb24", **size), round(getattr(frame, "rotation", 0) / 90))


__all__ = ["LrcnVideoProcessor"]
