"""Actions as videos: the scenes drawn one after the other, with the texture and the noise a camera would see."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal

import numpy as np
from PIL import Image

from lrcn_hub.data.moving_shapes.actions import FORWARD, random_action
from lrcn_hub.data.moving_shapes.drawing import draw_scene
from lrcn_hub.data.moving_shapes.scenes import Scene

TEXTURE = 12  # grey levels by which a spot of the texture is lighter or darker
SPOTS = 9  # from one side to the other
NOISE = 5  # grey levels by which a pixel of one frame is off at most
FRAME_RATE = 8  # frames per second

Frames = np.ndarray[Any, np.dtype[np.uint8]]


def draw_action(action: str, random: Random, picture_size: int = 48) -> Frames:
    """A video of `action`: uint8 RGB, shape (frames, picture_size, picture_size, 3).

    The same `random` gives an action and its partner the very same frames, in opposite order.
    """
    if action in FORWARD:
        return draw_action(FORWARD[action], random, picture_size)[::-1]
    camera_seed = random.getrandbits(32)
    return film(random_action(action, random), camera_seed, picture_size)


def film(scenes: Sequence[Scene], camera_seed: int, picture_size: int) -> Frames:
    """Draw one frame of each scene: uint8 RGB, (frames, picture_size, picture_size, 3)."""
    camera = np.random.RandomState(camera_seed)  # the same numbers in every version of numpy
    spots = camera.randint(0, 2 * TEXTURE + 1, (SPOTS, SPOTS)).astype(np.uint8)
    texture = np.asarray(Image.fromarray(spots).resize((picture_size, picture_size), Image.Resampling.BICUBIC))
    pictures = [draw_scene(scene, picture_size) for scene in scenes]
    frames = np.stack([np.asarray(picture) for picture in pictures]).astype(np.int16)
    frames += texture[:, :, None] - np.int16(TEXTURE)
    frames += camera.randint(-NOISE, NOISE + 1, frames.shape, dtype=np.int16)
    return frames.clip(0, 255).astype(np.uint8)


def write_video(frames: Frames, path: Path, codec: Literal["rawvideo", "png"] = "rawvideo") -> None:
    """Write a QuickTime file that keeps every pixel. It appears under its name when it is whole.

    "png" makes smaller files of pictures without texture and noise.
    """
    import av  # takes a while to load, and only videos need it

    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with av.open(part, "w", format="mov", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=FRAME_RATE, pix_fmt="rgb24")
        stream.height, stream.width = frames.shape[1:3]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))
    part.replace(path)
