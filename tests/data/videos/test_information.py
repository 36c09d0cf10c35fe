import pytest

from lrcn_hub.data.videos import UnreadableVideoError, VideoInfo, probe


def test_a_video_tells_its_size_length_and_rate(make_video):
    assert probe(make_video("video.mp4", 10)) == VideoInfo(10, 25.0, 0.4, width=64, height=48, rotation=0)


def test_frames_are_estimated_where_the_header_does_not_count_them(make_video):
    assert probe(make_video("video.mkv", 10)).frames == 10


def test_a_turned_video_has_the_size_of_the_upright_frame(make_video):
    info = probe(make_video("video.mov", 10, rotation=90))
    assert (info.width, info.height, info.rotation) == (48, 64, 90)


def test_what_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(UnreadableVideoError, match=r"nothing\.mp4: there is no such file"):
        probe(tmp_path / "nothing.mp4")
