"""``lrcn narrate``: videos in, sentences out, of segments or event by event; as text, JSON or subtitles."""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_cli.command import command_parser

if TYPE_CHECKING:
    from lrcn_hub.narration import Narrator, NodeRow, Sentence

DETAILS = """\
Says a sentence of each segment of --segments, or of each event that is found, or else one of the whole video. Prints a
line `file<TAB>start<TAB>end<TAB>sentence` for each, in seconds, or JSON, or subtitles. A video that cannot be read is
named on standard error; the others are narrated all the same, and the exit code is 1. docs/narrate.md says more."""

EXAMPLES = """
lrcn narrate holiday.mp4 --model my-narrator
lrcn narrate holiday.mp4 --model my-narrator --segments parts.csv --format vtt --output holiday.vtt
lrcn narrate *.mp4 --model my-narrator --every 5 --format srt --output subtitles/
lrcn narrate match.mp4 --model my-narrator --scene-threshold 0.2 --num-beams 5 --format json
lrcn narrate --nodes crf.jsonl --model my-narrator
"""
BOUNDARIES = ("every", "scene_threshold", "state_threshold")


def main(argv: list[str]) -> int:
    """Narrate; returns 1 if one of the videos could not be read."""
    arguments = _arguments(argv)

    from lrcn_hub.data.segment_files import read_segments, refuse_overlaps

    segments = read_segments(arguments.segments) if arguments.segments else None
    if segments is not None:
        from lrcn_hub.narration import check_segments

        if arguments.format in ("vtt", "srt"):
            segments = refuse_overlaps(segments)
        check_segments(arguments.videos[0], segments)
    narrator = _load(arguments)
    writer = _Writer(arguments)
    if arguments.nodes:
        return writer.write([(str(arguments.nodes), narrator.nodes(_node_rows(narrator, arguments)))])
    return writer.write((video, _sentences(narrator, video, segments, arguments)) for video in arguments.videos)


def _node_rows(narrator: "Narrator", arguments: argparse.Namespace) -> "list[NodeRow]":
    """Read and check all rows before the first is narrated."""
    from lrcn_hub.data.segment_files import GivenSegment, refuse_overlaps
    from lrcn_hub.narration import read_node_rows

    rows = []
    for row in read_node_rows(arguments.nodes, narrator.processor.nodes.labels):
        narrator.processor.nodes.distributions(row.nodes, row.source)
        if arguments.format in ("srt", "vtt") and row.start is None:
            raise ValueError(
                f"{row.source}: row {row.id} has no start and end, which subtitles need; write text or json"
            )
        rows.append(row)
    if not rows:
        raise ValueError(f"{arguments.nodes}: it has no rows")
    if arguments.format in ("srt", "vtt"):
        times = {row.source: GivenSegment(row.start or 0.0, row.end or 0.0, row.source) for row in rows}
        order = [one.source for one in refuse_overlaps(list(times.values()))]
        rows.sort(key=lambda row: order.index(row.source))
    return rows


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = command_parser(
        "narrate", usage="lrcn narrate VIDEO... --model DIR [options]", details=DETAILS, examples=EXAMPLES
    )
    add = parser.add_argument
    add("videos", nargs="*", metavar="VIDEO", help="video files")
    add("--model", required=True, metavar="DIR", help="folder of a trained narrator, or its name on the Hub")
    add("--num-beams", type=int, metavar="N", help="beam search of this width; default: the model's")
    add("--device", metavar="NAME", help="such as cpu or cuda:0; default: a GPU where there is one")

    add = parser.add_argument_group("what is narrated").add_argument
    add("--segments", type=Path, metavar="FILE", help="start and end of each: .json, .jsonl, .csv, .vtt or .srt")
    add("--every", type=_positive, metavar="SECONDS", help="an event at least so often")
    add("--scene-threshold", type=_positive, metavar="X", help="a picture that differs by more begins an event")
    add("--state-threshold", type=_positive, metavar="X", help="a frame that changes the state by more begins one")
    add("--min-event", type=float, default=1.0, metavar="SECONDS", help="such events last as long (default 1)")
    add("--nodes", type=Path, metavar="FILE", help="no video: rows of node distributions, as JSONL")

    add = parser.add_argument_group("answers").add_argument
    add("--format", choices=["text", "json", "srt", "vtt"], default="text", help="default: text")
    add("--output", type=Path, metavar="FILE", help="write them to a file; of several videos subtitles to a folder")
    arguments = parser.parse_args(argv)
    _check(parser, arguments)
    return arguments


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    finds = [f"--{name.replace('_', '-')}" for name in BOUNDARIES if getattr(arguments, name) is not None]
    if bool(arguments.videos) == bool(arguments.nodes):
        parser.error("give videos, or --nodes FILE")
    if arguments.nodes and (arguments.segments or finds):
        parser.error(f"--nodes tells rows by itself: leave out {'--segments' if arguments.segments else finds[0]}")
    if arguments.segments and finds:
        parser.error(f"--segments says where sentences begin and end: leave out {finds[0]}")
    if arguments.segments and len(arguments.videos) > 1:
        parser.error("--segments are those of one video: give one")
    if arguments.num_beams is not None and arguments.num_beams < 1:
        parser.error(f"--num-beams is {arguments.num_beams}; it must be at least 1")
    if arguments.format in ("srt", "vtt") and len(arguments.videos) > 1 and arguments.output is None:
        parser.error("subtitles of several videos are several files: give --output FOLDER")
    names = [Path(video).stem for video in arguments.videos]
    twice = next((name for name in names if names.count(name) > 1), None)
    if arguments.format in ("srt", "vtt") and twice is not None:
        parser.error(f"two videos are called {twice}, and so would be their subtitles: narrate them one by one")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _load(arguments: argparse.Namespace) -> "Narrator":
    """Load model and processor; raises ValueError for a model of another kind, before its weights are read."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
    from transformers.utils import logging

    from lrcn_hub.models import LrcnNarrationConfig
    from lrcn_hub.narration import Narrator
    from lrcn_hub.plugins import task_names

    task_names()  # a plugin's own models are known to transformers once it is loaded
    logging.disable_progress_bar()
    name, config = arguments.model, AutoConfig.from_pretrained(arguments.model)
    if not isinstance(config, LrcnNarrationConfig):
        raise ValueError(f"{name} is a model of the type {config.model_type!r}, which does not narrate")
    if bool(arguments.nodes) == (config.variant == "frames"):
        wanted = "frames: give it videos" if config.variant == "frames" else "nodes: give it --nodes FILE"
        raise ValueError(f"{name} is a narrator of the variant {config.variant!r} and reads {wanted}")
    processor = AutoProcessor.from_pretrained(name)
    processor.check_model(config)
    place = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = AutoModelForImageTextToText.from_pretrained(name).to(place).eval()
    return Narrator(model, processor, **({"num_beams": arguments.num_beams} if arguments.num_beams else {}))


def _sentences(narrator: "Narrator", video: str, segments: Any, arguments: argparse.Namespace) -> Iterator["Sentence"]:
    if all(getattr(arguments, name) is None for name in BOUNDARIES):
        return narrator.segments(video, segments)
    rules = {"scene_threshold": arguments.scene_threshold, "state_threshold": arguments.state_threshold}
    return narrator.events(video, every_seconds=arguments.every, min_event_seconds=arguments.min_event, **rules)


class _Writer:
    """Writes sentences as they come, in one of the formats."""

    def __init__(self, arguments: argparse.Namespace):
        self.format, self.output, self.of_nodes = arguments.format, arguments.output, bool(arguments.nodes)
        self.several = len(arguments.videos) > 1

    def write(self, answers: Iterable[tuple[str, Iterator["Sentence"]]]) -> int:
        """Write the sentences of each file; what is wrong with a video is told, and the next one follows."""
        from lrcn_hub.data.videos import UnreadableVideoError

        failed, found = False, []
        with self._opened() as file:
            for name, sentences in answers:
                said: list[Sentence] = []
                answer: dict[str, Any] = {"file": name}
                try:
                    for sentence in self._shown(name, sentences, file):
                        said.append(sentence)
                except UnreadableVideoError as error:
                    print(f"lrcn narrate: {error}", file=sys.stderr)
                    answer["error"], failed = str(error), True
                found.append({**answer, "segments": [_facts(one) for one in said]})
            if self.format == "json":
                file.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return int(failed)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        if self.output is None or self.format in ("srt", "vtt"):
            yield sys.stdout
        else:
            with open(self.output, "w", encoding="utf-8") as file:
                yield file

    def _shown(self, name: str, sentences: Iterator["Sentence"], file: Any) -> Iterator["Sentence"]:
        """Pass sentences on, having written each that is written at once."""
        if self.format in ("srt", "vtt"):
            yield from self._subtitles(name, sentences)
            return
        for one in sentences:
            if self.format == "text":
                times = [] if one.start is None else [f"{one.start:.3f}", f"{one.end:.3f}"]
                file.write("\t".join([one.id or name, *times, one.text]) + "\n")
                file.flush()
            yield one

    def _subtitles(self, name: str, sentences: Iterator["Sentence"]) -> Iterator["Sentence"]:
        from lrcn_hub.data.subtitles import SubtitleWriter

        target: Any = sys.stdout.buffer if self.output is None else self.output
        if self.several:
            self.output.mkdir(parents=True, exist_ok=True)
            target = self.output / f"{Path(name).stem}.{self.format}"
        with SubtitleWriter(target, self.format) as writer:
            for one in sentences:
                assert one.start is not None and one.end is not None  # checked before
                writer.write(one.start, one.end, one.text)
                yield one


def _facts(one: "Sentence") -> dict[str, Any]:
    times = {} if one.start is None else {"start": one.start, "end": one.end}
    return {**({} if one.id is None else {"id": one.id}), **times, "text": one.text}
