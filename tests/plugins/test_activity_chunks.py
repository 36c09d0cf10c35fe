import gc
import weakref

import av
import numpy as np
import pytest
import torch

from lrcn_activity.chunks import ChunkCollator, truncated_loss
from lrcn_activity.clips import ClipCollator
from lrcn_activity.options import ActivityDataOptions, ActivityEvaluationOptions, ActivityModelOptions
from lrcn_activity.task import Activity
from lrcn_hub.models import LrcnForVideoClassification, LrcnState
from lrcn_hub.tasks import model_loss
from lrcn_hub.training import main

TASK = Activity()
SIDE, CHUNK, LENGTH = 32, 4, 22
MODEL = {
    "backbone": "test_convnext",
    "feature": "grid",
    "image_size": SIDE,
    "num_frames": LENGTH,
    "hidden_size": 16,
    "feature_dropout": 0.0,
    "lstm_dropout": 0.0,
    "initializer_range": 0.3,
    "preprocessing": {"size": {"height": SIDE, "width": SIDE}},
}


def write_signal(path, frames, colour):
    """Write a video that shows its colour at once, and from then on noise."""
    random = np.random.RandomState(sum(path.stem.encode()))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=SIDE, height=SIDE, pix_fmt="yuv420p")
        for number in range(frames):
            picture = random.randint(100, 150, (SIDE, SIDE, 3), dtype=np.uint8)
            if number < 2:
                picture[:] = colour
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def signals(tmp_path_factory):
    """A CSV of videos of 8 to 22 frames; only the first two frames of each tell its class."""
    folder = tmp_path_factory.mktemp("signals")
    lines = ["video,label,split"]
    for number in range(16):
        label, split = ("blue", "red")[number % 2], "train" if number < 8 else "test"
        path = folder / f"{split}-{number}.mp4"
        write_signal(
            path, LENGTH if split == "test" else 8 + 2 * number, {"red": (220, 30, 30), "blue": (30, 30, 220)}[label]
        )
        lines.append(f"{path.name},{label},{split}")
    (folder / "videos.csv").write_text("\n".join(lines) + "\n")
    return folder / "videos.csv"


@pytest.fixture(scope="module")
def made(signals):
    """Options, rows, processor and an untrained model, in double precision so that equality is exact enough."""
    options = ActivityDataOptions(reader="csv", path=str(signals), chunk_frames=CHUNK, augment=False)
    tables = TASK.load_tables(options)
    model_options = ActivityModelOptions(**MODEL)
    processor = TASK.build_processor(tables, model_options)
    torch.manual_seed(0)
    model = TASK.build_model(processor, model_options).eval().double()
    return options, [{**row, "seed": 5} for row in tables["train"]][:3], processor, model


def collate(made, training, **changes):
    options, rows, processor, _ = made
    collator = ClipCollator(processor, ActivityDataOptions(**{**vars(options), **changes}), training)
    return (ChunkCollator(collator) if collator.options.chunk_frames else collator)(rows)


def doubled(chunks):
    return [(pixels.double(), mask) for pixels, mask in chunks]


class Doubled:
    """Chunks in double precision."""

    def __init__(self, chunks):
        self.chunks, self.frames = chunks, chunks.frames

    def __iter__(self):
        return iter(doubled(self.chunks))


@pytest.mark.parametrize("size", [1, 4, 7, LENGTH, 40])
@pytest.mark.parametrize("augment", [False, True])
def test_chunks_in_turn_are_the_window(made, size, augment):
    whole = collate(made, training=True, chunk_frames=None, augment=augment)
    chunks = list(collate(made, training=True, chunk_frames=size, augment=augment)["chunks"])
    longest = int(whole["frame_mask"].sum(1).max())
    assert len(chunks) == -(-longest // size)
    pixels, mask = (torch.cat(parts, 1)[:, :longest] for parts in zip(*chunks, strict=True))
    assert torch.equal(mask, whole["frame_mask"][:, :longest])
    assert torch.equal(pixels[mask], whole["pixel_values"][:, :longest][mask])


@pytest.mark.parametrize("size", [3, 4, LENGTH])
def test_the_loss_of_all_chunks_is_that_of_whole_windows(made, size):
    model = made[-1]
    whole = collate(made, training=True, chunk_frames=None)
    expected = model_loss(model, {**whole, "pixel_values": whole["pixel_values"].double()}, 5)
    batch = collate(made, training=True, chunk_frames=size)
    parts = list(truncated_loss(model, {**batch, "chunks": Doubled(batch["chunks"])}, 5))
    assert sum(parts).item() == pytest.approx(expected.item(), rel=1e-6)


def gradient(model, losses):
    model.zero_grad()
    for loss in losses:
        loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_the_gradient_stops_at_the_beginning_of_a_chunk(made):
    """Beside it: all frames at once, where the state alone is cut from what it came from."""
    model = made[-1]
    whole = collate(made, training=True, chunk_frames=None)
    features = model.encode(whole["pixel_values"].double(), whole["frame_mask"])
    state, losses = None, torch.zeros(len(features), dtype=torch.float64)
    for begin in range(0, LENGTH, CHUNK):
        mask = whole["frame_mask"][:, begin : begin + CHUNK]
        logits, state = model.classify(features[:, begin : begin + CHUNK], state, frame_mask=mask)
        state = LrcnState([h.detach() for h in state.hidden], [c.detach() for c in state.cell])
        log_p = logits.log_softmax(-1)[torch.arange(len(logits)), :, whole["labels"]]
        losses = losses - (log_p * mask).sum(1)
    expected = gradient(model, [(losses / whole["frame_mask"].sum(1)).sum() / 5])
    batch = collate(made, training=True)
    found = gradient(model, truncated_loss(model, {**batch, "chunks": Doubled(batch["chunks"])}, 5))
    uncut = gradient(model, [model_loss(model, {**whole, "pixel_values": whole["pixel_values"].double()}, 5)])
    scale = expected.abs().max()
    assert (found - expected).abs().max() < 1e-5 * scale
    assert (uncut - expected).abs().max() > 1e-3 * scale


def test_only_one_chunk_is_in_memory(made):
    model = made[-1].float()
    batch = collate(made, training=True)
    seen = []

    class Watched(Doubled):
        def __iter__(self):
            for pixels, mask in self.chunks:
                gc.collect()
                assert sum(ref() is not None for ref in seen) <= 1  # the one before, which the loop still names
                seen.append(weakref.ref(pixels))
                yield pixels, mask

    gradient(model, truncated_loss(model, {**batch, "chunks": Watched(batch["chunks"])}, 5))
    model.double()
    assert len(seen) == -(-max(batch["chunks"].frames).item() // CHUNK) == 3


def test_a_long_video_is_judged_as_one_clip(made):
    _, rows, processor, model = made
    batch = collate(made, training=False)
    answers = TASK.predict(
        model,
        {**batch, "chunks": type("Rows", (Doubled,), {"rows": rows})(batch["chunks"])},
        processor,
        ActivityEvaluationOptions(),
    )
    for row, answer in zip(rows, answers, strict=True):
        alone = ClipCollator(processor, ActivityDataOptions(**{**vars(made[0]), "chunk_frames": None}), False)([row])
        output = model(pixel_values=alone["pixel_values"][None].double())
        assert answer["probabilities"] == pytest.approx(output.logits[0].exp().tolist(), abs=1e-5)


def test_a_batch_without_chunks_is_one_chunk(made):
    whole = collate(made, training=True, chunk_frames=None)
    batch = {**whole, "pixel_values": whole["pixel_values"].double()}
    (loss,) = truncated_loss(made[-1], batch, 5)
    assert torch.equal(loss, model_loss(made[-1], batch, 5))


def test_chunks_with_the_objective_of_whole_windows_are_refused_with_the_way_out(made):
    with pytest.raises(ValueError, match=r"data\.chunk_frames .* training\.objective truncated"):
        TASK.objectives["likelihood"](made[-1], collate(made, training=True), None)


def train(signals, folder):
    words = {
        "data.reader": "csv",
        "data.path": signals,
        "data.chunk_frames": CHUNK,
        "data.augment": "false",
        **{f"model.{name}": value for name, value in MODEL.items() if name != "preprocessing"},
        "model.preprocessing.size.height": SIDE,
        "model.preprocessing.size.width": SIDE,
        "training.objective": "truncated",
        "training.max_steps": 60,
        "training.per_device_train_batch_size": 4,
        "training.learning_rate": 0.01,
        "training.output_dir": folder,
        "training.eval_strategy": "no",
        "training.lr_scheduler_type": "constant",
        "training.use_cpu": "true",
        "training.save_strategy": "no",
    }
    arguments = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    main(["--task", "activity", *arguments, "--training.final_splits", "test"])
    return folder


def late_accuracy(folder, made_options, reset):
    """The share of test videos whose last frames, of the sixth chunk, are given the right class."""
    from transformers import AutoProcessor

    model = LrcnForVideoClassification.from_pretrained(folder).eval()
    table = TASK.load_tables(made_options)["test"]
    batch = TASK.collator(AutoProcessor.from_pretrained(folder), made_options, training=False)(list(table))
    state = None
    with torch.no_grad():
        for pixels, _ in batch["chunks"]:
            logits, state = model.classify(model.encode(pixels), None if reset else state)
    return (logits[:, 1].argmax(-1) == batch["labels"]).float().mean().item()


@pytest.mark.slow
def test_an_event_five_chunks_ago_is_remembered_and_not_without_the_state(signals, made, tmp_path):
    folder = train(signals, tmp_path)
    assert (folder / "evaluation" / "test" / "predictions.jsonl").read_text().count("\n") == 8
    assert late_accuracy(folder, made[0], reset=False) == 1.0
    assert late_accuracy(folder, made[0], reset=True) == 0.5  # all the same: nothing tells the classes apart
