"""Caffe's files: weights and network descriptions, as LRCN's authors published them, turned into models of ours."""

from lrcn_hub.caffe.conversion import Converted, convert
from lrcn_hub.caffe.wire import CaffeFileError

__all__ = ["CaffeFileError", "Converted", "convert"]
