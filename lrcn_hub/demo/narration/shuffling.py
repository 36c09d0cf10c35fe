"""Taking the order of frames away from a narrator, to see how much it lived by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lrcn_hub.models import LrcnForVideoNarration


@contextmanager
def shuffled_frames(model: LrcnForVideoNarration, seed: int = 0) -> Iterator[None]:
    """While this holds, `model` reads the frames of each video in an order drawn anew."""
    random = torch.Generator().manual_seed(seed)

    def shuffle(encoder: Any, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        frames, mask = named["pixel_values"], named.get("frame_mask")
        return given, {**named, "pixel_values": in_any_order(frames, mask, random)}

    hook = model.encoder.register_forward_pre_hook(shuffle, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def in_any_order(frames: Tensor, mask: Tensor | None, random: torch.Generator) -> Tensor:
    """Shuffle the frames (B, T, ...) of each row; what `mask` (B, T) leaves out stays behind them."""
    drawn = torch.rand(frames.shape[:2], generator=random)
    if mask is not None:
        drawn = drawn.masked_fill(~mask.cpu(), 2.0)
    order = drawn.argsort(1).to(frames.device)
    return frames[torch.arange(len(frames), device=frames.device)[:, None], order]
