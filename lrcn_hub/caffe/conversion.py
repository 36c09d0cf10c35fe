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

from lrcn_hub.caffe.building import (
    build_captioner,
    build_cnn,
    build_image_processor,
    build_recogniser,
    build_video_processor,
    choose_feature,
)
from lrcn_hub.caffe.contents import Contents, recognise
from lrcn_hub.caffe.networks import FULLY_CONNECTED, CaptionerLayers, CnnLayers, RecogniserLayers
from lrcn_hub.caffe.weights import Layer, read_layers
from lrcn_hub.caffe.wire import CaffeFileError, Source
from lrcn_hub.caffe.wiring import check_wiring
from lrcn_hub.data.classes import read_classes
from lrcn_hub.data.text import build_word_tokenizer, read_vocabulary
from lrcn_hub.models import LrcnCaptioningProcessor
from lrcn_hub.publishing import export_new
from lrcn_hub.publishing.export import check_is_new

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CONVERSION_FILE = "conversion.json"
REFERENCE_FILE = "bvlc_reference_caffenet.caffemodel"


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
    class_file: str | Path | None = None,
    feature: str | None = None,
    stream: str | None = None,
    skip: Sequence[str] = (),
) -> Converted:
    """Turn ``.caffemodel`` files into a model's folder: a captioner, a recogniser, or a CNN alone.

    - weights: files that complete one another; of layers of the same name the last one counts, as in Caffe.
    - prototxt: the network they are for, which is then compared with them, and tells which feature is seen.
    - vocabulary: the authors' vocabulary.txt; without it words are called by their ids.
    - class_file: UCF-101's classInd.txt, or names of classes, one a line; without it they are called by their numbers.
    - feature: fc6, fc7 or fc8 of the CNN, where sizes do not tell which one is seen.
    - stream: what a recogniser looks at, "rgb" or "flow", which its weights do not say; none: "flow" if the name of
      a file says so, else "rgb".
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
            raise CaffeFileError(f"{prototxt}: {_whose(contents)} sees {told}, not {feature}")
        seen = _seen_feature(contents, feature or told)
        wishes = _Wishes(vocabulary, class_file, stream or _stream_of(weights))
        processor = _build_processor(contents, wishes)
        model = _build_model(contents, seen, processor)
    converted = Converted(
        folder, _describe(contents, seen, wishes), contents.passed_over, _warnings(contents, wishes, stream)
    )
    sources = [_source(Path(path)) for path in (*weights, prototxt, vocabulary, class_file) if path is not None]
    story = {"model": converted.model, "files": sources, "passed_over": converted.passed_over}
    export_new(model, processor, folder, {CONVERSION_FILE: json.dumps(story, indent=2) + "\n"})
    return converted


@dataclass
class _Wishes:
    """What the weights do not say."""

    vocabulary: str | Path | None
    class_file: str | Path | None
    stream: str


def _stream_of(weights: Sequence[str | Path]) -> str:
    return "flow" if any("flow" in Path(path).name.lower() for path in weights) else "rgb"


def _whose(contents: Contents) -> str:
    return "the captioner" if contents.captioner is not None else "the recogniser"


def _seen_feature(contents: Contents, told: str | None) -> str:
    """The layer whose values are the model's feature; those above it are left out of `contents`."""
    cnn = contents.cnn
    if cnn is None:
        return told or FULLY_CONNECTED[-1]
    if contents.captioner is not None:
        seen = choose_feature("the captioner", contents.captioner.feature_size, cnn, told)
    elif contents.recogniser is not None:
        seen = _recogniser_feature(contents.recogniser, cnn, told)
    else:
        return _last_layer(cnn)
    contents.passed_over += cnn.take_off(seen)
    return seen


def _recogniser_feature(recogniser: RecogniserLayers, cnn: CnnLayers, told: str | None) -> str:
    if told is None and not recogniser.lstm and cnn.fc_sizes.get("fc7") == recogniser.feature_size:
        told = "fc7"  # class scores lie on the last layer that their file has, be it as wide as the one before
    return choose_feature("the recogniser", recogniser.feature_size, cnn, told)


def _last_layer(cnn: CnnLayers) -> str:
    """What a CNN alone gives: CaffeNet its fc8, the hybrid whatever it ends with."""
    missing = [name for name in FULLY_CONNECTED if name not in cnn.fc_sizes]
    if missing and not cnn.hybrid:
        raise CaffeFileError(f"of CaffeNet, {', '.join(missing)} is missing: add a file that has it")
    return list(cnn.fc_sizes)[-1]


def _build_processor(contents: Contents, wishes: _Wishes) -> Any:
    """Make what prepares the model's inputs; it has the words, or the classes, too."""
    if contents.captioner is not None:
        return LrcnCaptioningProcessor(
            build_image_processor(), _build_tokenizer(contents.captioner, wishes.vocabulary)
        )
    if contents.recogniser is not None:
        names = _class_names(contents.recogniser, wishes.class_file)
        return build_video_processor(contents.recogniser, wishes.stream, names)
    return build_image_processor()


def _build_model(contents: Contents, feature: str, processor: Any) -> PreTrainedModel:
    captioner, recogniser, cnn = contents.captioner, contents.recogniser, contents.cnn
    total = sum(blob.nbytes for layer in contents.used() for blob in layer.blobs)
    with tqdm(total=total, desc="Reading weights", unit="B", unit_scale=True) as bar:
        if captioner is not None:
            return build_captioner(captioner, cnn, feature, bar.update)
        assert cnn is not None  # recognise finds it for whatever is no captioner
        if recogniser is not None:
            return build_recogniser(recogniser, cnn, feature, processor.class_names, bar.update)
        return build_cnn(cnn, bar.update)


def _class_names(recogniser: RecogniserLayers, class_file: str | Path | None) -> list[str]:
    if class_file is None:
        return [str(number) for number in range(recogniser.num_labels)]
    names = read_classes(Path(class_file))
    if len(names) != recogniser.num_labels:
        raise CaffeFileError(
            f"{class_file}: {len(names)} classes, but the weights are for {recogniser.num_labels}: this is another "
            "model's"
        )
    return names


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


def _describe(contents: Contents, feature: str, wishes: _Wishes) -> str:
    captioner, recogniser, cnn = contents.captioner, contents.recogniser, contents.cnn
    if captioner is not None:
        sees = f"{cnn.name}'s {feature}" if cnn is not None else "features made elsewhere"
        return (
            f"captioner {captioner.wiring}, {captioner.vocab_size} words, {captioner.hidden_size} units, which sees "
            f"{sees} ({captioner.feature_size} values)"
        )
    assert cnn is not None
    if recogniser is not None:
        units = f"{recogniser.hidden_size} units" if recogniser.lstm else "single frames"
        return (
            f"recogniser of {wishes.stream}, {recogniser.num_labels} classes, {units}, which sees {cnn.name}'s "
            f"{feature} ({recogniser.feature_size} values)"
        )
    return "CaffeNet" if not cnn.hybrid else f"the hybrid CNN up to {feature}"


def _warnings(contents: Contents, wishes: _Wishes, stream: str | None) -> list[str]:
    warnings = []
    if contents.captioner is not None and contents.cnn is None:
        warnings.append(
            "the files hold no CNN, so the model cannot look at photos: it takes features in their place; for photos "
            "add a file with its conv1..fc8, best the snapshot of its training, which changes fc8 even where the CNN "
            f"is frozen, or else {REFERENCE_FILE}"
        )
    if contents.captioner is not None and wishes.vocabulary is None:
        warnings.append(
            "no vocabulary was given, so words are called by their ids; give the authors' list of words (--vocabulary)"
        )
    if contents.recogniser is not None and stream is None:
        warnings.append(
            f"what the recogniser looks at was taken to be {wishes.stream}, by the names of the files: its weights do "
            "not say; --stream does"
        )
    if contents.recogniser is not None and wishes.class_file is None:
        warnings.append(
            "no names of classes were given, so they are called by their numbers; give classInd.txt (--class-file)"
        )
    if contents.captioner is None and wishes.vocabulary is not None:
        warnings.append(f"this model knows no words: {wishes.vocabulary} was not used")
    if contents.recogniser is None and wishes.class_file is not None:
        warnings.append(f"this model knows no classes: {wishes.class_file} was not used")
    return warnings


def _source(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return {
            "name": path.name,
            "bytes": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }
