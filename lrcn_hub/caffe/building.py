"""From Caffe's blobs to our models, value by value: gate order, one bias, static columns.

The first convolution is not turned round: it wants blue, green, red, and our image processor gives them in that order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from lrcn_hub.caffe.networks import FULLY_CONNECTED, CaptionerLayers, CnnLayers, RecogniserLayers
from lrcn_hub.caffe.weights import Blob, Layer
from lrcn_hub.caffe.wire import CaffeFileError
from lrcn_hub.models import (
    CaffeNet,
    CaffeNetConfig,
    GivenFeaturesConfig,
    LrcnActivityConfig,
    LrcnActivityProcessor,
    LrcnCaptioningConfig,
    LrcnForImageCaptioning,
    LrcnForVideoClassification,
    LrcnImageProcessor,
    LrcnVideoProcessor,
)
from lrcn_hub.models.video_processing_lrcn import FLOW_MEAN

EDGE_CROP = 29 / 256  # captioner.py: (256 - 227) / 256 of the original picture
IMAGE_SIZE = 227
CLIP = 16  # sequence_input_layer.py: frames
SINGLE_FRAME_MEAN_RGB = (123.68, 116.779, 103.939)  # train_test_singleFrame_RGB; the LSTM's has a slip in the first

Progress = Callable[[int], object]
"""Is told how many bytes of weights have just been read."""


def build_cnn(cnn: CnnLayers, progress: Progress) -> CaffeNet:
    """Make CaffeNet or the hybrid alone; it gives its last layer. Raises CaffeFileError for damaged values."""
    config = _cnn_config(cnn)
    return _with_weights(lambda: CaffeNet(config), _read_cnn(cnn, progress))


def build_captioner(
    captioner: CaptionerLayers, cnn: CnnLayers | None, feature: str, progress: Progress
) -> LrcnForImageCaptioning:
    """Make a captioner that sees `feature`, the last layer of `cnn`; without `cnn` one for features made elsewhere.

    Raises CaffeFileError for values that are damaged.
    """
    config = LrcnCaptioningConfig(
        backbone_config=GivenFeaturesConfig() if cnn is None else _cnn_config(cnn),
        feature=feature,
        feature_size=captioner.feature_size,
        num_layers=len(captioner.lstm),
        visual_layer=captioner.visual_layer,
        vocab_size=captioner.vocab_size,
        embedding_size=captioner.embedding_size,
        hidden_size=captioner.hidden_size,
    )
    weights: dict[str, Tensor] = {}
    if cnn is not None:
        read = _read_cnn(cnn, progress)
        weights = {f"encoder.backbone.{name}": tensor for name, tensor in read.items()}
    weights["embedding.weight"] = _read(captioner.embedding.blobs[0], 2, progress)
    for k, layer in enumerate(captioner.lstm):
        read = read_lstm(layer, progress)
        weights |= {f"decoder.layers.{k}.cell.{name}": tensor for name, tensor in read.items()}
    weights |= {f"predict.{name}": tensor for name, tensor in _read_linear(captioner.predict, 2, progress).items()}
    return _with_weights(lambda: LrcnForImageCaptioning(config), weights)


def build_recogniser(
    recogniser: RecogniserLayers,
    cnn: CnnLayers,
    feature: str,
    class_names: Sequence[str],
    progress: Progress,
) -> LrcnForVideoClassification:
    """Make a recogniser that sees `feature`, the last layer of `cnn`. Raises CaffeFileError for damaged values."""
    single = not recogniser.lstm
    config = LrcnActivityConfig(
        backbone_config=_cnn_config(cnn),
        feature=feature,
        feature_size=recogniser.feature_size,
        hidden_size=LrcnActivityConfig.hidden_size if single else recogniser.hidden_size,
        num_layers=len(recogniser.lstm),
        feature_dropout=0.5 if single else 0.9,  # drop7 of the single-frame networks; after fc6 of the others
        num_frames=1 if single else CLIP,
        id2label=dict(enumerate(class_names)),
        label2id={name: number for number, name in enumerate(class_names)},
    )
    weights = {f"encoder.backbone.{name}": tensor for name, tensor in _read_cnn(cnn, progress).items()}
    for k, layer in enumerate(recogniser.lstm):
        read = read_lstm(layer, progress)
        weights |= {f"recurrent.layers.{k}.cell.{name}": tensor for name, tensor in read.items()}
    read = _read_linear(recogniser.classifier, 2, progress)
    weights |= {f"classifier.{name}": tensor for name, tensor in read.items()}
    return _with_weights(lambda: LrcnForVideoClassification(config), weights)


def build_video_processor(recogniser: RecogniserLayers, stream: str, class_names: Sequence[str]) -> Any:
    """The authors' preprocessing (LRCN_evaluate): 240 x 320, of it the centre 227 x 227; BGR less the net's means."""
    if stream == "flow":
        mean = FLOW_MEAN
    else:
        mean = LrcnVideoProcessor.image_mean if recogniser.lstm else SINGLE_FRAME_MEAN_RGB
    frames = CLIP if recogniser.lstm else 1
    return LrcnActivityProcessor(LrcnVideoProcessor(image_mean=mean, num_frames=frames, stream=stream), class_names)


def build_image_processor() -> LrcnImageProcessor:
    """The authors' preprocessing (captioner.py): the edges cut off, the rest resized to 227 x 227; BGR less means."""
    side = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return LrcnImageProcessor(
        edge_crop=EDGE_CROP, size=side, do_center_crop=False, crop_size=side, channel_order="bgr"
    )


def choose_feature(whose: str, size: int, cnn: CnnLayers, told: str | None) -> str:
    """Name the layer of `cnn` that a captioner or recogniser sees: as `told`, or the only one of the right size.

    Raises CaffeFileError where none, or more than one, or not the one that was told, has that size.
    """
    fitting = [name for name, given in cnn.fc_sizes.items() if given == size]
    sizes = ", ".join(f"{name} has {given}" for name, given in cnn.fc_sizes.items())
    if told is not None and told not in fitting:
        raise CaffeFileError(f"{whose} sees {size} values, so not {told}: {sizes}")
    if not fitting:
        raise CaffeFileError(f"{whose} sees {size} values, but {sizes}: it was trained on another CNN")
    if told is None and len(fitting) > 1:
        raise CaffeFileError(
            f"{whose} sees {size} values, and {sizes}: say which it is (--feature), or "
            "give the prototxt of the whole network (--prototxt)"
        )
    return told or fitting[0]


def read_lstm(layer: Layer, progress: Progress) -> dict[str, Tensor]:
    """An LSTM layer's blobs [W_xc, b_c, (W_xc_static), W_hc] as the parameters of torch's LSTM.

    Rows of gates i, f, o, g become i, f, g, o; static columns follow those of the input. Caffe has one bias, so
    torch's second one is 0.
    """
    inputs, bias, *static, hidden = layer.blobs
    columns = [_gates(blob, 2, progress) for blob in (inputs, *static)]
    return {
        "weight_ih_l0": torch.cat(columns, dim=1) if static else columns[0],
        "weight_hh_l0": _gates(hidden, 2, progress),
        "bias_ih_l0": (bias_ih := _gates(bias, 1, progress)),
        "bias_hh_l0": torch.zeros_like(bias_ih),
    }


def _gates(blob: Blob, axes: int, progress: Progress) -> Tensor:
    i, f, o, g = _read(blob, axes, progress).chunk(4)
    return torch.cat([i, f, g, o])


def _cnn_config(cnn: CnnLayers) -> CaffeNetConfig:
    make = CaffeNetConfig.hybrid if cnn.hybrid else CaffeNetConfig
    sizes = [size for name, size in cnn.fc_sizes.items() if name in cnn.layers]
    return make(channels=cnn.channels, fc_sizes=sizes, image_size=IMAGE_SIZE)


def _read_cnn(cnn: CnnLayers, progress: Progress) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for name, layer in cnn.layers.items():
        read = _read_linear(layer, 2 if name in FULLY_CONNECTED else 4, progress)
        weights |= {f"{name}.{kind}": tensor for kind, tensor in read.items()}
    return weights


def _read_linear(layer: Layer, axes: int, progress: Progress) -> dict[str, Tensor]:
    weight, bias = layer.blobs
    return {"weight": _read(weight, axes, progress), "bias": _read(bias, 1, progress)}


def _read(blob: Blob, axes: int, progress: Progress) -> Tensor:
    tensor = blob.read().view(blob.shape_as(axes))
    progress(blob.nbytes)
    return tensor


def _with_weights(make: Callable[[], PreTrainedModel], weights: dict[str, Tensor]) -> PreTrainedModel:
    """Make a model around tensors that are there already, so that memory holds them once."""
    with torch.device("meta"):
        model = make()
    model.load_state_dict(weights, strict=True, assign=True)
    return model.eval()
