from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from kanrun.discovery.state import Tried
from kanrun.report.look import LOSS_FLOOR
from kanrun.report.search import plot_search, search_figure
from tests.figures import assert_is_png, assert_nothing_overlaps, draw


def networks(*unexplained: float) -> list[Tried]:
    return [Tried("sum under x", u, 0.1 * k) for k, u in enumerate(unexplained)]


MANY = networks(*(10 ** -(k % 7 + k / 100) for k in range(400)))
CASES = {
    "one": networks(0.3),
    "one that is read": [*networks(0.3), Tried("sum under x", 0.3, 1.0, True)],
    "exact": [*networks(0.2, 1e-3, 0.0), Tried("sum under x", 0.0, 1.0, True)],
    "worse than a constant": networks(math.inf, 1e9, 0.5, math.inf),
    "many": [*MANY, *(Tried("sum under x", t.unexplained, 99.0, True) for t in MANY[:6])],
}


def drawn(tried: list[Tried], ended: str = "a formula is exact to rounding") -> Figure:
    return draw(search_figure, tried, ended=ended)


@pytest.mark.parametrize("name", CASES)
def test_the_files_are_pictures_that_say_why_the_search_ended(name: str, tmp_path: Path) -> None:
    plot_search(CASES[name], tmp_path / "history", ended="the 60 s are over")
    assert_is_png(tmp_path / "history.png")
    assert "ended: the 60 s are over" in (tmp_path / "history.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_every_network_is_a_point_and_the_best_so_far_a_falling_line(name: str) -> None:
    tried = CASES[name]
    (axes,) = drawn(tried).axes
    points = [np.asarray(c.get_offsets()) for c in axes.collections]
    fitted = [t.unexplained for t in tried if not t.read]
    assert [len(p) for p in points] == [n for n in (len(fitted), len(tried) - len(fitted)) if n]
    np.testing.assert_allclose(points[0][:, 1], np.clip(fitted, LOSS_FLOOR, 1.0))
    heights = np.asarray(axes.lines[0].get_ydata())
    np.testing.assert_allclose(heights[:-1], np.minimum.accumulate(points[0][:, 1]))
    left, right = axes.get_xlim()
    low, high = axes.get_ylim()
    assert all(left < x < right and low < y < high for group in points for x, y in group)


@pytest.mark.parametrize("name", CASES)
def test_no_words_overlap(name: str) -> None:
    figure = drawn(CASES[name], "a reason of many words " * 8)
    assert_nothing_overlaps(figure)
