"""Beginning from another model's weights, wherever name and shape match."""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from lrcn_hub.models.loading_lrcn import check_weight_files

if TYPE_CHECKING:
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

Shape = tuple[int, ...]


@dataclass
class WarmStart:
    """What became of each weight; all lists hold names."""

    loaded: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """In the checkpoint, but not in the model, or left out on request."""
    mismatched: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)
    """In both, with different shapes: the checkpoint's and the model's."""
    fresh: list[str] = field(default_factory=list)
    """In the model, but not taken from the checkpoint."""


def warm_start(model: PreTrainedModel, processor: Any, source: str | Path, skip: list[str] | None = None) -> WarmStart:
    """Copy into `model` the weights of the folder or safetensors file `source` that match in name and shape.

    Weights whose name fits a pattern of `skip` are left out. Every weight is logged as loaded, skipped or mismatched.

    Raises FileNotFoundError where there are no weights, and ValueError where they are no safetensors of that folder,
    where nothing matches or the vocabulary is not the model's: other words under the same numbers would be silent
    nonsense.
    """
    files = _weight_files(Path(source))
    own = model.state_dict()
    result = WarmStart()
    with torch.no_grad():
        for file in files:
            _take_all(file, own, skip or [], result)
    result.fresh = [name for name in own if name not in set(result.loaded)]
    _refuse_other_vocabulary(model, processor, Path(source), result)
    if not result.loaded:
        raise ValueError(
            f"init_from {source}: no weight matches the model in name and shape; it has "
            f"{', '.join(result.skipped[:3])} ..., the model {', '.join(list(own)[:3])} ..."
        )
    _log(result, source)
    return result


def _take_all(file: Path, own: dict[str, torch.Tensor], skip: list[str], result: WarmStart) -> None:
    try:
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 (no mapping)
                _take(name, weights, own, skip, result)
    except SafetensorError as error:
        raise ValueError(f"init_from {file}: no sound safetensors file: {error}") from error


def _take(name: str, weights: Any, own: dict[str, torch.Tensor], skip: list[str], result: WarmStart) -> None:
    if name not in own or any(fnmatch(name, pattern) for pattern in skip):
        result.skipped.append(name)
        return
    shape = tuple(weights.get_slice(name).get_shape())
    if shape != tuple(own[name].shape):
        result.mismatched[name] = (shape, tuple(own[name].shape))
        return
    own[name].copy_(weights.get_tensor(name))
    result.loaded.append(name)


def _weight_files(source: Path) -> list[Path]:
    if source.is_file() and source.suffix == ".safetensors":
        return [source]
    if source.is_dir():
        try:
            check_weight_files(source)
        except ValueError as error:
            raise ValueError(f"init_from {error}") from error
    if (index := source / "model.safetensors.index.json").is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return [source / shard for shard in sorted(shards)]
    if (single := source / "model.safetensors").is_file():
        return [single]
    raise FileNotFoundError(f"init_from {source}: no model.safetensors there; give a model's folder or such a file")


def _refuse_other_vocabulary(model: PreTrainedModel, processor: Any, source: Path, result: WarmStart) -> None:
    rows = _vocabulary_weights(model)
    for name, (theirs, ours) in result.mismatched.items():
        if name in rows and theirs[1:] == ours[1:]:
            raise ValueError(
                f"init_from {source}: its vocabulary has {theirs[0]} words, the model's {ours[0]} ({name}); use the "
                f"same vocabulary, or leave these weights out: --init_skip {' '.join(sorted(rows))}"
            )
    if not rows.intersection(result.loaded):
        return
    if difference := other_words(processor, source if source.is_dir() else source.parent):
        raise ValueError(
            f"init_from {source}: {difference}; use the same vocabulary, or leave these weights out: "
            f"--init_skip {' '.join(sorted(rows))}"
        )


def other_words(processor: Any, folder: Path) -> str | None:
    """Say where the vocabulary saved in `folder` first differs from the processor's; None if nowhere, or without."""
    tokenizer = getattr(processor, "tokenizer", processor)
    file = folder / "tokenizer.json"
    if not file.is_file() or not hasattr(tokenizer, "get_vocab"):
        return None
    theirs = {number: word for word, number in _vocabulary(file).items()}
    ours = {number: word for word, number in tokenizer.get_vocab().items()}
    for number in sorted(theirs | ours):
        if theirs.get(number) != ours.get(number):
            return f"word {number} of its vocabulary is {theirs.get(number)!r}, the model's is {ours.get(number)!r}"
    return None


def _vocabulary_weights(model: PreTrainedModel) -> set[str]:
    """Name the weights with one row for each word: those of the layers a model offers as its embeddings."""
    own = set()
    for layer_of in (model.get_input_embeddings, model.get_output_embeddings):
        with contextlib.suppress(NotImplementedError):  # how the stock class says that there is no such layer
            own |= {id(parameter) for parameter in getattr(layer_of(), "parameters", list)()}
    return {name for name, parameter in model.named_parameters(remove_duplicate=False) if id(parameter) in own}


def _vocabulary(file: Path) -> dict[str, int]:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(file)).get_vocab()


def _log(result: WarmStart, source: str | Path) -> None:
    logger.info(
        "from %s: %d weights loaded, %d skipped, %d mismatched, %d of the model left as they were",
        source,
        len(result.loaded),
        len(result.skipped),
        len(result.mismatched),
        len(result.fresh),
    )
    for name in result.loaded:
        logger.info("  loaded %s", name)
    for name in result.skipped:
        logger.info("  skipped %s", name)
    for name, (theirs, ours) in result.mismatched.items():
        logger.warning("  mismatched %s: %s there, %s in the model", name, theirs, ours)
