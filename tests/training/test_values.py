from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.training.values import convert, describe


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        ("1e-3", float, 0.001),
        (3, float, 3.0),
        ("1e3", int, 1000),
        (3.0, int, 3),
        (None, int | None, None),
        ("none", int | None, None),
        ("none", str | None, "none"),
        ("5", int | str, "5"),
        ("1e-3", float | None, 0.001),
        ([1, "2"], list[int], [1, 2]),
        ([1, 2], tuple[float, ...], (1.0, 2.0)),
        ([1, "a"], tuple[int, str], (1, "a")),
        ({"a": "1e-1"}, dict[str, float], {"a": 0.1}),
        ("x/y", Path, Path("x/y")),
        ("a", Literal["a", "b"], "a"),
        ("red", Colour, Colour.RED),
        ("red", Colour | str, "red"),
        ({"x": 1}, dict, {"x": 1}),
        (object, Any, object),
    ],
)
def test_a_value_becomes_what_its_option_asks_for(value, annotation, expected):
    result = convert(value, annotation)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (True, int),
        (True, float),
        (1, bool),
        ("true", bool),
        (3.5, int),
        ("nan", float),
        ("inf", int),
        ("many", float),
        (None, str),
        (1, str),
        ("abc", list[str]),
        ([1], tuple[int, int]),
        ("c", Literal["a", "b"]),
        ("blue", Colour),
        ([1], dict[str, int]),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_both_named(value, annotation):
    with pytest.raises(ValueError, match="is not") as error:
        convert(value, annotation)
    assert repr(value) in str(error.value)
    assert describe(annotation) in str(error.value)


def test_a_bare_no_of_yaml_is_explained():
    with pytest.raises(ValueError, match="put it in quotes"):
        convert(False, str)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_survives_as_text(number):
    assert convert(repr(number), float) == number


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_what_is_accepted_is_of_the_type(value):
    for annotation, kinds in ((int, int), (float, float), (bool, bool), (str, str), (int | None, int | None)):
        try:
            result = convert(value, annotation)
        except ValueError:
            continue
        assert isinstance(result, kinds)
        assert not (isinstance(result, bool) and annotation is not bool)


def test_types_are_described_as_users_write_them():
    assert describe(int | None) == "int | none"
    assert describe(Colour | str) == "str"
    assert describe(dict[str, float]) == "dict[str, float]"
    assert describe(tuple[int, ...]) == "tuple[int, ...]"
    assert describe(Literal["a", "b"]) == "'a' or 'b'"
