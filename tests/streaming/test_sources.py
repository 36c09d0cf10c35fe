"""What a source is, told from how it is named."""

import os

import pytest

from lrcn_hub.data.videos import UnreadableVideoError
from lrcn_hub.streaming import Source


@pytest.mark.parametrize(
    ("given", "kind", "live"),
    [
        ("-", "pipe", False),
        ("http://host/stream", "url", True),
        ("rtsp://me:secret@host/1", "url", True),
        ("srt+x.y://host", "url", True),
        ("/dev/null", "device", True),  # a character device, as cameras are
        ("no/such/file.mp4", "file", False),
        ("a:b.mp4", "file", False),
    ],
)
def test_the_kind_follows_from_the_name(given, kind, live):
    assert (Source(given).kind, Source(given).live) == (kind, live)


def test_a_named_pipe_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert Source(str(tmp_path / "pipe")).kind == "pipe"


def test_a_camera_that_is_pulled_out_is_still_one(tmp_path):
    link = tmp_path / "video0"
    link.symlink_to("/dev/null")
    source = Source(str(link))
    assert source.live
    link.unlink()
    assert source.live


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("rtsp://me:secret@host:554/1", "rtsp://***@host:554/1"),
        ("rtsp://me:p@ss@host/1", "rtsp://***@host/1"),
        ("http://host/a@b", "http://host/a@b"),
        ("mail@home.mp4", "mail@home.mp4"),
    ],
)
def test_a_password_is_not_shown(given, name):
    assert Source(given).name == name


def test_a_file_that_is_no_video_is_refused_before_anything_is_loaded(tmp_path, write_video, noise):
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    for given, reason in (
        (text, "it is not a video"),
        (tmp_path / "none.mp4", "there is no such file"),
        (tmp_path, ""),
    ):
        with pytest.raises(UnreadableVideoError, match=f"{given.name}: {reason}"):
            Source(str(given)).check()
    Source(str(write_video("a.mkv", noise(2)))).check()
    Source("http://127.0.0.1:9/later").check()


def test_a_device_that_is_no_camera_is_refused_by_name():
    with pytest.raises(UnreadableVideoError, match="/dev/null: "), Source("/dev/null").open(1.0, {}):
        pass
