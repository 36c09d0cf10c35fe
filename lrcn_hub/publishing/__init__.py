"""Publishing: writing a trained model where others can load it."""

from lrcn_hub.publishing.clean_copy import export_folder
from lrcn_hub.publishing.export import export, export_new

__all__ = ["export", "export_folder", "export_new"]
