"""Subtitle files beside a WebVTT parser of others: what is written is read back, whenever the writing ends."""

import html
import io
import os
import re
import signal
import subprocess
import sys

import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.data.subtitles import Cue, SubtitleWriter, read_cues, subtitle_format

FORMATS = pytest.mark.parametrize("kind", ["vtt", "srt"])
# Gaps before cues and their lengths, in milliseconds: a cue may begin where the last one ends.
cues = st.lists(
    st.tuples(
        st.integers(0, 5_000_000),
        st.integers(1, 10_000),
        st.one_of(
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
            st.text("&<>-\n\r\0 a;#", min_size=1),
        ),
    ),
    max_size=6,
)


def timed(drawn):
    """Cues with times that grow: (start, end, text), in seconds."""
    end, found = 0, []
    for gap, length, text in drawn:
        start, end = end + gap, end + gap + length
        found.append((start / 1000, end / 1000, text))
    return found


def written(found, kind):
    file = io.BytesIO()
    with SubtitleWriter(file, kind) as writer:
        for cue in found:
            writer.write(*cue)
    return file.getvalue().decode()


def plain(text):
    """What is left of a text in a cue: lines with words, and single blanks."""
    lines = (" ".join(line.split()) for line in text.replace("\0", "").splitlines())
    return "\n".join(line for line in lines if line)


def parsed(content, kind):
    """The cues that another's parser finds; it takes an SRT file without cues, which is empty, for none."""
    if kind == "srt" and not content:
        return []
    read = webvtt.from_string if kind == "vtt" else lambda text: webvtt.from_buffer(io.StringIO(text), format="srt")
    return [(seconds(cue.start), seconds(cue.end), cue.raw_text) for cue in read(content)]


def seconds(stamp):
    hours, minutes, rest = re.fullmatch(r"(\d+):(\d\d):(\d\d[.,]\d{3})", stamp).groups()
    return round(int(hours) * 3600 + int(minutes) * 60 + float(rest.replace(",", ".")), 3)


@FORMATS
@given(drawn=cues)
def test_another_parser_reads_what_was_written(kind, drawn):
    found = timed(drawn)
    shown = [(start, end, plain(text)) for start, end, text in found if plain(text)]
    if kind == "vtt":
        shown = [(start, end, html.escape(text, quote=False)) for start, end, text in shown]
    else:
        shown = [(start, end, re.sub("-{2,}>", "->", text)) for start, end, text in shown]
    assert parsed(written(found, kind), kind) == shown


@FORMATS
@given(drawn=cues)
def test_what_was_written_is_read_back(kind, drawn):
    found = timed(drawn)
    expected = [(start, end, plain(text)) for start, end, text in found if plain(text)]
    if kind == "srt":
        expected = [(start, end, re.sub("-{2,}>", "->", text)) for start, end, text in expected]
    assert [(cue.start, cue.end, cue.text) for cue in read_cues(written(found, kind), kind)] == expected


def test_a_webvtt_file_to_the_letter():
    found = [(0.0, 1.5, "a < b & c --> d"), (1.5, 3, "two\n\nlines"), (360000.25, 360001, "Ünder & ober → 字")]
    assert written(found, "vtt") == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.500\na &lt; b &amp; c --&gt; d\n\n"
        "00:00:01.500 --> 00:00:03.000\ntwo\nlines\n\n"
        "100:00:00.250 --> 100:00:01.000\nÜnder &amp; ober → 字\n\n"
    )


def test_an_srt_file_to_the_letter():
    found = [(0.0, 1.5, "a < b & c --> d"), (3599.9996, 3601, "an hour")]
    assert written(found, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,500\na < b & c -> d\n\n2\n01:00:00,000 --> 01:00:01,000\nan hour\n\n"
    )


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (2.0, 3.0, "a cue at 2 s overlaps the last one, which ends at 2.5 s"),
        (3.0, 3.0, "a cue from 3 s to 3 s shows nothing"),
        (4.0, 3.0, "a cue from 4 s to 3 s shows nothing"),
        (-1.0, 3.0, "a cue from -1 s to 3 s shows nothing"),
    ],
)
@FORMATS
def test_a_cue_that_cannot_be_is_refused_and_nothing_of_it_is_written(kind, start, end, said):
    file = io.BytesIO()
    writer = SubtitleWriter(file, kind)
    writer.write(1.0, 2.5, "one")
    before = file.getvalue()
    with pytest.raises(ValueError, match=re.escape(said)):
        writer.write(start, end, "two")
    assert file.getvalue() == before
    writer.write(2.5, 3, "two")
    assert len(parsed(file.getvalue().decode(), kind)) == 2


KILLED = """
import sys
from lrcn_hub.data.subtitles import SubtitleWriter
writer = SubtitleWriter(sys.argv[1], sys.argv[1][-3:])
for number in range(10 ** 6):
    writer.write(number, number + 1, f"sentence & number {number}")
    if number == 20:
        print("ready", flush=True)
"""


@FORMATS
def test_a_file_whose_writer_was_killed_is_complete_up_to_its_last_cue(kind, tmp_path):
    path = tmp_path / f"out.{kind}"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    found = parsed(path.read_text(encoding="utf-8"), kind)
    assert len(found) > 20
    escaped = "&amp;" if kind == "vtt" else "&"
    for number, cue in enumerate(found):
        assert cue == (number, number + 1, f"sentence {escaped} number {number}")


@FORMATS
def test_writing_goes_on_behind_the_cues_of_before(kind, tmp_path):
    path = tmp_path / f"out.{kind}"
    for going_on, first in ((True, 0), (True, 5), (True, 9)):
        with SubtitleWriter(path, kind, going_on=going_on) as writer:
            writer.write(first, first + 2, f"at {first}")
    assert parsed(path.read_text(encoding="utf-8"), kind) == [(n, n + 2, f"at {n}") for n in (0, 5, 9)]
    with SubtitleWriter(path, kind, going_on=True) as writer, pytest.raises(ValueError, match="overlaps the last one"):
        writer.write(10, 12, "too early")
    if kind == "srt":
        assert [line for line in path.read_text().splitlines() if line.isdigit()] == ["1", "2", "3"]
    with SubtitleWriter(path, kind):
        pass
    assert parsed(path.read_text(encoding="utf-8"), kind) == []


def test_files_of_others_are_read():
    content = (
        "\ufeffWEBVTT - a title\r\n\r\nNOTE 00:01 --> this is\r\na note --> of two lines\r\n\r\nintro\r\n"
        "00:01.500 --> 01:02.000 align:start\r\n<v Ann>Hi &amp; bye\r\nthere\r\n\r\n"
        "1:00:00.000 --> 1:00:01.000\r\nlast"
    )
    assert list(read_cues(content, "vtt")) == [
        Cue(1.5, 62.0, "<v Ann>Hi & bye\nthere", 7),
        Cue(3600.0, 3601.0, "last", 11),
    ]


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        ("00:01.000 --> 00:02.000\nhi", "vtt", "line 1: a WebVTT file begins with WEBVTT"),
        ("1\n0:01 -> 0:02\nhi\n\n2\n00:00:01 --> 00:00:02\nhi", "srt", "line 6: '00:00:01 --> 00:00:02' are no times"),
    ],
)
def test_what_is_no_subtitle_file_is_refused_with_its_line(content, kind, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        list(read_cues(content, kind))


def test_the_format_is_told_by_the_name():
    assert subtitle_format("a/b.VTT") == "vtt" and subtitle_format("b.srt") == "srt"
    with pytest.raises(ValueError, match=r"b\.txt: subtitles are written to a file whose name ends in \.vtt or \.srt"):
        subtitle_format("b.txt")
    with pytest.raises(ValueError, match="the format of subtitles is 'ass'"):
        SubtitleWriter(io.BytesIO(), "ass")
