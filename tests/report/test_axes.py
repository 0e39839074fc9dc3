from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from kanrun.report.axes import arrange, linear_ticks, log_ticks, name_ticks, panels, reaches
from kanrun.report.look import WIDTH
from tests.figures import assert_nothing_overlaps, draw, texts
from tests.planted import long_names

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SIZES = st.floats(1e-12, 1e12)


@given(st.floats(-1e9, 1e9), SIZES, st.integers(2, 7))
def test_ticks_are_round_in_equal_steps_and_written_apart(low: float, span: float, most: int) -> None:
    high = low + span
    if high - low < 1e-6 * max(abs(low), abs(high), 1e-300):
        return  # beyond the digits that anybody reads
    values, labels = linear_ticks(low, high, most)
    assert 1 <= len(values) <= most
    assert all(low - 1e-6 * span <= v <= high + 1e-6 * span for v in values)
    assert len(set(labels)) == len(labels)
    for value, label in zip(values, labels, strict=True):
        assert float(label) == pytest.approx(value, rel=1e-6, abs=1e-9 * span)
    if len(values) > 2:
        np.testing.assert_allclose(np.diff(values), values[1] - values[0], rtol=1e-4)


@given(st.floats(-30, 10), st.floats(0.01, 30), st.integers(2, 7))
def test_ticks_of_a_log_axis_lie_on_it(low: float, decades: float, most: int) -> None:
    values, labels = log_ticks(10**low, 10 ** (low + decades), most)
    assert len(values) >= 1
    assert all(10**low * 0.999 <= v <= 10 ** (low + decades) * 1.001 for v in values)
    assert len(set(labels)) == len(labels)
    if decades > 2:
        assert labels[0] == f"10{str(round(math.log10(values[0]))).translate(RAISED)}"


def test_an_axis_without_extent_has_one_number() -> None:
    assert linear_ticks(2.0, 2.0, 5) == ([2.0], ["2"])


@pytest.mark.parametrize("most", range(1, 8))
def test_there_is_a_step_for_any_number_of_ticks(most: int) -> None:
    for span in np.geomspace(1.0, 10.0, 400):
        values, _ = linear_ticks(0.0, float(span), most)
        assert 1 <= len(values) <= most


@pytest.mark.parametrize(("scale", "middle"), [("linear", 5.5), ("log", 10**0.5)])
def test_a_number_lies_on_its_axis_by_its_scale(scale: str, middle: float) -> None:
    assert [reaches(v, 1.0, 10.0, scale) for v in (1.0, middle, 10.0)] == pytest.approx([0.0, 0.5, 1.0])
    assert reaches(3.0, 3.0, 3.0, scale) == 0.5


RANGES = [(0.0, 1.0), (-123456.0, 98765.0), (1e6, 1e6 + 0.5), (-1e-7, 3e-7), (-0.5, -0.25), (1e-300, 1e300)]


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("span", RANGES)
def test_nothing_overlaps_whatever_the_numbers_and_names(span: tuple[float, float], columns: int) -> None:
    def build() -> Figure:
        figure, shown = panels(2 * columns, columns)
        for k, axes in enumerate(shown):
            axes.set(xlim=span, ylim=span, xlabel=long_names(5)[k], ylabel=f"predicted {long_names(5)[-1 - k]}")
            axes.set_title("a title that is longer than its panel can take in one line\nof two lines", loc="left")
            axes.plot([], [], label=f"curve {long_names(4)[k]}")
        arrange(figure, shown, columns, 1.4, "what stands above all of them, and goes on for more than a line of it")
        return figure

    figure = draw(build)
    assert_nothing_overlaps(figure)
    assert figure.get_size_inches()[0] == WIDTH
    places = [axes.get_window_extent().padded(-1) for axes in figure.axes]
    for t in texts(figure):
        box = t.get_window_extent()
        assert not any(place.overlaps(box) for place in places), t.get_text()


def test_an_axis_keeps_the_names_that_it_was_given() -> None:
    def build() -> Figure:
        figure, [axes] = panels(1, 1)
        axes.set(xlim=(0, 1), ylim=(-0.5, 2.5))
        name_ticks(axes, "y", [0, 1, 2], ["a", "$b$", "c"])
        arrange(figure, [axes], 1, 1.0)
        return figure

    [axes] = draw(build).axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", r"\$b\$", "c"]
