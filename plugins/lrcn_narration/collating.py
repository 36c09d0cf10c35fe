"""Rows to batches: what is known of the nodes, or the frames of a segment, and sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from lrcn_hub.data.feature_cache import stored
from lrcn_hub.data.videos.segments import read_segment
from lrcn_hub.models.video_processing_lrcn import pad_clips
from lrcn_hub.tasks import Batch, Rows
from lrcn_narration.options import NarrationDataOptions


@dataclass
class NarrationCollator:
    """Rows to a batch: what the narrator's encoder reads and, in training, the sentences that share it.

    That is ``nodes``, or ``source_ids`` and ``source_mask``, or ``pixel_values`` and ``frame_mask``, as
    `LrcnNarrationProcessor` gives them; of rows with cached features, ``pixel_values`` are these (B, T, F). The
    sentences are ``labels`` (sentences, T), -100 where there is no target, and ``video_index`` (sentences,), the row
    that each describes. The choice of sentences follows from a row's seed. For objectives there are ``seeds`` (B,) and
    ``references``, all sentences of each row.
    """

    processor: Any
    options: NarrationDataOptions
    training: bool

    def __call__(self, rows: Rows) -> Batch:
        seen = self._frames(rows) if self.processor.variant == "frames" else self._nodes(rows)
        if not self.training:
            return seen
        chosen = [self._choose(row["sentences"], row["seed"]) for row in rows]
        labels = self.processor.labels([one for sentences in chosen for one in sentences], self.options.max_length)
        counts = torch.tensor([len(sentences) for sentences in chosen])
        said = {"labels": labels, "video_index": torch.repeat_interleave(torch.arange(len(rows)), counts)}
        references, seeds = [row["sentences"] for row in rows], torch.tensor([row["seed"] for row in rows])
        return {**seen, **said, "references": references, "seeds": seeds}

    def _choose(self, sentences: list[str], seed: int) -> list[str]:
        order = torch.randperm(len(sentences), generator=torch.Generator().manual_seed(seed))
        return [sentences[number] for number in order[: self.options.sentences_per_row]]

    def _nodes(self, rows: Rows) -> Batch:
        for row in rows:
            if row["nodes"] is None:
                raise ValueError(f"row {row['id']} has no nodes, which this narrator reads: complete the node_file")
        return dict(self.processor(nodes=[row["nodes"] for row in rows]))

    def _frames(self, rows: Rows) -> Batch:
        """Read frames row after row: large ones are never there together. Or take what the backbone said of them."""
        if "features" in rows[0]:
            return pad_clips([stored(row["features"])[:] for row in rows])
        return pad_clips([read_clip(row, self.processor) for row in rows])


def read_clip(row: dict[str, Any], processor: Any) -> torch.Tensor:
    """Read the frames of a row that a narrator reads, as pixel values (T, 3, H, W)."""
    if row["video"] is None:
        raise ValueError(f"row {row['id']} has no video, whose frames this narrator reads: name video_folder")
    segment = read_segment(
        row["video"],
        row["start"],
        row["end"],
        frame_rate=processor.frame_rate,
        max_frames=processor.max_frames,
    )
    pixel_values: torch.Tensor = processor(videos=[segment.frames])["pixel_values"][0]
    return pixel_values
