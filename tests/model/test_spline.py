from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kanrun.model import spline
from kanrun.model.layer import BASES
from tests.helpers import irregular_grid, scipy_basis, uniform_rows

quickly = settings(deadline=None, max_examples=12, derandomize=True)
orders = pytest.mark.parametrize("k", range(6))


def both_grids(intervals: int, seed: int) -> Tensor:
    """An even and an irregular grid, as two inputs."""
    low, high = torch.tensor([-1.5], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64)
    return torch.cat([spline.uniform_grid(low, high, intervals), irregular_grid(intervals, 1, seed)])


def points_around(grid: Tensor, rows: int, seed: int, margin: float = 0.0) -> Tensor:
    """Random points over every grid, `margin` of its width more on both sides: [rows, inputs]."""
    width = grid[:, -1] - grid[:, 0]
    return grid[:, 0] - margin * width + (1 + 2 * margin) * width * uniform_rows(rows, len(grid), seed, 0.0, 1.0)


def both(x: Tensor, grid: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """Values and slopes."""
    x = x.clone().requires_grad_()
    values = spline.basis(x, spline.knots_of(grid, table))
    slopes = [torch.autograd.grad(column.sum(), x, retain_graph=True)[0] for column in values.unbind(2)]
    return values.detach(), torch.stack(slopes, dim=2)


@orders
@given(intervals=st.integers(1, 20), seed=st.integers(0, 10**6))
@quickly
def test_values_and_slopes_equal_scipy_inside_at_the_knots_and_outside(k: int, intervals: int, seed: int) -> None:
    grid = both_grids(intervals, seed)
    x = torch.cat([points_around(grid, 40, seed, margin=0.3), grid.T])
    values, slopes = both(x, grid, spline.span_polynomials(grid, k))
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
    _, slopes = both(x.detach(), grid, table)
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
    single, slopes = both(x.float(), grid.float(), spline.span_polynomials(grid.float(), 3))
    assert single.dtype == torch.float32
    assert slopes.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=1e-4, atol=3e-5)


columns = st.one_of(
    st.floats(-1e6, 1e6).map(lambda value: [value] * 30),
    st.tuples(st.floats(-1e6, 1e6), st.floats(0.5, 10.0), st.integers(1, 29)).map(
        lambda t: [t[0]] * t[2] + [t[0] + t[1]] * (30 - t[2])
    ),
    st.tuples(st.sampled_from([1e6, -1e6, 1e3]), st.lists(st.floats(0, 1), min_size=30, max_size=30)).map(
        lambda t: [t[0] + 1e-2 * v for v in t[1]]
    ),
    st.lists(st.sampled_from([0.0, 1.0, -2.0]), min_size=30, max_size=30),
)


@given(column=columns, intervals=st.integers(1, 20), grid_eps=st.sampled_from([0.0, 0.02, 0.5, 1.0]))
@settings(deadline=None, max_examples=80, derandomize=True)
def test_fitted_grids_increase_and_cover_the_rows(column: list[float], intervals: int, grid_eps: float) -> None:
    x = torch.tensor(column, dtype=torch.float64)[:, None]
    grid = spline.fitted_grid(x, intervals, grid_eps)
    assert grid.shape == (1, intervals + 1)
    assert bool((grid.diff() > 0).all())
    rounding = 1e-15 * float(x.abs().max())
    assert float(grid[0, 0]) <= float(x.min()) + rounding
    assert float(grid[0, -1]) >= float(x.max()) - rounding
    values, slopes = both(x, grid, spline.span_polynomials(grid, 3))
    assert bool(torch.isfinite(values).all())
    assert bool(torch.isfinite(slopes).all())


@pytest.mark.parametrize(("offset", "spread"), [(0.0, 1.0), (100.0, 1.0), (1e4, 1e-3), (1e6, 0.2)])
def test_fitted_grids_increase_in_single_precision(offset: float, spread: float) -> None:
    x = (offset + spread * uniform_rows(100, 1, 0, 0.0, 1.0)).float()
    grid = spline.fitted_grid(x, 5, 0.02)
    assert bool((grid.diff() > 0).all())
    values = spline.basis(x, spline.knots_of(grid, spline.span_polynomials(grid, 3)))
    assert bool(torch.isfinite(values).all())


def test_fitted_grid_ends_as_far_beyond_the_rows_as_three_of_them_lie_apart_there() -> None:
    x = uniform_rows(50, 3, seed=1) * 5
    grid = spline.fitted_grid(x, 7, 0.02)
    ordered = x.sort(0).values
    torch.testing.assert_close(grid[:, 0], 2 * ordered[0] - ordered[3], rtol=1e-15, atol=1e-15)
    torch.testing.assert_close(grid[:, -1], 2 * ordered[-1] - ordered[-4], rtol=1e-15, atol=1e-15)
    assert bool((grid[:, 1] > ordered[0]).all())
    assert bool((grid[:, -2] < ordered[-1]).all())


@given(column=columns, rows=st.integers(1, 30), intervals=st.integers(1, 20))
@settings(deadline=None, max_examples=80, derandomize=True)
def test_the_likely_range_holds_the_rows_and_goes_at_most_one_interval_beyond(
    column: list[float], rows: int, intervals: int
) -> None:
    ordered = torch.tensor([column[:rows], [-3 * v for v in column[:rows]]], dtype=torch.float64).T.sort(0).values
    low, high = spline.likely_range(ordered, intervals)
    assert low.shape == high.shape == (2, 1)
    below, above = ordered[0] - low[:, 0], high[:, 0] - ordered[-1]
    rounding = 4e-16 * (1 + float(ordered.abs().max()))
    width = (ordered[-1] - ordered[0]) / intervals
    for room in (below, above):
        assert bool((room >= 0).all())
        assert bool((room <= width + 2 * rounding).all())
    if rows > spline.GAPS:
        assert bool((below <= ordered[spline.GAPS] - ordered[0] + 2 * rounding).all())
        assert bool((above <= ordered[-1] - ordered[-1 - spline.GAPS] + 2 * rounding).all())
    mirrored_low, mirrored_high = spline.likely_range(-ordered.flip(0), intervals)
    torch.testing.assert_close(-mirrored_low, high, rtol=0, atol=2 * rounding)
    torch.testing.assert_close(-mirrored_high, low, rtol=0, atol=2 * rounding)


def test_the_likely_range_comes_closer_to_the_rows_the_more_there_are() -> None:
    beyond = []
    for rows in (10, 100, 1000, 10_000):
        low, high = spline.likely_range(uniform_rows(rows, 4, seed=1).sort(0).values, 5)
        new = uniform_rows(rows, 4, seed=2)
        assert float(((new >= low[:, 0]) & (new <= high[:, 0])).double().mean()) >= 0.95
        beyond.append(float((high - low).mean()) - 2)
    assert beyond == sorted(beyond, reverse=True)
    assert 0 < beyond[-1] < 0.01


@given(column=columns, intervals=st.integers(1, 20), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=80, derandomize=True)
def test_a_covering_grid_holds_the_rows_and_moves_nothing_but_its_ends_outwards(
    column: list[float], intervals: int, seed: int
) -> None:
    ordered = torch.tensor(column, dtype=torch.float64)[:, None].repeat(1, 2).sort(0).values
    centre = torch.tensor([0.0, float(ordered.mean())], dtype=torch.float64)
    grid = irregular_grid(intervals, 2, seed) + centre[:, None]
    covering = spline.covering_grid(grid, ordered)
    assert covering.shape == grid.shape
    assert torch.equal(covering[:, 1:-1], grid[:, 1:-1])
    assert bool((covering.diff() > 0).all())
    low, high = spline.likely_range(ordered, intervals)
    assert torch.equal(covering[:, :1], torch.minimum(grid[:, :1], low))
    assert torch.equal(covering[:, -1:], torch.maximum(grid[:, -1:], high))
    assert bool((covering[:, 0] <= ordered[0]).all())
    assert bool((covering[:, -1] >= ordered[-1]).all())
    assert torch.equal(spline.covering_grid(covering, ordered), covering)  # once is enough


@pytest.mark.parametrize("value", [0.0, 0.3, -7.0, 1e6])
def test_a_constant_column_lies_in_the_middle_of_its_grid(value: float) -> None:
    grid = spline.fitted_grid(torch.full((20, 1), value, dtype=torch.float64), 4, 0.02)[0]
    assert float(grid[2]) == pytest.approx(value, rel=1e-12)
    assert float(grid[-1] - grid[0]) >= 1


def test_fitted_grid_goes_from_even_steps_to_quantiles() -> None:
    x = uniform_rows(1001, 1, seed=1, low=0.0, high=1.0) ** 4
    even = spline.fitted_grid(x, 10, 1.0)
    inner, ends = even[:, 1:-1].diff(), even.diff()[:, [0, -1]]
    step = (x.max() - x.min()) / 10
    torch.testing.assert_close(inner, step.expand(1, 8), rtol=1e-9, atol=0)
    assert bool(((ends > step) & (ends < 2 * step)).all())  # they reach a little beyond the rows
    nearly_quantiles = spline.fitted_grid(x, 10, 0.0)
    counts, _ = np.histogram(x.numpy(), bins=nearly_quantiles[0].numpy())
    assert counts.min() >= 80
    assert counts.max() <= 130


@pytest.mark.parametrize("intervals", [1, 3, 4, 7, 20])
def test_a_refined_grid_increases_and_keeps_its_ends(intervals: int) -> None:
    grid = irregular_grid(4, 2, seed=7)
    finer = spline.refined_grid(grid, intervals)
    assert finer.shape == (2, intervals + 1)
    assert bool((finer.diff() > 0).all())
    torch.testing.assert_close(finer[:, [0, -1]], grid[:, [0, -1]], rtol=0, atol=1e-15)


@orders
@given(intervals=st.integers(1, 7), times=st.integers(1, 4), seed=st.integers(0, 10**6))
@quickly
def test_a_grid_refined_to_a_multiple_keeps_every_spline(k: int, intervals: int, times: int, seed: int) -> None:
    grid = irregular_grid(intervals, 2, seed)
    finer = spline.refined_grid(grid, intervals * times)
    torch.testing.assert_close(finer[:, ::times], grid, rtol=0, atol=1e-14)
    coefficients = uniform_rows(2 * (intervals + k), 3, seed).reshape(2, intervals + k, 3)
    table, finer_table = spline.span_polynomials(grid, k), spline.span_polynomials(finer, k)
    nodes = spline.points_within(finer, k + 3)
    y = torch.einsum("rim,imo->rio", spline.basis(nodes, spline.knots_of(grid, table)), coefficients)
    refitted = spline.fit_coefficients(nodes, y, finer, k).transpose(1, 2)
    x = points_around(grid, 40, seed, margin=0.0)
    before = torch.einsum("rim,imo->rio", spline.basis(x, spline.knots_of(grid, table)), coefficients)
    after = torch.einsum("rim,imo->rio", spline.basis(x, spline.knots_of(finer, finer_table)), refitted)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


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
    grid = spline.uniform_grid(torch.tensor([0.0]).double(), torch.tensor([10.0]).double(), 10)
    x = uniform_rows(30, 1, seed=1, low=0.0, high=2.9)
    found = spline.fit_coefficients(x, torch.sin(x)[:, None], grid, 3)[0, 0]
    assert float(found[6:].abs().max()) < 1e-12
    assert float(found[:5].abs().min()) > 1e-3


def test_points_within_lie_in_every_interval_borders_included() -> None:
    grid = irregular_grid(6, 2, seed=1)
    points = spline.points_within(grid, 4)
    assert points.shape == (25, 2)
    assert bool((points.diff(dim=0) > 0).all())
    torch.testing.assert_close(points[::4], grid.T, rtol=0, atol=0)


@orders
def test_even_grids_share_one_table_and_give_the_same_values(k: int) -> None:
    low, high = torch.tensor([-1.0, 0.5]).double(), torch.tensor([2.0, 0.75]).double()
    grid = spline.uniform_grid(low, high, 7)
    table = spline.span_polynomials(grid, k)
    assert table.shape == (k + 1, 1, 1, k + 1)
    x = torch.cat([points_around(grid, 60, seed=k, margin=0.3), grid.T])
    values, slopes = both(x, grid, table)
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


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("kept", [0, 10**9], ids=["computed once more", "kept"])
@pytest.mark.parametrize("block", [1, 100, 10**6])
@pytest.mark.parametrize("beside", [None, BASES["silu"]], ids=["splines alone", "silu"])
def test_sums_in_blocks_are_the_matrix_product_with_the_same_gradients(
    beside: spline.Beside | None, block: int, kept: int, even: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spline, "BLOCK", block)
    monkeypatch.setattr(spline, "FEWEST_ROWS", 7)
    monkeypatch.setattr(spline, "MOST_KEPT", kept)
    low, high = torch.tensor([-1.0, 0.0, 0.5]).double(), torch.tensor([1.0, 2.0, 3.0]).double()
    grid = spline.uniform_grid(low, high, 6) if even else irregular_grid(6, 3, seed=1)
    knots = spline.knots_of(grid, spline.span_polynomials(grid, 3))
    x = points_around(grid, 30, seed=1, margin=0.1).requires_grad_()
    coef = uniform_rows(4 * 3, 9, seed=2).reshape(4, 3, 9).requires_grad_()
    scale, bias = (uniform_rows(4, n, seed=3 + n).requires_grad_() for n in (3, 1))
    weights = uniform_rows(30, 4, seed=9)
    sums = spline.SplineSums.apply(x, coef, scale, bias[:, 0], knots, beside, spline.input_gradient)
    expected = torch.einsum("rim,jim->rj", spline.basis(x, knots), coef) + bias[:, 0]
    if beside:
        expected = expected + beside.value(x) @ scale.T
    torch.testing.assert_close(sums, expected, rtol=1e-12, atol=1e-12)
    given = [x, coef, bias, *([scale] if beside else [])]
    own = torch.autograd.grad((sums * weights).sum(), given)
    for ours, theirs in zip(own, torch.autograd.grad((expected * weights).sum(), given), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


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
