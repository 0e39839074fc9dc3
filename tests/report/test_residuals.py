from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

from kanrun.report.residuals import plot_residuals, residuals_figure
from tests.figures import assert_nothing_overlaps, draw, words_in_files
from tests.planted import STRANGE, long_names, regression, rows, truth, with_test


def dots(axes: Axes, gid: str) -> np.ndarray:
    return next(np.asarray(line.get_xydata()) for line in axes.lines if line.get_gid() == gid)


def test_residuals_are_what_the_rows_have_beyond_the_prediction() -> None:
    off = 0.1 * rows(3)[:, 2:]
    data = with_test(regression(), rows(2), truth(rows(2)) + off)
    left, right = draw(residuals_figure, data, "formula", truth).axes
    points = dots(left, "residuals")
    np.testing.assert_allclose(points, torch.cat([truth(rows(2)), off], 1), atol=1e-12)
    np.testing.assert_allclose(dots(right, "quantiles")[:, 1], np.sort(off.ravel()), atol=1e-12)


def test_normal_noise_lies_on_the_line() -> None:
    noise = 0.3 * torch.randn(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    data = with_test(regression(), rows(2, 4000), truth(rows(2, 4000)) + noise)
    right = draw(residuals_figure, data, "formula", truth).axes[1]
    points = dots(right, "quantiles")
    line = next(np.asarray(one.get_xydata()) for one in right.lines if one.get_gid() is None)
    inner = np.abs(points[:, 0]) < 1.5
    on_line = np.interp(points[inner, 0], *line.T)
    np.testing.assert_allclose(points[inner, 1], on_line, atol=0.03)
    np.testing.assert_allclose(np.diff(line[:, 1]) / np.diff(line[:, 0]), 0.3, rtol=0.05)


def test_the_files_name_the_unit_and_count_rows_without_a_value(tmp_path: Path) -> None:
    data = replace(regression(), units={"y_0": "kg/m^3"})
    missing = rows(2)[:, 0] < -0.5
    plot_residuals(data, "formula", lambda x: torch.where(x[:, :1] < -0.5, torch.nan, truth(x)), tmp_path / "r")
    found = words_in_files(tmp_path / "r")
    assert "residual (kg/m^3)" in found
    assert f"({int(missing.sum())} rows without a value)" in found
    assert "residuals of the formula, test rows" in found


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("factor", [1.0, torch.nan, torch.inf])
def test_strange_rows_give_a_picture_that_can_be_read(name: str, factor: float) -> None:
    data = with_test(regression(), *STRANGE[name])
    assert_nothing_overlaps(draw(residuals_figure, data, "network", lambda x: truth(x) * factor))


def test_several_outputs_have_rows_of_panels_and_the_rest_is_counted() -> None:
    data = replace(regression(6), outputs=long_names(6))
    figure = draw(residuals_figure, data, "network", lambda x: truth(x) * torch.arange(1.1, 7))
    assert len(figure.axes) == 8
    assert "the first 4 of 6 outputs" in " ".join(figure.texts[0].get_text().split())
    assert_nothing_overlaps(figure)
