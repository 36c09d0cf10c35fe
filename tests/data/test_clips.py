from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.data.clips import (
    Crop,
    centre_crop,
    clip_indices,
    mirror,
    random_clip_indices,
    random_crop,
    resample_indices,
    resize_frames,
    shorter_side_size,
    ten_crops,
)


def authors_clips(count):
    """The loop of the released evaluation, on a list of frames."""
    frames, clips = list(range(count)), []
    for begin in range(0, count, 8):
        clips.append(frames[-16:] if begin + 16 > count else frames[begin : begin + 16])
    return clips


@given(st.integers(16, 400))
def test_test_clips_are_the_authors(count):
    indices, mask = clip_indices(count)
    assert indices.tolist() == authors_clips(count)
    assert mask.all()


def test_the_last_clips_repeat_the_end():
    assert clip_indices(20)[0][:, 0].tolist() == [0, 4, 4]


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 30), st.sampled_from(["mask", "repeat"]))
def test_clips_of_any_length_and_stride_lie_in_the_video_and_cover_it(count, length, stride, short):
    indices, mask = clip_indices(count, length, stride, short)
    assert indices.shape == mask.shape and indices.shape[1] == length
    assert indices.min() >= 0 and indices.max() < count
    assert (np.diff(indices, axis=1)[mask[:, 1:]] % count == 1 % count).all()  # counted frames follow one another
    if stride <= length:
        assert set(indices[mask].tolist()) == set(
            range(count if count >= length or short == "mask" else min(count, length))
        )


def test_a_short_video_is_one_clip_masked_or_repeated():
    indices, mask = clip_indices(3, length=5)
    assert indices.tolist() == [[0, 1, 2, 2, 2]] and mask.tolist() == [[True, True, True, False, False]]
    indices, mask = clip_indices(3, length=5, short="repeat")
    assert indices.tolist() == [[0, 1, 2, 0, 1]] and mask.all()
    assert random_clip_indices(3, seed=1, length=5)[0].tolist() == [0, 1, 2, 2, 2]


def test_no_frames_make_no_clip():
    with pytest.raises(ValueError, match="0 frames in clips of 16"):
        clip_indices(0)
    with pytest.raises(ValueError, match="stride=0"):
        clip_indices(20, stride=0)
    with pytest.raises(ValueError, match="short='loop': choose mask or repeat"):
        clip_indices(3, short="loop")


def test_every_training_window_is_drawn_and_follows_from_the_seed():
    starts = [random_clip_indices(20, seed)[0][0] for seed in range(400)]
    counts = np.bincount(starts)
    assert (
        len(counts) == 5 and counts.min() > 50
    )  # 80 expected of each; a chance of about 1 in 10,000 for seeds unseen
    assert starts == [random_clip_indices(20, seed)[0][0] for seed in range(400)]


@given(st.integers(17, 300), st.integers(0, 2**32))
def test_windows_of_rgb_and_flow_are_the_authors_and_of_the_same_instants(count, seed):
    rgb, _ = random_clip_indices(count, seed, first=1)
    flow, _ = random_clip_indices(count - 1, seed)  # N frames have N - 1 flow images; image i ends at frame i + 1
    assert (rgb == flow + 1).all()
    file_numbers = rgb + 1  # the authors' files count from 1, and they draw int(r * (n - 16) + 2)
    assert file_numbers[0] >= 2 and file_numbers[0] <= int(np.nextafter(1, 0) * (count - 16) + 2)
    assert file_numbers[-1] <= count


def ffmpeg_resampled(stamps, fps):
    """What FFmpeg's own filter shows: the number of the frame at each tick."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=16, height=16, format="gray", time_base=Fraction(1, 1000))
    rate, sink = graph.add("fps", str(fps)), graph.add("buffersink")
    source.link_to(rate)
    rate.link_to(sink)
    graph.configure()
    shown = []

    def pull():
        while True:
            try:
                shown.append(int(sink.pull().to_ndarray()[0, 0]))
            except (av.error.BlockingIOError, av.error.EOFError):
                return

    for number, stamp in enumerate(stamps):
        frame = av.VideoFrame.from_ndarray(np.full((16, 16), number, np.uint8), format="gray")
        frame.pts, frame.time_base = stamp, Fraction(1, 1000)
        source.push(frame)
        pull()
    source.push(None)
    pull()
    return shown


@given(st.lists(st.integers(1, 300), min_size=1, max_size=30), st.sampled_from([5, 10, 12, 25, 30, 50]))
def test_resampling_shows_the_frames_that_ffmpeg_shows(gaps, fps):
    stamps = np.cumsum([0, *gaps])
    ours = resample_indices(stamps / 1000, fps).tolist()
    theirs = ffmpeg_resampled(stamps.tolist(), fps)
    assert ours[:-1] == theirs[: len(ours) - 1] and ours[-1] == len(stamps) - 1
    assert set(theirs[len(ours) - 1 :]) <= {len(stamps) - 1}  # it may drop the last one, or show it for longer


def test_a_constant_rate_is_halved_doubled_or_kept():
    times = np.arange(8) / 50
    assert resample_indices(times, 50).tolist() == list(range(8))
    assert resample_indices(np.arange(4) / 25, 50).tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert resample_indices(times, 25).tolist() == [0, 2, 4, 6, 7]
    with pytest.raises(ValueError, match="fps=0"):
        resample_indices(times, 0)


@pytest.fixture
def clip():
    return np.random.default_rng(0).integers(0, 256, (3, 240, 320, 3), dtype=np.uint8)


def test_the_centre_crop_is_the_authors(clip):
    assert centre_crop(240, 320) == Crop(6, 46, 227)
    np.testing.assert_array_equal(centre_crop(240, 320)(clip), clip[:, 6:233, 46:273])


def test_ten_crops_are_corners_centre_and_their_mirrors(clip):
    plain = [clip[:, :227, :227], clip[:, :227, -227:], clip[:, -227:, :227], clip[:, -227:, -227:]]
    plain.append(clip[:, 6:233, 46:273])
    crops = [crop(clip) for crop in ten_crops(240, 320)]
    assert len(crops) == 10
    for crop, expected in zip(crops, [*plain, *(part[:, :, ::-1] for part in plain)], strict=True):
        np.testing.assert_array_equal(crop, expected)


def test_mirrored_flow_turns_x_round(clip):
    expected = np.flip(clip, 2).copy()
    expected[..., 0] = 255 - expected[..., 0]
    np.testing.assert_array_equal(mirror(clip, flow=True), expected)
    np.testing.assert_array_equal(mirror(clip), np.flip(clip, 2))
    np.testing.assert_array_equal(mirror(mirror(clip, flow=True), flow=True), clip)
    np.testing.assert_array_equal(Crop(0, 0, 240, mirrored=True)(clip, flow=True), expected[:, :, 80:])


def test_a_random_crop_follows_from_its_seed_and_reaches_everywhere():
    drawn = [random_crop(30, 40, seed, 27) for seed in range(600)]
    assert drawn == [random_crop(30, 40, seed, 27) for seed in range(600)]
    assert {crop.top for crop in drawn} == set(range(4)) and {crop.left for crop in drawn} == set(range(14))
    assert 240 < sum(crop.mirrored for crop in drawn) < 360


def test_a_crop_outside_the_frame_is_refused(clip):
    with pytest.raises(ValueError, match="does not lie in a frame of 240 x 320"):
        Crop(20, 0, 227)(clip)
    with pytest.raises(ValueError, match="a crop of 300 does not fit"):
        random_crop(240, 320, 0, 300)


def test_frames_are_resized_by_area_or_bilinearly():
    frame = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    halves = frame.reshape(1, 2, 2, 2, 2, 3).mean((2, 4))
    assert np.abs(resize_frames(frame, 2, 2) - halves).max() <= 0.5
    doubled = resize_frames(frame, 4, 8)[0, 0, :, 0].tolist()
    assert doubled == [0, 1, 2, 4, 5, 7, 8, 9]  # 3 apart before: 0, 0.75, 2.25, 3.75, ... to the nearest
    assert shorter_side_size(240, 320, 120) == (120, 160) and shorter_side_size(500, 333, 256) == (384, 256)
