"""Answers of whole videos, of videos watched until the answer is sure, and of two streams."""

import numpy as np
import pytest

from lrcn_hub.data.videos import read_frames
from lrcn_hub.scoring.recognition import early_answers
from lrcn_hub.timeline import dense as dense_module
from lrcn_hub.timeline.answer import TwoStreams, VideoAnswer, answer_video
from lrcn_hub.timeline.dense import DenseVideo


@pytest.fixture
def video(write_video, tmp_path):
    return write_video(tmp_path / "v.avi", 23)


def per_frame(model, processor, video):
    frames = list(DenseVideo(model, processor, video, clip_length=0))
    return np.stack([frame.probabilities for frame in frames])


@pytest.mark.parametrize("confidence", [0.5, 0.675, 0.685, 0.99])
def test_a_video_is_watched_until_the_answer_is_sure(recogniser, video, confidence):
    model, processor = recogniser()
    probabilities = per_frame(model, processor, video)  # one clip, so each frame counts once
    expected = early_answers(probabilities, None, (1.0,), (confidence,))
    found = answer_video(DenseVideo(model, processor, video, clip_length=0), early_exit=confidence)
    assert found.frames_seen == expected["exit_frames"][0] and found.frames == 23
    assert found.top(1)[0][0] == expected["exit_labels"][0]
    assert found.stopped_early == (found.frames_seen < 23)
    assert found.seconds_seen == pytest.approx((found.frames_seen - 1) / 10)


def test_an_early_exit_saves_frames_here(recogniser, video):
    model, processor = recogniser()
    assert answer_video(DenseVideo(model, processor, video, clip_stride=4), early_exit=0.5).frames_seen < 20


def test_nothing_is_decoded_after_the_exit(recogniser, video, monkeypatch):
    model, processor = recogniser()
    decoded = []

    def counted(*arguments, iterate=dense_module.iterate_frames, **options):
        for item in iterate(*arguments, **options):
            decoded.append(item)
            yield item

    monkeypatch.setattr(dense_module, "iterate_frames", counted)
    found = answer_video(DenseVideo(model, processor, video, clip_length=0, frames_at_once=1), early_exit=0.685)
    assert 1 < found.frames_seen == len(decoded) < 23


@pytest.mark.parametrize("confidence", [0, -1, 1.2])
def test_a_confidence_that_is_no_probability_is_refused(recogniser, video, confidence):
    with pytest.raises(ValueError, match="early_exit is"):
        answer_video(DenseVideo(*recogniser(), video), early_exit=confidence)


def test_the_likeliest_classes_come_first_and_of_equal_ones_the_lower():
    answer = VideoAnswer(np.array([0.1, 0.4, 0.1, 0.4]), 5, 5, 0.4)
    assert answer.top(3) == [(1, 0.4), (3, 0.4), (0, 0.1)]


@pytest.mark.parametrize("weights", [(1 / 2, 1 / 2), (1 / 3, 2 / 3), (1, 0), (0, 1)])
def test_two_streams_are_the_weighted_mean_of_their_answers(recogniser, video, weights):
    rgb = DenseVideo(*recogniser(), video, clip_stride=4, frames_at_once=5)
    flow = DenseVideo(*recogniser("flow", seed=1), video, clip_stride=4, frames_at_once=3)
    both = list(TwoStreams(rgb, flow, weights))
    a, b = (answer_video(stream).probabilities for stream in (rgb, flow))
    assert np.allclose(both[-1].so_far, (weights[0] * a + weights[1] * b) / sum(weights), atol=1e-9)
    assert len(both) == 23 and np.array_equal(both[5].picture, read_frames(video, [5])[0])
    assert np.abs(a - b).max() > 0.05  # they disagree


def test_streams_that_do_not_belong_together_are_refused(recogniser, video, write_video, tmp_path):
    rgb, flow = DenseVideo(*recogniser(), video, clip_stride=4), DenseVideo(*recogniser("flow"), video, clip_stride=4)
    with pytest.raises(ValueError, match="the first model must look at frames, the second at flow"):
        TwoStreams(flow, rgb)
    other = DenseVideo(*recogniser("flow", names=["run", "jump", "swim", "dive", "row"]), video)
    with pytest.raises(ValueError, match="do not know the same classes"):
        TwoStreams(rgb, other)
    shorter = DenseVideo(*recogniser("flow"), write_video(tmp_path / "s.avi", 9), clip_stride=4)
    with pytest.raises(ValueError, match="23 frames and 8 flow images"):
        TwoStreams(rgb, shorter)
