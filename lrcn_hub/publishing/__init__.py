"""Publishing: writing a trained model where others can load it."""

from lrcn_hub.publishing.export import export

__all__ = ["export"]
