import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from lrcn_hub.data.videos import read_frames, torchcodec_loads

needs_torchcodec = pytest.mark.skipif(not torchcodec_loads(), reason="torchcodec or FFmpeg's libraries are not here")


@needs_torchcodec
@pytest.mark.parametrize("codec", ["mpeg4", "libx264", "mjpeg"])
@pytest.mark.parametrize("name", ["video.mp4", "video.mkv", "ünd: so %d.mov"])
@pytest.mark.parametrize("rotation", [0, 90])
def test_both_decoders_give_the_same_frames(make_video, numbers, codec, name, rotation):
    path = make_video(name, 20, codec=codec, rotation=rotation, options={"g": "7"})
    one, other = (read_frames(path, backend=backend) for backend in ("torchcodec", "pyav"))
    assert numbers(one) == list(range(20))
    np.testing.assert_array_equal(one, other)
    some = [19, 4, 4, 11]
    np.testing.assert_array_equal(read_frames(path, some, backend="torchcodec", size=(30, 30)),
                                  read_frames(path, some, backend="pyav", size=(30, 30)))  # fmt: skip


@needs_torchcodec
def test_both_decoders_give_the_same_frames_of_a_variable_rate(make_video):
    path = make_video("video.mkv", 8, stamps=[0, 40, 140, 150, 400, 420, 430, 800])
    np.testing.assert_array_equal(read_frames(path, backend="torchcodec"), read_frames(path, backend="pyav"))


@pytest.mark.skipif(find_spec("torchcodec") is None, reason="torchcodec is not installed")
def test_torchcodec_without_ffmpeg_is_passed_over_in_silence(make_video, tmp_path):
    path = make_video("video.mp4", 3)
    for name, versions in {"avutil": range(56, 62), "avcodec": range(58, 64), "avformat": range(58, 64)}.items():
        for version in versions:  # found before the system's, and no library
            (tmp_path / f"lib{name}.so.{version}").touch()
    program = (
        "from lrcn_hub.data.videos import read_frames, torchcodec_loads\n"
        f"print(read_frames({str(path)!r}).shape, torchcodec_loads())"
    )
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.stdout, answer.stderr) == ("(3, 48, 64, 3) False\n", "")
