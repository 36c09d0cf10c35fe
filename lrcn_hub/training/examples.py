"""The order of training rows and the seed of each, both functions of run, epoch and row alone."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler

if TYPE_CHECKING:
    from datasets import Dataset

Position = tuple[int, int]  # epoch, row


def example_seed(run_seed: int, epoch: int, row: int) -> int:
    """Mix run, epoch and row to a seed of 63 bits; the same on every machine and in every process."""
    digest = blake2b(f"{run_seed}/{epoch}/{row}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class SeededExamples(TorchDataset):
    """A training table whose rows also carry ``seed``, from which all random choices about a row are to come.

    It is indexed by (epoch, row): the epoch travels with the index, so that loader processes, which hold copies of
    this object, need not be told of a new one.
    """

    def __init__(self, table: Dataset, run_seed: int) -> None:
        self.table = table
        self.run_seed = run_seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.table)

    def set_epoch(self, epoch: int) -> None:
        """Begin `epoch`; the order of its rows follows from it."""
        self.epoch = epoch

    def __getitem__(self, position: Position) -> dict[str, Any]:
        return self.__getitems__([position])[0]

    def __getitems__(self, positions: list[Position]) -> list[dict[str, Any]]:
        rows = self.table.__getitems__([row for _, row in positions])
        seeds = [example_seed(self.run_seed, epoch, row) for epoch, row in positions]
        return [{**row, "seed": seed} for row, seed in zip(rows, seeds, strict=True)]


class EpochSampler(Sampler[Position]):
    """All rows of `examples` once an epoch, in an order that only seed and epoch decide.

    It keeps no epoch of its own: accelerate hands a new epoch to the sampler in some set-ups and to the data set in
    others (several processes resumed within an epoch), and either must do.
    """

    def __init__(self, examples: SeededExamples, seed: int) -> None:
        self.examples = examples
        self.seed = seed

    def __len__(self) -> int:
        return len(self.examples)

    def set_epoch(self, epoch: int) -> None:
        """Begin `epoch`."""
        self.examples.set_epoch(epoch)

    def __iter__(self) -> Iterator[Position]:
        epoch = self.examples.epoch
        generator = torch.Generator().manual_seed(example_seed(self.seed, epoch, -1))
        for row in torch.randperm(len(self.examples), generator=generator).tolist():
            yield epoch, row
