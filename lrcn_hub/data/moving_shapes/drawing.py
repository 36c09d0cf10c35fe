"""Scenes as pictures: polygons drawn four times too large and averaged down, over a smooth background."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from lrcn_hub.data.moving_shapes.scenes import Scene, SceneObject

RGB = {
    "red": (217, 45, 48),
    "green": (52, 160, 76),
    "blue": (46, 98, 214),
    "yellow": (246, 202, 36),
    "purple": (138, 62, 178),
    "orange": (243, 130, 32),
}
TINT = 14  # grey levels between a colour and its lightest or darkest form
SHADOW = 0.015  # how far it falls to the right and down, as a fraction of the side
SHADOW_OPACITY = 0.18
OVERSAMPLING = 4


def draw_scene(scene: Scene, picture_size: int = 64) -> Image.Image:
    """The scene as an RGB picture, `picture_size` pixels wide and high. The same scene gives the same pixels."""
    picture = Image.fromarray(_background(scene, picture_size))
    fall = round(SHADOW * picture_size)
    for item in scene.objects:
        mask, left, top = _mask(item, picture_size)
        shadow = Image.blend(Image.new("L", mask.size), mask, SHADOW_OPACITY)
        picture.paste((0, 0, 0), (left + fall, top + fall), shadow)
        picture.paste(_rgb(item), (left, top), mask)
    return picture


def _background(scene: Scene, picture_size: int) -> np.ndarray[Any, Any]:
    """A linear run between the two tones, (size, size, 3)."""
    first, last = (np.array(tone, dtype=np.float32) for tone in scene.background)
    angle = np.deg2rad(scene.light)
    ramp = np.linspace(-0.5, 0.5, picture_size, dtype=np.float32)
    share = 0.5 + (ramp * np.cos(angle) + ramp[:, None] * np.sin(angle)) / np.sqrt(2)
    return (first + share[..., None] * (last - first) + 0.5).astype(np.uint8)


def _mask(item: SceneObject, picture_size: int) -> tuple[Image.Image, int, int]:
    """How much of each pixel an object covers (0 to 255), as a patch around it, and the patch's left and top."""
    sine, cosine = math.sin(math.radians(item.angle)), math.cos(math.radians(item.angle))
    scale = item.radius * picture_size
    side = 2 * math.ceil(1.3 * scale) + 2
    left, top = (int(place * picture_size) - side // 2 for place in (item.x, item.y))
    x, y = item.x * picture_size - left, item.y * picture_size - top
    corners = [
        (
            (x + scale * (a * cosine - b * sine)) * OVERSAMPLING - 0.5,
            (y + scale * (a * sine + b * cosine)) * OVERSAMPLING - 0.5,
        )
        for a, b in _outline(item.shape)
    ]
    patch = Image.new("L", (side * OVERSAMPLING, side * OVERSAMPLING))
    ImageDraw.Draw(patch).polygon(corners, fill=255)
    return patch.reduce(OVERSAMPLING), left, top


def _rgb(item: SceneObject) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, round(level + TINT * item.tint))) for level in RGB[item.colour])
    return red, green, blue


@lru_cache
def _outline(shape: str) -> list[tuple[float, float]]:
    """A shape's corners around (0, 0), its radius about 1; y grows downwards."""
    match shape:
        case "circle":
            return _ring(48)
        case "square":
            return _ring(4, turn=45, radius=1.2)
        case "triangle":
            return [(x, y + 0.2) for x, y in _ring(3, radius=1.15)]
        case "star":
            return [
                point
                for pair in zip(_ring(5, radius=1.1), _ring(5, turn=36, radius=0.5), strict=True)
                for point in pair
            ]
        case "heart":
            turns = (math.radians(degrees) for degrees in range(0, 360, 8))
            return [(16 / 15.5 * math.sin(t) ** 3, -_heart_height(t)) for t in turns]
    raise ValueError(f"no outline is known for the shape {shape!r}; add one here")


def _ring(corners: int, turn: float = 0.0, radius: float = 1.0) -> list[tuple[float, float]]:
    """A regular polygon with a corner at the top, then turned by `turn` degrees."""
    angles = (math.radians(turn + 360 * corner / corners) for corner in range(corners))
    return [(radius * math.sin(angle), -radius * math.cos(angle)) for angle in angles]


def _heart_height(t: float) -> float:
    """The classic heart curve's height at `t` radians (0: the notch), centred and scaled to a radius of about 1."""
    return (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t) + 2) / 15.5
