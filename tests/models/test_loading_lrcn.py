"""Weights from anybody: only sound safetensors that lie in the model's folder and fit it, and nothing is run."""

import json
import os
import pickle
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from lrcn_hub.models import LrcnForImageCaptioning
from lrcn_hub.models.loading_lrcn import check_weight_files


@pytest.fixture
def folder(tiny_captioner, tmp_path):
    tiny_captioner().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def trap(tmp_path):
    """An object that makes a folder when it is unpickled, and whether that happened."""

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    trap = Trap()
    trap.sprung = (tmp_path / "sprung").exists
    return trap


def edit_json(file, **values):
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def shard(folder, name="model-00001-of-00001.safetensors"):
    """Put the weights of `folder` under an index that calls their file `name`."""
    weights = folder / "model.safetensors"
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(load_file(weights), name)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    shutil.move(weights, folder / name)


def refused(folder, said, error=ValueError, **options):
    with pytest.raises(error, match=said) as refusal:
        AutoModel.from_pretrained(folder, **options)
    return str(refusal.value)


def test_the_memory_of_these_tests_is_little(little_memory):
    with pytest.raises(RuntimeError, match="alloc"):
        torch.empty(10**9)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl", "model.ckpt"])
@pytest.mark.parametrize("options", [{}, {"use_safetensors": False}, {"weights_only": False}], ids=str)
def test_a_pickle_is_refused_by_name_and_not_run(name, options, folder, trap):
    (folder / "model.safetensors").unlink()
    torch.save({"embedding.weight": trap}, folder / name)
    said = refused(
        folder, f"{name}: only safetensors are loaded.*convert them: safetensors.torch.save_file", **options
    )
    assert said.startswith(str(folder / name)) and not trap.sprung()


def test_the_trap_of_these_tests_springs(trap):
    pickle.loads(pickle.dumps(trap))
    assert trap.sprung()


def test_a_pickle_beside_safetensors_is_not_looked_at(folder, trap):
    torch.save({"embedding.weight": trap}, folder / "pytorch_model.bin")
    AutoModel.from_pretrained(folder, use_safetensors=False)
    assert not trap.sprung()


def test_an_index_of_pickles_is_refused(folder, trap):
    (folder / "model.safetensors").unlink()
    torch.save({"embedding.weight": trap}, folder / "part.bin")
    index = {"metadata": {}, "weight_map": {"embedding.weight": "part.bin"}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    refused(folder, "part.bin: only safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(folder, "its index names 'part.bin', which is no safetensors file in the model's folder")
    assert not trap.sprung()


def test_a_distributed_checkpoint_with_its_pickled_table_is_refused(folder, trap):
    shutil.move(folder / "model.safetensors", folder / "shard-00000-model-00001-of-00001.safetensors")
    (folder / ".metadata").write_bytes(pickle.dumps(trap))
    refused(folder, "shard-00000-model-00001-of-00001.safetensors is a part of a distributed checkpoint")
    assert not trap.sprung()


@pytest.mark.parametrize("name", ["../stolen.safetensors", "/stolen.safetensors", "part/../../stolen.safetensors"])
def test_an_index_may_not_name_a_file_outside_the_folder(name, folder):
    shard(folder)
    shutil.move(folder / "model-00001-of-00001.safetensors", folder.parent / "stolen.safetensors")
    name = str(folder.parent / "stolen.safetensors") if name.startswith("/") else name
    edit_json(folder / "model.safetensors.index.json", weight_map={"embedding.weight": name})
    said = refused(folder, "its index names")
    assert str(folder / "model.safetensors.index.json") in said and repr(name) in said


@pytest.mark.parametrize("sharded", [False, True])
def test_a_link_that_leaves_the_folder_is_refused_and_one_inside_it_is_not(sharded, folder):
    if sharded:
        shard(folder)
    file = next(folder.glob("*.safetensors"))
    shutil.move(file, folder.parent / "stolen.safetensors")
    file.symlink_to("../stolen.safetensors")
    said = refused(folder, f"{file.name} is a link to .*stolen.safetensors, outside the model's folder")
    assert said.startswith(str(file))
    file.unlink()
    shutil.move(folder.parent / "stolen.safetensors", folder / "weights")
    file.symlink_to("weights")
    assert AutoModel.from_pretrained(folder)


def test_shards_in_the_folder_are_loaded(folder):
    shard(folder)
    (folder / "parts").mkdir()
    assert AutoModel.from_pretrained(folder)
    assert check_weight_files(folder)[-1] == folder / "model-00001-of-00001.safetensors"


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"weight_map": {}}', '{"weight_map": 5, "metadata": {}}', "[" * 100_000,
                '{"weight_map": {"a": [1]}, "metadata": {}}', '{"weight_map": {"a": 5}, "metadata": {}}'],
    ids=lambda content: content[:20],
)  # fmt: skip
def test_a_broken_index_is_refused_by_name(content, folder):
    shard(folder)
    (folder / "model.safetensors.index.json").write_text(content)
    refused(folder, "model.safetensors.index.json")


def cached(folder, cache, names):
    """Lay `folder` out as the Hub's cache does; gives its snapshot."""
    store = cache / "models--nobody--captioner"
    snapshot = store / "snapshots" / ("0" * 40)
    for path in (snapshot, store / "blobs", store / "refs"):
        path.mkdir(parents=True)
    (store / "refs/main").write_text("0" * 40)
    for number, name in enumerate(names):
        shutil.copy(folder / name, store / f"blobs/{number}")
        (snapshot / name).symlink_to(f"../../blobs/{number}")
    return snapshot


@pytest.mark.parametrize("sharded", [False, True])
def test_links_of_the_hubs_cache_are_followed(sharded, folder, tmp_path):
    if sharded:
        shard(folder)
    snapshot = cached(folder, tmp_path / "cache", [file.name for file in folder.iterdir() if file.is_file()])
    assert AutoModel.from_pretrained(snapshot)
    options = {"cache_dir": tmp_path / "cache", "local_files_only": True}
    assert AutoModel.from_pretrained("nobody/captioner", **options)


def test_a_repository_in_the_cache_is_held_to_the_same(folder, trap, tmp_path):
    options = {"cache_dir": tmp_path / "cache", "local_files_only": True}
    shard(folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(trap))
    cached(folder, tmp_path / "cache", ["config.json", "pytorch_model.bin"])
    refused("nobody/captioner", "nobody/captioner has no model.safetensors, .*; only safetensors", OSError, **options)
    assert not trap.sprung()
    shutil.rmtree(tmp_path / "cache")

    edit_json(
        folder / "model.safetensors.index.json", weight_map={"embedding.weight": "../../../../stolen.safetensors"}
    )
    snapshot = cached(folder, tmp_path / "cache", ["config.json", "model.safetensors.index.json"])
    shutil.copy(folder / "model-00001-of-00001.safetensors", tmp_path / "cache/../stolen.safetensors")
    assert (snapshot / "../../../../stolen.safetensors").is_file()
    refused("nobody/captioner", "stolen.safetensors|Invalid pointer path", (OSError, ValueError), **options)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"vocab_size": 10},
            r"embedding.weight has the size \(9, 6\) in the weights, the configuration says \(10, 6\)",
        ),
        ({"hidden_size": 20_000}, r"decoder.layers.0.cell.weight_ih_l0 .* \(28, 6\) .* \(80000, 6\)"),
        ({"vocab_size": 500_000, "hidden_size": 5000}, r"embedding.weight .* \(500000, 6\)"),
        ({"num_layers": 20, "visual_layer": 2, "wiring": None}, "the weights lack decoder.layers.2.cell"),
        ({"backbone_config": {"model_type": "lrcn_caffenet", "image_size": 67}}, r"conv1.weight .* \(96, 3, 11, 11\)"),
        (
            {"feature": "pooled", "backbone_config": {"model_type": "timm_wrapper", "architecture": "test_vit"}},
            "the weights lack encoder",
        ),
    ],
)
@pytest.mark.parametrize("sharded", [False, True])
def test_a_configuration_that_disagrees_with_the_weights_is_refused_before_memory_is_taken(
    values, said, sharded, folder, little_memory
):
    if sharded:
        shard(folder)
    edit_json(folder / "config.json", **values)
    assert refused(folder, said).startswith(str(folder))


def test_whoever_asks_for_it_gets_weights_of_other_sizes_made_anew(folder):
    again = AutoModel.from_pretrained(folder, vocab_size=10, ignore_mismatched_sizes=True)
    assert again.embedding.weight.shape == (10, 6)
    with pytest.raises(ValueError, match="has the size"):
        LrcnForImageCaptioning.from_pretrained(folder, vocab_size=10)


def test_caffenet_by_itself_is_held_to_the_same(tiny_captioner, tmp_path, trap):
    tiny_captioner().encoder.backbone.save_pretrained(tmp_path)
    edit_json(tmp_path / "config.json", fc_sizes=[8, 8, 6])
    refused(tmp_path, r"fc8.weight has the size \(5, 8\) in the weights, the configuration says \(6, 8\)")
    (tmp_path / "model.safetensors").unlink()
    torch.save({"conv1.weight": trap}, tmp_path / "pytorch_model.bin")
    refused(tmp_path, "pytorch_model.bin: only safetensors")
    assert not trap.sprung()


def header(content, length=None):
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk" * 99,
        header({}, 2**62),
        header({}, 99_000_000),
        header({"embedding.weight": {"dtype": "F32", "shape": [10**12, 10**6], "data_offsets": [0, 4]}}) + bytes(4),
        header({"embedding.weight": {"dtype": "F32", "shape": [9, 6], "data_offsets": [0, 216]}}) + bytes(8),
        header({"embedding.weight": {"dtype": "F32", "shape": [9, 6], "data_offsets": [-216, 0]}}),
        header({"embedding.weight": {"dtype": "F33", "shape": [1], "data_offsets": [0, 4]}}) + bytes(4),
    ],
    ids=["empty", "junk", "huge", "long", "large", "short", "negative", "dtype"],
)
@pytest.mark.parametrize("dtype", ["auto", torch.float32], ids=str)
def test_a_safetensors_file_that_lies_about_itself_is_refused(content, dtype, folder, little_memory):
    (folder / "model.safetensors").write_bytes(content)
    said = refused(folder, "its weights are no sound safetensors file", dtype=dtype)
    assert said.startswith(str(folder))
