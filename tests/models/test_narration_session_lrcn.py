"""Live narration: from the same boundaries the offline text, however frames arrive, and a state that is a value."""

import gc

import av
import numpy as np
import pytest
import torch

from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.data.videos import iterate_frames
from lrcn_hub.data.videos.segments import read_segment
from lrcn_hub.models import (
    LrcnForVideoNarration,
    LrcnNarrationConfig,
    LrcnNarrationProcessor,
    LrcnNarrationState,
    LrcnVideoProcessor,
)

WORDS = [f"word{number}" for number in range(7)]
SIDE = {"height": 67, "width": 67}
CAFFENET = {"model_type": "lrcn_caffenet", "channels": [4] * 5, "fc_sizes": [8, 8, 5], "image_size": 67}
READERS = {"S2VT": {}, "two stacks": {"frame_reader": "separate"}, "mean of frames": {"frame_reader": "mean"}}
every_reader = pytest.mark.parametrize("options", READERS.values(), ids=READERS)


def make_processor(frame_rate=5.0, max_frames=80):
    video = LrcnVideoProcessor(size=SIDE, crop_size=SIDE, image_std=(60.0,) * 3)
    tokenizer = build_word_tokenizer(WORDS)
    return LrcnNarrationProcessor(video, tokenizer, "frames", frame_rate=frame_rate, max_frames=max_frames)


@pytest.fixture(scope="module")
def processor():
    return make_processor()


@pytest.fixture(scope="module")
def make_model(processor):
    """A narrator whose words depend on frames and state; it is not quick to end a sentence."""

    def make(options, seed=0):
        sizes = {"embedding_size": 6, "hidden_size": 7, "frame_size": 4, "feature": "fc6", "feature_size": 8}
        vocabulary = {"vocab_size": len(processor.tokenizer), "backbone_config": CAFFENET}
        model = LrcnForVideoNarration(LrcnNarrationConfig(variant="frames", **vocabulary, **sizes, **options)).eval()
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if "backbone" not in name:
                    weights.uniform_(-1.5, 1.5, generator=random)
                elif weights.dim() > 1:
                    weights.normal_(std=(2 / weights[0].numel()) ** 0.5, generator=random)
                else:
                    weights.zero_()
            model.predict.weight.mul_(2)
            for name, weights in model.encoder.named_parameters():
                if name.startswith(("project", "stack")) and "bias" in name:
                    weights.zero_()
                if name == "project.weight":
                    weights.mul_(3)
            squares = torch.rand(20, 3, 3, 4, generator=random).mul(255).repeat_interleave(16, 2)
            pictures = squares.repeat_interleave(16, 3).permute(0, 2, 3, 1).to(torch.uint8).numpy()
            usual = model.encoder.look(processor(videos=[pictures])["pixel_values"])[0].mean(0)
            model.encoder.frame_encoder.last_layer().bias.copy_(-usual)  # so that pictures differ in direction
        model.generation_config.max_new_tokens = 8
        return model

    return make


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Write a lossless video of scenes, each so many frames of slowly changing squares; gives path, frames, times."""

    def write(lengths, seed=0, rate=25):
        random = np.random.default_rng(seed)
        scenes = []
        for length in lengths:
            first, last = random.integers(0, 256, (2, 3, 4, 3))
            shares = np.linspace(0, 0.2, length)[:, None, None, None]
            scenes.append((first + shares * (last - first)).round().astype(np.uint8))
        frames = np.concatenate(scenes).repeat(16, 1).repeat(16, 2)
        path = tmp_path_factory.mktemp("videos") / "scenes.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=rate, width=64, height=48, pix_fmt="bgr0")
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        read, times = zip(*iterate_frames(path), strict=True)
        return path, list(read), list(times)

    return write


def push_in(session, frames, times, sizes):
    """Push in pieces of these sizes, over and over; gives the results."""
    results, done, turn = [], 0, 0
    while done < len(frames):
        piece = slice(done, done + sizes[turn % len(sizes)])
        results += session.push(frames[piece], times=times[piece])
        done, turn = piece.stop, turn + 1
    return results


def sentences(session, results):
    return [result.sentence for result in results if result.sentence] + session.finish()


def offline(model, processor, path, start, end, **options):
    """What the model says of a part of the file: its frames read at once."""
    found = read_segment(path, start, end, frame_rate=processor.frame_rate, max_frames=processor.max_frames)
    ids = model.generate(**processor(videos=[found.frames]), **options)
    return processor.batch_decode(ids, skip_special_tokens=True)[0], len(found.frames)


RULES = {
    "seconds": {"every_seconds": 0.7},
    "scenes": {"scene_threshold": 0.3, "min_event_seconds": 0.2},
    "states": {"state_threshold": 0.1, "min_event_seconds": 0.2},
    "all of them": {
        "every_seconds": 0.9,
        "scene_threshold": 0.3,
        "state_threshold": 0.2,
        "min_event_seconds": 0.1,
    },
}


@every_reader
@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_from_the_same_boundaries_live_text_is_offline_text(options, rules, make_model, write, processor):
    model, (path, frames, times) = make_model(options), write([20, 33, 17])
    found = []
    for sizes in ([1], [70], [3, 1, 11]):
        session = model.stream(processor, generate={"num_beams": 3}, max_batch=16, **rules)
        found.append(sentences(session, push_in(session, frames, times, sizes)))
    assert found[0] == found[1] == found[2]  # however frames arrive
    assert len(found[0]) > 2 and len({one.text for one in found[0]}) > 1
    assert found[0][0].start == 0 and found[0][-1].reason == "end"
    assert found[0][-1].end == pytest.approx(70 / 25, abs=0.002)
    for one, after in zip(found[0], [*found[0][1:], None], strict=True):
        assert after is None or after.start == one.end
        assert (one.text, one.frames) == offline(model, processor, path, one.start, one.end, num_beams=3)


def test_a_change_of_scene_ends_an_event_unless_it_is_too_short(make_model, write, processor):
    model, (_, frames, times) = make_model({}), write([20, 5, 30])
    for shortest, expected in ((0.1, [0.8, 1.0]), (0.5, [0.8])):
        session = model.stream(processor, scene_threshold=0.3, min_event_seconds=shortest)
        found = sentences(session, session.push(frames, times=times))
        assert [one.end for one in found[:-1]] == pytest.approx(expected, abs=0.002)
        assert {one.reason for one in found[:-1]} == {"scene"}


@every_reader
def test_a_change_of_the_encoders_state_ends_an_event(options, make_model, write, processor):
    """Where it says the state changes is where the distance, worked out from whole readings, exceeds the threshold."""
    model, (path, frames, times) = make_model(options), write([25, 25])
    threshold = 0.05
    session = model.stream(processor, state_threshold=threshold, min_event_seconds=0.1)
    found = sentences(session, session.push(frames, times=times))
    assert len(found) > 1
    first = found[0]
    assert first.reason == "state"
    whole = read_segment(path, 0, first.end + 0.001, frame_rate=5.0)  # with the frame that ended it
    signals = []
    for count in range(1, len(whole.frames) + 1):
        values = processor(videos=[whole.frames[:count]])["pixel_values"]
        with torch.no_grad():
            reading = model.encoder(pixel_values=values)[0][0, 0]
            seen = model.encoder.look(values)[0, -1]
        signals.append(reading[: len(reading) // 2] if model.config.starts_from_state else seen)
    distances = [
        1 - torch.cosine_similarity(signal, torch.stack(signals[:k]).mean(0), dim=0).item()
        for k, signal in enumerate(signals)
        if k
    ]
    assert distances[-1] > threshold
    assert all(one <= threshold for one in distances[:-1])


def test_no_more_frames_are_read_than_the_processor_allows(make_model, write):
    model, (path, frames, times) = make_model({}), write([40])
    few = make_processor(frame_rate=None, max_frames=6)
    session = model.stream(few, every_seconds=1.0)
    found = sentences(session, session.push(frames, times=times))
    assert [one.frames for one in found] == [6, 6]
    for one in found:
        assert one.text == offline(model, few, path, one.start, one.end)[0]


def test_frames_that_are_not_read_are_not_looked_at(make_model, write, processor):
    model, (_, frames, times) = make_model({}), write([50])
    looked = []
    hook = model.encoder.frame_encoder.register_forward_pre_hook(lambda module, given: looked.append(len(given[0])))
    session = model.stream(processor)
    push_in(session, frames, times, [10])
    hook.remove()
    assert sum(looked) == 10 == session.state.counts.item()


def test_a_gap_begins_an_event_where_the_clock_of_events_stands(make_model, write, processor):
    model, (_, frames, _) = make_model({}), write([5])
    session = model.stream(processor, every_seconds=1.0)
    found = sentences(session, session.push(frames, times=[0.5, 1.0, 1.5, 7.75, 9.5]))
    assert [(one.start, one.end) for one in found] == [(0.5, 1.5), (1.5, 2.5), (7.5, 8.5), (9.5, 11.25)]


def test_many_videos_in_one_batch_are_each_as_if_alone(make_model, write, processor):
    model, rules = make_model({}), RULES["all of them"]
    videos = [write(lengths, seed) for seed, lengths in enumerate([[20, 20], [40], [7, 25]])]
    alone = []
    for _, frames, times in videos:
        session = model.stream(processor, **rules)
        alone.append(sentences(session, session.push(frames, times=times)))
    session = model.stream(processor, 3, **rules)
    together = [[], [], []]
    for t in range(40):
        rows = [row for row, video in enumerate(videos) if t < len(video[1])]
        results = session.push([videos[r][1][t] for r in rows], rows=rows, times=[videos[r][2][t] for r in rows])
        assert [result.row for result in results] == rows
        for result in results:
            if result.sentence:
                together[result.row].append(result.sentence)
    for one in session.finish():
        together[one.row].append(one)
    for row in range(3):
        assert [(o.start, o.end, o.text, o.reason) for o in together[row]] == [
            (o.start, o.end, o.text, o.reason) for o in alone[row]
        ]


@every_reader
def test_a_saved_and_continued_state_is_as_if_nothing_had_happened(options, make_model, write, processor, tmp_path):
    model, (_, frames, times) = make_model(options), write([20, 33, 17])
    session = model.stream(processor, **RULES["all of them"])
    push_in(session, frames[:31], times[:31], [1])
    session.state.save(tmp_path / "state.safetensors")
    later = push_in(session, frames[31:], times[31:], [1])
    state = LrcnNarrationState.load(tmp_path / "state.safetensors")
    again = model.stream(processor, state=state, **RULES["all of them"])
    assert push_in(again, frames[31:], times[31:], [1]) == later
    for name, part in again.state._tensors().items():
        assert torch.equal(part.nan_to_num(-1), session.state._tensors()[name].nan_to_num(-1)), name
    assert again.finish() == session.finish()


def test_the_state_is_of_fixed_size_and_a_reset_row_begins_at_its_beginning(make_model, write, processor):
    model, (_, frames, times) = make_model({}), write([30, 30])
    session = model.stream(processor, 2, every_seconds=0.5, scene_threshold=0.3, state_threshold=0.5)

    def held():
        gc.collect()
        tensors = [thing for thing in gc.get_objects() if type(thing) is torch.Tensor]
        return len(tensors), sum(tensor.nbytes for tensor in tensors)

    for t in range(3):
        session.push([frames[t]] * 2, times=[times[t]] * 2)
    before = held()
    for t in range(3, 60):
        session.push([frames[t]] * 2, times=[times[t]] * 2)
    assert held() == before
    session.reset([1])
    new = LrcnNarrationState.new(model, 1)._tensors()
    for name, part in session.state.select([1])._tensors().items():
        assert torch.equal(part.nan_to_num(-1), new[name].nan_to_num(-1)), name
    assert session.state.frames.tolist() == [60, 0]
    assert [one.row for one in session.finish()] == [0]


def test_one_may_let_it_speak_at_any_moment(make_model, write, processor):
    model, (path, frames, times) = make_model({}), write([40])
    session = model.stream(processor)
    assert session.speak() == []
    session.push(frames[:22], times=times[:22])
    (one,) = session.speak()
    assert one.text == offline(model, processor, path, 0, times[22])[0]
    assert session.speak() == []
    session.push(frames[22:], times=times[22:])
    (two,) = session.finish()
    assert (two.start, two.text) == (times[22], offline(model, processor, path, times[22], None)[0])


def test_what_cannot_be_meant_is_refused_and_changes_nothing(make_model, write, processor, tmp_path):
    model, (_, frames, times) = make_model({}), write([5])
    session = model.stream(processor)
    session.push(frames[:3], times=times[:3])
    with pytest.raises(ValueError, match=r"row 0: a frame at 0 s after one at 0\.08 s; reset the row first"):
        session.push(frames[0], times=0.0)
    with pytest.raises(ValueError, match="give those of the frames, or frames_per_second"):
        session.push(frames[3])
    assert session.state.frames.tolist() == [3]
    for name in ("every_seconds", "state_threshold", "batch_size"):
        with pytest.raises(ValueError, match=f"{name} is 0; it must be above 0"):
            model.stream(processor, **{name: 0})
    nodes = LrcnForVideoNarration(LrcnNarrationConfig(node_sizes=[3], hidden_size=7, embedding_size=6))
    with pytest.raises(ValueError, match="'decoder-prob' reads no frames"):
        nodes.stream(processor)
    with pytest.raises(ValueError, match="this is another model's state: encoded has the shape"):
        make_model({"frame_reader": "mean"}).stream(processor, state=session.state)


def test_times_may_follow_from_a_frame_rate(make_model, write, processor):
    model, (_, frames, _) = make_model({}), write([30])
    given, counted = model.stream(processor, every_seconds=0.5), model.stream(processor, every_seconds=0.5)
    counted.frames_per_second = 25
    expected = given.push(frames, times=[number / 25 for number in range(30)])
    assert [counted.push(frame) for frame in frames] == expected
