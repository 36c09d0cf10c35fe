"""Weights in every form that Caffe and its forks have written, and files that are damaged."""

import contextlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrcn_hub.caffe import wire
from lrcn_hub.caffe.weights import MAX_BLOBS, MAX_LAYERS, read_layers
from lrcn_hub.caffe.wire import CaffeFileError, Source

SHARED = Path(__file__).parents[2] / "../shared/goldens"

FORMS = [
    {"form": form, "double": double, "packed": packed, "diff": diff}
    for form, double, packed, diff in itertools.product(
        ["shape", "unpacked shape", "4-D shape", "legacy"], [False, True], [True, False], [False, True]
    )
]


def same(read, blobs, kind=np.float32):
    for name, arrays in blobs.items():
        assert len(read[name]) == len(arrays)
        for found, wanted in zip(read[name], arrays, strict=True):
            assert found.dtype == np.float32
            assert np.array_equal(found.reshape(wanted.shape), wanted.astype(kind).astype(np.float32)), name
    return True


@pytest.mark.parametrize("layer", ["v2", "v1", "v0"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(str(value) for value in form.values()))
def test_every_form_gives_the_same_values(layer, form, proto, nets, read):
    blobs = nets.captioner()
    assert same(read(nets.network(blobs, getattr(proto, layer), **form)), blobs)


def test_shapes_are_as_written(proto, read):
    blobs = {"one": [np.ones(3)], "two": [np.ones((2, 3))]}
    for form, shapes in {"shape": [(3,), (2, 3)], "legacy": [(1, 1, 1, 3), (1, 1, 2, 3)]}.items():
        found = read(b"".join(proto.v2(name, "Embed", own, form=form) for name, own in blobs.items()))
        assert [found[name][0].shape for name in blobs] == shapes


@pytest.mark.parametrize(
    ("name", "golden_name"),
    [
        ("caption_1u", "caption_1u"),
        ("caption_2f", "caption_2f"),
        ("caffenet_narrow", "caffenet_narrow"),
        ("caffenet_narrow_v1", "caffenet_narrow"),
        ("lstm_static", "lstm_static"),
        ("lstm_nostatic", "lstm_nostatic"),
    ],
)
def test_files_that_caffe_wrote_give_its_parameters(name, golden_name, files, golden, read):
    expected = {key: value for key, value in golden(golden_name).items() if key.startswith("param/")}
    found = read(files / f"{name}.caffemodel")
    assert len(expected) == sum(map(len, found.values()))
    for key, value in expected.items():
        _, layer, index = key.split("/")
        assert np.array_equal(found[layer][int(index)].reshape(value.shape), value)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder `shared` is not beside this checkout")
@pytest.mark.parametrize("folder", ["activity_narrow", "caption/lrcn_1u", "caption/lrcn_2f", "caffenet_narrow"])
def test_ground_truth_beside_the_checkout_is_read(folder, read):
    found = read(SHARED / folder / "weights.caffemodel")
    for key, value in np.load(SHARED / folder / "io.npz").items():
        if key.startswith("param/"):
            _, layer, index = key.split("/")
            assert np.array_equal(found[layer][int(index)].reshape(value.shape), value)


def test_the_legacy_shape_wins_over_the_modern_one(proto, read):
    data = proto.blob(np.arange(6).reshape(2, 3), form="legacy") + proto.text(7, proto.text(1, proto.varint(6)))
    assert read(proto.text(100, proto.text(7, data)))[""][0].shape == (1, 1, 2, 3)


def test_doubles_win_over_floats_unless_there_are_none(proto, read):
    shape = proto.text(7, proto.text(1, proto.varint(2)))
    both = shape + proto.values(5, [1, 2, 3]) + proto.values(8, [4, 5], double=True)
    empty = shape + proto.values(5, [1, 2]) + proto.values(8, [], double=True)
    found = read(proto.v2("both", "X", extra=proto.text(7, both)) + proto.v2("empty", "X", extra=proto.text(7, empty)))
    assert found["both"][0].tolist() == [4, 5]
    assert found["empty"][0].tolist() == [1, 2]


def test_values_in_pieces_come_in_their_order(proto, read):
    pieces = [proto.values(5, [k], packed=k % 3 == 0) for k in range(8)]
    data = pieces[0] + proto.text(7, proto.text(1, proto.varint(8))) + b"".join(pieces[1:])
    assert read(proto.v2("x", "X", extra=proto.text(7, data)))["x"][0].tolist() == list(range(8))


def test_an_unpacked_blob_larger_than_any_buffer_is_read(proto, read):
    array = np.random.default_rng(0).normal(size=(700, 500))
    for double in (False, True):
        found = read(proto.v2("x", "X", [array], packed=False, double=double, diff=True))
        assert same(found, {"x": [array]})


@pytest.mark.parametrize("tag", [132, 134, 137, 140, 146])
def test_parameters_under_the_tags_of_forks_are_passed_over(tag, proto, nets, read):
    blobs = nets.captioner()
    extra = (
        proto.text(tag, b"\xff\x07\x0b foreign \x00") + proto.number(tag, 7) + proto.values(tag, [1.5], packed=False)
    )
    data = b"".join(proto.v2(name, "LSTM", own, extra=extra) for name, own in blobs.items())
    assert same(read(data), blobs)


def test_unknown_fields_of_the_network_are_passed_over(proto, nets, read):
    blobs = nets.captioner()
    odd = proto.number(77, 1) + proto.text(6, b"\xff" * 9) + proto.values(300, [1.0, 2.0], packed=False, double=True)
    assert same(read(odd + nets.network(blobs) + odd), blobs)


# Damage. The cases are bytes, so that the place an error must name can be counted.


def blob_of(proto, **parts):
    data = b"".join(parts.values())
    return proto.v2("fc", "InnerProduct", extra=proto.text(7, data))


def test_an_error_names_the_file_the_byte_and_what_was_read(proto, write):
    good = proto.v2("conv1", "Convolution", [np.ones(2)])
    path = write(good + proto.v2("fc6", "InnerProduct", [np.ones(3)])[:-1])
    with Source(path) as source, pytest.raises(CaffeFileError) as caught:
        read_layers(source)
    wanted = f"{path}, byte {len(good)}: the network: field 100 claims"
    assert str(caught.value).startswith(wanted)
    assert str(caught.value).endswith("of the file are left")


DAMAGED = {
    "empty": (lambda p: b"", "no layers in 0 bytes: this is no .caffemodel"),
    "no layer": (lambda p: p.text(1, "name"), "no layers in 6 bytes"),
    "HDF5": (lambda p: b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
    "text": (lambda p: b'name: "CaffeNet"\nlayer {', r"byte \d+: the network: "),
    "length beyond the file": (
        lambda p: p.varint(802) + p.varint(2**62),
        r"byte 0: .*claims 4611686018427387904 bytes",
    ),
    "endless number": (lambda p: b"\xff" * 30, "byte 0: .*more than 10 bytes"),
    "cut number": (lambda p: b"\xff" * 3, "byte 0: .*ends inside a number"),
    "field 0": (lambda p: b"\x02\x00", "field 0, which cannot be"),
    "group": (lambda p: p.varint(100 << 3 | 3) * 50, "wire type 3, which Caffe's files do not use"),
    "layer as a number": (lambda p: p.number(100, 5), "field 100 has wire type 0 instead of 2"),
    "name as a number": (lambda p: p.text(100, p.number(1, 5)), "layer 1: field 1 has wire type 0"),
    "V1 type as text": (lambda p: p.text(2, p.text(5, "x")), "field 5 has wire type 2 instead of 0"),
    "blob as a number": (lambda p: p.v2("fc", "X", extra=p.number(7, 5)), "layer 'fc': field 7 has wire type 0"),
    "name that is not text": (lambda p: p.text(100, p.text(1, b"\xff")), "not UTF-8"),
    "endless name": (lambda p: p.text(100, p.text(1, "x" * 2000)), "a string of 2000 bytes"),
    "shape as a number": (lambda p: blob_of(p, a=p.number(7, 5)), "layer 'fc', blob 0: field 7 has wire type 0"),
    "data as doubles": (
        lambda p: blob_of(p, a=p.values(5, [1.0], double=True, packed=False)),
        "wire type 1 instead of 2",
    ),
    "half a float": (lambda p: blob_of(p, a=p.text(5, b"123456")), "6 bytes of values of 4 bytes each"),
    "huge sizes": (
        lambda p: blob_of(p, a=p.text(7, p.text(1, p.varint(2**40) * 3)), b=p.values(5, [1.0])),
        r"layer 'fc', blob 0: its shape 1099511627776 x .* but it holds 1",
    ),
    "sizes that wrap to the right one": (
        lambda p: blob_of(p, a=p.text(7, p.text(1, p.varint(2**32) * 2)), b=p.values(5, [])),
        "holds 0",
    ),
    "size 0": (lambda p: blob_of(p, a=p.text(7, p.text(1, p.varint(0)))), "its shape is 0; every size"),
    "negative size": (lambda p: blob_of(p, a=p.text(7, p.text(1, p.varint(-3)))), "its shape is -3; every size"),
    "missing legacy sizes": (lambda p: blob_of(p, a=p.number(4, 3), b=p.values(5, [1, 2, 3])), "0 x 0 x 0 x 3"),
    "nothing": (lambda p: blob_of(p), r"shape \(\) means 1 values, but it holds 0"),
    "too many axes": (lambda p: blob_of(p, a=p.text(7, p.text(1, p.varint(1) * 33))), "more than 32 axes"),
    "too many shapes": (lambda p: blob_of(p, a=p.text(7, p.text(1, p.varint(1) * 30)) * 2), "more than 32 axes"),
    "not a number": (lambda p: p.v2("fc", "X", [np.array([np.nan, 1])]), "layer 'fc', blob 0: .*not finite"),
    "infinite": (lambda p: p.v2("fc", "X", [np.array([-np.inf, 1])]), "not finite"),
    "too large for a float": (lambda p: p.v2("fc", "X", [np.array([1e300])], double=True), "not finite"),
    "too many blobs": (lambda p: p.v2("fc", "X", [np.ones(1)] * (MAX_BLOBS + 1)), f"more than {MAX_BLOBS} blobs"),
    "too many layers": (lambda p: p.text(100, b"") * (MAX_LAYERS + 1), f"more than {MAX_LAYERS} layers"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_refused_with_its_reason(case, proto, read):
    content, reason = DAMAGED[case]
    with pytest.raises(CaffeFileError, match=reason):
        read(content(proto))


def test_messages_within_messages_are_not_descended_into(proto, read):
    nested = b""
    for _ in range(5000):
        nested = proto.text(1, nested)
    with pytest.raises(CaffeFileError, match="string of"):
        read(proto.text(100, nested))
    assert read(proto.v2("x", "X", extra=proto.text(1000, nested))) == {"x": []}
    with pytest.raises(CaffeFileError, match="string of"):  # a V0 layer within itself
        read(proto.text(2, nested))


def test_a_file_of_countless_fields_is_given_up(proto, read, monkeypatch):
    monkeypatch.setattr(wire, "MAX_FIELDS", 1000)
    with pytest.raises(CaffeFileError, match="more than 1000 fields"):
        read(proto.number(50, 1) * 1001)


def test_a_file_that_shrinks_after_it_was_opened_is_noticed(proto, write):
    for packed in (True, False):
        path = write(proto.v2("fc", "X", [np.ones(100_000)], packed=packed))
        with Source(path) as source:
            blob = read_layers(source)[0].blobs[0]
            with path.open("r+b") as file:
                file.truncate(200_000)
            with pytest.raises(CaffeFileError, match=r"shorter|changed"):
                blob.read()


@st.composite
def mutations(draw):
    """What may happen to a file: bytes flipped, put in, left out; an end cut off."""
    changes = st.tuples(st.sampled_from(["flip", "insert", "delete", "cut"]), st.floats(0, 1), st.binary(max_size=12))
    return draw(st.lists(changes, min_size=1, max_size=6))


def mutate(data, changes):
    data = bytearray(data)
    for kind, where, extra in changes:
        place = int(where * len(data))
        if kind == "flip" and place < len(data):
            data[place] ^= 1 << len(extra) % 8
        elif kind == "insert":
            data[place:place] = extra
        elif kind == "delete":
            del data[place : place + len(extra)]
        elif kind == "cut":
            del data[place:]
    return bytes(data)


SMALL = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SMALL
@given(changes=mutations(), layer=st.sampled_from(["v2", "v1", "v0"]), form=st.sampled_from(FORMS))
def test_a_damaged_file_is_read_or_refused_and_never_anything_else(changes, layer, form, proto, nets, read):
    blobs = nets.captioner(words=3, embedding=2, units=1, feature=2)
    data = mutate(nets.network(blobs, getattr(proto, layer), **form), changes)
    try:
        found = read(data)
    except CaffeFileError as error:
        assert ", byte " in str(error)
    else:
        assert sum(array.nbytes for own in found.values() for array in own) <= len(data)


@SMALL
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data, read):
    with contextlib.suppress(CaffeFileError):
        read(data)


def test_a_file_cut_anywhere_is_refused_or_lacks_layers(proto, nets, read):
    blobs = nets.captioner(words=3, embedding=2, units=1, feature=2)
    data = nets.network(blobs)
    for end in range(len(data)):
        try:
            found = read(data[:end])
        except CaffeFileError:
            continue
        assert found.keys() < blobs.keys() | {"data"}
