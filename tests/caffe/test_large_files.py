"""Files of the released size: memory holds the weights once."""

import json
import math
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

CHANNELS, FC = (96, 256, 384, 384, 256), (4096, 4096, 1000)
SCRIPT = """
import json, resource, sys
from lrcn_hub.caffe import convert

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

before = peak()
converted = convert([sys.argv[1]], sys.argv[2])
print(json.dumps({"grown": peak() - before, "model": converted.model}))
"""


def sparse_layer(name, shapes, proto, *, double):
    """A layer of zeros, with diffs as in a snapshot: pieces of bytes, each with the length of the gap after it."""
    pieces = [(proto.text(1, name), 0)]
    for shape in shapes:
        count = math.prod(shape)
        blob = [(proto.text(7, proto.text(1, b"".join(map(proto.varint, shape)))), 0)]
        for tag, width in ((8, 8) if double else (5, 4), (6, 4)):
            blob.append((proto.varint(tag << 3 | 2) + proto.varint(width * count), width * count))
        pieces += within(7, blob, proto)
    return within(100, pieces, proto)


def within(tag, pieces, proto):
    size = sum(len(data) + gap for data, gap in pieces)
    return [(proto.varint(tag << 3 | 2) + proto.varint(size), 0), *pieces]


def layers():
    c1, c2, c3, c4, c5 = CHANNELS
    f6, f7, f8 = FC
    kernels = [(c1, 3, 11, 11), (c2, c1 // 2, 5, 5), (c3, c2, 3, 3), (c4, c3 // 2, 3, 3), (c5, c4 // 2, 3, 3)]
    named = {f"conv{k}": [shape, shape[:1]] for k, shape in enumerate(kernels, start=1)}
    return named | {"fc6": [(f6, c5 * 36), (f6,)], "fc7": [(f7, f6), (f7,)], "fc8": [(f8, f7), (f8,)]}


@pytest.mark.parametrize("double", [False, True])
def test_caffenet_of_full_size_is_held_once(double, proto, tmp_path):
    path = tmp_path / "caffenet.caffemodel"
    with path.open("wb") as file:
        for name, shapes in layers().items():
            for data, gap in sparse_layer(name, shapes, proto, double=double):
                file.write(data)
                file.seek(gap, 1)
        file.truncate()
    weights = 4 * 60_965_224
    assert path.stat().st_size > (3 if double else 2) * weights
    command = [sys.executable, "-c", SCRIPT, str(path), str(tmp_path / "model")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(answer.stdout.splitlines()[-1])
    assert result["model"] == "CaffeNet"
    largest = 4 * FC[0] * CHANNELS[4] * 36
    assert result["grown"] < weights + 0.5 * largest
    assert (tmp_path / "model" / "model.safetensors").stat().st_size > weights
    for file in (path, tmp_path / "model" / "model.safetensors"):
        file.unlink()
