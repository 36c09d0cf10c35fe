"""Dense evaluation against the clips themselves, each run anew, and against the activity task's own evaluation."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lrcn_activity.options import ActivityDataOptions, ActivityEvaluationOptions
from lrcn_activity.task import Activity
from lrcn_hub.data.clips import clip_indices
from lrcn_hub.data.flow import flow_images
from lrcn_hub.data.videos import UnreadableVideoError, frame_times, read_frames
from lrcn_hub.timeline.answer import answer_video
from lrcn_hub.timeline.dense import DenseVideo

SHARED = Path(__file__).parents[2].parent / "shared/data/videos"
LENGTHS = [1, 3, 5, 6, 7, 8, 9, 12, 16, 23]  # clips of 6, one every 4: shorter, exact, multiples, every tail


def clip_by_clip(model, processor, pictures, length, stride):
    """Score each clip anew: for every frame the probabilities it has in its clips."""
    pixels = processor.video_processor(pictures, return_tensors="pt")["pixel_values"][0]
    found = [[] for _ in pictures]
    for clip, mask in zip(*clip_indices(len(pictures), length, stride), strict=True):
        with torch.no_grad():
            scores = model(pixels[None, clip[mask]]).frame_logits[0].softmax(-1).double().numpy()
        for frame, score in zip(clip[mask], scores, strict=True):
            found[frame].append(score)
    return found


def by_the_task(model, processor, video, **options):
    task, data = Activity(), ActivityDataOptions(**options)
    row = {"id": "x", "video": video, "label": 0}
    batch = task.collator(processor, data, training=False)([row])
    return task.predict(model, batch, processor, ActivityEvaluationOptions())[0]["probabilities"]


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("at_once", [1, 5, 32])
def test_each_frame_is_the_mean_of_its_clips_run_anew(recogniser, write_video, tmp_path, frames, at_once):
    model, processor = recogniser()
    video = write_video(tmp_path / "v.avi", frames)
    dense = DenseVideo(model, processor, video, clip_stride=4, frames_at_once=at_once)
    found = list(dense)
    expected = clip_by_clip(model, processor, read_frames(video), 6, 4)
    assert len(dense) == len(found) == len(expected) == frames
    seen = []
    for number, (frame, own) in enumerate(zip(found, expected, strict=True)):
        assert (frame.number, frame.time) == (number, pytest.approx(number / 10))
        assert np.allclose(frame.probabilities, np.mean(own, axis=0), atol=1e-5)
        seen += own
        assert np.allclose(frame.so_far, np.mean(seen, axis=0), atol=1e-5)
    assert frames < 3 or max(abs(found[0].probabilities - found[-1].probabilities)) > 0.01  # frames do matter


@pytest.mark.parametrize("frames", LENGTHS)
def test_the_answer_is_that_of_the_task_s_evaluation(recogniser, write_video, tmp_path, frames):
    model, processor = recogniser()
    video = write_video(tmp_path / "v.avi", frames)
    found = answer_video(DenseVideo(model, processor, video, clip_stride=4)).probabilities
    assert np.allclose(found, by_the_task(model, processor, video, clip_stride=4), atol=1e-5)


@pytest.mark.parametrize("frames", [2, 4, 7, 12])
def test_flow_is_computed_on_the_way(recogniser, write_video, tmp_path, frames):
    model, processor = recogniser("flow")
    video = write_video(tmp_path / "v.avi", frames)
    found = list(DenseVideo(model, processor, video, clip_stride=4, frames_at_once=3))
    expected = by_the_task(model, processor, video, stream="flow", flow_folder=str(tmp_path / "flow"), clip_stride=4)
    assert [frame.number for frame in found] == list(range(1, frames))
    assert np.allclose(found[-1].so_far, expected, atol=1e-5)
    for frame, image in zip(found, flow_images(read_frames(video)), strict=True):
        assert np.array_equal(frame.picture, image) and frame.time == pytest.approx(frame.number / 10)


@pytest.mark.parametrize("rate", [4, 25])
def test_a_constant_rate_leaves_out_or_repeats_frames(recogniser, write_video, tmp_path, rate):
    model, processor = recogniser()
    video = write_video(tmp_path / "v.avi", 21)
    found = answer_video(DenseVideo(model, processor, video, clip_stride=4, frame_rate=rate, frames_at_once=3))
    assert found.frames == (9 if rate == 4 else 21)
    expected = by_the_task(model, processor, video, clip_stride=4, frame_rate=rate)
    assert np.allclose(found.probabilities, expected, atol=1e-5)


@pytest.mark.parametrize("options", [{"num_layers": 0}, {"num_layers": 2}, {"cell": "rnn"}])
def test_other_networks_are_answered_alike(recogniser, write_video, tmp_path, options):
    model, processor = recogniser(**options)
    video = write_video(tmp_path / "v.avi", 15)
    found = answer_video(DenseVideo(model, processor, video, clip_stride=4, frames_at_once=4)).probabilities
    assert np.allclose(found, by_the_task(model, processor, video, clip_stride=4), atol=1e-5)


def test_clips_that_leave_gaps_leave_those_frames_out(recogniser, write_video, tmp_path):
    model, processor = recogniser(num_frames=2)
    video = write_video(tmp_path / "v.avi", 12)
    dense = DenseVideo(model, processor, video, clip_stride=5, frames_at_once=3)
    assert [frame.number for frame in dense] == [0, 1, 5, 6, 10, 11] and len(dense) == 6
    found = answer_video(dense).probabilities
    assert np.allclose(found, by_the_task(model, processor, video, clip_stride=5), atol=1e-5)


def test_the_whole_video_can_be_one_clip(recogniser, write_video, tmp_path):
    model, processor = recogniser()
    video = write_video(tmp_path / "v.avi", 15)
    found = answer_video(DenseVideo(model, processor, video, clip_length=0, frames_at_once=4)).probabilities
    pixels = processor.video_processor(read_frames(video), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = model(pixels).logits[0].softmax(-1)
    assert np.allclose(found, expected, atol=1e-5)


def test_each_frame_goes_through_the_backbone_once(recogniser, write_video, tmp_path):
    model, processor = recogniser()
    video, sizes = write_video(tmp_path / "v.avi", 23), []
    model.encoder.backbone.register_forward_hook(lambda _module, given, _out: sizes.append(len(given[0])))
    list(DenseVideo(model, processor, video, clip_stride=2, frames_at_once=8))
    assert sizes == [8, 8, 7]


def test_what_is_held_does_not_grow_with_the_video(recogniser, write_video, tmp_path):
    model, processor = recogniser()
    widths = set()
    model.recurrent.register_forward_hook(lambda _module, given, _out: widths.add(tuple(given[0].shape[:2])))
    list(DenseVideo(model, processor, write_video(tmp_path / "v.avi", 120), clip_stride=2, frames_at_once=8))
    assert widths == {(3, 8)}  # clips at once, frames at once


def test_what_is_no_whole_video_is_refused_by_name(recogniser, write_video, tmp_path):
    model, processor = recogniser("flow")
    one = write_video(tmp_path / "one.avi", 1)
    with pytest.raises(UnreadableVideoError, match=r"one\.avi: flow needs at least two frames"):
        DenseVideo(model, processor, one)
    with pytest.raises(UnreadableVideoError, match=r"none\.avi: there is no such file"):
        DenseVideo(*recogniser(), tmp_path / "none.avi")
    whole = Path(write_video(tmp_path / "whole.avi", 20))
    (tmp_path / "cut.avi").write_bytes(whole.read_bytes()[:-3000])
    with pytest.raises(UnreadableVideoError, match=r"cut\.avi: cut short"):
        DenseVideo(*recogniser(), tmp_path / "cut.avi")
    with pytest.raises(ValueError, match="frame_rate is 5; flow is that"):
        DenseVideo(model, processor, whole, frame_rate=5)
    with pytest.raises(ValueError, match="both must be at least 1"):
        DenseVideo(model, processor, whole, clip_stride=0)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared videos are not beside the checkout")
@pytest.mark.parametrize(
    "name",
    ["ucf101_v_ApplyEyeMakeup_g01_c01.avi", "derived_vfr_strong.mp4", "rotation_90.mov", "derived_one_frame.mp4"],
)
def test_real_files_are_answered_as_the_task_answers_them(recogniser, name):
    model, processor = recogniser(num_frames=16)
    video = str(SHARED / name)
    found = list(DenseVideo(model, processor, video))
    assert np.allclose(found[-1].so_far, by_the_task(model, processor, video), atol=1e-5)
    assert np.allclose([frame.time for frame in found], frame_times(video))
