import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.demo.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, draw_chart, ticks


@given(st.floats(1e-5, 1e6), st.integers(2, 8))
def test_ticks_are_round_equally_far_apart_and_reach_the_largest_value(maximum, count):
    found = ticks(maximum, count)
    step = found[1] - found[0]
    assert found[0] == 0 and found[-1] >= maximum * (1 - 1e-6) and found[-2] < maximum
    assert found == pytest.approx([step * number for number in range(len(found))])
    assert f"{step:.0e}"[0] in "125"
    assert len(found) <= count + 1


@given(st.lists(st.floats(0, 1e4), max_size=20))
def test_a_curve_stays_between_its_axes_and_larger_values_are_higher(values):
    chart = draw_chart("a curve", list(enumerate(values, start=1)))
    assert len(chart.points) == len(values)
    assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y, _ in chart.points)
    by_value = sorted(zip(values, chart.points, strict=True), key=lambda pair: pair[0])
    heights = [point[1] for _, point in by_value]
    assert heights == sorted(heights, reverse=True)


def test_a_value_lies_where_its_axes_say():
    chart = draw_chart("a curve", [(50, 1.0), (100, 4.0)])
    at_x, at_y = {label: x for x, label in chart.x_ticks}, {label: y for y, label in chart.y_ticks}
    assert chart.points[-1][:2] == (at_x["100"], at_y["4"])
    assert chart.points[0][1] == at_y["1"]
    assert chart.line == " ".join(f"{x},{y}" for x, y, _ in chart.points)
