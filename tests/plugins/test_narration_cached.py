from types import SimpleNamespace

import pytest
import torch

from lrcn_hub.data.feature_cache import Source, stored
from lrcn_narration.options import NarrationDataOptions, NarrationModelOptions
from lrcn_narration.task import Narration

TASK = Narration()
MODEL = {
    "variant": "frames",
    "frame_reader": "separate",
    "frame_size": 6,
    "hidden_size": 5,
    "embedding_size": 4,
    "num_layers": 1,
    "backbone": "test_resnet",
    "feature": "grid",
    "image_size": 32,
    "min_count": 1,
}


@pytest.fixture(scope="module", params=["scene", "event"])
def made(request, tmp_path_factory):
    """Tables of videos or of their segments, and a narrator of frames."""
    folder = str(tmp_path_factory.mktemp("shapes"))
    shapes = {"train": 6, "validation": 2, "test": 3, "picture_size": 32, "videos": True, "folder": folder}
    data = NarrationDataOptions(moving_shapes=shapes, level=request.param, check_videos="none", max_length=40)
    options = SimpleNamespace(data=data, model=NarrationModelOptions(**MODEL), evaluation=TASK.EvaluationOptions())
    tables = TASK.load_tables(data)
    torch.manual_seed(0)
    processor = TASK.build_processor(tables, options.model)
    return tables, processor, TASK.build_model(processor, options.model).eval(), options


def test_training_and_answers_are_the_same_with_features_kept_as_with_videos(made, tmp_path):
    tables, processor, model, options = made
    kept = TASK.cache_features(model, processor, tables, options, str(tmp_path), training=True)
    assert {split: len(table) for split, table in kept.items()} == {split: len(t) for split, t in tables.items()}
    collate = TASK.collator(processor, options.data, training=True)
    rows, cached = ([{**row, "seed": n} for n, row in enumerate(found["train"])] for found in (tables, kept))
    with torch.no_grad():
        assert model(**collate(cached)).loss == pytest.approx(model(**collate(rows)).loss.item(), rel=1e-5)
    collate = TASK.collator(processor, options.data, training=False)
    said = [
        TASK.predict(model, collate(list(found["test"])), processor, options.evaluation) for found in (tables, kept)
    ]
    assert said[0] == said[1]


def test_segments_of_one_video_have_features_of_their_own(made, tmp_path):
    tables, processor, model, options = made
    kept = TASK.cache_features(model, processor, tables, options, str(tmp_path), training=False)["train"]
    assert len({row["features"]["name"] for row in kept}) == len(kept)
    clip = TASK.collator(processor, options.data, training=False)([tables["train"][1]])["pixel_values"]
    with torch.no_grad():
        expected = model.encoder.frame_encoder(clip[0])[0][:, 0]
    assert torch.allclose(stored(kept[1]["features"])[:], expected, atol=1e-5)


def test_a_second_time_nothing_is_computed(made, tmp_path, monkeypatch):
    tables, processor, model, options = made
    first = TASK.cache_features(model, processor, tables, options, str(tmp_path), training=False)
    monkeypatch.setattr(type(model.encoder.frame_encoder), "forward", None)
    again = TASK.cache_features(model, processor, tables, options, str(tmp_path), training=False)
    assert [row["features"] for row in again["test"]] == [row["features"] for row in first["test"]]


def test_a_trained_backbone_and_a_narrator_of_nodes_are_refused(made, tmp_path):
    tables, processor, model, options = made
    whole = SimpleNamespace(data=options.data, model=NarrationModelOptions(**MODEL, train_backbone="whole"))
    with pytest.raises(ValueError, match="train_backbone is whole"):
        TASK.cache_features(model, processor, tables, whole, str(tmp_path), training=True)
    nodes = SimpleNamespace(variant="decoder-prob")
    with pytest.raises(ValueError, match="decoder-prob looks at no frames: go on without --cache_features"):
        TASK.cache_features(model, nodes, tables, options, str(tmp_path), training=True)


def test_parts_of_a_file_are_told_apart(tmp_path):
    file = tmp_path / "video"
    file.write_bytes(b"x")
    whole = Source.of_file(file)
    parts = [whole.part("from 0 to 1 s"), whole.part("from 1 to 2 s")]
    assert len({whole.key, *(part.key for part in parts)}) == 3
    assert {part.state for part in parts} == {whole.state}
