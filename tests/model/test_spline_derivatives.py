from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from kanrun.model import grids, spline
from kanrun.model.bases import BASES
from kanrun.model.spline_derivatives import features_derivative
from tests.helpers import Array, irregular_grid, points_around, uniform_rows


def scipy_derivatives(grid: Array, k: int, x: Array, order: int) -> Array:
    """Those of all basis functions within the grid by SciPy: [rows, intervals + k]."""
    beyond = np.arange(1, k + 1) * (grid[-1] - grid[0]) / (len(grid) - 1)
    knots = np.concatenate([grid[0] - beyond[::-1], grid, grid[-1] + beyond])
    functions = BSpline(knots, np.eye(len(grid) - 1 + k), k)
    return functions.derivative(order)(x) if order <= k else np.zeros((len(x), len(grid) - 1 + k))


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("order", range(1, 5))
@pytest.mark.parametrize("k", range(6))
def test_derivatives_equal_scipy_within_the_grid(k: int, order: int, even: bool) -> None:
    low, high = torch.tensor([-1.5, 0.0]).double(), torch.tensor([2.0, 1.0]).double()
    grid = grids.uniform_grid(low, high, 6) if even else irregular_grid(6, 2, seed=k)
    knots = spline.knots_of(grid, spline.span_polynomials(grid, k))
    x = torch.cat([points_around(grid, 50, seed=k), grid[:, [0, -1]].T])
    x = torch.cat([x, points_around(grid, 50, seed=k, margin=0.3)])  # some places outside, all the same
    ours = features_derivative(x, spline.spread_out(x, knots, None), knots, None, order)
    for i in range(2):
        inside = (x[:, i] >= grid[i, 0]) & (x[:, i] <= grid[i, -1])
        expected = scipy_derivatives(grid[i].numpy(), k, x[inside, i].numpy(), order)
        size = 1 + np.abs(expected).max()
        np.testing.assert_allclose(ours[inside, i] / size, expected / size, rtol=0, atol=1e-11)
        assert bool((~inside).any())
        if order > 1:
            assert not bool(ours[~inside, i].any())


def test_the_borders_are_inside_whatever_rounding_says() -> None:
    low, high = uniform_rows(1, 200, seed=1)[0], uniform_rows(1, 200, seed=2, low=1.5, high=4.0)[0]
    grid = grids.uniform_grid(low, high, 7)
    x = torch.cat([grid[:, [0, -1]].T, grid[:, -1:].T + 5])
    knots = spline.knots_of(grid, spline.span_polynomials(grid, 3))
    known = spline.spread_out(x, knots, None)
    beyond = known.places[0][1].beyond
    assert beyond is not None
    assert bool((beyond.view(x.shape)[:2] != 0).any())
    second = features_derivative(x, known, knots, None, 2)
    for i in range(200):
        expected = scipy_derivatives(grid[i].numpy(), 3, x[:2, i].numpy(), 2)
        np.testing.assert_allclose(second[:2, i], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("block", [20, 10**6])
def test_blocks_and_the_function_beside_are_differentiated_too(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spline, "BLOCK", block)
    monkeypatch.setattr(spline, "FEWEST_ROWS", 7)
    grid, beside = irregular_grid(5, 2, seed=1), BASES["silu"]
    assert beside
    knots, x = spline.knots_of(grid, spline.span_polynomials(grid, 3)), uniform_rows(30, 2, seed=2)
    known = spline.spread_out(x, knots, beside)
    assert (len(known.places) > 1) == (block == 20)
    slopes = features_derivative(x, known, knots, beside, 1)
    x.requires_grad_()
    values = spline.basis(x, knots, beside)
    expected = [torch.autograd.grad(column.sum(), x, retain_graph=True)[0] for column in values.unbind(2)]
    torch.testing.assert_close(slopes, torch.stack(expected, dim=2), rtol=1e-12, atol=1e-12)
