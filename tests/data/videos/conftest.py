"""Small videos made with PyAV: every frame is a grey that tells its number, with a white square at its upper left."""

from fractions import Fraction

import av
import numpy as np
import pytest

LEVELS = 12  # between the greys of two frames: far more than lossy coding changes
MILLISECOND = Fraction(1, 1000)


def numbered_frame(number, height, width):
    frame = np.full((height, width, 3), LEVELS * number, np.uint8)
    frame[: height // 4, : width // 4] = 255
    return frame


@pytest.fixture
def numbers():
    """Tell frames' numbers from their greys, looked for in the middle, which no rotation moves."""

    def read(frames):
        middle = frames[:, frames.shape[1] // 2, frames.shape[2] // 2].mean(-1)
        assert np.abs(middle - LEVELS * np.round(middle / LEVELS)).max() < LEVELS / 3
        return np.round(middle / LEVELS).astype(int).tolist()

    return read


@pytest.fixture
def make_video(tmp_path):
    """Write a video of numbered frames and return its path; `stamps` are in milliseconds, `rotation` in degrees."""

    def make(name, frames=10, *, codec="mpeg4", size=(48, 64), rotation=0, stamps=None, options=None, rgb=None):
        path = tmp_path / name
        height, width = size
        with av.open(str(path), "w") as container:
            pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream = container.add_stream(codec, rate=25, width=width, height=height, pix_fmt=pix_fmt)
            stream.options = options or {}
            if rotation:
                stream.set_display_rotation(rotation)
            if stamps:
                stream.codec_context.time_base = MILLISECOND
            for index in range(frames):
                image = numbered_frame(index, height, width) if rgb is None else rgb[index]
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                if stamps:
                    frame.pts, frame.time_base = stamps[index], MILLISECOND
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def damaged_video(make_video):
    """An H.264 video of 20 frames; the data of frame 10 announce more than there is."""
    path = make_video("damaged.mp4", 20, codec="libx264", options={"g": "5", "bf": "0"})
    with av.open(str(path)) as container:
        position = [packet.pos for packet in container.demux(video=0) if packet.size][10]
    with open(path, "r+b") as file:
        file.seek(position)
        file.write(b"\x7f" * 16)
    return path
