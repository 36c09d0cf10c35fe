"""What a live session remembers: a value of fixed size, to save, load, copy and go on from anywhere."""

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

THUMBNAIL = 16  # side of the small pictures by which scene changes are told
CLOCKS = ("frames", "times", "clip_starts", "totals", "weights", "thumbnails")


class LrcnRows(ABC):
    """Tensors that have one row for each of B videos: a value to save, load, copy and go on from anywhere.

    A subclass gives them by name (`_tensors`) and makes itself of them (`_of`); `format` is what its files are called.
    """

    format: ClassVar[str]

    @abstractmethod
    def _tensors(self) -> dict[str, Tensor]:
        """Its tensors by name."""

    @classmethod
    @abstractmethod
    def _of(cls, tensors: dict[str, Tensor]) -> Self:
        """Make one of tensors by name."""

    def select(self, rows: Sequence[int]) -> Self:
        """Copy the state of some rows, in the order given."""
        index = torch.tensor(list(rows), dtype=torch.int64)
        return self._of({name: part[index.to(part.device)] for name, part in self._tensors().items()})

    def copy(self) -> Self:
        """Copy all of it: what happens to one then leaves the other as it is."""
        return self.select(range(self.rows))

    @property
    def rows(self) -> int:
        """The number of videos."""
        frames: Tensor = self._tensors()["frames"]
        return len(frames)

    def save(self, file: str | os.PathLike) -> None:
        """Write it to `file` as safetensors; an earlier file is replaced only when the new one is whole."""
        partial = f"{os.fspath(file)}.{os.getpid()}.partial"
        try:
            tensors = {name: part.cpu().clone() for name, part in self._tensors().items()}
            save_file(tensors, partial, {"format": self.format})
            os.replace(partial, file)
        finally:
            if os.path.exists(partial):
                os.remove(partial)

    @classmethod
    def load(cls, file: str | os.PathLike) -> Self:
        """Read what `save` wrote. Raises ValueError, with the file's name, for anything else."""
        try:
            with safe_open(file, framework="pt") as content:
                if (content.metadata() or {}).get("format") != cls.format:
                    raise ValueError(f"{file} is no saved state of a session (its format is not {cls.format!r})")
                return cls._of({name: content.get_tensor(name) for name in content.keys()})  # noqa: SIM118
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"{file} is no saved state of a session: {error}") from error

    def _refuse_unlike(self, expected: Self) -> None:
        """Raise ValueError unless every tensor has the shape of that in `expected`, a state of the model at hand."""
        ours, theirs = ({name: tuple(part.shape) for name, part in one._tensors().items()} for one in (self, expected))
        for name in sorted(ours.keys() | theirs.keys()):
            if ours.get(name) != theirs.get(name):
                raise ValueError(
                    f"this is another model's state: {name} has the shape {ours.get(name)}, the model's has "
                    f"{theirs.get(name)}"
                )


@dataclass
class LrcnStreamState(LrcnRows):
    """All that a session of recognition remembers, one row for each of B videos.

    `hidden` and `cell` hold a (B, H) tensor for each recurrent layer. On the CPU: `frames` (B,), the frame clock;
    `times` (B,), the last time stamp in seconds or nan; `clip_starts` (B,), the frame at which the running decision
    began; `totals` (B, C) and `weights` (B,), whose ratio it is; `thumbnails` (B, 768), the last picture made small,
    or nan.
    """

    format: ClassVar[str] = "lrcn_stream_state"

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

    def _tensors(self) -> dict[str, Tensor]:
        layers = {f"{name}.{k}": part for name in ("hidden", "cell") for k, part in enumerate(getattr(self, name))}
        return {**layers, **{name: getattr(self, name) for name in CLOCKS}}

    @classmethod
    def _of(cls, tensors: dict[str, Tensor]) -> Self:
        layers = sum(name.startswith("hidden.") for name in tensors)
        parts = [[tensors[f"{name}.{k}"] for k in range(layers)] for name in ("hidden", "cell")]
        return cls(*parts, *(tensors[name] for name in CLOCKS))

    def for_model(self, model: Any) -> "LrcnStreamState":
        """Copy it to the device and precision of `model`. Raises ValueError if it is another model's."""
        self._refuse_unlike(LrcnStreamState.new(model, self.rows))
        found, like = self.copy(), model.classifier.weight
        found.hidden, found.cell = ([part.to(like) for part in parts] for parts in (found.hidden, found.cell))
        return found


__all__ = ["THUMBNAIL", "LrcnRows", "LrcnStreamState"]
