from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection

from kanrun.model.network import KAN
from kanrun.report.edges import edges_figure, line, panels_of, plot_edges
from kanrun.report.numbers import part_shown
from tests.figures import assert_nothing_overlaps, draw, svg_of, texts, words_in_files
from tests.planted import long_names, regression, rows


def pair() -> tuple[KAN, KAN]:
    """A network of splines, here of functions for ease, and a symbolic one that is scaled otherwise within."""
    one, other = KAN([2, 1, 1]), KAN([2, 1, 1])
    for model, inner in ((one, 1.0), (other, -2.5)):
        model.fix(0, 0, 0, "sin", math.pi, 0.0, inner)
        model.fix(0, 1, 0, "x^2", 1.0, 0.0, inner, 0.3)
        model.fix(1, 0, 0, "exp", 1.0 / inner, 0.0, inner**2)
    one.fix(0, 1, 0, "abs")
    return one, other


def test_r2_is_that_of_the_function_whatever_the_scale_within() -> None:
    panels = panels_of(rows(2), *pair())
    r2 = {p.edge.key: p.r2 for p in panels}
    a, b = rows(2)[:, 1].abs().numpy(), rows(2)[:, 1].square().numpy()
    assert r2[0, 0, 0] == pytest.approx(1.0)
    assert r2[0, 0, 1] == pytest.approx(np.corrcoef(a, b)[0, 1] ** 2)
    scores = [p.edge.score for p in panels]
    assert scores == sorted(scores, reverse=True)


def test_a_function_lies_on_its_curve_where_both_are_the_same() -> None:
    panel = next(p for p in panels_of(rows(2), *pair()) if p.edge.key == (0, 0, 0))
    assert panel.function is not None
    for own, other in zip(panel.curve, panel.function, strict=True):
        torch.testing.assert_close(own, other)


def test_a_line_is_that_of_least_squares() -> None:
    given, wanted = rows(2)[:, 0], rows(2)[:, 0] * 3 + rows(2)[:, 1]
    slope, level = np.polyfit(given.numpy(), wanted.numpy(), 1)
    factor, shift, r2 = line(given, wanted)
    assert (factor, shift) == pytest.approx((slope, level))
    assert r2 == pytest.approx(np.corrcoef(given.numpy(), wanted.numpy())[0, 1] ** 2)
    assert line(given, torch.full_like(given, 2.0))[2] is None
    assert line(given, given * torch.nan) == (1.0, 0.0, None)


def test_the_files_name_functions_and_r2(tmp_path: Path) -> None:
    plot_edges(regression(), *pair(), {(0, 0, 0): ["sin(pi*x_1)"]}, tmp_path / "edges")
    found = words_in_files(tmp_path / "edges")
    assert "sin(pi*x_1)" in found and "node 1 of layer 1" in found
    rounded_up = [p.r2 for p in panels_of(regression().train.x, *pair()) if p.r2 is not None and 0.99995 < p.r2 < 1]
    assert rounded_up and all(f"R² {part_shown(one)} " in found for one in rounded_up)
    assert not re.search(r"R² 1\.0", found)


def test_every_panel_can_be_pointed_at() -> None:
    tree = svg_of(draw(edges_figure, regression(), *pair(), {}), "edges")
    assert {"edges-1", "edges-2", "edges-3"} <= {e.get("id") for e in tree.iter()}


def test_other_edges_stand_alone_and_a_spline_has_no_function() -> None:
    one, other = pair()
    other.layers[0].alive[0, 1] = False
    figure = draw(edges_figure, regression(), one, other, {})
    assert len([c for c in figure.axes[0].collections if isinstance(c, LineCollection)]) == 2
    words = [t.get_text() for t in texts(draw(edges_figure, regression(), KAN([2, 1]), None, {}))]
    assert words.count("spline") == 2 and not any("R²" in t for t in words)


@pytest.mark.parametrize("width", [[1, 1], [2, 1, 1], [30, 2, 1]])
def test_nothing_overlaps_and_the_rest_is_counted(width: list[int]) -> None:
    data = replace(regression(n_in=width[0]), inputs=long_names(width[0])) if width[0] > 1 else None
    data = data or replace(regression(), inputs=["x"])
    if width[0] == 1:
        data = replace(data, train=replace(data.train, x=rows(1) * 1e6))
    figure = draw(edges_figure, data, KAN(width), None, {})
    assert_nothing_overlaps(figure)
    if width[0] == 30:
        assert "41 weaker of 62 edges not shown" in " ".join(figure.axes[0].texts[0].get_text().split())


def test_edges_without_values_have_an_empty_panel() -> None:
    model = KAN([2, 1])
    model.fix(0, 0, 0, "log", -1.0, -5.0)
    assert_nothing_overlaps(draw(edges_figure, regression(), model, None, {}))
    assert_nothing_overlaps(draw(edges_figure, regression(count=1), KAN([2, 1]), KAN([2, 1]), {}))
