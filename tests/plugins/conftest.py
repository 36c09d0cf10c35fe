"""Small videos for the tests of the activity plugin."""

import av
import numpy as np
import pytest


@pytest.fixture(scope="session")
def write_video():
    """Write a file of moving noise, all different by `seed`, and return its path."""

    def write(path, frames=6, seed=0, size=(48, 64)):
        height, width = size
        noise = np.random.RandomState(seed).randint(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
        picture = noise.repeat(8, axis=0).repeat(8, axis=1)
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25, width=width, height=height, pix_fmt="yuv420p")
            for number in range(frames):
                shifted = np.roll(picture, 2 * number, axis=1)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(shifted, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return write
