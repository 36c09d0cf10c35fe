"""What was seen in a video, and words, to a narrator's inputs, and its answers back to words."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import BatchFeature

from .configuration_narration_lrcn import VARIANTS
from .limits_lrcn import MAX_FRAMES, check_count, check_rate
from .nodes_lrcn import Nodes
from .processing_lrcn import LrcnSentenceProcessor
from .video_processing_lrcn import LrcnVideoProcessor, read_at_ticks

SEGMENT = ("video", "start", "end")  # what a part of a video is told by


class LrcnNarrationProcessor(LrcnSentenceProcessor):
    """A video processor, the nodes of a random field and a tokenizer, saved and loaded together.

    - `variant` is the narrator's; "frames" reads `videos`, all others `nodes`.
    - `node_labels`, node -> its labels, and `absent_label` are those of `Nodes`; who reads nodes needs them.
    - `frame_rate`, per second, and `max_frames` say which frames of a file are read, see `FrameTicks`; without a rate
      all are.

    ``processor(nodes=[...])`` gives nodes (B, labels of all nodes), or, for an encoder-decoder, source_ids (B, T) and
    source_mask (B, T); see `Nodes.distributions` for what may be given. ``processor(videos=[...])`` gives pixel_values
    (B, T, 3, H, W) and frame_mask (B, T) for arrays of frames, uint8 (T, H, W, 3), which are read as they are, and for
    files, URLs and parts of them, ``{"video": file, "start": seconds, "end": seconds}``. `text` and `text_target` are
    those of the captioner's processor.

    Raises ValueError naming what is wrong.
    """

    def __init__(
        self,
        video_processor: Any = None,
        tokenizer: Any = None,
        variant: str = "decoder-prob",
        node_labels: Mapping[str, Sequence[str]] | Sequence[Any] | None = None,
        absent_label: str = "none",
        frame_rate: float | None = None,
        max_frames: int = 80,
        **kwargs: Any,
    ):
        # One that reads nodes has one, too: transformers loads no processor with a part left out.
        super().__init__(LrcnVideoProcessor() if video_processor is None else video_processor, tokenizer, **kwargs)
        if variant not in VARIANTS:
            raise ValueError(f"variant is {variant!r}; it must be one of {', '.join(VARIANTS)}")
        if frame_rate is not None:
            check_rate("frame_rate", frame_rate)
        check_count("max_frames", max_frames, MAX_FRAMES)
        self.variant, self.absent_label = variant, absent_label
        self.frame_rate, self.max_frames = frame_rate, max_frames
        labels = _labels(node_labels)
        self.nodes = Nodes(labels, absent_label) if labels else None
        self.node_labels = [[node, list(labels[node])] for node in labels]  # a mapping would be saved in another order
        if variant != "frames" and self.nodes is None:
            raise ValueError(f"a narrator of the variant {variant!r} reads nodes: give node_labels")

    def __call__(
        self,
        nodes: Any = None,
        videos: Any = None,
        text: str | list[str] | None = None,
        text_target: str | list[str] | None = None,
        return_tensors: str = "pt",
        **kwargs: Any,
    ) -> BatchFeature:
        inputs: dict[str, Any] = {}
        if nodes is not None:
            inputs.update(self._read_nodes([nodes] if isinstance(nodes, Mapping) else list(nodes)))
        if videos is not None:
            videos = list(videos) if isinstance(videos, list | tuple) else [videos]
            inputs.update(self._see(videos, return_tensors=return_tensors, **kwargs))
        return BatchFeature({**inputs, **self.words(text, text_target)})

    def check_model(self, config: Any) -> None:
        """Raise ValueError unless a narrator of this configuration reads and says what is here."""
        self.check_vocabulary(config.vocab_size)
        sizes = self.nodes.sizes if self.nodes else []
        words = len(self.nodes.vocabulary) + 1 if self.nodes else 0
        ours: dict[str, Any] = {"variant": self.variant}
        ours |= {"node_sizes": sizes} if self.variant in ("decoder-max", "decoder-prob") else {}
        ours |= {"source_size": words} if self.variant == "encoder-decoder" else {}
        for name, value in ours.items():
            theirs = getattr(config, name)
            if (list(theirs) if name == "node_sizes" else theirs) != value:
                raise ValueError(
                    f"the processor's {name} is {value}, but the model's is {theirs}: processor_config.json and "
                    "config.json do not belong together"
                )

    def _read_nodes(self, rows: list[Any]) -> dict[str, Tensor]:
        if self.nodes is None or self.variant == "frames":
            raise ValueError(f"a narrator of the variant {self.variant!r} reads videos: give videos, not nodes")
        read = [self.nodes.distributions(given, f"row {number}") for number, given in enumerate(rows)]
        if self.variant != "encoder-decoder":
            return {"nodes": torch.tensor([[value for node in row for value in node] for row in read])}
        # Where all is absent nothing is read; one step that is masked out says so.
        ids = [self.nodes.source_ids(row) for row in read]
        lengths = torch.tensor([len(row) for row in ids])
        padded = pad_sequence([torch.tensor(row or [0]) for row in ids], batch_first=True)
        return {"source_ids": padded, "source_mask": torch.arange(padded.shape[1])[None] < lengths[:, None]}

    def _see(self, videos: list[Any], **kwargs: Any) -> dict[str, Any]:
        if self.variant != "frames":
            raise ValueError(f"a narrator of the variant {self.variant!r} reads nodes: give nodes, not videos")
        return dict(self.video_processor([self._frames(video) for video in videos], do_sample_frames=False, **kwargs))

    def _frames(self, video: Any) -> Any:
        """The frames of what is given: read from a file, or as they are."""
        if isinstance(video, str | os.PathLike):
            video = {"video": video}
        if not isinstance(video, Mapping):
            return video
        unknown = [name for name in video if name not in SEGMENT]
        times = [video[name] for name in SEGMENT[1:] if video.get(name) is not None]
        timed = all(isinstance(time, int | float) for time in times)
        if unknown or not timed or not isinstance(video.get("video"), str | os.PathLike):
            raise ValueError(
                f"{video!r} is no part of a video; give video, a file or URL, and start and end in seconds"
            )
        return read_at_ticks(video["video"], video.get("start"), video.get("end"), self.frame_rate, self.max_frames)


def _labels(given: Any) -> dict[str, list[str]]:
    """Node -> labels, from a mapping or from what is saved: [node, labels] in order."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    pairs: Any = given if isinstance(given, list | tuple) else [None]
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
        raise ValueError(f"node_labels is {str(given)[:80]}; it must be a mapping of nodes to their labels")
    if len({node for node, _ in pairs}) < len(pairs):
        raise ValueError("node_labels has a node twice")
    return dict(pairs)


__all__ = ["LrcnNarrationProcessor"]
