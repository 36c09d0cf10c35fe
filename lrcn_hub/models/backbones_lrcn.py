"""Visual backbones: a batch of pictures in, one feature vector each out.

CaffeNet is written here, since nobody else offers it as the authors used it; every other network is timm's.
"""

from collections import OrderedDict
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, TimmWrapperConfig, TimmWrapperModel
from transformers import initialization as init

from .configuration_lrcn import CaffeNetConfig, GivenFeaturesConfig
from .loading_lrcn import CheckedPreTrainedModel

CAFFENET_FEATURES = ("fc6", "fc7", "fc8")


class CaffeNet(CheckedPreTrainedModel):
    """The Caffe reference network in Caffe's order: pooling comes before normalisation, and pooling rounds up.

    Input: (batch, 3, 227, 227). Output: `feature` of size (batch, D): fc6 and fc7 are taken after ReLU (and, in
    training, dropout, unless `drop_feature` is off), fc8 is raw. Without `feature` it is the last layer there is;
    layers above it are not made. The released weights expect BGR channels from 0 to 255 less (104, 117, 123); which
    order a model reads is the image processor's matter.
    """

    config_class = CaffeNetConfig
    base_model_prefix = "caffenet"
    main_input_name = "pixel_values"

    def __init__(self, config: CaffeNetConfig, feature: str | None = None):
        super().__init__(config)
        names = CAFFENET_FEATURES[: len(config.fc_sizes)]
        feature = feature or names[-1]
        if feature not in names:
            raise ValueError(f"this CaffeNet has no feature {feature!r}; it gives {', '.join(names)}")
        inputs = (3, *config.channels)
        for k in range(5):
            sizes = (inputs[k], config.channels[k], config.kernel_sizes[k], config.strides[k], config.paddings[k])
            setattr(self, f"conv{k + 1}", nn.Conv2d(*sizes, groups=config.groups[k]))
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.norm = CaffeNorm()
        units = (config.channels[-1] * config.map_sides[-1] ** 2, *config.fc_sizes)
        depth = CAFFENET_FEATURES.index(feature) + 1
        for name, below, above in zip(CAFFENET_FEATURES[:depth], units[:depth], units[1:], strict=False):
            setattr(self, name, nn.Linear(below, above))
        self.feature, self.drop_feature = feature, True
        self.post_init()

    def forward(self, pixel_values: Tensor) -> Tensor:
        x = pixel_values.contiguous(memory_format=torch.channels_last)
        x = self.norm(self.pool(F.relu(self.conv1(x))))
        x = self.norm(self.pool(F.relu(self.conv2(x))))
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        x = self.pool(F.relu(self.conv5(x))).flatten(1)  # channels, rows, columns: Caffe's order for fc6
        x = self._drop(F.relu(self.fc6(x)), "fc6")
        if self.feature == "fc6":
            return x
        x = self._drop(F.relu(self.fc7(x)), "fc7")
        return x if self.feature == "fc7" else self.fc8(x)

    def _drop(self, x: Tensor, layer: str) -> Tensor:
        return F.dropout(x, self.config.dropout, self.training and (self.drop_feature or layer != self.feature))

    def _init_weights(self, module: nn.Module) -> None:
        """Caffe's fillers for this network: gaussian 0.01 (fc6, fc7: 0.005), biases 0 or 1 (conv2, 4, 5, fc6, fc7)."""
        for name, layer in self.named_children():
            if layer is module and isinstance(layer, nn.Conv2d | nn.Linear):
                init.normal_(layer.weight, std=0.005 if name in ("fc6", "fc7") else 0.01)
                init.constant_(layer.bias, 1.0 if name in ("conv2", "conv4", "conv5", "fc6", "fc7") else 0.0)


class CaffeNorm(nn.Module):
    """Caffe's normalisation across 5 channels: x / (1 + 1e-4 / 5 * sum of squares) ** 0.75.

    Written out, since PyTorch's goes through three-dimensional pooling, eight times slower on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        squares = F.pad(wide.square(), (0, 0, 0, 0, 2, 2))
        total = sum(squares[:, k : k + x.shape[1]] for k in range(5))
        root = (1 + 1e-4 / 5 * total).rsqrt()
        return (wide * root * root.sqrt()).to(x.dtype)


class TimmBackbone(TimmWrapperModel):
    """Any timm network as a feature extractor.

    `feature`: "pooled", the network's own pooled vector; "grid", the last map flattened (channels, rows, columns);
    for VGG also "fc6", "fc7" (after ReLU) and "fc8" (raw class scores).
    """

    def __init__(self, config: TimmWrapperConfig, feature: str = "pooled", pretrained: bool = False):
        super().__init__(config)
        head = {} if feature == "fc8" else {"num_classes": 0}
        # Made anew here: the wrapper's constructor overwrites timm's own initialisation, or its pretrained weights.
        self.timm_model = timm.create_model(
            config.architecture, pretrained=pretrained, **head, **(config.model_args or {})
        )
        self.feature = feature
        self._leave_out_unused_layers()
        mark_initialised(self)

    def _leave_out_unused_layers(self) -> None:
        """Drop the layers of VGG above the feature; timm's VGG holds fc6, ReLU, dropout, fc7, ReLU as `pre_logits`."""
        network = self.timm_model
        if not hasattr(network, "pre_logits"):
            if self.feature.startswith("fc"):
                raise ValueError(
                    f"{self.config.architecture} has no feature {self.feature!r}; it gives pooled or grid"
                )
        elif self.feature == "grid":
            network.pre_logits = nn.Identity()
        elif self.feature == "fc6":
            for name in ("drop", "fc2", "act2"):
                setattr(network.pre_logits, name, nn.Identity())

    def forward(self, pixel_values: Tensor) -> Tensor:
        # Channels last: a third faster for small networks on CPUs, and what tensor cores want.
        maps = self.timm_model.forward_features(pixel_values.contiguous(memory_format=torch.channels_last))
        if self.feature == "grid":
            return maps.flatten(1)
        return self.timm_model.forward_head(maps, pre_logits=self.feature != "fc8").flatten(1)


class GivenFeatures(PreTrainedModel):
    """The place of a backbone in a model without one: hands on features (batch, F) that were made elsewhere."""

    config_class = GivenFeaturesConfig
    main_input_name = "pixel_values"

    def forward(self, pixel_values: Tensor) -> Tensor:
        if pixel_values.dim() != 2:
            raise ValueError(
                f"this model has no network that looks at pictures: give features of shape (batch, feature_size) "
                f"instead of pixel values {tuple(pixel_values.shape)}"
            )
        return pixel_values


def mark_initialised(module: nn.Module) -> None:
    """Keep `module`'s weights: transformers 5 re-initialises what does not carry this mark, silently, in post_init.

    Nothing is marked on the meta device, where weights have no values yet.
    """
    for part in module.modules():
        tensors = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
        if any(tensor.is_meta for tensor in tensors):
            continue
        for tensor in tensors:
            tensor._is_hf_initialized = True
        part._is_hf_initialized = True


def build_backbone(config: PreTrainedConfig, feature: str, *, pretrained: bool = False) -> PreTrainedModel:
    """Make the network that `config` describes, up to `feature`.

    `pretrained` asks timm for its published weights (from its cache or the Hub). Raises ValueError for a feature that
    the network does not have, ImportError for a name that timm does not know.
    """
    if isinstance(config, TimmWrapperConfig) or config.model_type == TimmWrapperConfig.model_type:
        return TimmBackbone(config, feature, pretrained)
    if config.model_type == GivenFeaturesConfig.model_type:
        return GivenFeatures(config)
    if pretrained:
        raise ValueError("CaffeNet has no weights on the Hub: give a file of them instead (backbone_weights)")
    return CaffeNet(config, feature)


@torch.no_grad()
def measure_feature_size(backbone: PreTrainedModel, image_size: int) -> int:
    """Count the values of the feature that `backbone` gives for one picture of `image_size` pixels a side."""
    training = backbone.training
    backbone.eval()
    size = backbone(torch.zeros(1, 3, image_size, image_size)).shape[-1]
    backbone.train(training)
    return int(size)


def load_backbone_weights(backbone: PreTrainedModel, weights: dict[str, Tensor]) -> None:
    """Load a state dict saved from the same network, with timm's own names or with our prefix.

    Layers that `backbone` leaves out (above the feature) are passed over. Raises ValueError naming what is missing or
    has another shape; `backbone` is then as it was.
    """
    own = backbone.state_dict()
    given = OrderedDict((_own_name(name, own), value) for name, value in weights.items())
    missing = [name for name in own if name not in given and not name.endswith("num_batches_tracked")]
    wrong = [name for name in own if name in given and own[name].shape != given[name].shape]
    if missing or wrong:
        raise ValueError(
            f"these weights do not fit {type(backbone).__name__}: {len(missing)} tensors are missing"
            f"{_first(missing)} and {len(wrong)} have another shape{_first(wrong)}"
        )
    nn.Module.load_state_dict(backbone, {name: given[name] for name in own if name in given}, strict=False)
    mark_initialised(backbone)


def _own_name(name: str, own: dict[str, Any]) -> str:
    """Find the backbone's own name of a tensor: prefixes differ between those who save."""
    for prefix in ("", "model.", "backbone.", "encoder.backbone.", "encoder.frame_encoder.backbone."):
        bare = name.removeprefix(prefix)
        for candidate in (bare, f"timm_model.{bare}"):
            if candidate in own:
                return candidate
    return name


def _first(names: list[str]) -> str:
    return f" (the first is {names[0]})" if names else ""


__all__ = ["CaffeNet", "GivenFeatures", "TimmBackbone", "build_backbone", "load_backbone_weights", "mark_initialised"]
