"""Videos to a recogniser's inputs, and the names of its classes."""

from collections.abc import Sequence
from typing import Any

from transformers import BatchFeature, ProcessorMixin

from .limits_lrcn import check_labels


class LrcnActivityProcessor(ProcessorMixin):
    """A video processor and the names of the classes, saved and loaded together.

    ``processor(videos)`` gives pixel_values (B, T, 3, H, W) and frame_mask (B, T) for files, URLs or arrays of frames
    (T, H, W, 3): of files the clip in the middle, of arrays all frames.
    """

    def __init__(self, video_processor: Any = None, class_names: Sequence[str] = (), **kwargs: Any):
        super().__init__(video_processor, **kwargs)
        check_labels({"num_labels": len(class_names)})
        self.class_names = list(class_names)

    def __call__(self, videos: Any = None, return_tensors: str = "pt", **kwargs: Any) -> BatchFeature:
        of_files = isinstance(videos, str) or (
            isinstance(videos, list) and bool(videos) and isinstance(videos[0], str)
        )
        options = {"do_sample_frames": of_files, **kwargs}
        return self.video_processor(videos, return_tensors=return_tensors, **options)


__all__ = ["LrcnActivityProcessor"]
