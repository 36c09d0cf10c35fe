"""What features of a backbone depend on, and whether they stay the same all through a training."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lrcn_hub.models.modeling_lrcn import LrcnEncoder

# What stands in a configuration but changes no feature; num_frames is the length of a clip of single frames.
_WITHOUT_EFFECT = {
    *("_name_or_path", "architectures", "auto_map", "dtype", "id2label", "label2id", "num_frames"),
    *("processor_class", "transformers_version"),
}


def describe_features(encoder: LrcnEncoder, preprocessing: Any) -> dict[str, Any]:
    """Describe for a `FeatureCache` what features depend on.

    That is the network's kind and sizes, the hash of its weights, the feature it gives, and the values of
    `preprocessing`, an image or video processor.
    """
    return {
        "weights": weights_hash(encoder.backbone),
        "backbone": _effective(encoder.backbone.config),
        "feature": encoder.config.feature,
        "preprocessing": _effective(preprocessing),
    }


def _effective(configuration: Any) -> dict[str, Any]:
    return {name: value for name, value in configuration.to_dict().items() if name not in _WITHOUT_EFFECT}


def weights_hash(module: nn.Module) -> str:
    """Compute the SHA-256 of all weights and buffers with their names, shapes and types."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def refuse_changing_features(
    encoder: LrcnEncoder, pixel_values: Tensor, *, train_backbone: str, augment: bool
) -> None:
    """Raise ValueError, naming the option, where training would see other features than those kept.

    That is where the backbone is trained, where pictures are augmented, and where the backbone itself draws: it looks
    at `pixel_values` (pictures, 3, H, W) as in training and as in judging. Its training is set to "frozen".
    """
    if train_backbone != "frozen":
        raise ValueError(
            f"cache_features needs a backbone that does not change, but train_backbone is {train_backbone}; set "
            "--train_backbone frozen, or train without --cache_features"
        )
    if augment:
        raise ValueError(
            "cache_features keeps one view of each picture, but augment is true: random crops have other features; "
            "set --augment false, or train without --cache_features"
        )
    encoder.train_backbone("frozen")
    trained, judged = _features(encoder, pixel_values, training=True), _features(encoder, pixel_values)
    if (trained - judged).abs().max() > 1e-3 * judged.abs().max():
        raise ValueError(
            "cache_features needs a backbone that gives the same in training as in judging, but this one draws "
            "dropout: set its own to 0 (for CaffeNet --backbone_options '{\"dropout\": 0}'; for a timm network "
            "drop_rate, drop_path_rate), or train without --cache_features"
        )


def encode_frozen(encoder: LrcnEncoder, pixel_values: Tensor) -> Tensor:
    """Look at pictures (pictures, 3, H, W) as in judging; gives features (pictures, F) in the backbone's precision."""
    return _features(encoder, pixel_values)


@torch.no_grad()
def _features(encoder: LrcnEncoder, pixel_values: Tensor, *, training: bool = False) -> Tensor:
    before, device = encoder.training, next(encoder.parameters()).device
    encoder.train(training)
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            features: Tensor = encoder(pixel_values.to(device)).last_hidden_state[:, 0]
            return features
    finally:
        encoder.train(before)
