"""Real files of many codecs and containers, from the folder `shared` beside the checkout, where there is one."""

import json
from pathlib import Path

import numpy as np
import pytest

from lrcn_hub.data.videos import (
    UnreadableVideoError,
    check_videos,
    frame_times,
    iterate_frames,
    probe,
    read_frames,
    torchcodec_loads,
)

FOLDER = Path(__file__).parents[3] / "../shared/data/videos"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8")) if FOLDER.is_dir() else []
SIZE = (120, 160)
pytestmark = pytest.mark.skipif(not MANIFEST, reason="the real videos are not beside the checkout")

REFUSED = {
    "derived_audio_only.mp4": "no video stream",
    "derived_no_frames.mkv": "cut short|before its first frame",
    "derived_text_not_video.mp4": "not a video",
    "derived_truncated_half_arm_wrestling.mp4": "cut short.*no frame can be read",
    "derived_truncated_half_ucf.avi": "cut short.*77 frames can be read",
    "derived_truncated_header_ucf.avi": "cut short.*no frame can be read",
    "derived_zero_length.avi": "empty",
    "derived_zero_length.mp4": "empty",
    "torchcodec_nasa_13013.mp4.audio.mp3": "no video stream",
}
GOOD = [entry for entry in MANIFEST if entry["file"] not in REFUSED]


@pytest.mark.parametrize("name", REFUSED)
def test_an_unusable_file_is_refused_with_the_reason(name):
    with pytest.raises(UnreadableVideoError, match=REFUSED[name]) as caught:
        read_frames(FOLDER / name, [0])
    assert name in str(caught.value)


@pytest.mark.parametrize("entry", GOOD, ids=lambda entry: entry["file"])
def test_a_usable_file_gives_all_its_frames(entry):
    path = FOLDER / entry["file"]
    turned = entry["rotation"] % 180 != 0
    info = probe(path)
    assert (info.width, info.height) == ((entry["h"], entry["w"]) if turned else (entry["w"], entry["h"]))
    assert info.rotation == entry["rotation"] % 360
    times = frame_times(path)
    assert len(times) == entry["decoded"] and (np.diff(times) > 0).all()

    frames = read_frames(path, size=SIZE, backend="pyav")
    assert frames.shape == (entry["decoded"], *SIZE, 3)
    seen = 0
    for (frame, time), expected, expected_time in zip(iterate_frames(path, size=SIZE), frames, times, strict=True):
        assert np.array_equal(frame, expected) and time == pytest.approx(expected_time)
        seen += 1
    assert seen == len(frames)
    some = [len(frames) - 1, len(frames) // 2, 0, len(frames) // 2]
    np.testing.assert_array_equal(read_frames(path, some, size=SIZE), frames[some])  # whichever decoder is used

    if torchcodec_loads() and entry["format"] != "avi":
        np.testing.assert_array_equal(read_frames(path, size=SIZE, backend="torchcodec"), frames)


def test_what_is_whole_of_a_file_cut_short_can_be_had():
    whole = read_frames(FOLDER / "ucf101_v_ApplyEyeMakeup_g01_c01.avi", size=SIZE)
    half = read_frames(FOLDER / "derived_truncated_half_ucf.avi", size=SIZE, partial=True)
    assert len(half) == 77
    np.testing.assert_array_equal(half[:70], whole[:70])


def test_all_files_are_checked_in_one_go():
    good, bad = check_videos([FOLDER / entry["file"] for entry in MANIFEST], "skip")
    assert {Path(sample.name).name for sample in bad} == set(REFUSED)
    assert sum(good) == len(GOOD)
