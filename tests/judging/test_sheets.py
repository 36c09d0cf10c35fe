"""Filled sheets are counted whole, once each and of the right export, or refused by name."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrcn_hub.judging import read_sheets


def test_whole_sheets_come_back_with_their_ranks(key, fill, saved):
    files = [saved("1.json", fill("Ann")), saved("2.json", fill(" Bob  Ray "))]
    ann, bob = read_sheets(files, key)
    assert (ann.rater, bob.rater) == ("Ann", "Bob Ray")
    assert ann.ranks == fill("Ann")["ranks"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda sheet: sheet.update(form="x"), "not a filled rating sheet"),
        (lambda sheet: sheet.update(version=2), "a sheet of version 2"),
        (
            lambda sheet: sheet.update(sheet="0123456789abcdef"),
            "saved from the sheet '0123456789abcdef', but the key is",
        ),
        (lambda sheet: sheet.update(rater="  "), "does not say who filled it"),
        (lambda sheet: sheet.pop("copy"), "does not say who filled it"),
        (lambda sheet: sheet.pop("ranks"), "it has no ranks"),
        (lambda sheet: sheet["ranks"].pop("2"), "incomplete: 1 of 4 pictures; the first is '2', which has no ranks"),
        (lambda sheet: sheet["ranks"].clear(), "incomplete: 4 of 4 pictures"),
        (lambda sheet: sheet["ranks"].update(z={}), "1 pictures that the key lacks; the first is 'z'"),
        (lambda sheet: sheet["ranks"]["2"].pop("grammar"), "grammar has not one rank for each of 2 captions: None"),
        (lambda sheet: sheet["ranks"]["2"].update(style=[1, 2]), "'style', which is not one of correctness, grammar"),
        (lambda sheet: sheet["ranks"]["2"]["grammar"].pop(), "grammar has not one rank for each of 2"),
        (lambda sheet: sheet["ranks"]["2"].update(grammar=[1, None]), r"one rank for each of 2 captions: \[1, None\]"),
        (lambda sheet: sheet["ranks"]["2"].update(grammar=[True, 1]), "grammar has not one rank"),
        (lambda sheet: sheet["ranks"]["2"].update(grammar=[1, 0]), r"ranks outside 1 to 2: \[1, 0\]"),
        (lambda sheet: sheet["ranks"]["2"].update(grammar=[3, 1]), r"ranks outside 1 to 2: \[3, 1\]"),
    ],
)
def test_a_sheet_that_cannot_be_counted_is_refused_with_its_name(change, fault, key, fill, saved):
    sheet = copy.deepcopy(fill("Ann"))
    change(sheet)
    with pytest.raises(ValueError, match=r"1 of 2 sheets cannot be counted:\n  .*ann\.json: ") as refused:
        read_sheets([saved("bob.json", fill("Bob")), saved("ann.json", sheet)], key)
    refused.match(fault)


def test_every_bad_sheet_is_named_at_once(key, fill, saved):
    files = [saved("a.json", "{"), saved("b.json", fill("Bob")), saved("c.json", b"\xff".decode("latin1"))]
    with pytest.raises(ValueError, match=r"(?s)2 of 3 sheets.*a\.json: not JSON.*c\.json: not JSON"):
        read_sheets(files, key)


def test_one_rater_is_counted_once_however_the_name_is_written(key, fill, saved):
    files = [saved("1.json", fill("Ann Lee")), saved("2.json", fill("  ann   LEE"))]
    with pytest.raises(ValueError, match=r"2\.json: a second sheet by 'ann LEE', whose first is .*1\.json"):
        read_sheets(files, key)
    with pytest.raises(ValueError, match="a second sheet by 'Ann Lee'"):
        read_sheets([files[0], files[0]], key)


def test_a_page_saved_under_two_names_is_counted_once(key, fill, saved):
    files = [saved("1.json", fill("Ann")), saved("2.json", fill("Bob", copy="copy of Ann"))]
    with pytest.raises(
        ValueError, match=r"2\.json: the same filled page as .*1\.json, here by 'Bob' and there by 'Ann'"
    ):
        read_sheets(files, key)


def test_no_sheets_are_refused_and_so_is_a_missing_one(key, tmp_path):
    with pytest.raises(ValueError, match="no sheets were given"):
        read_sheets([], key)
    with pytest.raises(FileNotFoundError, match="gone"):
        read_sheets([tmp_path / "gone.json"], key)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 4) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["correctness", "2", "a"]), inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(["form", "version", "sheet", "rater", "copy", "ranks"]), value=JSON)
def test_whatever_stands_in_a_sheet_it_is_counted_or_refused(field, value, key, fill, saved):
    file = saved("any.json", {**fill("Ann"), field: value})
    try:
        (sheet,) = read_sheets([file], key)
    except ValueError as error:
        assert str(file) in str(error)
    else:
        assert sheet.ranks == fill("Ann")["ranks"]
        assert sheet.rater
