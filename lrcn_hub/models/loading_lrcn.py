"""Reading weights from a folder or a repository that anybody may have made: nothing is run, and nothing is allocated
before it is known that the files hold what the configuration describes."""

import hashlib
import json
import os
import re
from pathlib import Path, PurePath
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack")
"""Files of weights that we do not read; most of them are programs."""


class CheckedPreTrainedModel(PreTrainedModel):
    """A model whose `from_pretrained` reads sound safetensors that lie in the model's folder and fit its shapes."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *model_args: Any, **kwargs: Any) -> Any:
        """transformers' `from_pretrained`, from safetensors alone.

        Raises ValueError naming file or tensor where weights are pickled, damaged, outside the folder, missing or of
        another shape than the configuration says; with ``ignore_mismatched_sizes=True`` the last two are made anew.
        """
        name = pretrained_model_name_or_path
        if name is not None and os.path.isdir(name):
            check_weight_files(Path(name, kwargs.get("subfolder") or ""))
        try:
            return super().from_pretrained(name, *model_args, **{**kwargs, "use_safetensors": True})
        except SafetensorError as error:
            raise ValueError(f"{name}: its weights are no sound safetensors file: {error}") from error
        except OSError as error:
            if "use_safetensors" not in str(error):
                raise
            hub = "" if os.path.isdir(str(name)) else ", or the Hub did not give it just now (then try again)"
            raise OSError(f"{name} has no model.safetensors{hub}; {_why_no_pickles()}") from error

    @classmethod
    def _load_pretrained_model(
        cls, model: Any, state_dict: Any, checkpoint_files: Any, load_config: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Here transformers has made the model on the meta device, where it has shapes but no memory yet."""
        where = load_config.pretrained_model_name_or_path
        for file in checkpoint_files or ():
            _check_digest(Path(file), where)
        if checkpoint_files and load_config.hf_quantizer is None:
            for shard in ((load_config.sharded_metadata or {}).get("weight_map") or {}).values():
                _check_shard_name(shard, where)
            _check_fit(model, checkpoint_files, where, remake=load_config.ignore_mismatched_sizes)
        return super()._load_pretrained_model(model, state_dict, checkpoint_files, load_config, *args, **kwargs)


def check_weight_files(folder: Path) -> list[Path]:
    """Look into the folder of a model without reading a tensor; gives its files of weights.

    Raises ValueError where they are pickled, or where one that an index names, or a link, lies outside the folder.
    """
    files = sorted(folder.glob("*.safetensors"))
    for file in files:
        if re.fullmatch(r"shard-\d+-model-\d+-of-\d+\.safetensors", file.name):
            raise ValueError(f"{file} is a part of a distributed checkpoint; save the model whole (save_pretrained)")
    for index in sorted(folder.glob("*.safetensors.index*.json")):
        files += [folder / shard for shard in _shards(index)]
    for file in files:
        if file.exists() and not _lies_in(file, folder):
            raise ValueError(
                f"{file} is a link to {file.resolve()}, outside the model's folder; put the file itself there"
            )
    pickles = [file for file in sorted(folder.iterdir()) if file.name.endswith(PICKLES)] if not files else []
    if pickles:
        raise ValueError(f"{pickles[0]}: {_why_no_pickles()}")
    return files


def _shards(index: Path) -> list[str]:
    """Read the names of the files among which an index divides a model's tensors."""
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        shards = sorted(set(content["weight_map"].values()))
        if not isinstance(content["metadata"], dict):
            raise TypeError("metadata is no object")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{index}: not an index of safetensors (weight_map, metadata): {error}") from error
    for shard in shards:
        _check_shard_name(shard, index)
    return shards


def _check_shard_name(shard: Any, where: Any) -> None:
    path = PurePath(str(shard))
    if path.is_absolute() or ".." in path.parts or path.suffix != ".safetensors":
        raise ValueError(
            f"{where}: its index names {str(shard)!r}, which is no safetensors file in the model's folder"
        )


def _lies_in(file: Path, folder: Path) -> bool:
    """Whether `file` is in `folder`, links resolved; in the Hub's cache a snapshot's files are links to ``blobs``."""
    places = [folder.resolve()]
    for parent in folder.absolute().parents:
        if parent.name == "snapshots" and parent.parent.name.startswith("models--"):
            places.append((parent.parent / "blobs").resolve())
    return any(file.resolve().is_relative_to(place) for place in places)


def _check_digest(file: Path, where: Any) -> None:
    """Compare a large file in the Hub's cache with its name there, its sha256; a download compares sizes alone."""
    blob = file.resolve()
    if blob.parent.name != "blobs" or not re.fullmatch("[0-9a-f]{64}", blob.name):
        return
    with open(blob, "rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != blob.name:
        blob.unlink()
        raise OSError(
            f"{where}: {file.name} was damaged on its way from the Hub (sha256 {digest} instead of {blob.name}); it "
            "was taken out of the cache, so load the model again"
        )


def _check_fit(model: PreTrainedModel, files: list[str], where: Any, *, remake: bool) -> None:
    """Compare the shapes in `files` with those of a model that has no memory yet."""
    shapes = {}
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            shapes.update({name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()})  # noqa: SIM118
    tied = model.all_tied_weights_keys  # another's memory under a second name, which is not saved
    for name, tensor in model.state_dict().items():
        there = shapes.get(name)
        if remake or not tensor.is_meta or name in tied or name.endswith("num_batches_tracked"):
            continue
        if there is None:
            raise ValueError(f"{where}: the weights lack {name}, which the configuration describes")
        if there != tuple(tensor.shape):
            raise ValueError(
                f"{where}: {name} has the size {there} in the weights, the configuration says {tuple(tensor.shape)}"
            )


def _why_no_pickles() -> str:
    return (
        "only safetensors are loaded, since other weights can run code when they are read. If you trust them, convert "
        'them: safetensors.torch.save_file(torch.load(FILE, weights_only=True), "model.safetensors", {"format": "pt"})'
    )


__all__ = ["CheckedPreTrainedModel"]
