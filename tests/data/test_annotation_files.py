import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrcn_hub.data.annotation_files import file_in, read_json, read_rows, read_text, texts_of


def test_text_is_utf8_with_or_without_a_mark(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9")
    assert read_text(tmp_path / "a.txt") == "café"
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match=r"a\.txt: not text in UTF-8"):
        read_text(tmp_path / "a.txt")


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000])
def test_what_is_not_json_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=r"a\.json: not JSON: "):
        read_json(tmp_path / "a.json")


def test_rows_of_csv_and_jsonl_come_with_their_lines(tmp_path):
    (tmp_path / "a.csv").write_text('name,text\na,"two\nlines"\nb,one\n')
    (tmp_path / "a.jsonl").write_text('{"name": "a"}\r\n\n{"name": "b\u2028"}\n')
    place = f"{tmp_path}/a"
    assert list(read_rows(tmp_path / "a.csv")) == [
        (f"{place}.csv, line 3", {"name": "a", "text": "two\nlines"}),
        (f"{place}.csv, line 4", {"name": "b", "text": "one"}),
    ]
    assert list(read_rows(tmp_path / "a.jsonl")) == [
        (f"{place}.jsonl, line 1", {"name": "a"}),
        (f"{place}.jsonl, line 3", {"name": "b\u2028"}),
    ]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.jsonl", '{"a": 1}\n{', r"a\.jsonl, line 2: not JSON"),
        ("a.jsonl", "[1]", r"a\.jsonl, line 1: not a JSON object with columns by name"),
        ("a.csv", "a\n" + "x" * 200_000, r"a\.csv, line \d: not CSV: field larger"),
    ],
)
def test_a_wrong_row_is_refused_by_its_line(tmp_path, name, content, complaint):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=complaint):
        list(read_rows(tmp_path / name))


@pytest.mark.parametrize("names", [("../x",), ("/x",), ("a", "../../x"), ("",), ()])
def test_a_name_that_leaves_the_folder_is_refused(names):
    with pytest.raises(ValueError, match=r"list, line 1: .* is not in the videos' folder clips"):
        file_in("clips", *names, source="list, line 1", kind="videos")


def test_texts_are_one_or_several_and_never_blank():
    assert [texts_of(cell) for cell in ("a", ["a", " ", "b"], "", None)] == [["a"], ["a", "b"], [], []]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from([".csv", ".jsonl"]), st.text(max_size=40) | st.binary(max_size=40))
def test_whatever_a_table_holds_is_read_or_refused_by_name(tmp_path, ending, content):
    file = tmp_path / f"a{ending}"
    file.write_bytes(content if isinstance(content, bytes) else content.encode(errors="replace"))
    try:
        assert all(isinstance(row, dict) and source.startswith(str(file)) for source, row in read_rows(file))
    except ValueError as error:
        assert str(error).startswith(str(file))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none())))
def test_rows_that_were_written_are_read(tmp_path, rows):
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    assert [row for _, row in read_rows(tmp_path / "a.jsonl")] == rows
