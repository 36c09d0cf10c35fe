"""Optical flow of a video as the authors' flow images, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

import cv2
import numpy as np
from tqdm import tqdm

from lrcn_hub.data.bad_samples import BadSample, OnBadSample, report_bad_samples
from lrcn_hub.data.videos import UnreadableVideoError, iterate_frames, probe
from lrcn_hub.data.videos.pyav import VideoSource, refuse_cut_short

logger = logging.getLogger(__name__)

_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


@dataclass(frozen=True)
class FlowOptions:
    """How flow is computed and kept; every value is part of what a kept file is known by."""

    preset: Literal["ultrafast", "fast", "medium"] = "medium"
    """Of OpenCV's DIS: quality against speed."""
    size: tuple[int, int] | None = None
    """(height, width) to which frames are scaled first; displacements are in pixels of that size."""
    image_format: Literal["png", "jpg"] = "png"
    """png keeps every value; jpg, as the authors saved them, takes about a fifth of the space."""

    def __post_init__(self) -> None:
        if self.preset not in _PRESETS:
            raise ValueError(f"preset={self.preset!r}: choose one of {', '.join(_PRESETS)}")
        if self.image_format not in ("png", "jpg"):
            raise ValueError(f"image_format={self.image_format!r}: choose png or jpg")


def flow_field(previous: np.ndarray, following: np.ndarray, preset: str = "medium") -> np.ndarray:
    """Compute where each pixel of `previous` goes, by OpenCV's DIS; uint8 RGB frames to float32 (H, W, 2), in pixels.

    x is positive to the right, y downwards.
    """
    grey = [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in (previous, following)]
    return cv2.DISOpticalFlow_create(_PRESETS[preset]).calc(*grey, None)


def encode_flow(field: np.ndarray) -> np.ndarray:
    """Turn a flow field, (..., 2), into the authors' image, uint8 (..., 3): x, y and magnitude as R, G and B.

    Each is v * 16 + 128, clipped to 0..255 (``create_flow_images_LRCN.m``), so 8 pixels is the most that is told
    apart, and a magnitude is never below 128. Halves are rounded away from zero, as Matlab's ``uint8`` does; NaN
    becomes 0, as there.
    """
    x, y = np.moveaxis(np.asarray(field, np.float64), -1, 0)
    scaled = np.stack([x, y, np.sqrt(x**2 + y**2)], axis=-1) * 16 + 128
    return np.nan_to_num(np.floor(np.clip(scaled, 0, 255) + 0.5)).astype(np.uint8)


def flow_images(frames: Iterator[np.ndarray] | np.ndarray, preset: str = "medium") -> Iterator[np.ndarray]:
    """Give the flow image of every two consecutive frames; N frames make N - 1."""
    previous = None
    for frame in frames:
        if previous is not None:
            yield encode_flow(flow_field(previous, frame, preset))
        previous = frame


def flow_of_video(
    path: VideoSource,
    cache_folder: str | os.PathLike[str],
    indices: Sequence[int] | np.ndarray | None = None,
    options: FlowOptions = FlowOptions(),
) -> np.ndarray:
    """Read a video's flow images, those at `indices` or all, uint8 (images, H, W, 3); computed the first time.

    Image 0 is between the first two frames. Raises `UnreadableVideoError` for a video that cannot be read or has a
    single frame, and ValueError for an index outside.
    """
    with zipfile.ZipFile(flow_file(path, cache_folder, options)) as archive:
        names = archive.namelist()
        wanted = range(len(names)) if indices is None else [int(index) for index in indices]
        for index in wanted:
            if not 0 <= index < len(names):
                raise ValueError(f"{path}: flow image {index} asked for; there are {len(names)}, counted from 0")
        images = {index: _decoded(archive.read(names[index])) for index in set(wanted)}
    return np.stack([images[index] for index in wanted])


def flow_file(
    path: VideoSource,
    cache_folder: str | os.PathLike[str],
    options: FlowOptions = FlowOptions(),
) -> Path:
    """Find, or compute and write, the file that keeps a video's flow: a zip archive of images.

    An image is called after the second of its two frames, counted from 1: ``0002.png`` first. The file is known by
    the video's path, size and time of change and by the options; it is written whole or not at all.
    """
    name = os.fspath(path)
    try:
        status = os.stat(name)
    except OSError as error:
        raise UnreadableVideoError(name, error.strerror or str(error)) from error
    described = [os.path.realpath(name), status.st_size, status.st_mtime_ns, asdict(options), cv2.__version__]
    key = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]
    file = Path(cache_folder) / f"{Path(name).stem[:60]}-{key}.zip"
    if not file.exists():
        _write_flow(path, file, options)
    return file


def prepare_flow(
    paths: Sequence[VideoSource],
    cache_folder: str | os.PathLike[str],
    options: FlowOptions = FlowOptions(),
    *,
    workers: int = 1,
    on_bad_sample: OnBadSample = "refuse",
) -> list[BadSample]:
    """Compute and keep the flow of many videos, `workers` at a time; return those that cannot be used.

    What is already there is not computed again, so the same call goes on where a killed one stopped. All videos are
    tried before, with ``"refuse"``, a ValueError names the bad ones.
    """

    def prepare(path: VideoSource) -> BadSample | None:
        try:
            flow_file(path, cache_folder, options)
        except UnreadableVideoError as error:
            return BadSample(error.name, error.reason)
        return None

    verdicts = []
    with ThreadPoolExecutor(workers) as pool:  # threads: decoding, DIS and the image codec release Python's lock
        try:
            for verdict in tqdm(pool.map(prepare, paths), total=len(paths), desc="Computing flow", unit="video"):
                verdicts.append(verdict)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # an interrupt must not wait for the videos not yet begun
            raise
    bad = [verdict for verdict in verdicts if verdict is not None]
    report_bad_samples(bad, len(verdicts), on_bad_sample, kind="videos")
    return bad


def _write_flow(path: VideoSource, file: Path, options: FlowOptions) -> None:
    refuse_cut_short(path)
    info = probe(path)
    frames = (frame for frame, _ in iterate_frames(path, size=options.size or (info.height, info.width)))
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.{uuid4().hex}.unfinished")
    count = 0
    try:
        with zipfile.ZipFile(unfinished, "w") as archive:
            for count, image in enumerate(flow_images(frames, options.preset), start=1):
                archive.writestr(f"{count + 1:04d}.{options.image_format}", _encoded(image, options.image_format))
        if not count:
            raise UnreadableVideoError(os.fspath(path), "flow needs at least two frames")
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)


def _encoded(image: np.ndarray, image_format: str) -> bytes:
    return cv2.imencode(f".{image_format}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def _decoded(image: bytes) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
