"""Models of the LRCN family. Importing this package makes the Auto classes of transformers know them.

Every other file here travels to the Hub with a model, so it imports torch, transformers, timm and its neighbours only.
"""

from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageTextToText, AutoProcessor

from lrcn_hub.models.backbones_lrcn import CaffeNet
from lrcn_hub.models.configuration_lrcn import CaffeNetConfig, GivenFeaturesConfig, LrcnCaptioningConfig
from lrcn_hub.models.image_processing_lrcn import LrcnImageProcessor
from lrcn_hub.models.modeling_lrcn import LrcnForImageCaptioning, LrcnState
from lrcn_hub.models.processing_lrcn import LrcnCaptioningProcessor

AutoConfig.register(CaffeNetConfig.model_type, CaffeNetConfig)
AutoConfig.register(LrcnCaptioningConfig.model_type, LrcnCaptioningConfig)
AutoModel.register(CaffeNetConfig, CaffeNet)
AutoModel.register(LrcnCaptioningConfig, LrcnForImageCaptioning)
AutoModelForImageTextToText.register(LrcnCaptioningConfig, LrcnForImageCaptioning)
AutoImageProcessor.register(LrcnCaptioningConfig, image_processor_classes={"torchvision": LrcnImageProcessor})
AutoProcessor.register(LrcnCaptioningConfig, LrcnCaptioningProcessor)

__all__ = [
    "CaffeNet",
    "CaffeNetConfig",
    "GivenFeaturesConfig",
    "LrcnCaptioningConfig",
    "LrcnCaptioningProcessor",
    "LrcnForImageCaptioning",
    "LrcnImageProcessor",
    "LrcnState",
]
