"""Decoding with torchcodec, an optional dependency that needs FFmpeg's libraries on the system."""

from __future__ import annotations

import functools
import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence

import av
import numpy as np

logger = logging.getLogger(__name__)

# Containers that store presentation times, by which torchcodec finds frames. From an AVI file, UCF-101's included, it
# gives an error or, worse, other frames.
CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")

_CHUNK = 32  # frames decoded at a time, at full size


@functools.cache
def torchcodec_loads() -> bool:
    """Tell whether torchcodec can decode here: installed is not enough, it must find an FFmpeg it fits."""
    try:
        frames = list(decode(io.BytesIO(_one_frame()), 0, None))
    except Exception as error:  # what is missing shows as ImportError, OSError or RuntimeError
        logger.debug("torchcodec cannot be used, PyAV decodes videos: %s", error)
        return False
    return len(frames) == 1


def decode(
    source: str | os.PathLike[str] | io.BytesIO, stream_index: int, indices: Sequence[int] | None
) -> Iterator[np.ndarray]:
    """Decode the frames at `indices`, all by default; uint8 (height, width, 3) RGB each, rotation applied.

    Raises IndexError for a frame that does not exist, and whatever torchcodec does for what it cannot decode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchcodec.decoders import VideoDecoder

        decoder = VideoDecoder(source, stream_index=stream_index, dimension_order="NHWC")
    wanted = range(len(decoder)) if indices is None else indices
    if wanted and max(wanted) >= len(decoder):
        raise IndexError(f"frame {max(wanted)} of {len(decoder)}")
    for start in range(0, len(wanted), _CHUNK):
        yield from decoder.get_frames_at(list(wanted[start : start + _CHUNK])).data.numpy()


def _one_frame() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25, width=16, height=16, pix_fmt="yuv420p")
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()
