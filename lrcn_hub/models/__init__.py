"""Models of the LRCN family. Importing this package makes the Auto classes of transformers know them, and lets
transformers save their code beside them, so that they load where this package is not installed.

Every other file here travels to the Hub with a model, so it imports torch, transformers, timm and its neighbours only.
"""

from typing import Any

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageTextToText,
    AutoModelForVideoClassification,
    AutoProcessor,
    AutoVideoProcessor,
)

from lrcn_hub.models.backbones_lrcn import CaffeNet
from lrcn_hub.models.configuration_activity_lrcn import LrcnActivityConfig
from lrcn_hub.models.configuration_lrcn import CaffeNetConfig, GivenFeaturesConfig, LrcnCaptioningConfig
from lrcn_hub.models.configuration_narration_lrcn import LrcnNarrationConfig
from lrcn_hub.models.image_processing_lrcn import LrcnImageProcessor
from lrcn_hub.models.modeling_activity_lrcn import LrcnForVideoClassification, LrcnVideoClassifierOutput
from lrcn_hub.models.modeling_lrcn import LrcnForImageCaptioning
from lrcn_hub.models.modeling_narration_lrcn import LrcnForVideoNarration
from lrcn_hub.models.narration_piece_lrcn import NarrationResult, SpokenSentence
from lrcn_hub.models.narration_session_lrcn import LrcnNarrationSession
from lrcn_hub.models.narration_state_lrcn import LrcnNarrationState, LrcnReading
from lrcn_hub.models.processing_activity_lrcn import LrcnActivityProcessor
from lrcn_hub.models.processing_lrcn import LrcnCaptioningProcessor
from lrcn_hub.models.processing_narration_lrcn import LrcnNarrationProcessor
from lrcn_hub.models.recurrent_lrcn import LrcnState
from lrcn_hub.models.session_lrcn import FrameResult, LrcnSession
from lrcn_hub.models.stream_state_lrcn import LrcnStreamState
from lrcn_hub.models.video_processing_lrcn import LrcnVideoProcessor

AutoConfig.register(CaffeNetConfig.model_type, CaffeNetConfig)
AutoConfig.register(LrcnActivityConfig.model_type, LrcnActivityConfig)
AutoConfig.register(LrcnCaptioningConfig.model_type, LrcnCaptioningConfig)
AutoConfig.register(LrcnNarrationConfig.model_type, LrcnNarrationConfig)
AutoModel.register(CaffeNetConfig, CaffeNet)
AutoModel.register(LrcnActivityConfig, LrcnForVideoClassification)
AutoModel.register(LrcnCaptioningConfig, LrcnForImageCaptioning)
AutoModel.register(LrcnNarrationConfig, LrcnForVideoNarration)
AutoModelForImageTextToText.register(LrcnCaptioningConfig, LrcnForImageCaptioning)
AutoModelForImageTextToText.register(LrcnNarrationConfig, LrcnForVideoNarration)
AutoModelForVideoClassification.register(LrcnActivityConfig, LrcnForVideoClassification)
AutoImageProcessor.register(LrcnCaptioningConfig, image_processor_classes={"torchvision": LrcnImageProcessor})
AutoProcessor.register(LrcnActivityConfig, LrcnActivityProcessor)
AutoProcessor.register(LrcnCaptioningConfig, LrcnCaptioningProcessor)
AutoProcessor.register(LrcnNarrationConfig, LrcnNarrationProcessor)
AutoVideoProcessor.register(LrcnActivityConfig, LrcnVideoProcessor)
AutoVideoProcessor.register(LrcnNarrationConfig, LrcnVideoProcessor)


class _SavedWithCode:
    """What `register_for_auto_class` sets, for one class only: a subclass elsewhere would inherit a plain value, and
    saving it would copy files that are not ours and may not lie in one folder.
    """

    def __init__(self, owner: type, auto_class: str):
        self.owner, self.auto_class = owner, auto_class

    def __get__(self, instance: Any, owner: type) -> str | None:
        return self.auto_class if owner is self.owner else None


# `save_pretrained` of these copies their file and its siblings and enters them in the folder's `auto_map`. Further
# Auto classes and pipelines of a model are named by its configuration (CAPTIONING_CODE and the like).
SAVED_WITH_CODE: dict[Any, str] = {
    CaffeNet: "AutoModel",
    CaffeNetConfig: "AutoConfig",
    LrcnActivityConfig: "AutoConfig",
    LrcnActivityProcessor: "AutoProcessor",
    LrcnCaptioningConfig: "AutoConfig",
    LrcnCaptioningProcessor: "AutoProcessor",
    LrcnForImageCaptioning: "AutoModel",
    LrcnForVideoClassification: "AutoModel",
    LrcnForVideoNarration: "AutoModel",
    LrcnImageProcessor: "AutoImageProcessor",
    LrcnNarrationConfig: "AutoConfig",
    LrcnNarrationProcessor: "AutoProcessor",
    LrcnVideoProcessor: "AutoVideoProcessor",
}
for _owner, _auto_class in SAVED_WITH_CODE.items():
    _owner._auto_class = _SavedWithCode(_owner, _auto_class)

__all__ = [
    "CaffeNet",
    "CaffeNetConfig",
    "FrameResult",
    "GivenFeaturesConfig",
    "LrcnActivityConfig",
    "LrcnActivityProcessor",
    "LrcnCaptioningConfig",
    "LrcnCaptioningProcessor",
    "LrcnForImageCaptioning",
    "LrcnForVideoClassification",
    "LrcnForVideoNarration",
    "LrcnImageProcessor",
    "LrcnNarrationConfig",
    "LrcnNarrationProcessor",
    "LrcnNarrationSession",
    "LrcnNarrationState",
    "LrcnReading",
    "LrcnSession",
    "LrcnState",
    "LrcnStreamState",
    "LrcnVideoClassifierOutput",
    "LrcnVideoProcessor",
    "NarrationResult",
    "SpokenSentence",
]
