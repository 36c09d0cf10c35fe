"""LRCN Hub: recurrent vision models on Hugging Face.

Importing this package registers its models and pipelines with transformers; plugins are looked up on first use.
"""

from importlib import metadata

from lrcn_hub.hookspecs import hookimpl
from lrcn_hub.models import (
    LrcnActivityConfig,
    LrcnActivityProcessor,
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnForVideoClassification,
    LrcnForVideoNarration,
    LrcnNarrationConfig,
    LrcnNarrationProcessor,
    LrcnStreamState,
)
from lrcn_hub.pipelines import register_image_to_text, register_video_to_text
from lrcn_hub.tasks import Task

register_image_to_text()
register_video_to_text()

try:
    __version__ = metadata.version("lrcn-hub")
except metadata.PackageNotFoundError:  # a bare checkout on the path: models work, tasks ask for `pip install -e .`
    __version__ = "0+not.installed"

__all__ = [
    "LrcnActivityConfig",
    "LrcnActivityProcessor",
    "LrcnCaptioningConfig",
    "LrcnCaptioningProcessor",
    "LrcnForImageCaptioning",
    "LrcnForVideoClassification",
    "LrcnForVideoNarration",
    "LrcnNarrationConfig",
    "LrcnNarrationProcessor",
    "LrcnStreamState",
    "Task",
    "__version__",
    "hookimpl",
]
