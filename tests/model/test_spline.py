from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kanrun.model import grids, spline
from tests.helpers import basis_and_slopes, irregular_grid, points_around, scipy_basis, uniform_rows
from tests.marks import orders

quickly = settings(deadline=None, max_examples=8, derandomize=True)


def both_grids(intervals: int, seed: int) -> Tensor:
    """An even and an irregular grid, as two inputs."""
    low, high = torch.tensor([-1.5], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64)
    return torch.cat([grids.uniform_grid(low, high, intervals), irregular_grid(intervals, 1, seed)])


@orders
@given(intervals=st.integers(1, 20), seed=st.integers(0, 10**6))
@quickly
def test_values_and_slopes_equal_scipy_inside_at_the_knots_and_outside(k: int, intervals: int, seed: int) -> None:
    grid = both_grids(intervals, seed)
    x = torch.cat([points_around(grid, 40, seed, margin=0.3), grid.T])
    values, slopes = basis_and_slopes(x, grid, spline.span_polynomials(grid, k))
    assert values.shape == (len(x), 2, intervals + k)
    for i in range(2):
        knots, at = grid[i].numpy(), x[:, i].numpy()
        steepest = 1 + np.abs(scipy_basis(knots, k, at, derivative=1)).max()
        np.testing.assert_allclose(values[:, i], scipy_basis(knots, k, at), rtol=0, atol=1e-12 * steepest)
        np.testing.assert_allclose(slopes[:, i], scipy_basis(knots, k, at, derivative=1), rtol=0, atol=1e-11 * steepest)


@orders
def test_values_inside_equal_scipy_to_twelve_digits(k: int) -> None:
    for intervals in (1, 2, 5, 20):
        grid = both_grids(intervals, seed=k)
        x = points_around(grid, 100, seed=intervals)
        values = spline.basis(x, spline.knots_of(grid, spline.span_polynomials(grid, k)))
        for i in range(2):
            expected = scipy_basis(grid[i].numpy(), k, x[:, i].numpy())
            np.testing.assert_allclose(values[:, i], expected, rtol=0, atol=1e-12)


@orders
@given(intervals=st.integers(1, 20), seed=st.integers(0, 10**6))
@quickly
def test_basis_functions_sum_to_one(k: int, intervals: int, seed: int) -> None:
    grid = irregular_grid(intervals, 2, seed)
    values = spline.basis(points_around(grid, 50, seed, 0.2), spline.knots_of(grid, spline.span_polynomials(grid, k)))
    torch.testing.assert_close(values.sum(2), torch.ones(50, 2, dtype=torch.float64), rtol=0, atol=1e-11)


@orders
def test_only_the_functions_of_one_interval_are_not_zero(k: int) -> None:
    grid = irregular_grid(9, 1, seed=k)
    middles = (grid[:, 1:] + grid[:, :-1]).T / 2
    values = spline.basis(middles, spline.knots_of(grid, spline.span_polynomials(grid, k)))
    for interval in range(9):
        nonzero = values[interval, 0].nonzero().flatten().tolist()
        assert nonzero == list(range(interval, interval + k + 1))


@pytest.mark.parametrize("k", range(1, 6))
def test_a_spline_goes_on_as_a_straight_line_beyond_its_grid(k: int) -> None:
    grid = irregular_grid(6, 1, seed=k)
    table = spline.span_polynomials(grid, k)
    coefficients = uniform_rows(6 + k, 1, seed=3).flatten()

    def value(x: Tensor) -> Tensor:
        return spline.basis(x[:, None], spline.knots_of(grid, table))[:, 0] @ coefficients

    tiny = 1e-6
    for border, outward in ((grid[0, 0], -1.0), (grid[0, -1], 1.0)):
        outside = value(border + outward * torch.arange(1, 8, dtype=torch.float64))
        torch.testing.assert_close(outside.diff().diff(), torch.zeros(5, dtype=torch.float64), rtol=0, atol=1e-11)
        just_inside, there, just_outside = value(border + outward * tiny * torch.tensor([-1.0, 0.0, 1.0]).double())
        assert abs(float(just_outside - there)) < 1e-3  # no jump
        assert float((just_outside - there) - (there - just_inside)) == pytest.approx(0, abs=1e-8)  # and no bend
        assert float(outside[0] - there) == pytest.approx(float(outside[1] - outside[0]), abs=1e-11)


@pytest.mark.parametrize("k", range(1, 6))
@pytest.mark.parametrize("margin", [0.0, 0.4], ids=["all rows inside", "some rows outside"])
def test_gradients_of_sums_are_the_sums_of_slopes(k: int, margin: float) -> None:
    grid = irregular_grid(5, 2, seed=k)
    table = spline.span_polynomials(grid, k)
    x = points_around(grid, 60, seed=k, margin=margin).requires_grad_()
    weights = uniform_rows(2, 5 + k, seed=k)
    _, slopes = basis_and_slopes(x.detach(), grid, table)
    values = spline.basis(x, spline.knots_of(grid, table))
    (gradient,) = torch.autograd.grad((values * weights).sum(), x)
    torch.testing.assert_close(gradient, (slopes * weights).sum(2), rtol=1e-11, atol=1e-11)


def test_gradients_at_the_outermost_knots_are_the_full_slopes() -> None:
    grid = irregular_grid(5, 1, seed=4)
    table = spline.span_polynomials(grid, 3)
    x = grid[:, [0, 2, -1]].T.clone().requires_grad_()
    weights = uniform_rows(1, 8, seed=5)
    values = spline.basis(x, spline.knots_of(grid, table))
    (gradient,) = torch.autograd.grad((values * weights).sum(), x)
    expected = scipy_basis(grid[0].numpy(), 3, grid[0, [0, 2, -1]].numpy(), derivative=1) @ weights[0].numpy()
    np.testing.assert_allclose(gradient[:, 0], expected, rtol=1e-11)


def test_single_precision_keeps_seven_digits() -> None:
    grid = irregular_grid(8, 2, seed=1)
    x = points_around(grid, 50, seed=2, margin=0.2)
    exact = spline.basis(x, spline.knots_of(grid, spline.span_polynomials(grid, 3)))
    single, slopes = basis_and_slopes(x.float(), grid.float(), spline.span_polynomials(grid.float(), 3))
    assert single.dtype == torch.float32
    assert slopes.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=1e-4, atol=3e-5)


@orders
@given(intervals=st.integers(1, 7), times=st.integers(1, 4), seed=st.integers(0, 10**6))
@quickly
def test_a_grid_refined_to_a_multiple_keeps_every_spline(k: int, intervals: int, times: int, seed: int) -> None:
    grid = irregular_grid(intervals, 2, seed)
    finer = grids.refined_grid(grid, intervals * times)
    torch.testing.assert_close(finer[:, ::times], grid, rtol=0, atol=1e-14)
    coefficients = uniform_rows(2 * (intervals + k), 3, seed).reshape(2, intervals + k, 3)
    table, finer_table = spline.span_polynomials(grid, k), spline.span_polynomials(finer, k)
    nodes = grids.points_within(finer, k + 3)
    y = torch.einsum("rim,imo->rio", spline.basis(nodes, spline.knots_of(grid, table)), coefficients)
    refitted = spline.fit_coefficients(nodes, y, finer, k).transpose(1, 2)
    x = points_around(grid, 40, seed, margin=0.0)
    before = torch.einsum("rim,imo->rio", spline.basis(x, spline.knots_of(grid, table)), coefficients)
    after = torch.einsum("rim,imo->rio", spline.basis(x, spline.knots_of(finer, finer_table)), refitted)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


def test_many_coefficients_are_fitted_as_well_as_few() -> None:
    grid = irregular_grid(spline.LARGE + 40, 2, 3)
    table = spline.span_polynomials(grid, 3)
    coefficients = uniform_rows(2 * (spline.LARGE + 43), 3, 4).reshape(2, -1, 3)
    nodes = grids.points_within(grid, 6)
    y = torch.einsum("rim,imo->rio", spline.basis(nodes, spline.knots_of(grid, table)), coefficients)
    found = spline.fit_coefficients(nodes, y, grid, 3).transpose(1, 2)
    torch.testing.assert_close(found, coefficients, rtol=0, atol=1e-8)


@orders
def test_fitting_reproduces_splines_on_their_own_grid(k: int) -> None:
    grid = irregular_grid(8, 2, seed=k)
    coefficients = uniform_rows(6, 8 + k, seed=k).reshape(2, 3, 8 + k)
    x = points_around(grid, 300, seed=k)
    values = spline.basis(x, spline.knots_of(grid, spline.span_polynomials(grid, k)))
    y = torch.einsum("rim,iom->rio", values, coefficients)
    found = spline.fit_coefficients(x, y, grid, k)
    assert found.shape == (2, 3, 8 + k)
    torch.testing.assert_close(torch.einsum("rim,iom->rio", values, found), y, rtol=0, atol=1e-12)


def test_fitting_noise_gives_the_least_squares_solution() -> None:
    grid = irregular_grid(5, 1, seed=2)
    x = points_around(grid, 80, seed=3)
    y = uniform_rows(80, 2, seed=4)
    found = spline.fit_coefficients(x, y[:, None], grid, 3)[0]
    expected, *_ = np.linalg.lstsq(scipy_basis(grid[0].numpy(), 3, x[:, 0].numpy()), y.numpy())
    np.testing.assert_allclose(found.T, expected, rtol=0, atol=1e-9)


def test_coefficients_that_no_row_touches_become_zero() -> None:
    grid = grids.uniform_grid(torch.tensor([0.0]).double(), torch.tensor([10.0]).double(), 10)
    x = uniform_rows(30, 1, seed=1, low=0.0, high=2.9)
    found = spline.fit_coefficients(x, torch.sin(x)[:, None], grid, 3)[0, 0]
    assert float(found[6:].abs().max()) < 1e-12
    assert float(found[:5].abs().min()) > 1e-3


@orders
def test_even_grids_share_one_table_and_give_the_same_values(k: int) -> None:
    low, high = torch.tensor([-1.0, 0.5]).double(), torch.tensor([2.0, 0.75]).double()
    grid = grids.uniform_grid(low, high, 7)
    table = spline.span_polynomials(grid, k)
    assert table.shape == (k + 1, 1, 1, k + 1)
    x = torch.cat([points_around(grid, 60, seed=k, margin=0.3), grid.T])
    values, slopes = basis_and_slopes(x, grid, table)
    for i in range(2):
        knots, at = grid[i].numpy(), x[:, i].numpy()
        # A step of order 0 falls on the knots themselves, where one rounding decides the side.
        rows = slice(60) if k == 0 else slice(None)
        expected = scipy_basis(knots, k, at, derivative=1)
        np.testing.assert_allclose(values[rows, i], scipy_basis(knots, k, at)[rows], rtol=0, atol=1e-12)
        rows = slice(60) if k < 2 else slice(None)
        np.testing.assert_allclose(slopes[rows, i], expected[rows], rtol=0, atol=1e-11 * (1 + np.abs(expected).max()))


def test_many_rows_in_blocks_give_what_few_rows_give() -> None:
    grid = irregular_grid(5, 3, seed=1)
    table = spline.span_polynomials(grid, 3)
    x = points_around(grid, spline.BLOCK, seed=1, margin=0.1).requires_grad_()
    values = spline.basis(x, spline.knots_of(grid, table))
    (gradient,) = torch.autograd.grad((values**2).sum(), x)
    for rows in (slice(0, 7), slice(-7, None)):
        part = x[rows].detach().requires_grad_()
        few = spline.basis(part, spline.knots_of(grid, table))
        torch.testing.assert_close(few, values[rows], rtol=0, atol=0)
        torch.testing.assert_close(torch.autograd.grad((few**2).sum(), part)[0], gradient[rows], rtol=1e-14, atol=1e-14)


def test_a_device_without_the_processors_cache_gets_the_rows_in_fewer_parts() -> None:
    here = torch.empty(200_000, 4)
    parts = list(spline.blocks(here, 8))
    assert len(list(spline.blocks(here.to("meta"), 8))) < len(parts) / 10
    rows = sorted({(r.start, r.stop) for r, _ in parts})
    assert [start for start, _ in rows] == [0, *(stop for _, stop in rows[:-1])] and rows[-1][1] == len(here)


def test_a_value_that_is_not_a_number_spoils_its_own_row_alone() -> None:
    for grid in both_grids(5, seed=1).split(1):
        knots = spline.knots_of(grid, spline.span_polynomials(grid, 3))
        x = points_around(grid, 20, seed=2)
        before = spline.basis(x, knots)
        x[4, 0], x[7, 0] = float("nan"), float("inf")
        after = spline.basis(x, knots)
        rows = [r for r in range(20) if r not in (4, 7)]
        torch.testing.assert_close(after[rows], before[rows], rtol=0, atol=0)
        assert bool(after[4].isnan().any())
        assert not bool(torch.isfinite(after[7]).all())


def test_several_threads_put_values_where_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = irregular_grid(5, 3, seed=1)
    knots = spline.knots_of(grid, spline.span_polynomials(grid, 3))
    x = points_around(grid, 50, seed=4, margin=0.1)
    one = spline.basis(x, knots)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(spline, "MANY", 10)
    torch.testing.assert_close(spline.basis(x, knots), one, rtol=0, atol=0)
