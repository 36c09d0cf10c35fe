"""Opening pictures: whatever the file holds becomes an upright 8-bit RGB image, or an error that names it."""

import io
import os
import threading
import warnings
from collections.abc import Callable
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 89_478_485
"""Pictures above this are refused before decoding: Pillow's own limit, a quarter of a GiB once decoded to RGB."""

ImageSource = str | os.PathLike[str] | bytes | Image.Image

_QUIET = threading.Lock()  # `catch_warnings` swaps process-wide state: one thread at a time may be inside


class UnreadableImageError(ValueError):
    """A picture that is missing, empty, not an image, damaged or too large; the message names it and says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:  # so that it crosses from a data-loading process
        return type(self), (self.name, self.reason)


def open_image(image: ImageSource, *, max_pixels: int = MAX_PIXELS, name: str | None = None) -> Image.Image:
    """Decode a picture completely and return it upright, in RGB, 8 bits per channel.

    Takes a path, the bytes of a file, or a PIL image (which is left as it was). EXIF rotation is applied, transparency
    is laid over white, 16-bit grey is scaled to 8 bits, and of an animation the first frame is taken. The format is
    recognised by content, not by the file's name. `name` is what an error calls the picture, by default its path.

    Raises `UnreadableImageError`, also for more than `max_pixels` pixels (a decompression bomb).
    """
    name = name or _name(image)
    try:
        if isinstance(image, Image.Image):
            return _decode(image, max_pixels)
        with io.BytesIO(image) if isinstance(image, bytes) else open(image, "rb") as file:
            return _decode(_read_header(file), max_pixels)
    except Exception as error:  # Pillow's decoders raise almost any exception on damaged bytes
        raise UnreadableImageError(name, _reason(error)) from error


def _read_header(file: BinaryIO) -> Image.Image:
    if not file.read(1):
        raise ValueError("the file is empty")
    file.seek(0)
    return _quietly(Image.open, file)


def _decode(image: Image.Image, max_pixels: int) -> Image.Image:
    width, height = image.size
    if width * height > max_pixels:
        raise ValueError(f"{width} x {height} = {width * height} pixels, more than the {max_pixels} allowed")
    image.load()
    return _to_rgb(_upright(image))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return _quietly(ImageOps.exif_transpose, image)
    except Exception:  # a damaged EXIF block says nothing about the picture itself
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey_to_8_bits(image).convert("RGB")
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return image.convert("RGB")


def _deep_grey_to_8_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey (white 65535) or floats (white 1.0) to 8 bits; a plain ``convert`` would cut, not scale."""
    if image.mode == "F":
        return image.point(lambda value: value * 255 + 0.5).convert("L")
    return image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")


def _quietly(call: Callable[..., Image.Image], *arguments: object) -> Image.Image:
    """Call without Pillow's warnings on large pictures and damaged metadata: the first are refused by size here."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*arguments)


def _name(image: ImageSource) -> str:
    if isinstance(image, bytes):
        return f"image of {len(image)} bytes"
    if isinstance(image, Image.Image):
        return str(getattr(image, "filename", "")) or f"{image.width} x {image.height} image"
    return os.fspath(image)


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or of a format Pillow does not know"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
