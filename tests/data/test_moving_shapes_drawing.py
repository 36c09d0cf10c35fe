import math
from dataclasses import replace

import numpy as np
import pytest

from lrcn_hub.data.moving_shapes import Scene, SceneObject, draw_scene
from lrcn_hub.data.moving_shapes.drawing import RGB
from lrcn_hub.data.moving_shapes.scenes import COLOURS, SHAPES


def pixels_of(item, picture_size):
    """Rows and columns of the pixels wholly covered by a lone object."""
    picture = np.asarray(draw_scene(Scene((item,)), picture_size))
    assert picture.shape == (picture_size, picture_size, 3)
    return np.nonzero((picture == RGB[item.colour]).all(axis=-1))


@pytest.mark.parametrize("picture_size", [64, 256])
@pytest.mark.parametrize(("shape", "area"), [("circle", math.pi), ("square", 2 * 1.2**2)])
def test_an_object_covers_its_area_around_its_centre(shape, area, picture_size):
    item = SceneObject("green", shape, "large", 0.4, 0.6, 0.2, angle=10)
    rows, columns = pixels_of(item, picture_size)
    edge = 7 * item.radius * picture_size  # about the number of pixels only partly covered
    expected = area * (item.radius * picture_size) ** 2
    assert expected - edge < len(rows) < expected
    assert np.mean(columns + 0.5) == pytest.approx(0.4 * picture_size, abs=0.3)
    assert np.mean(rows + 0.5) == pytest.approx(0.6 * picture_size, abs=0.3)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_kind_is_drawn_in_its_colour_and_inside_its_radius(colour, shape):
    item = SceneObject(colour, shape, "large", 0.5, 0.5, 0.2)
    rows, columns = pixels_of(item, 64)
    assert len(rows) > 150
    assert np.hypot(rows - 31.5, columns - 31.5).max() < 1.35 * 0.2 * 64


def test_shapes_look_different():
    pictures = [
        np.asarray(draw_scene(Scene((SceneObject("red", s, "large", 0.5, 0.5, 0.2),)))).tobytes() for s in SHAPES
    ]
    assert len(set(pictures)) == len(SHAPES)


def test_a_tint_makes_a_colour_lighter():
    item = SceneObject("blue", "square", "large", 0.5, 0.5, 0.2)
    dark, plain, light = (
        np.asarray(draw_scene(Scene((replace(item, tint=t),)))).sum(dtype=int) for t in (-1.0, 0.0, 1.0)
    )
    assert dark < plain < light


def test_edges_are_smooth():
    picture = np.asarray(
        draw_scene(Scene((SceneObject("red", "circle", "large", 0.5, 0.5, 0.2),), ((255,) * 3, (255,) * 3)))
    )
    assert len(np.unique(picture[:32, :, 1])) > 8  # levels between the object's and the background's


def test_an_object_partly_outside_the_picture_is_cut_off():
    rows, columns = pixels_of(SceneObject("red", "square", "large", 0.0, 1.0, 0.2), 64)
    assert rows.max() == 63
    assert columns.min() == 0


def test_an_unknown_shape_is_refused_by_name():
    with pytest.raises(ValueError, match="hexagon"):
        draw_scene(Scene((SceneObject("red", "hexagon", "large", 0.5, 0.5, 0.2),)))
