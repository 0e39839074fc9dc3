from __future__ import annotations

from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from kanrun.data.losses import CROSS_ENTROPY, MSE, Loss
from kanrun.report.front import front_figure, plot_front
from kanrun.report.look import VERMILLION, shortened
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.front import Alternative
from tests.figures import assert_is_png, assert_nothing_overlaps, draw

LONG = "3.045*x_1**2*sin(1.235*x_2 + 0.3912)*exp(-2.301*x_1) + 0.1*x_2**3 - 1.2"


def formula(points: list[tuple[int, float | None]], chosen: int, output: str = "y", text: str = LONG) -> Formula:
    front = [Alternative(c, e, text, text, k == chosen) for k, (c, e) in enumerate(points)]
    return Formula(output, text, text, text, 3, {}, None, front, [], "shortest description of the training data")


FALLING: list[tuple[int, float | None]] = [(3, 0.5), (7, 0.1), (12, 2e-3), (19, 1.3e-31)]
FRONTS = {
    "falling, last": [formula(FALLING, 3)],
    "falling, first": [formula(FALLING, 0)],
    "falling, middle": [formula(FALLING, 2)],
    "beaten": [formula([(3, 0.5), (7, 0.1), (13, 0.11), (24, 0.08)], 2)],
    "very long": [formula(FALLING, 3, text="123.4567*x_1*" * 60 + "x_2")],
    "long without a break": [formula(FALLING, 3, text="x_1*" * 60 + "x_2")],
    "outputs": [formula(FALLING, k, f"a_very_long_name_of_output_{k}_in_kelvin") for k in range(4)],
    "many outputs": [formula(FALLING, 1, f"$y_{k}$") for k in range(12)],
}


def drawn(formulas: list[Formula], loss: Loss = MSE) -> Figure:
    return draw(front_figure, formulas, loss=loss)


@cache
def drawn_once(name: str) -> Figure:
    """For tests that only look at it."""
    return drawn(FRONTS[name], CROSS_ENTROPY if name == "many outputs" else MSE)


@pytest.mark.parametrize("name", FRONTS)
def test_the_files_are_pictures_and_name_the_formula(name: str, tmp_path: Path) -> None:
    plot_front(FRONTS[name], tmp_path / "front", loss=MSE)
    assert_is_png(tmp_path / "front.png")
    words = " ".join(e.text or "" for e in ElementTree.parse(tmp_path / "front.svg").iter())
    assert all(shortened(f.output) in words for f in FRONTS[name][:8])
    assert "shortest description of the training data" in words


@pytest.mark.parametrize("name", FRONTS)
def test_no_words_overlap_each_other_or_a_point(name: str) -> None:
    figure = drawn_once(name)
    assert_nothing_overlaps(figure)
    for axes in figure.axes:
        labels = [Text.get_window_extent(t) for t in axes.texts if isinstance(t, Annotation)]
        assert all(axes.bbox.containsx(x) for box in labels for x in (box.x0, box.x1))
        assert all(axes.bbox.containsy(y) for box in labels for y in (box.y0, box.y1))
        marks = [np.asarray(line.get_xydata()) for line in axes.lines if line.get_gid()]
        places = [p for mark in marks for p in axes.transData.transform(mark)]
        assert not any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for box in labels for x, y in places)


@pytest.mark.parametrize("name", ["falling, last", "falling, first", "beaten"])
def test_the_chosen_point_is_marked_where_it_lies(name: str) -> None:
    [wanted] = FRONTS[name]
    (axes,) = drawn([wanted]).axes
    point = next(p for p in wanted.front if p.chosen)
    marks = {str(line.get_gid()): line for line in axes.lines if line.get_gid()}
    assert list(marks) == [f"front-1-{k + 1}" for k in range(len(wanted.front))]
    for line, known in zip(marks.values(), wanted.front, strict=True):
        np.testing.assert_allclose(np.asarray(line.get_xydata()), [[known.complexity, known.error]])
        assert np.allclose(to_rgba(str(line.get_color())), to_rgba(VERMILLION)) == (known is point)
    assert [t.get_text() for t in axes.texts] == ["chosen"]
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert any(low < t < high for t in axes.get_yticks())


@pytest.mark.parametrize(
    "single",
    [formula([(9, 3.3e-3)], 0), formula([(9, 0.0)], 0), formula([(9, None)], 0), formula([(5, 0.1), (9, None)], 1)],
    ids=["one point", "no error", "no value", "a value beside none"],
)
def test_nothing_is_drawn_where_there_is_nothing_to_weigh(single: Formula, tmp_path: Path) -> None:
    plot_front([single], tmp_path / "front", loss=MSE)
    assert list(tmp_path.iterdir()) == []
    other = formula(FALLING, 1, "other")
    plot_front([single, other], tmp_path / "front", loss=MSE)
    words = (tmp_path / "front.svg").read_text(encoding="utf-8")
    assert "other = " in words and "y = " not in words
    assert 'id="front-2-4"' in words and 'id="front-1-' not in words


def test_a_long_formula_is_told_over_lines_and_whole_as_far_as_there_is_room() -> None:
    text = "3.14*x_1*sin(x_2 + 0.5) - " * 6 + "1"
    [title] = [axes.get_title(loc="left") for axes in drawn([formula(FALLING, 3, text=text)]).axes]
    assert "".join(title.split()[2:-7]) == "".join(text.split())
    [title] = [axes.get_title(loc="left") for axes in drawn_once("very long").axes]
    assert "…" in title and title.count("\n") <= 6


def test_every_output_has_a_panel_up_to_eight() -> None:
    assert len(drawn_once("outputs").axes) == 4
    figure = drawn_once("many outputs")
    assert len(figure.axes) == 8
    assert "the first 8 of 12 outputs" in [t.get_text() for t in figure.findobj(Text)]
    assert figure.axes[0].get_ylabel() == "cross entropy"


def test_same_bytes_whatever_the_settings_of_the_user(tmp_path: Path) -> None:
    plot_front(FRONTS["beaten"], tmp_path / "a" / "front", loss=MSE)
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        plot_front(FRONTS["beaten"], tmp_path / "b" / "front", loss=MSE)
    for ending in ("png", "svg"):
        assert (tmp_path / f"a/front.{ending}").read_bytes() == (tmp_path / f"b/front.{ending}").read_bytes()
