"""Bars against the shares they stand for, and pictures against what a page gives back."""

import base64
import io
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lrcn_hub.reporting import Histogram
from lrcn_hub.reporting.drawing import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, data_url, lay_out

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@settings(deadline=None)
@given(SHARES, st.integers(1, 3))
def test_a_bar_is_as_high_as_its_share_and_within_the_axes(shares, groups):
    drawn = lay_out(
        Histogram("t", [f"bin {place}" for place in range(len(shares))], {str(g): shares for g in range(groups)})
    )
    top_y, top_label = drawn.y_ticks[-1]
    depth = (HEIGHT - BOTTOM - top_y) / (float(top_label.removesuffix("%")) / 100)
    assert top_y == pytest.approx(TOP) and drawn.y_ticks[0] == (HEIGHT - BOTTOM, "0%")
    assert len(drawn.bars) == groups * len(shares)
    for group, x, y, width, height, told in drawn.bars:
        place = int(told.partition("bin ")[2].partition(":")[0])
        assert height == pytest.approx(depth * shares[place]) and y + height == pytest.approx(HEIGHT - BOTTOM)
        assert y >= TOP - 1e-6 and x >= LEFT and x + width <= WIDTH - RIGHT + 1e-6
        assert told.startswith(f"{group}, bin {place}: {shares[place]:.1%}")


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 3))
def test_bars_stand_apart_in_order_and_labels_do_not_meet(bins, groups):
    names = [str(place) for place in range(bins)]
    drawn = lay_out(Histogram("t", names, {str(group): [0.5] * bins for group in range(groups)}))
    bars = sorted(drawn.bars, key=lambda bar: bar[1])
    assert all(one[1] + one[3] <= other[1] + 1e-6 for one, other in itertools.pairwise(bars))
    assert [bar[0] for bar in bars] == [place % groups for place in range(bins * groups)]
    places = [x for x, _ in drawn.x_ticks]
    assert places and all(other - one >= 5 * len(names[-1]) for one, other in itertools.pairwise(places))


def test_nothing_at_all_can_be_drawn():
    assert lay_out(Histogram("t", [], {})).bars == []
    assert all(bar[4] == 0 for bar in lay_out(Histogram("t", ["1"], {"a": [0.0]})).bars)


def opened(url):
    kind, _, text = url.partition(";base64,")
    return kind, Image.open(io.BytesIO(base64.b64decode(text)))


def test_a_picture_is_made_small_and_a_small_one_kept_to_the_last_bit():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 100, 3), np.uint8)
    kind, kept = opened(data_url(Image.fromarray(pixels)))
    assert kind == "data:image/png" and np.array_equal(np.array(kept), pixels)
    large = Image.new("RGB", (1000, 500), "red")
    kind, photo = opened(data_url(large))
    assert kind == "data:image/jpeg" and photo.size == (360, 180) and large.size == (1000, 500)
    assert opened(data_url(large, 900, lossless=True))[0] == "data:image/png"
    assert opened(data_url(Image.new("RGBA", (10, 10), (255, 0, 0, 255))))[1].getpixel((0, 0)) == (255, 0, 0)
