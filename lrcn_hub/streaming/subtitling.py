"""Subtitles of live video: a file for each source, a cue for each sentence as soon as it is said."""

from __future__ import annotations

from pathlib import Path

from lrcn_hub.data.subtitles import SubtitleWriter, subtitle_format
from lrcn_hub.models import SpokenSentence
from lrcn_hub.streaming.events import Row


class LiveSubtitles:
    """Writes the cues of `sources` videos to `file`; of several, to files with the row's number before the suffix.

    With `going_on`, cues of before are kept. A sentence without words has no cue. Raises ValueError for a name that
    ends neither in .vtt nor in .srt.
    """

    def __init__(self, file: Path, sources: int = 1, *, going_on: bool = False):
        kind = subtitle_format(file)
        self.files = [file if sources == 1 else file.with_suffix(f".{row}{file.suffix}") for row in range(sources)]
        self._writers = [SubtitleWriter(path, kind, going_on=going_on) for path in self.files]

    def say(self, row: Row, sentence: SpokenSentence) -> None:
        """Write the cue of a sentence of `row`."""
        writer = self._writers[row.number]
        # An event that was cut off is as long as its last frame is thought to last, which the next one may shorten.
        start = max(sentence.start, writer.end)
        if round(1000 * start) < round(1000 * sentence.end):
            writer.write(start, sentence.end, sentence.text)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()
