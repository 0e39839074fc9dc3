from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.model import grids, spline
from tests.helpers import basis_and_slopes, irregular_grid, uniform_rows

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
@settings(deadline=None, max_examples=40, derandomize=True)
def test_fitted_grids_increase_and_cover_the_rows(column: list[float], intervals: int, grid_eps: float) -> None:
    x = torch.tensor(column, dtype=torch.float64)[:, None]
    grid = grids.fitted_grid(x, intervals, grid_eps)
    assert grid.shape == (1, intervals + 1)
    assert bool((grid.diff() > 0).all())
    rounding = 1e-15 * float(x.abs().max())
    assert float(grid[0, 0]) <= float(x.min()) + rounding
    assert float(grid[0, -1]) >= float(x.max()) - rounding
    values, slopes = basis_and_slopes(x, grid, spline.span_polynomials(grid, 3))
    assert bool(torch.isfinite(values).all())
    assert bool(torch.isfinite(slopes).all())


@pytest.mark.parametrize(("offset", "spread"), [(0.0, 1.0), (100.0, 1.0), (1e4, 1e-3), (1e6, 0.2)])
def test_fitted_grids_increase_in_single_precision(offset: float, spread: float) -> None:
    x = (offset + spread * uniform_rows(100, 1, 0, 0.0, 1.0)).float()
    grid = grids.fitted_grid(x, 5, 0.02)
    assert bool((grid.diff() > 0).all())
    values = spline.basis(x, spline.knots_of(grid, spline.span_polynomials(grid, 3)))
    assert bool(torch.isfinite(values).all())


def test_fitted_grid_ends_as_far_beyond_the_rows_as_three_of_them_lie_apart_there() -> None:
    x = uniform_rows(50, 3, seed=1) * 5
    grid = grids.fitted_grid(x, 7, 0.02)
    ordered = x.sort(0).values
    torch.testing.assert_close(grid[:, 0], 2 * ordered[0] - ordered[3], rtol=1e-15, atol=1e-15)
    torch.testing.assert_close(grid[:, -1], 2 * ordered[-1] - ordered[-4], rtol=1e-15, atol=1e-15)
    assert bool((grid[:, 1] > ordered[0]).all())
    assert bool((grid[:, -2] < ordered[-1]).all())


@given(column=columns, rows=st.integers(1, 30), intervals=st.integers(1, 20))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_the_likely_range_holds_the_rows_and_goes_at_most_one_interval_beyond(
    column: list[float], rows: int, intervals: int
) -> None:
    ordered = torch.tensor([column[:rows], [-3 * v for v in column[:rows]]], dtype=torch.float64).T.sort(0).values
    low, high = grids.likely_range(ordered, intervals)
    assert low.shape == high.shape == (2, 1)
    below, above = ordered[0] - low[:, 0], high[:, 0] - ordered[-1]
    rounding = 4e-16 * (1 + float(ordered.abs().max()))
    width = (ordered[-1] - ordered[0]) / intervals
    for room in (below, above):
        assert bool((room >= 0).all())
        assert bool((room <= width + 2 * rounding).all())
    if rows > grids.GAPS:
        assert bool((below <= ordered[grids.GAPS] - ordered[0] + 2 * rounding).all())
        assert bool((above <= ordered[-1] - ordered[-1 - grids.GAPS] + 2 * rounding).all())
    mirrored_low, mirrored_high = grids.likely_range(-ordered.flip(0), intervals)
    torch.testing.assert_close(-mirrored_low, high, rtol=0, atol=2 * rounding)
    torch.testing.assert_close(-mirrored_high, low, rtol=0, atol=2 * rounding)


def test_the_likely_range_comes_closer_to_the_rows_the_more_there_are() -> None:
    beyond = []
    for rows in (10, 100, 1000, 10_000):
        low, high = grids.likely_range(uniform_rows(rows, 4, seed=1).sort(0).values, 5)
        new = uniform_rows(rows, 4, seed=2)
        assert float(((new >= low[:, 0]) & (new <= high[:, 0])).double().mean()) >= 0.95
        beyond.append(float((high - low).mean()) - 2)
    assert beyond == sorted(beyond, reverse=True)
    assert 0 < beyond[-1] < 0.01


@given(column=columns, intervals=st.integers(1, 20), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_a_covering_grid_holds_the_rows_and_moves_nothing_but_its_ends_outwards(
    column: list[float], intervals: int, seed: int
) -> None:
    ordered = torch.tensor(column, dtype=torch.float64)[:, None].repeat(1, 2).sort(0).values
    centre = torch.tensor([0.0, float(ordered.mean())], dtype=torch.float64)
    grid = irregular_grid(intervals, 2, seed) + centre[:, None]
    covering = grids.covering_grid(grid, ordered)
    assert covering.shape == grid.shape
    assert torch.equal(covering[:, 1:-1], grid[:, 1:-1])
    assert bool((covering.diff() > 0).all())
    low, high = grids.likely_range(ordered, intervals)
    assert torch.equal(covering[:, :1], torch.minimum(grid[:, :1], low))
    assert torch.equal(covering[:, -1:], torch.maximum(grid[:, -1:], high))
    assert bool((covering[:, 0] <= ordered[0]).all())
    assert bool((covering[:, -1] >= ordered[-1]).all())
    assert torch.equal(grids.covering_grid(covering, ordered), covering)  # once is enough


@pytest.mark.parametrize("value", [0.0, 0.3, -7.0, 1e6])
def test_a_constant_column_lies_in_the_middle_of_its_grid(value: float) -> None:
    grid = grids.fitted_grid(torch.full((20, 1), value, dtype=torch.float64), 4, 0.02)[0]
    assert float(grid[2]) == pytest.approx(value, rel=1e-12)
    assert float(grid[-1] - grid[0]) >= 1


def test_fitted_grid_goes_from_even_steps_to_quantiles() -> None:
    x = uniform_rows(1001, 1, seed=1, low=0.0, high=1.0) ** 4
    even = grids.fitted_grid(x, 10, 1.0)
    inner, ends = even[:, 1:-1].diff(), even.diff()[:, [0, -1]]
    step = (x.max() - x.min()) / 10
    torch.testing.assert_close(inner, step.expand(1, 8), rtol=1e-9, atol=0)
    assert bool(((ends > step) & (ends < 2 * step)).all())  # they reach a little beyond the rows
    nearly_quantiles = grids.fitted_grid(x, 10, 0.0)
    counts, _ = np.histogram(x.numpy(), bins=nearly_quantiles[0].numpy())
    assert counts.min() >= 80
    assert counts.max() <= 130


@pytest.mark.parametrize("intervals", [1, 3, 4, 7, 20])
def test_a_refined_grid_increases_and_keeps_its_ends(intervals: int) -> None:
    grid = irregular_grid(4, 2, seed=7)
    finer = grids.refined_grid(grid, intervals)
    assert finer.shape == (2, intervals + 1)
    assert bool((finer.diff() > 0).all())
    torch.testing.assert_close(finer[:, [0, -1]], grid[:, [0, -1]], rtol=0, atol=1e-15)


def test_points_within_lie_in_every_interval_borders_included() -> None:
    grid = irregular_grid(6, 2, seed=1)
    points = grids.points_within(grid, 4)
    assert points.shape == (25, 2)
    assert bool((points.diff(dim=0) > 0).all())
    torch.testing.assert_close(points[::4], grid.T, rtol=0, atol=0)
