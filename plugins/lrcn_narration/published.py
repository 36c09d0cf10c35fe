"""The files of published sets of narrated videos: TACoS multilevel, MSR-VTT, VATEX, YouCook2, MSVD."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_hub.data.annotation_files import read_json, read_rows, read_text
from lrcn_hub.data.sources import split_files
from lrcn_hub.data.splits import SPLIT_NAMES, SPLITS
from lrcn_narration.cells import number_in, seconds_in, sentences_in
from lrcn_narration.tables import Example, Narrated, gathered
from lrcn_narration.video_files import VideoFiles, without_ending

if TYPE_CHECKING:
    from lrcn_narration.options import NarrationDataOptions

TACOS_RATE = 29.4  # frames per second, by which its frame numbers count
CAPTIONS = {"en": "enCap", "zh": "chCap"}  # VATEX
VATEX_NAME = re.compile(r"(.+)_(\d{6})_(\d{6})")  # a YouTube id and the first and last second


def read_tacos(options: NarrationDataOptions) -> Narrated:
    """TACoS multilevel as JSON, a file for each split: video -> timestamps (frame spans), sentences, fps, num_frames.

    Sentences about one span, at one level, become one row. The files tell no levels of detail; where a record has
    ``levels``, one word for each sentence, these are taken.
    """
    files = _files(options, "file", "the JSON files of TACoS")
    return Narrated({split: gathered(list(_tacos_examples(file, options))) for split, file in files.items()})


def _tacos_examples(file: Path, options: NarrationDataOptions) -> Iterator[Example]:
    videos = VideoFiles.beside(file, options)
    for name, record in _expect(read_json(file), dict, file, "an object of videos by name").items():
        source = f"{file}, video {name}"
        _require(record, ("timestamps", "sentences"), source)
        spans, sentences = (
            _expect(record[key], list, source, f"a list of {key}") for key in ("timestamps", "sentences")
        )
        levels = _expect(record.get("levels", [""] * len(sentences)), list, source, "a list of levels")
        if not len(spans) == len(sentences) == len(levels):
            raise ValueError(f"{source}: {len(spans)} timestamps, {len(sentences)} sentences, {len(levels)} levels")
        rate = number_in(record.get("fps", TACOS_RATE), f"{source}: fps")
        if rate <= 0:
            raise ValueError(f"{source}: fps is {rate}; it must be above 0")
        duration, video = (
            number_in(record.get("num_frames", 0), f"{source}: num_frames") / rate,
            videos.path(name, source),
        )
        for number, (span, sentence, level) in enumerate(zip(spans, sentences, levels, strict=True)):
            place = f"{source}, sentence {number}"
            first, last = _pair(span, place)
            row_id = "/".join(filter(None, (without_ending(name), f"{first:g}-{last:g}", str(level))))
            seconds = {"start": first / rate, "end": last / rate, "duration": duration}
            yield Example(
                row_id, place, name, video, **seconds, sentences=sentences_in(sentence, place), level=str(level)
            )


def read_msrvtt(options: NarrationDataOptions) -> Narrated:
    """MSR-VTT's ``*videodatainfo.json``, whose videos tell their split, or CSV files with video_id and sentence."""
    return _with_splits(options, _msrvtt_json, "video_id", "sentence", "split")


def _msrvtt_json(file: Path, options: NarrationDataOptions) -> Iterator[tuple[str, Example]]:
    content = _expect(read_json(file), dict, file, "MSR-VTT's annotations")
    _require(content, ("videos", "sentences"), str(file))
    videos = VideoFiles.beside(file, options)
    found: dict[str, tuple[str, Example]] = {}
    for number, video in enumerate(_expect(content["videos"], list, file, "a list of videos")):
        source = f"{file}, video {number}"
        _require(video, ("video_id",), source)
        name = str(video["video_id"])
        if name in found:
            raise ValueError(f"{source}: {name} is there already ({found[name][1].source})")
        found[name] = (str(video.get("split", "")), Example(name, source, name, videos.path(name, source)))
    for number, row in enumerate(_expect(content["sentences"], list, file, "a list of sentences")):
        _require(row, ("video_id", "caption"), f"{file}, sentence {number}")
        name = str(row["video_id"])
        if name not in found:
            raise ValueError(f"{file}, sentence {number}: there is no video {name}")
        found[name][1].sentences.extend(sentences_in(row["caption"], f"{file}, sentence {number}"))
    yield from found.values()


def read_youcook2(options: NarrationDataOptions) -> Narrated:
    """YouCook2's annotations: JSON with a database of videos, or CSV files with video_id, start, end and text."""
    return _with_splits(options, _youcook2_json, "video_id", "text", "subset")


def _youcook2_json(file: Path, options: NarrationDataOptions) -> Iterator[tuple[str, Example]]:
    content = _expect(read_json(file), dict, file, "YouCook2's annotations")
    _require(content, ("database",), str(file))
    videos = VideoFiles.beside(file, options)
    for name, record in _expect(content["database"], dict, file, "videos by name in database").items():
        source = f"{file}, video {name}"
        subset = str(_expect(record, dict, source, "an object").get("subset", ""))
        duration, video = number_in(record.get("duration", 0), f"{source}: duration"), videos.path(name, source)
        segments = _expect(record.get("annotations") or [], list, source, "a list of annotations")
        if not segments:  # a video that nobody has told of
            yield subset, Example(name, source, name, video, duration=duration)
        for number, row in enumerate(segments):
            place = f"{source}, annotation {number}"
            _require(row, ("segment", "sentence"), place)
            start, end = _pair(row["segment"], place)
            row_id, sentences = f"{name}/{row.get('id', number)}", sentences_in(row["sentence"], place)
            yield subset, Example(row_id, place, name, video, start, end, sentences, duration=duration)


def read_vatex(options: NarrationDataOptions) -> Narrated:
    """VATEX, a JSON list for each split: videoID, which ends in the first and last second, enCap and chCap.

    Videos are clips named by the videoID, or whole ones named by its YouTube id, of which these seconds are read.
    """
    files = _files(options, "file", "VATEX's JSON files")
    return Narrated({split: list(_vatex_examples(file, options)) for split, file in files.items()})


def _vatex_examples(file: Path, options: NarrationDataOptions) -> Iterator[Example]:
    videos, key = VideoFiles.beside(file, options), CAPTIONS[options.language]
    for number, row in enumerate(_expect(read_json(file), list, file, "a list of videos")):
        source = f"{file}, record {number}"
        _require(row, ("videoID", key), source)
        row_id, sentences = str(row["videoID"]), sentences_in(row[key], source)
        named = VATEX_NAME.fullmatch(row_id)
        if named is None:
            raise ValueError(
                f"{source}: videoID {row_id!r} is not a YouTube id, then _SECOND_SECOND of six digits each"
            )
        if videos.folder is None or videos.find(row_id):
            yield Example(row_id, source, row_id, videos.path(row_id, source), sentences=sentences)
        elif videos.find(named[1]):
            seconds = float(named[2]), float(named[3])
            yield Example(row_id, source, named[1], videos.path(named[1], source), *seconds, sentences=sentences)
        else:
            yield Example(row_id, source, row_id, videos.path(row_id, source), sentences=sentences)


def read_msvd(options: NarrationDataOptions) -> Narrated:
    """MSVD as JSON lists of objects with id, the video's file, and caption, a list; one for each split.

    Lists of one name a line, such as testing_id.txt, say which of all these videos are in their split.
    """
    files = _files(options, "file", "MSVD's JSON files, such as training_label.json")
    found = Narrated({split: list(_msvd_examples(file, options)) for split, file in files.items()})
    lists = split_files(options, "list")
    return _divided(found, lists, VideoFiles.beside(next(iter(files.values())), options)) if lists else found


def _msvd_examples(file: Path, options: NarrationDataOptions) -> Iterator[Example]:
    videos = VideoFiles.beside(file, options)
    for number, row in enumerate(_expect(read_json(file), list, file, "a list of videos")):
        source = f"{file}, record {number}"
        _require(row, ("id", "caption"), source)
        name = str(row["id"])
        sentences = sentences_in(row["caption"], source)
        yield Example(without_ending(name), source, name, videos.path(name, source), sentences=sentences)


def _divided(found: Narrated, lists: dict[str, Path], videos: VideoFiles) -> Narrated:
    """Divide all examples by lists; where a split has none, it keeps those of its file that no list names."""
    by_id = {example.id: example for examples in found.splits.values() for example in examples}
    splits: dict[str, list[Example]] = {}
    for split, file in lists.items():
        for number, line in enumerate(read_text(file).splitlines(), 1):
            if name := line.strip():
                source = f"{file}, line {number}"
                silent = Example(without_ending(name), source, name, videos.path(name, source))
                splits.setdefault(split, []).append(by_id.get(silent.id, silent))
    named = {example.id for examples in splits.values() for example in examples}
    for split, examples in found.splits.items():
        if split not in lists:
            splits[split] = [example for example in examples if example.id not in named]
    inside = {example.id for examples in splits.values() for example in examples}
    return Narrated(splits, outside_splits=len(by_id.keys() - inside))


def _with_splits(options: NarrationDataOptions, read: Any, name: str, text: str, key: str) -> Narrated:
    """Read ``path``, whose videos tell their split, or files of single splits: CSV, or JSON, of which theirs count."""
    found, named = Narrated({}), split_files(options, "file")
    if not options.path and not named:
        raise ValueError(f"the {options.reader} reader needs path, or train_file, validation_file or test_file")
    for wanted, file in [*([("", Path(options.path))] if options.path else []), *named.items()]:
        if file.suffix == ".csv":
            pairs = [(wanted or "train", one) for one in _csv_examples(file, options, name, text)]
        else:
            pairs = [(_split(split, wanted, one, key), one) for split, one in read(file, options)]
        for split, example in pairs:
            if split in SPLIT_NAMES and wanted in ("", split):
                found.splits.setdefault(split, []).append(example)
            elif not wanted:
                found.outside_splits += 1
        if wanted and wanted not in found.splits:
            raise ValueError(f"{file}: none of its videos has the {key} {wanted}")
    return found


def _split(told: str, wanted: str, example: Example, key: str) -> str:
    if not told:
        return wanted or "train"
    if told.lower() not in SPLITS:
        raise ValueError(f"{example.source}: unknown {key} {told!r}; known are {', '.join(SPLITS)}")
    return SPLITS[told.lower()]


def _csv_examples(file: Path, options: NarrationDataOptions, name: str, text: str) -> list[Example]:
    """Rows with a video's name, a sentence, and perhaps start and end in seconds; whole videos are one row each."""
    videos, examples, counts = VideoFiles.beside(file, options), [], dict[str, int]()
    for source, row in read_rows(file):
        if not row.get(name) or row.get(text) is None:
            raise ValueError(f"{source}: nothing in column {name} or {text}; there is {', '.join(map(str, row))}")
        video = row[name]
        start, end = (seconds_in(row.get(key), f"{source}: {key}") for key in ("start", "end"))
        number = counts[video] = counts.get(video, -1) + 1
        row_id = video if start is None and end is None else f"{video}/{number}"
        examples.append(
            Example(row_id, source, video, videos.path(video, source), start, end, sentences_in(row[text], source))
        )
    return gathered(examples)


def _files(options: NarrationDataOptions, kind: str, what: str) -> dict[str, Path]:
    named = split_files(options, kind)
    if not named:
        raise ValueError(f"the {options.reader} reader needs train_file, validation_file or test_file: {what}")
    return named


def _expect(content: Any, kind: type, source: Path | str, what: str) -> Any:
    if not isinstance(content, kind):
        raise ValueError(f"{source}: not {what}")
    return content


def _require(row: Any, keys: tuple[str, ...], source: str) -> None:
    for key in keys:
        if key not in _expect(row, dict, source, f"an object with {', '.join(keys)}"):
            raise ValueError(f"{source}: no {key!r}; there is {', '.join(map(str, row)) or 'nothing'}")


def _pair(span: Any, source: str) -> tuple[float, float]:
    if not isinstance(span, list) or len(span) != 2:
        raise ValueError(f"{source}: {str(span)[:80]!r} is not a start and an end")
    return number_in(span[0], f"{source}: start"), number_in(span[1], f"{source}: end")
