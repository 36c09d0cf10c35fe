import pytest

from lrcn_hub.data.videos import check_videos


@pytest.fixture
def paths(make_video, tmp_path):
    good, cut = make_video("good.mp4"), make_video("cut.avi")
    cut.write_bytes(cut.read_bytes()[:-100])
    (tmp_path / "empty.mp4").touch()
    return [good, cut, tmp_path / "empty.mp4", tmp_path / "missing.mp4"]


def test_unreadable_videos_are_refused_by_name(paths):
    with pytest.raises(ValueError, match=r"3 of 4 videos cannot be used") as caught:
        check_videos(paths)
    assert "cut.avi: cut short" in str(caught.value) and "missing.mp4: there is no" in str(caught.value)


def test_or_left_out_and_counted(paths):
    good, bad = check_videos(paths, "skip")
    assert good == [True, False, False, False]
    assert [sample.name for sample in bad] == [str(path) for path in paths[1:]]


def test_damage_in_the_middle_is_found_where_every_frame_is_looked_at(damaged_video):
    assert check_videos([damaged_video])[0] == [True]
    good, (bad,) = check_videos([damaged_video], "skip", every_frame=True)
    assert good == [False] and "damaged; 10 frames" in bad.reason
