"""Protocol Buffers' text format as Caffe's users write it, and which layers of a network are there."""

import math
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrcn_hub.caffe.prototxt import MAX_BYTES, is_included, network_layers, parse_prototxt, read_prototxt
from lrcn_hub.caffe.wire import CaffeFileError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", 1),
        ("a:1", 1),
        ("a : -12 # comment", -12),
        ("a: 0x1F", 31),
        ("a: -0xf", -15),
        ("a: 010", 10),
        ("a: 1e-4", 1e-4),
        ("a: 0.5f", 0.5),
        ("a: .5", 0.5),
        ("a: 5.", 5.0),
        ("a: true", True),
        ("a: false,", False),
        ("a: MAX;", "MAX"),
        ('a: "it\'s"', "it's"),
        ("a: 'x'  # 'y'", "x"),
        ("a: 'one ' \"two\"\n 'three'", "one twothree"),
        (r"a: 'tab\t quote\' octal\101 hex\x42 slash\\'", "tab\t quote' octalA hexB slash\\"),
        ("a: 'do # not { cut'", "do # not { cut"),
        ("a { b: 2 }", {"b": [2]}),
        ("a: { b: 2 }", {"b": [2]}),
        ("a < b: 2 >", {"b": [2]}),
        ("a {}", {}),
        ("# all\r\na: 1\r\n# done", 1),
    ],
)
def test_a_value_in_every_spelling(text, value):
    assert parse_prototxt(text) == {"a": [value]}
    assert type(parse_prototxt(text)["a"][0]) is type(value)


@pytest.mark.parametrize(
    "text", ["a: 1 a: 2 a: 3", "a: [1, 2, 3]", "a: [1, 2] a: 3", "a:1,a:2;a:3", "a: [] a: [1,2,3]"]
)
def test_repeated_values_in_every_spelling(text):
    assert parse_prototxt(text) == {"a": [1, 2, 3]}


def test_what_does_not_fit_an_integer_is_a_float():
    assert parse_prototxt("a: 1e999")["a"] == [math.inf]
    assert parse_prototxt(f"a: {'9' * 5000}") == {"a": ["9" * 5000]}  # nobody's number


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a", "line 1: at the end of the text: expected ':' or '{'"),
        ("a: 1\nb: {", "line 2: at the end of the text: expected the name of a field"),
        ("a: 1\n\n}", "line 3: at '}': expected the name"),
        ("a { b: 1 >", "line 1: at '>': expected the name"),
        ("a: ", "expected a value"),
        ("a: :", "at ':': expected a value"),
        ("a: [1, 2", "expected ',' or ']'"),
        ("a: [1 2]", "at '2': expected ',' or ']'"),
        ("a: [{}]", "at '{': expected a value"),
        ("a: 'open\nb: 1", 'line 1: at "\'": cannot be read'),
        ("a = 1", "at '=': cannot be read"),
        ("1: 2", "at '1': expected the name of a field"),
        ("'a': 2", "expected the name of a field"),
        ("a: 1 \x00", r"cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text, reason):
    with pytest.raises(CaffeFileError) as caught:
        parse_prototxt(text, "net.prototxt")
    assert str(caught.value).startswith("net.prototxt, line ")
    assert reason in str(caught.value)


def test_nesting_however_deep_needs_no_recursion():
    depth = 20_000
    message = parse_prototxt("a {" * depth + "}" * depth)
    for _ in range(depth):
        message = message["a"][0]
    assert message == {}
    with pytest.raises(CaffeFileError, match="end of the text"):
        parse_prototxt("a {" * depth)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\xff\xfe", "byte 0: not text"), (b" " * (MAX_BYTES + 1), "too many for a prototxt")]
)
def test_a_file_that_is_no_prototxt_is_refused(content, reason, write):
    with pytest.raises(CaffeFileError, match=reason):
        read_prototxt(write(content))


# hypothesis: what is written comes back, and whatever is written is read or refused

names = st.text(string.ascii_letters + "_", min_size=1, max_size=8)
scalars = (
    st.integers(-(2**63), 2**63)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["TRAIN", "TEST", "MAX"])
)
messages = st.recursive(
    st.dictionaries(names, st.lists(scalars, min_size=1, max_size=3), max_size=4),
    lambda inner: st.dictionaries(names, st.lists(inner | scalars, min_size=1, max_size=3), max_size=4),
    max_leaves=12,
)


def written(message):
    def scalar(value):
        if isinstance(value, str):
            return '"' + "".join(f"\\{ord(c):03o}" if c in '"\\\n' else c for c in value) + '"'
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)

    return "\n".join(
        f"{name} {{ {written(value)} }} " if isinstance(value, dict) else f"{name}: {scalar(value)}"
        for name, values in message.items()
        for value in values
    )


@settings(deadline=None)
@given(messages)
def test_what_is_written_comes_back(message):
    assert parse_prototxt(written(message)) == message


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.sampled_from(["a", ":", "{", "}", "<", ">", "[", "]", ",", "'", '"', "\\", "#", "\n", "1", "-", " "]))
)
def test_any_text_is_read_or_refused(pieces):
    text = "".join(pieces)
    try:
        parse_prototxt(text)
    except CaffeFileError as error:
        assert "line " in str(error)


# Which layers are there


RULED = [
    ("", True),
    ("include { phase: TEST }", True),
    ("include { phase: TRAIN }", False),
    ("include: { phase: TRAIN } include: { stage: 'factored' }", True),
    ("include { stage: 'factored' stage: '2-layer' }", True),
    ("include { stage: 'factored' stage: '1-layer' }", False),
    ("include { not_stage: '2-layer' }", False),
    ("include { not_stage: 'freeze-convnet' }", True),
    ("include { min_level: 1 }", False),
    ("include { max_level: 0 min_level: 0 }", True),
    ("exclude { phase: TEST }", False),
    ("exclude { phase: TRAIN }", True),
    ("exclude { stage: 'factored' }", False),
    ("exclude { stage: 'factored' stage: 'unfactored' }", True),
    ("include { phase: 1 }", True),
    ("include { phase: 0 }", False),
    ("include { unknown: { deep: 1 } }", True),
]


@pytest.mark.parametrize(("rules", "there"), RULED)
def test_a_layer_is_there_if_its_rules_say_so(rules, there):
    assert is_included(parse_prototxt(rules), {"factored", "2-layer"}) is there


def test_layers_of_every_version_are_listed():
    network = parse_prototxt(
        """
        layer { name: "fc1" type: "InnerProduct" bottom: "data" top: "fc1" flow: true }
        layer { name: "gone" type: "ReLU" include { phase: TRAIN } }
        layers { name: "fc2" type: INNER_PRODUCT bottom: "fc1" top: "fc2" }
        layers { layer { name: "fc3" type: "innerproduct" } bottom: "fc2" top: "fc3" }
        layers { layer { name: "conv" type: "conv" } bottom: "fc3" top: "conv" }
        """
    )
    found = [(layer.name, layer.type, layer.bottoms, layer.tops) for layer in network_layers(network, ())]
    assert found == [
        ("fc1", "innerproduct", ["data"], ["fc1"]),
        ("fc2", "innerproduct", ["fc1"], ["fc2"]),
        ("fc3", "innerproduct", ["fc2"], ["fc3"]),
        ("conv", "convolution", ["fc3"], ["conv"]),
    ]
