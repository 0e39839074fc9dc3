from __future__ import annotations

import pytest
import torch

from kanrun.data.losses import MSE
from kanrun.model.network import KAN
from kanrun.training.least_squares import levenberg_marquardt
from kanrun.training.roughness import roughness
from tests.helpers import uniform_rows


def test_bands_hold_the_squared_second_differences_of_every_spline() -> None:
    model = KAN([2, [2, 1], 1], grid=4, seed=1)
    model.layers[0].remove(0, 1)
    model.fix(1, 0, 0, "sin")
    vector = uniform_rows(model.parameter_count(), 1, seed=3)[:, 0]
    model.set_vector(vector)
    expected = 0.0
    for layer in model.layers:
        splines = layer.coef.detach()[layer.is_spline]
        expected += float((splines.diff(dim=1).diff(dim=1) ** 2).sum()) / 6  # 1 - 4 + 6 - 4 + 1 around the diagonal
    matrix = torch.zeros(len(vector), len(vector), dtype=vector.dtype)
    for offset, band in enumerate(roughness(model)):
        matrix += torch.diag(band, -offset) + (torch.diag(band, offset) if offset else 0)
    assert float(vector @ matrix @ vector) == pytest.approx(expected, rel=1e-12)


def test_networks_without_splines_have_no_bands() -> None:
    model = KAN([1, 1])
    model.fix(0, 0, 0, "sin")
    assert roughness(model) == []


def test_a_spline_goes_on_smoothly_where_no_row_says_how() -> None:
    x = uniform_rows(300, 1, seed=5)
    x = x[(x[:, 0] < -0.1) | (x[:, 0] > 0.25)]  # several intervals have no row, and some hardly one
    model = KAN([1, 1], grid=40, seed=0)
    levenberg_marquardt(model, x, torch.sin(3 * x), MSE, 100)
    gap = torch.linspace(-0.1, 0.25, 50, dtype=torch.float64)[:, None]
    with torch.no_grad():
        assert float((model(gap) - torch.sin(3 * gap)).abs().max()) < 0.1
        assert float((model(x) - torch.sin(3 * x)).abs().max()) < 1e-5


def test_the_minimum_is_that_of_least_squares() -> None:
    """A single layer is linear in its coefficients."""
    x = uniform_rows(500, 1, seed=2)
    y = torch.exp(x) + 0.1 * torch.sign(x)  # no spline goes through all of these
    model = KAN([1, 1], grid=12, base="zero", seed=0)
    levenberg_marquardt(model, x, y, MSE, 100)
    design = model.layers[0].features(x)[:, 0]
    solved = torch.linalg.lstsq(design, y, driver="gelsd").solution
    best = float(((design @ solved - y) ** 2).mean())
    with torch.no_grad():
        assert float(((model(x) - y) ** 2).mean()) == pytest.approx(best, rel=1e-9)
