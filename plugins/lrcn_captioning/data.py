"""Captioned pictures for training: read, checked, and put into batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lrcn_captioning.cached import encoder_outputs
from lrcn_captioning.options import CaptioningDataOptions
from lrcn_captioning.readers import read_tables
from lrcn_hub.data.bad_samples import BadSample, report_bad_samples
from lrcn_hub.data.images import check_images, content_digests, image_source
from lrcn_hub.data.splits import chosen_for_validation, refuse_leaks
from lrcn_hub.data.table_report import TableReport
from lrcn_hub.models.images_lrcn import open_image
from lrcn_hub.tasks import Batch, Rows

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass
class DataReport(TableReport):
    """What was read and what was left out, for the model card."""

    images: dict[str, int] = field(default_factory=dict)
    """Rows of each table."""
    captions: dict[str, int] = field(default_factory=dict)
    """Captions in each table."""


def load_tables(options: CaptioningDataOptions) -> dict[str, Dataset]:
    """Read and check the data: tables with the columns image, captions and id for the splits that there are.

    Each table's ``info.description`` holds the `DataReport` as JSON. Raises ValueError or OSError, naming the file,
    for data that are missing, unreadable or empty, and for pictures in more than one split.
    """
    report = DataReport(options.reader)
    tables = read_tables(options, report)
    tables = {split: _usable(split, table, options, report) for split, table in tables.items()}
    if options.validation_share and "train" in tables and "validation" not in tables:
        tables |= _split_off_validation(tables["train"], options.validation_share)
    _check_leaks(tables, options, report)
    report.images = {split: len(table) for split, table in tables.items()}
    report.captions = {split: sum(map(len, table["captions"])) for split, table in tables.items()}
    report.write_to(tables)
    return tables


def _usable(split: str, table: Dataset, options: CaptioningDataOptions, report: DataReport) -> Dataset:
    """Leave out, or refuse, rows without a caption and then those whose picture cannot be read."""
    ids = table["id"]
    captioned = [row for row, captions in enumerate(table["captions"]) if captions]
    silent = sorted(set(range(len(table))) - set(captioned))
    bad = [BadSample(ids[row], "it has no caption") for row in silent]
    report_bad_samples(bad, len(table), options.on_bad_sample)
    table = table.select(captioned) if bad else table
    good, unreadable = _check_images(table, options)
    if unreadable:
        table = table.select([row for row, is_good in enumerate(good) if is_good])
    report.bad_samples += bad + unreadable
    if not len(table):
        raise ValueError(f"no usable picture is left in split {split}")
    return table


def _check_images(table: Dataset, options: CaptioningDataOptions) -> tuple[list[bool], list[BadSample]]:
    images = _undecoded(table)
    if options.check_images:
        return check_images(images, options.on_bad_sample, names=table["id"])
    paths = [cell["path"] if cell["bytes"] is None else None for cell in images]
    good = [path is None or Path(path).is_file() for path in paths]
    bad = [
        BadSample(str(path), "there is no such file") for path, is_good in zip(paths, good, strict=True) if not is_good
    ]
    report_bad_samples(bad, len(good), options.on_bad_sample)
    return good, bad


def _undecoded(table: Dataset) -> Any:
    """Give the image column as paths and bytes."""
    import datasets

    return table.cast_column("image", datasets.Image(decode=False))["image"]


def _split_off_validation(table: Dataset, share: float) -> dict[str, Dataset]:
    """Take every so manieth picture for validation, evenly over the table and always the same ones."""
    chosen = chosen_for_validation(len(table), share)
    rest = [row for row in range(len(table)) if row not in chosen]
    return {"train": table.select(rest), "validation": table.select(sorted(chosen))}


def _check_leaks(tables: Mapping[str, Dataset], options: CaptioningDataOptions, report: DataReport) -> None:
    """Refuse one id, or one file's content, in two splits: a score on pictures seen in training says nothing."""
    leaks = _in_several({split: {name: name for name in table["id"]} for split, table in tables.items()})
    if options.check_images and len(tables) > 1:
        leaks |= _in_several({split: _ids_by_content(table) for split, table in tables.items()})
    report.leaks = refuse_leaks(list(leaks.values()), options.allow_leak, "images")


def _ids_by_content(table: Dataset) -> dict[str, str]:
    return dict(zip(content_digests(_undecoded(table)), table["id"], strict=True))


def _in_several(splits: Mapping[str, Mapping[str, str]]) -> dict[tuple[str, str, str], str]:
    """Find keys (ids, or digests of contents) that several splits have; the values name the pictures."""
    first: dict[str, tuple[str, str]] = {}
    found = {}
    for split, names in splits.items():
        for key, name in names.items():
            other, other_name = first.setdefault(key, (split, name))
            if other != split:
                alike = "" if name == other_name else f" as {name}"
                found[other_name, name, split] = f"{other_name} in {other} and{alike} in {split}"
    return found


@dataclass
class CaptionCollator:
    """Rows to a batch: ``pixel_values`` (images, 3, H, W) and, in training, the captions they share.

    These are ``labels`` (captions, T), -100 where there is no target, and ``image_index`` (captions,), the row of
    `pixel_values` that each caption describes. Crop, mirroring and the choice of captions follow from a row's seed.
    For objectives there are ``seeds`` (images,) and ``references``, all captions of each picture.
    Rows with cached features give ``encoder_outputs``, a tuple of features (images, 1, F), instead of `pixel_values`.
    """

    processor: Any
    options: CaptioningDataOptions
    training: bool

    def __call__(self, rows: Rows) -> Batch:
        if not self.training:
            return self._views(rows)
        generators = [torch.Generator().manual_seed(row["seed"]) for row in rows]
        chosen = [self._choose(row["captions"], random) for row, random in zip(rows, generators, strict=True)]
        labels = self.processor.labels(
            [caption for captions in chosen for caption in captions], self.options.max_length
        )
        counts = torch.tensor([len(captions) for captions in chosen])
        image_index = torch.repeat_interleave(torch.arange(len(rows)), counts)
        said = {"labels": labels, "image_index": image_index, "references": [row["captions"] for row in rows]}
        return {**self._views(rows, generators), **said, "seeds": torch.tensor([row["seed"] for row in rows])}

    def _choose(self, captions: list[str], random: torch.Generator) -> list[str]:
        order = torch.randperm(len(captions), generator=random)[: self.options.captions_per_image]
        return [captions[number] for number in order]

    def _views(self, rows: Rows, generators: Sequence[torch.Generator] = ()) -> Batch:
        """Give the pictures as the backbone is to see them, or what it gave for them before."""
        if "features" in rows[0]:
            return {"encoder_outputs": encoder_outputs(rows)}
        pictures = [open_image(image_source(row["image"]), name=f"image {row['id']}") for row in rows]
        if not (generators and self.options.augment):
            return {"pixel_values": self.processor(images=pictures, return_tensors="pt")["pixel_values"]}
        view = self.processor.image_processor.random_view
        pairs = zip(pictures, generators, strict=True)
        return {"pixel_values": torch.stack([view(one, random, mirror=self.options.mirror) for one, random in pairs])}
