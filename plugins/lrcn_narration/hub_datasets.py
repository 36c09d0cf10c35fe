"""The reader of `datasets`: any dataset of the Hub or of a folder, told which columns are videos, sentences, nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrcn_hub.data.hub_datasets import check_columns, load_splits, undecoded_videos, video_file
from lrcn_narration.cells import seconds_in, sentences_in
from lrcn_narration.tables import Example, Narrated

if TYPE_CHECKING:
    from lrcn_narration.options import NarrationDataOptions

COLUMNS = ("video_column", "start_column", "end_column", "nodes_column", "level_column", "id_column")


def read_datasets(options: NarrationDataOptions) -> Narrated:
    """Any dataset of the `datasets` library: a name on the Hub, a folder it reads, or one written by save_to_disk."""
    found = Narrated({})
    for name, split, table in load_splits(options.path, options.subset):
        wanted = [column.strip() for column in options.sentences_column.split(",")]
        named = [(option, getattr(options, option)) for option in COLUMNS]
        sentences = [("sentences_column", column) for column in wanted]
        check_columns(table, f"{options.path}, split {name}", [*named, *sentences])
        if options.video_column:
            table = undecoded_videos(table, options.video_column)
        known: dict[str, Example] = {}
        for number, row in enumerate(table):
            example = _example(row, f"{options.path}, split {name}, row {number}", f"{name}/{number}", wanted, options)
            first = known.setdefault(example.id, example)
            if first is not example:
                _refuse_different(first, example)
                first.sentences.extend(example.sentences)
        found.splits.setdefault(split, []).extend(known.values())
    return found


def _example(
    row: dict[str, Any], source: str, row_id: str, wanted: list[str], options: NarrationDataOptions
) -> Example:
    example = Example(row_id, source, sentences=[s for name in wanted for s in sentences_in(row[name], source)])
    if options.id_column:
        example.id = str(row[options.id_column])
    if options.video_column:
        example.video = video_file(row[options.video_column], options.video_column, options.video_folder, source)
        example.video_name = str(example.video)
    for option, name in (("start_column", "start"), ("end_column", "end")):
        if column := getattr(options, option):
            setattr(example, name, seconds_in(row[column], f"{source}: {column}"))
    example.level = str(row[options.level_column] or "") if options.level_column else ""
    example.nodes = _told(row[options.nodes_column]) if options.nodes_column else None
    return example


def _told(nodes: Any) -> Any:
    """Leave out what is none in mappings: `datasets` puts that for a name which other rows have."""
    return (
        {name: _told(cell) for name, cell in nodes.items() if cell is not None} if isinstance(nodes, dict) else nodes
    )


def _refuse_different(first: Example, other: Example) -> None:
    """Rows of one id are one segment told several times."""
    for what in ("video", "start", "end", "level"):
        values = getattr(first, what), getattr(other, what)
        if values[0] != values[1]:
            raise ValueError(
                f"{other.source}: {other.id} is there already ({first.source}), with {what} {values[0]} and not "
                f"{values[1]}; rows of one id are one segment: set id_column"
            )
