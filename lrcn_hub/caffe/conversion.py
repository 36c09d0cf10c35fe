"""The authors' weights to a folder that the Auto classes and pipelines load: what ``lrcn convert`` does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from lrcn_hub.caffe.building import build_caffenet, build_captioner, build_image_processor, choose_feature
from lrcn_hub.caffe.contents import FULLY_CONNECTED, REFERENCE_FILE, CaptionerLayers, Contents, recognise
from lrcn_hub.caffe.weights import Layer, read_layers
from lrcn_hub.caffe.wire import CaffeFileError, Source
from lrcn_hub.caffe.wiring import check_wiring
from lrcn_hub.data.text import build_word_tokenizer, read_vocabulary
from lrcn_hub.models import LrcnCaptioningProcessor
from lrcn_hub.publishing import export_new
from lrcn_hub.publishing.export import check_is_new

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CONVERSION_FILE = "conversion.json"


@dataclass
class Converted:
    """What became of weights: the `model` in words, the layers `passed_over`, `warnings` that its user must know."""

    folder: Path
    model: str
    passed_over: list[str]
    warnings: list[str]


def convert(
    weights: Sequence[str | Path],
    folder: str | Path,
    *,
    prototxt: str | Path | None = None,
    vocabulary: str | Path | None = None,
    feature: str | None = None,
    skip: Sequence[str] = (),
) -> Converted:
    """Turn ``.caffemodel`` files into a model's folder: CaffeNet, or a captioner with or without its CNN.

    - weights: files that complete one another; of layers of the same name the last one counts, as in Caffe.
    - prototxt: the network they are for, which is then compared with them, and tells which feature is seen.
    - vocabulary: the authors' vocabulary.txt; without it words are called by their ids.
    - feature: fc6, fc7 or fc8 of CaffeNet, where sizes do not tell which one the captioner sees.
    - skip: names of layers, or patterns of them (``conv*``), to be left out.

    Raises CaffeFileError, a ValueError, for files that are damaged or hold something else; ValueError for a `folder`
    that is not empty; OSError for files that cannot be read or written. Nothing is written then.
    """
    folder = Path(folder)
    check_is_new(folder)
    with ExitStack() as files:
        layers: list[Layer] = []
        for path in weights:
            layers += read_layers(files.enter_context(Source(path)))
        contents = recognise(layers, skip)
        told = check_wiring(str(prototxt), contents) if prototxt is not None else None
        if feature is not None and told is not None and feature != told:
            raise CaffeFileError(f"{prototxt}: the captioner sees {told}, not {feature}")
        seen = _seen_feature(contents, feature or told)
        tokenizer = None if contents.captioner is None else _build_tokenizer(contents.captioner, vocabulary)
        model = _build_model(contents, seen)
    processor: Any = build_image_processor()
    if tokenizer is not None:
        processor = LrcnCaptioningProcessor(processor, tokenizer)
    converted = Converted(folder, _describe(contents, seen), contents.passed_over, _warnings(contents, vocabulary))
    sources = [_source(Path(path)) for path in (*weights, prototxt, vocabulary) if path is not None]
    story = {"model": converted.model, "files": sources, "passed_over": converted.passed_over}
    export_new(model, processor, folder, {CONVERSION_FILE: json.dumps(story, indent=2) + "\n"})
    return converted


def _seen_feature(contents: Contents, told: str | None) -> str:
    """The layer whose values are the model's feature; those above it are left out of `contents`."""
    cnn, captioner = contents.cnn, contents.captioner
    if cnn is None:
        return told or FULLY_CONNECTED[-1]
    if captioner is None:
        missing = [name for name in FULLY_CONNECTED if name not in cnn.fc_sizes]
        if missing:
            raise CaffeFileError(f"of CaffeNet, {', '.join(missing)} is missing: add a file that has it")
        return FULLY_CONNECTED[-1]
    seen = choose_feature(captioner, cnn, told)
    contents.passed_over += cnn.take_off(seen)
    return seen


def _build_tokenizer(captioner: CaptionerLayers, vocabulary: str | Path | None) -> PreTrainedTokenizerBase:
    if vocabulary is None:
        return build_word_tokenizer([str(index) for index in range(2, captioner.vocab_size)])
    try:
        words = read_vocabulary(vocabulary)
    except UnicodeDecodeError as error:
        raise CaffeFileError(f"{vocabulary}, byte {error.start}: not UTF-8 text, so no vocabulary") from error
    if len(words) + 2 != captioner.vocab_size:
        raise CaffeFileError(
            f"{vocabulary}: {len(words)} words, <EOS> and <unk> make a vocabulary of {len(words) + 2}, but "
            f"the weights are for one of {captioner.vocab_size}: this is another model's"
        )
    return build_word_tokenizer(words)


def _build_model(contents: Contents, feature: str) -> PreTrainedModel:
    used = [] if contents.cnn is None else list(contents.cnn.layers.values())
    if contents.captioner is not None:
        used += [contents.captioner.embedding, *contents.captioner.lstm, contents.captioner.predict]
    total = sum(blob.nbytes for layer in used for blob in layer.blobs)
    with tqdm(total=total, desc="Reading weights", unit="B", unit_scale=True) as bar:
        if contents.captioner is not None:
            return build_captioner(contents.captioner, contents.cnn, feature, bar.update)
        assert contents.cnn is not None  # recognise finds one of them
        return build_caffenet(contents.cnn, bar.update)


def _describe(contents: Contents, feature: str) -> str:
    captioner, cnn = contents.captioner, contents.cnn
    if captioner is None:
        return "CaffeNet"
    sees = f"CaffeNet's {feature}" if cnn is not None else "features made elsewhere"
    return (
        f"captioner {captioner.wiring}, {captioner.vocab_size} words, {captioner.hidden_size} units, which sees "
        f"{sees} ({captioner.feature_size} values)"
    )


def _warnings(contents: Contents, vocabulary: str | Path | None) -> list[str]:
    warnings = []
    if contents.captioner is not None and contents.cnn is None:
        warnings.append(
            "the files hold no CNN, so the model cannot look at photos: it takes features in their place; for photos "
            "add a file with its conv1..fc8, best the snapshot of its training, which changes fc8 even where the CNN "
            f"is frozen, or else {REFERENCE_FILE}"
        )
    if contents.captioner is not None and vocabulary is None:
        warnings.append(
            "no vocabulary was given, so words are called by their ids; give the authors' list of words (--vocabulary)"
        )
    if contents.captioner is None and vocabulary is not None:
        warnings.append(f"CaffeNet knows no words: {vocabulary} was not used")
    return warnings


def _source(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return {
            "name": path.name,
            "bytes": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }
