"""Models of the LRCN family. Importing this package makes the Auto classes of transformers know them.

Every other file here travels to the Hub with a model, so it imports torch, transformers, timm and its neighbours only.
"""

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageTextToText,
    AutoModelForVideoClassification,
    AutoProcessor,
)

from lrcn_hub.models.backbones_lrcn import CaffeNet
from lrcn_hub.models.configuration_activity_lrcn import LrcnActivityConfig
from lrcn_hub.models.configuration_lrcn import CaffeNetConfig, GivenFeaturesConfig, LrcnCaptioningConfig
from lrcn_hub.models.image_processing_lrcn import LrcnImageProcessor
from lrcn_hub.models.modeling_activity_lrcn import LrcnForVideoClassification, LrcnVideoClassifierOutput
from lrcn_hub.models.modeling_lrcn import LrcnForImageCaptioning, LrcnState
from lrcn_hub.models.processing_lrcn import LrcnCaptioningProcessor
from lrcn_hub.models.session_lrcn import FrameResult, LrcnSession, LrcnStreamState

AutoConfig.register(CaffeNetConfig.model_type, CaffeNetConfig)
AutoConfig.register(LrcnActivityConfig.model_type, LrcnActivityConfig)
AutoConfig.register(LrcnCaptioningConfig.model_type, LrcnCaptioningConfig)
AutoModel.register(CaffeNetConfig, CaffeNet)
AutoModel.register(LrcnActivityConfig, LrcnForVideoClassification)
AutoModel.register(LrcnCaptioningConfig, LrcnForImageCaptioning)
AutoModelForImageTextToText.register(LrcnCaptioningConfig, LrcnForImageCaptioning)
AutoModelForVideoClassification.register(LrcnActivityConfig, LrcnForVideoClassification)
AutoImageProcessor.register(LrcnCaptioningConfig, image_processor_classes={"torchvision": LrcnImageProcessor})
AutoProcessor.register(LrcnCaptioningConfig, LrcnCaptioningProcessor)

__all__ = [
    "CaffeNet",
    "CaffeNetConfig",
    "FrameResult",
    "GivenFeaturesConfig",
    "LrcnActivityConfig",
    "LrcnCaptioningConfig",
    "LrcnCaptioningProcessor",
    "LrcnForImageCaptioning",
    "LrcnForVideoClassification",
    "LrcnImageProcessor",
    "LrcnSession",
    "LrcnState",
    "LrcnStreamState",
    "LrcnVideoClassifierOutput",
]
