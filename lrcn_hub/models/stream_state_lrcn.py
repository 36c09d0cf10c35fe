"""What a live session remembers: a value of fixed size, to save, load, copy and go on from anywhere."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

FORMAT = "lrcn_stream_state"
THUMBNAIL = 16  # side of the small pictures by which scene changes are told
CLOCKS = ("frames", "times", "clip_starts", "totals", "weights", "thumbnails")


@dataclass
class LrcnStreamState:
    """All that a session remembers, one row for each of B videos: a value to save, load, copy and go on from anywhere.

    `hidden` and `cell` hold a (B, H) tensor for each recurrent layer. On the CPU: `frames` (B,), the frame clock;
    `times` (B,), the last time stamp in seconds or nan; `clip_starts` (B,), the frame at which the running decision
    began; `totals` (B, C) and `weights` (B,), whose ratio it is; `thumbnails` (B, 768), the last picture made small,
    or nan.
    """

    hidden: list[Tensor]
    cell: list[Tensor]
    frames: Tensor
    times: Tensor
    clip_starts: Tensor
    totals: Tensor
    weights: Tensor
    thumbnails: Tensor

    @classmethod
    def new(cls, model: Any, batch_size: int) -> "LrcnStreamState":
        """The state of `batch_size` videos of which `model` has seen nothing."""
        config, weight = model.config, model.classifier.weight
        zeros = weight.detach().new_zeros(batch_size, config.hidden_size)
        return cls(
            hidden=[zeros] * config.num_layers,
            cell=[zeros] * config.num_layers,
            frames=torch.zeros(batch_size, dtype=torch.int64),
            times=torch.full((batch_size,), math.nan, dtype=torch.float64),
            clip_starts=torch.zeros(batch_size, dtype=torch.int64),
            totals=torch.zeros(batch_size, config.num_labels, dtype=torch.float64),
            weights=torch.zeros(batch_size, dtype=torch.float64),
            thumbnails=torch.full((batch_size, 3 * THUMBNAIL**2), math.nan),
        )

    def select(self, rows: Sequence[int]) -> "LrcnStreamState":
        """Copy the state of some rows, in the order given."""
        index = torch.tensor(list(rows), dtype=torch.int64)
        layers = [[part[index.to(part.device)] for part in parts] for parts in (self.hidden, self.cell)]
        return LrcnStreamState(*layers, *(getattr(self, name)[index] for name in CLOCKS))

    def copy(self) -> "LrcnStreamState":
        """Copy all of it: what happens to one then leaves the other as it is."""
        return self.select(range(len(self.frames)))

    def save(self, file: str | os.PathLike) -> None:
        """Write it to `file` as safetensors; an earlier file is replaced only when the new one is whole."""
        partial = f"{os.fspath(file)}.{os.getpid()}.partial"
        try:
            save_file(
                {name: part.cpu().clone() for name, part in self._tensors().items()}, partial, {"format": FORMAT}
            )
            os.replace(partial, file)
        finally:
            if os.path.exists(partial):
                os.remove(partial)

    def _tensors(self) -> dict[str, Tensor]:
        layers = {f"{name}.{k}": part for name in ("hidden", "cell") for k, part in enumerate(getattr(self, name))}
        return {**layers, **{name: getattr(self, name) for name in CLOCKS}}

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(part.shape) for name, part in self._tensors().items()}

    @classmethod
    def load(cls, file: str | os.PathLike) -> "LrcnStreamState":
        """Read what `save` wrote. Raises ValueError, with the file's name, for anything else."""
        try:
            with safe_open(file, framework="pt") as content:
                if (content.metadata() or {}).get("format") != FORMAT:
                    raise ValueError(f"{file} is no saved state of a session (its format is not {FORMAT!r})")
                tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
            layers = sum(name.startswith("hidden.") for name in tensors)
            parts = [[tensors[f"{name}.{k}"] for k in range(layers)] for name in ("hidden", "cell")]
            return cls(*parts, *(tensors[name] for name in CLOCKS))
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"{file} is no saved state of a session: {error}") from error

    def for_model(self, model: Any) -> "LrcnStreamState":
        """Copy it to the device and precision of `model`. Raises ValueError if it is another model's."""
        expected = LrcnStreamState.new(model, len(self.frames))
        ours, theirs = self._shapes(), expected._shapes()
        for name in sorted(ours.keys() | theirs.keys()):
            if ours.get(name) != theirs.get(name):
                raise ValueError(
                    f"this is another model's state: {name} has the shape {ours.get(name)}, the model's has "
                    f"{theirs.get(name)}"
                )
        found, like = self.copy(), model.classifier.weight
        found.hidden, found.cell = ([part.to(like) for part in parts] for parts in (found.hidden, found.cell))
        return found


__all__ = ["THUMBNAIL", "LrcnStreamState"]
