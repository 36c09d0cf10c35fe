from collections import Counter
from random import Random

import av
import numpy as np
import pytest

from lrcn_hub.data.moving_shapes import ACTIONS, draw_action, write_video
from lrcn_hub.data.moving_shapes.actions import PAIRS
from lrcn_hub.data.videos import probe, read_frames


def frame_counts(video):
    return Counter(frame.tobytes() for frame in video)


@pytest.mark.parametrize(("action", "partner"), PAIRS)
def test_partners_are_the_same_frames_in_opposite_order(action, partner):
    for seed in range(5):
        video, backwards = draw_action(action, Random(seed)), draw_action(partner, Random(seed))
        assert np.array_equal(video[::-1], backwards)
        assert frame_counts(video) == frame_counts(backwards)
        assert not np.array_equal(video, backwards)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_frame_differs_from_the_next_by_motion_and_noise(action):
    video = draw_action(action, Random(3), picture_size=40)
    assert (video.shape, video.dtype) == ((16, 40, 40, 3), np.uint8)
    assert len(frame_counts(video)) == 16
    moved = np.abs(np.diff(video.astype(int), axis=0)).max(axis=(1, 2, 3))
    assert moved.max() > 40  # more than noise can do


def test_a_frame_uses_the_range_of_grey_levels_well():
    videos = np.stack([draw_action(action, Random(seed)) for action in ACTIONS for seed in range(3)])
    assert videos.min() < 60
    assert 235 < videos.max() <= 255
    assert 180 < videos.mean() < 230  # light backgrounds, and the clipping has not turned them over


def test_the_background_is_textured_and_the_texture_stands_still():
    video = draw_action("red then blue", Random(5)).astype(float)
    corner = video[:, :12, :12].mean(axis=-1)
    still, noise = corner.mean(axis=0).std(), (corner - corner.mean(axis=0)).std()
    assert still > 1.5
    assert 1 < noise < 3  # of three channels' mean, each evenly within 5 grey levels


def test_another_seed_makes_another_video_and_the_same_seed_the_same():
    videos = [draw_action("approaching", Random(seed)).tobytes() for seed in (0, 1, 0)]
    assert videos[0] == videos[2] != videos[1]


def test_a_written_video_keeps_every_pixel(tmp_path):
    video = draw_action("circling counter-clockwise", Random(0), picture_size=41)  # odd, which many codecs refuse
    write_video(video, tmp_path / "circling.mov")
    assert np.array_equal(read_frames(tmp_path / "circling.mov"), video)
    assert [path.name for path in tmp_path.iterdir()] == ["circling.mov"]
    assert (probe(tmp_path / "circling.mov").frames, probe(tmp_path / "circling.mov").fps) == (16, 8)


def test_a_video_that_cannot_be_written_leaves_none_under_its_name(tmp_path):
    with pytest.raises((ValueError, av.FFmpegError)):
        write_video(np.zeros((2, 8, 8, 4), np.uint8), tmp_path / "bad.mov")
    assert not (tmp_path / "bad.mov").exists()
