"""Frames as the report shows them: pictures inside the page."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image


def film(frames: np.ndarray, count: int) -> list[str]:
    """Choose `count` frames of uint8 RGB (frames, H, W, 3), evenly from first to last, as data URLs."""
    chosen = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [picture_url(frames[number]) for number in chosen]


def picture_url(frame: np.ndarray) -> str:
    """Give a picture, uint8 RGB (H, W, 3), as the data URL of a PNG."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "PNG")
    return png_url(file.getvalue())


def png_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
