"""Live sessions: the offline pass's numbers however frames arrive, the state as a value, and memory that stays."""

import gc
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import TimmWrapperConfig

from lrcn_hub.models import LrcnActivityProcessor, LrcnImageProcessor, LrcnStreamState, LrcnVideoProcessor

RESNET = {
    "backbone_config": TimmWrapperConfig(architecture="test_resnet", num_classes=0),
    "feature": "pooled",
    "feature_size": 96,
}
MODELS = {"one layer": {}, "two layers": {"num_layers": 2}, "rnn": {"cell": "rnn"}, "single frame": {"num_layers": 0}}


def probabilities(results):
    return torch.stack([result.probabilities for result in results])


def assert_same(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def push_in(session, frames, sizes):
    """Push frames (T, 3, H, W) in pieces of these sizes; a single one without a dimension of its own."""
    found = []
    for piece in frames.split(sizes):
        result = session.push(piece[0] if len(piece) == 1 else piece)
        found += [result] if len(piece) == 1 else result
    return found


# The same as offline


@pytest.mark.parametrize("options", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("sizes", [[1] * 9, [9], [4, 5], [1, 3, 1, 4]], ids=str)
@torch.no_grad()
def test_a_stream_gives_what_the_offline_pass_gives_at_any_chunking(options, sizes, tiny_recogniser, clips):
    model, clip = tiny_recogniser(**options), clips(1, 9)
    offline = model(clip)
    session = model.stream()
    results = push_in(session, clip[0], sizes)
    assert_same(probabilities(results), offline.frame_logits[0].softmax(-1))
    assert_same(results[-1].clip_probabilities, offline.logits[0].softmax(-1))
    for t, result in enumerate(results):
        assert (result.row, result.frame, result.time, result.clip_start) == (0, t, None, 0)
        assert_same(result.clip_probabilities, model(clip[:, : t + 1]).logits[0].softmax(-1))
        for label, score, p in (
            (result.label, result.score, result.probabilities),
            (result.clip_label, result.clip_score, result.clip_probabilities),
        ):
            assert label == f"LABEL_{int(p.argmax())}" and score == pytest.approx(float(p.max()))
    for ours, theirs in zip(session.state.hidden, offline.state.hidden, strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("sizes", [[1] * 4, [2, 2]], ids=str)
def test_a_stream_gives_caffes_probabilities_with_restarts(sizes, golden_recogniser, assert_close_to_golden):
    model, frames, values = golden_recogniser
    first = push_in(model.stream(), frames[0], sizes)
    assert_close_to_golden(probabilities(first), values["out/probs"][:, 0])
    session = model.stream()
    second = push_in(session, frames[1, :2], [1, 1])
    session.reset()  # as the clip marker says
    second += push_in(session, frames[1, 2:], [2])
    assert_close_to_golden(probabilities(second), values["out/probs"][:, 1])
    assert [result.frame for result in second] == [0, 1, 0, 1]


def test_many_frames_go_through_the_backbone_a_few_at_a_time(tiny_recogniser, clips):
    model, clip = tiny_recogniser(), clips(1, 7)
    seen = []
    model.encoder.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    small = model.stream(max_batch=3).push(clip[0])
    assert seen == [3, 3, 1]
    assert_same(probabilities(small), probabilities(model.stream().push(clip[0])))


def test_half_precision_streams_what_it_gives_offline(tiny_recogniser, clips):
    model, clip = tiny_recogniser().to(torch.bfloat16), clips(1, 5)
    offline = model(clip).frame_logits[0].float().softmax(-1)
    results = push_in(model.stream(), clip[0], [1, 2, 2])
    torch.testing.assert_close(probabilities(results), offline, rtol=0, atol=0.03)


def test_a_model_of_given_features_streams_them(tiny_recogniser, clips):
    model, clip = tiny_recogniser(), clips(1, 4)
    given = tiny_recogniser(backbone_config={"model_type": "lrcn_given_features"})
    features = model.encode(clip)[0].detach()
    session = given.stream()
    results = [session.push(features[0]), *session.push(features[1:])]
    assert_same(probabilities(results), probabilities(model.stream().push(clip[0])))
    with pytest.raises(ValueError, match="scene_threshold needs pictures"):
        given.stream(scene_threshold=1.0)


# Many videos


def test_many_videos_in_one_batch_are_each_as_if_alone(tiny_recogniser, clips):
    model, videos = tiny_recogniser(num_layers=2), clips(3, 6)
    alone = [probabilities(model.stream().push(video)) for video in videos]
    together = model.stream(batch_size=3)
    for t in range(6):
        for row, result in enumerate(together.push(videos[:, t])):
            assert (result.row, result.frame) == (row, t)
            assert_same(result.probabilities, alone[row][t])


def test_rows_may_be_absent_or_have_several_frames(tiny_recogniser, clips):
    model, videos = tiny_recogniser(), clips(4, 6)
    alone = [probabilities(model.stream().push(video)) for video in videos]
    session, seen = model.stream(batch_size=4, max_batch=5), [0, 0, 0, 0]
    for rows in ([2], [0, 3], [1, 1, 0, 2, 1], [3, 0, 0, 0, 2, 2, 3], [0, 1, 2, 3]):
        frames = []
        for row in rows:
            frames.append(videos[row, seen[row]])
            seen[row] += 1
        before = session.state
        results = session.push(torch.stack(frames), rows=rows)
        assert [result.row for result in results] == rows
        for result in results:
            assert_same(result.probabilities, alone[result.row][result.frame])
        for row in set(range(4)) - set(rows):
            assert torch.equal(session.state.hidden[0][row], before.hidden[0][row])
    assert session.state.frames.tolist() == seen


def test_a_row_can_be_reset_by_itself(tiny_recogniser, clips):
    model, videos = tiny_recogniser(), clips(2, 6)
    session = model.stream(batch_size=2)
    for t in range(3):
        session.push(videos[:, t])
    session.reset([1])
    results = [session.push(videos[:, t]) for t in range(3, 6)]
    first, second = (model.stream().push(video) for video in (videos[0], videos[1, 3:]))
    assert_same(probabilities([r[0] for r in results]), probabilities(first[3:]))
    assert_same(probabilities([r[1] for r in results]), probabilities(second))
    assert [(r[0].frame, r[1].frame) for r in results] == [(3, 0), (4, 1), (5, 2)]
    assert_same(results[-1][0].clip_probabilities, first[-1].clip_probabilities)
    assert_same(results[-1][1].clip_probabilities, second[-1].clip_probabilities)


# The state as a value


def test_a_saved_and_continued_state_is_as_if_nothing_had_happened(tiny_recogniser, clips, tmp_path):
    model, clip = tiny_recogniser(num_layers=2), clips(1, 8)
    options = {"half_life_seconds": 0.1, "frames_per_second": 25, "scene_threshold": 0.05}
    whole = model.stream(**options).push(clip[0])
    session = model.stream(**options)
    session.push(clip[0, :3])
    session.state.save(tmp_path / "state.safetensors")
    later = session.push(clip[0, 3:])  # what happens afterwards is not in the file
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]
    again = model.stream(state=LrcnStreamState.load(tmp_path / "state.safetensors"), **options).push(clip[0, 3:])
    for ours, theirs in zip(again, later, strict=True):
        assert torch.equal(ours.probabilities, theirs.probabilities)
        assert torch.equal(ours.clip_probabilities, theirs.clip_probabilities)
        assert (ours.frame, ours.time, ours.clip_start) == (theirs.frame, theirs.time, theirs.clip_start)
    assert len({result.clip_start for result in whole}) > 1  # the rules were at work
    assert_same(probabilities(again), probabilities(whole[3:]))


CONTINUE = """
import sys, torch
from transformers import AutoModel
import lrcn_hub
from lrcn_hub.models import LrcnStreamState
folder = sys.argv[1]
frames = torch.load(f"{folder}/frames.pt")
session = AutoModel.from_pretrained(folder).stream(state=LrcnStreamState.load(f"{folder}/state.safetensors"))
torch.save([result.probabilities for result in session.push(frames)], f"{folder}/found.pt")
"""


def test_another_process_goes_on_from_a_saved_state(tiny_recogniser, clips, tmp_path):
    model, clip = tiny_recogniser(), clips(1, 6)
    whole = model.stream().push(clip[0])
    model.save_pretrained(tmp_path)
    session = model.stream()
    session.push(clip[0, :4])
    session.state.save(tmp_path / "state.safetensors")
    torch.save(clip[0, 4:].clone(), tmp_path / "frames.pt")
    subprocess.run([sys.executable, "-c", CONTINUE, tmp_path], check=True)
    assert_same(torch.stack(torch.load(tmp_path / "found.pt")), probabilities(whole[4:]))


def test_a_fork_and_a_copied_state_go_their_own_ways(tiny_recogniser, clips):
    model, clip, other = tiny_recogniser(), clips(1, 6), clips(1, 3, seed=5)
    session = model.stream()
    session.push(clip[0, :3])
    kept, fork = session.state, session.fork()
    fork.push(other[0])
    assert_same(probabilities(session.push(clip[0, 3:])), probabilities(model.stream().push(clip[0])[3:]))
    assert kept.frames.tolist() == [3]
    joined = model.stream(state=kept.select([0, 0]))
    assert joined.batch_size == 2
    results = joined.push(torch.stack([clip[0, 3], other[0, 0]]))
    assert_same(results[0].probabilities, model.stream().push(clip[0, :4])[3].probabilities)
    expected = model.stream().push(torch.cat([clip[0, :3], other[0, :1]]))[3]
    assert_same(results[1].probabilities, expected.probabilities)


def test_what_is_no_state_of_this_model_is_refused(tiny_recogniser, tmp_path):
    state = tiny_recogniser().stream(batch_size=2).state
    for options, said in (
        ({"hidden_size": 6}, r"cell.0 has the shape \(2, 7\), the model's has \(2, 6\)"),
        ({"num_layers": 2}, r"cell.1 has the shape None"),
        ({"num_labels": 4}, r"totals has the shape \(2, 5\), the model's has \(2, 4\)"),
    ):
        with pytest.raises(ValueError, match=said):
            tiny_recogniser(**options).stream(state=state)
    model, file = tiny_recogniser(), tmp_path / "model.safetensors"
    model.save_pretrained(tmp_path)
    for name, content in ((file, None), (tmp_path / "noise", b"\xff" * 50), (tmp_path / "empty", b"")):
        if content is not None:
            name.write_bytes(content)
        with pytest.raises(ValueError, match=f"{name.name} is no saved state"):
            LrcnStreamState.load(name)
    with pytest.raises(FileNotFoundError):
        LrcnStreamState.load(tmp_path / "missing.safetensors")


def test_a_state_that_cannot_be_written_leaves_the_earlier_one(tiny_recogniser, clips, tmp_path, monkeypatch):
    session = tiny_recogniser().stream()
    session.state.save(tmp_path / "state.safetensors")
    session.push(clips(1, 2)[0])
    monkeypatch.setattr("os.replace", lambda *names: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(OSError, match="no room"):
        session.state.save(tmp_path / "state.safetensors")
    assert LrcnStreamState.load(tmp_path / "state.safetensors").frames.tolist() == [0]
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]


# Decisions


def test_an_exponential_window_counts_a_frame_half_after_its_half_life(tiny_recogniser, clips):
    model, clip = tiny_recogniser(), clips(1, 6)
    times = [0.0, 0.1, 0.5, 0.55, 2.0, 2.0]

    def expected(p, ages, half_life):
        weights = torch.tensor([0.5 ** (age / half_life) for age in ages], dtype=torch.float64)
        return ((weights[:, None] * p).sum(0) / weights.sum()).float()

    frames = model.stream(half_life_frames=2).push(clip[0])
    seconds = model.stream(half_life_seconds=0.3).push(clip[0], times=times)
    p = probabilities(frames)
    for t in range(6):
        assert_same(frames[t].clip_probabilities, expected(p[: t + 1], range(t, -1, -1), 2))
        ages = [times[t] - time for time in times[: t + 1]]
        assert_same(seconds[t].clip_probabilities, expected(p[: t + 1], ages, 0.3))
    assert [result.time for result in seconds] == times


def test_times_follow_from_the_frame_rate_or_are_given_one_by_one(tiny_recogniser, clips):
    model, clip = tiny_recogniser(), clips(1, 3)
    assert [result.time for result in model.stream(frames_per_second=4).push(clip[0])] == [0, 0.25, 0.5]
    session = model.stream(half_life_seconds=1)
    assert [session.push(frame, times=time).time for frame, time in zip(clip[0], (5.0, 6.0, 4.0), strict=True)] == [
        5.0,
        6.0,
        4.0,
    ]
    with pytest.raises(ValueError, match="half_life_seconds needs times"):
        session.push(clip[0])


def test_a_change_of_scene_forgets_state_and_decision_but_not_the_clock(tiny_recogniser):
    model = tiny_recogniser()
    wobble = 0.05 * torch.randn(6, 3, 67, 67, generator=torch.Generator().manual_seed(0))
    places = torch.linspace(-1, 1, 67).expand(3, 67, 67)
    scenes = torch.cat([wobble[:3] + places, wobble[3:] - places])
    fresh = model.stream().push(scenes[3:])
    for sizes in ([1] * 6, [6], [2, 3, 1]):
        results = push_in(model.stream(scene_threshold=0.3), scenes, sizes)
        assert [result.clip_start for result in results] == [0, 0, 0, 3, 3, 3]
        assert [result.frame for result in results] == [0, 1, 2, 3, 4, 5]
        assert_same(probabilities(results[3:]), probabilities(fresh))
        assert_same(results[5].clip_probabilities, fresh[2].clip_probabilities)
    assert {result.clip_start for result in model.stream(scene_threshold=3.0).push(scenes)} == {0}


def test_a_change_of_scene_can_be_told_from_outside_for_one_row(tiny_recogniser, clips):
    model, videos = tiny_recogniser(), clips(2, 4)
    session = model.stream(batch_size=2)
    session.push(videos[:, 0])
    session.push(videos[:, 1])
    session.cut([0])
    results = [session.push(videos[:, t]) for t in (2, 3)]
    assert_same(probabilities([r[0] for r in results]), probabilities(model.stream().push(videos[0, 2:])))
    assert_same(probabilities([r[1] for r in results]), probabilities(model.stream().push(videos[1])[2:]))
    assert [(r.frame, r.clip_start) for r in results[1]] == [(3, 2), (3, 0)]


# Pictures


def test_a_processor_makes_pixel_values_of_pictures_of_any_size(tiny_recogniser):
    model = tiny_recogniser()
    side = {"height": 67, "width": 67}
    processor = LrcnImageProcessor(size=side, crop_size=side)
    random = torch.Generator().manual_seed(0)
    pictures = [
        torch.randint(0, 256, (3, *size), generator=random, dtype=torch.uint8) for size in ((80, 90), (67, 67))
    ]
    values = torch.cat([processor([picture], return_tensors="pt")["pixel_values"] for picture in pictures])
    expected = probabilities(model.stream().push(values))
    arrays = [picture.permute(1, 2, 0).numpy() for picture in pictures]
    for given in (pictures, arrays, [pictures[0], arrays[1]]):
        assert_same(probabilities(model.stream(processor=processor).push(given)), expected)
    session = model.stream(processor=lambda several: processor(several, return_tensors="pt")["pixel_values"])
    one, more = session.push(arrays[0]), session.push(np.stack([arrays[1]]))
    assert_same(probabilities([one, *more]), expected)


def test_a_video_processor_does_for_live_frames_what_it_does_for_files(tiny_recogniser):
    model = tiny_recogniser()
    processor = LrcnVideoProcessor(size={"height": 70, "width": 90}, crop_size={"height": 67, "width": 67})
    video = torch.randint(0, 256, (4, 3, 80, 100), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    offline = model(**processor([video], return_tensors="pt"))
    for given in (processor, LrcnActivityProcessor(processor)):
        session = model.stream(processor=given)
        results = [session.push(video[0]), *session.push(video[1:])]
        assert_same(probabilities(results), offline.frame_logits[0].softmax(-1).detach())


@pytest.mark.parametrize(
    ("frames", "options", "said"),
    [
        (torch.zeros(3, 67, 67, dtype=torch.uint8), {}, r"uint8, not pixel values: give model.stream a processor"),
        (torch.zeros(67, 67), {}, r"it must have 3 dimensions"),
        ([torch.zeros(3, 67, 67), torch.zeros(67, 67)], {}, r"\(67, 67\); it must have 3 dimensions"),
        (torch.zeros(2, 3, 67, 67), {"rows": [0]}, r"2 frames but 1 rows"),
        (torch.zeros(2, 3, 67, 67), {"rows": [0, 1]}, r"row 1: this session has rows 0 to 0"),
        (torch.zeros(2, 3, 67, 67), {"times": [0.0]}, r"2 frames but 1 times"),
    ],
)
def test_frames_that_cannot_be_meant_are_refused_and_change_nothing(frames, options, said, tiny_recogniser):
    session = tiny_recogniser().stream()
    with pytest.raises(ValueError, match=said):
        session.push(frames, **options)
    assert session.state.frames.tolist() == [0]


def test_options_that_contradict_one_another_are_refused(tiny_recogniser, clips):
    model = tiny_recogniser()
    with pytest.raises(ValueError, match="not both"):
        model.stream(half_life_frames=3, half_life_seconds=1.0)
    for name in ("batch_size", "half_life_frames", "half_life_seconds", "frames_per_second", "max_batch"):
        with pytest.raises(ValueError, match=f"{name} is 0; it must be above 0"):
            model.stream(**{name: 0})
    with pytest.raises(ValueError, match="2 frames for 3 videos: say in rows"):
        model.stream(batch_size=3).push(clips(1, 2)[0])
    with pytest.raises(ValueError, match=r"call model.eval\(\)"):
        model.train().stream().push(clips(1, 1)[0])
    assert model.eval().stream().push(clips(1, 1)[0, :0]) == []


# Memory


@pytest.mark.parametrize("options", [{}, RESNET], ids=["caffenet", "resnet"])
def test_nothing_grows_with_the_frames_seen(options, tiny_recogniser, clips):
    model, clip = tiny_recogniser(**options), clips(2, 1, side=67)
    session = model.stream(batch_size=2, half_life_frames=5, scene_threshold=0.1)

    def held():
        gc.collect()
        tensors = [thing for thing in gc.get_objects() if type(thing) is torch.Tensor]
        return len(tensors), sum(tensor.nbytes for tensor in tensors)

    def sizes():
        return {name: value.nbytes for name, value in session.state._tensors().items()}

    for _ in range(3):
        session.push(clip[:, 0])
    before, small = held(), sizes()
    for _ in range(40):
        session.push(clip[:, 0])
    assert held() == before and sizes() == small
    assert session.state.frames.tolist() == [43, 43]


def test_answers_are_plain_tensors_without_a_history(tiny_recogniser, clips):
    model = tiny_recogniser()
    session = model.stream()
    result = session.push(clips(1, 1)[0, 0])
    for tensor in (result.probabilities, result.clip_probabilities, *session.state.hidden):
        assert not tensor.requires_grad and not tensor.is_inference()
    (2 * result.probabilities.requires_grad_()).sum().backward()
    assert math.isclose(result.score, float(result.probabilities.detach().max()))
