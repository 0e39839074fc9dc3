from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from kanrun.data.losses import MSE
from kanrun.model import grids, spline
from kanrun.model.layer import KANLayer
from kanrun.model.network import KAN
from kanrun.training.knots import ROWS_BETWEEN, bending, place_knots, placed_grid, sensitivities
from kanrun.training.least_squares import levenberg_marquardt
from tests.helpers import irregular_grid, tangled_network, uniform_rows
from tests.marks import orders

Function = Callable[[Tensor], Tensor]

STEEP = {
    "a step": lambda x: torch.tanh(20 * x),
    "a peak": lambda x: 1 / (1 + 100 * x**2),
    "waves that grow shorter": lambda x: torch.sin(6 * (x + 1) ** 2),
    "a growth": lambda x: torch.exp(3 * x),
}  # fmt: skip


def even_grid(intervals: int, inputs: int = 1) -> Tensor:
    """From -1 to 1: [inputs, intervals + 1]."""
    one = torch.ones(inputs, dtype=torch.float64)
    return grids.uniform_grid(-one, one, intervals)


def layer_on(grid: Tensor, k: int = 3, n_sum: int = 1) -> KANLayer:
    """A layer with random splines on this grid [inputs, intervals + 1]."""
    generator = torch.Generator().manual_seed(3)
    layer = KANLayer(
        len(grid), n_sum, grid=grid.shape[1] - 1, k=k, base="zero", noise_scale=1.0, generator=generator,
        dtype=torch.float64,
    )  # fmt: skip
    layer.set_grid(grid)
    return layer


def fit(layer: KANLayer, *functions: Function) -> KANLayer:
    """Every spline becomes as close to the function of its subnode as its grid allows."""
    grid = layer.grid
    part = (torch.arange(12, dtype=torch.float64) + 0.5) / 12  # away from the knots, where k = 0 jumps
    x = (grid[:, :-1, None] + grid.diff(dim=1)[..., None] * part).flatten(1).T
    y = torch.stack([f(x) for f in functions], dim=2)
    with torch.no_grad():
        layer.coef.copy_(spline.fit_coefficients(x, y, grid, layer.k).transpose(0, 1))
    return layer


def middles(layer: KANLayer) -> Tensor:
    return (layer.grid[:, 1:] + layer.grid[:, :-1]) / 2


def grid_for(f: Function, x: Tensor, intervals: int, fine: int = 40) -> Tensor:
    """The knots placed for one spline that follows `f`, all rows counting the same."""
    layer = fit(layer_on(even_grid(fine)), f)
    return placed_grid(layer, x, torch.ones(len(x), 1, dtype=torch.float64), intervals)[0]


def rows_between(grid: Tensor, x: Tensor) -> list[int]:
    return np.histogram(x.numpy(), bins=grid.numpy())[0].tolist()


def learn(model: KAN, x: Tensor, y: Tensor) -> KAN:
    levenberg_marquardt(model, x, y, MSE, 40)
    return model


# ---- how much a spline bends ---------------------------------------------------------------------------------------


@orders
def test_bending_is_the_jump_of_the_highest_derivative_over_the_way_between_middles(k: int) -> None:
    """a (x - t)^k behind the knot t has a derivative of order k that jumps by k! a there."""
    grid = irregular_grid(6, 2, seed=k)
    layer = layer_on(grid, k)
    jumps = 1 + uniform_rows(2, 5, seed=k) / 2

    def powers(x: Tensor) -> Tensor:
        away = x[..., None] - grid[:, 1:-1]
        return (jumps * torch.where(away > 0, away**k, 0.0)).sum(2) + x**k

    at_knots = math.factorial(k) * jumps / middles(layer).diff(dim=1)
    expected = (torch.cat([at_knots[:, :1], at_knots], dim=1) + torch.cat([at_knots, at_knots[:, -1:]], dim=1)) / 2
    found = bending(fit(layer, powers))
    assert found.shape == (1, 2, 6)
    torch.testing.assert_close(found[0], expected, rtol=1e-5, atol=1e-5)


@orders
def test_a_polynomial_one_order_higher_bends_the_same_everywhere(k: int) -> None:
    layer = fit(layer_on(even_grid(30), k), lambda x: x ** (k + 1))
    expected = torch.full((12,), float(math.factorial(k + 1)), dtype=torch.float64)  # 24 for x^4 and order 3
    torch.testing.assert_close(bending(layer)[0, 0, 9:21], expected, rtol=2e-3, atol=0)
    torch.testing.assert_close(bending(layer)[0, 0], expected[:1].expand(30), rtol=0.6, atol=0)


@orders
def test_a_polynomial_of_the_order_itself_does_not_bend(k: int) -> None:
    layer = fit(layer_on(irregular_grid(10, 1, seed=1), k), lambda x: x**k - 2 * x ** max(0, k - 1))
    steepest = float(layer.grid.diff().min()) ** -(k + 1)
    assert float(bending(layer).max()) < 1e-8 * steepest


@orders
def test_bending_is_close_to_the_derivative_of_a_smooth_function(k: int) -> None:
    layer = fit(layer_on(3 * even_grid(60), k, n_sum=2), torch.exp, lambda x: torch.sin(2 * x))
    x = middles(layer)[0, 8:-8]
    found = bending(layer)[:, 0, 8:-8]
    torch.testing.assert_close(found[0], torch.exp(x), rtol=0.02, atol=0)
    waves = (torch.sin, torch.cos)[(k + 1) % 2](2 * x).abs()
    torch.testing.assert_close(found[1] / 2 ** (k + 1), waves, rtol=0, atol=0.1)  # rounded off around the zeros


def test_every_spline_bends_on_its_own_and_what_is_no_spline_does_not() -> None:
    layer = fit(layer_on(even_grid(20, 2), n_sum=3), lambda x: x**4, lambda x: -3 * x**4, lambda x: x**2)
    before = bending(layer)
    assert before.shape == (3, 2, 20)
    torch.testing.assert_close(before[1], 3 * before[0], rtol=1e-5, atol=1e-5)
    assert float(before[2].max()) < 1e-4
    layer.remove(0, 1)
    layer.fix(1, 0, "sin", (1.0, 0.0, 1.0), 0.0, True)
    after = bending(layer)
    gone = torch.zeros(3, 2, dtype=torch.bool)
    gone[0, 1] = gone[1, 0] = True
    assert not bool(after[gone].any())
    assert torch.equal(after[~gone], before[~gone])


# ---- what depends on it --------------------------------------------------------------------------------------------


def test_sensitivities_are_the_squared_slopes_of_the_outputs_by_the_sums_of_every_layer() -> None:
    model = tangled_network(width=(3, (2, 1), (1, 1), 2))
    x = uniform_rows(20, 3, seed=6)
    found = sensitivities(model, x)
    step = 1e-5
    for layer, trace, (inputs, weights) in zip(model.layers, model.trace(x), found, strict=True):
        assert torch.equal(inputs, trace.inputs)
        assert weights.shape == trace.subnodes.shape
        for sub in range(layer.n_sub):  # a bias is added to its sum, so the outputs have the same slope by both
            outputs = []
            for shift in (step, -2 * step, step):  # the last goes back to where it was
                layer.bias.data[sub] += shift
                outputs.append(model(x).detach())
            slopes = (outputs[0] - outputs[1]) / (2 * step)
            torch.testing.assert_close(weights[:, sub], (slopes**2).sum(1), rtol=1e-5, atol=1e-8)
    assert not any(p.grad is not None for p in model.parameters())


# ---- where the knots go --------------------------------------------------------------------------------------------


@orders
@pytest.mark.parametrize("intervals", [1, 2, 5, 12, 50])
def test_placed_grids_increase_and_keep_their_ends(k: int, intervals: int) -> None:
    for seed in range(5):
        layer = layer_on(irregular_grid(20, 3, seed), k, n_sum=2)
        low, high = layer.grid[:, 0], layer.grid[:, -1]
        for rows in (3, 40, 1000):  # of which most lie in a part of the grid
            x = low + (high - low) * uniform_rows(rows, 3, seed, 0.0, 1.0) ** 3
            grid = placed_grid(layer, x, uniform_rows(rows, 2, seed, 0.0, 1.0) ** 2, intervals)
            assert grid.shape == (3, intervals + 1)
            assert bool((grid.diff(dim=1) > 0).all())
            torch.testing.assert_close(grid[:, [0, -1]], layer.grid[:, [0, -1]], rtol=1e-6, atol=1e-6)


def test_knots_lie_closer_where_a_function_bends() -> None:
    x = uniform_rows(3000, 1, seed=1)
    steps = grid_for(STEEP["a step"], x, 10).diff()
    assert int(steps.argmin()) in (4, 5)
    assert float(steps[4:6].max()) < float(steps[[0, 9]].min()) / 3
    torch.testing.assert_close(steps, steps.flip(0), rtol=0.1, atol=0)  # as the function bends the same on both sides
    growing = grid_for(STEEP["a growth"], x, 10).diff()
    assert bool((growing.diff() < 0).all())
    # Close to exp(12 x / 9) knots a unit: the density is the 4th derivative to the power 2 / 9.
    assert 0.25 < float(growing[-1] / growing[0]) < 0.6


def test_knots_stay_nearly_even_where_a_function_bends_the_same_everywhere() -> None:
    steps = grid_for(lambda x: x**4, uniform_rows(3000, 1, seed=1), 8).diff()
    torch.testing.assert_close(steps, torch.full((8,), 0.25, dtype=torch.float64), rtol=0.12, atol=0)


def test_knots_go_where_the_outputs_depend_on_the_spline() -> None:
    x = uniform_rows(3000, 1, seed=1)
    layer = fit(layer_on(even_grid(40)), lambda x: x**4)
    weights = (x > 0.5).double() + 1e-6
    steps = placed_grid(layer, x, weights, 10)[0].diff()
    everywhere = placed_grid(layer, x, torch.ones_like(weights), 10)[0].diff()
    assert float(steps[-1]) < 0.5 * float(everywhere[-1])
    assert float(steps[0]) > float(everywhere[0])


def test_a_spline_that_bends_more_decides_about_the_knots_of_its_input() -> None:
    x = uniform_rows(3000, 2, seed=1)
    layer = fit(layer_on(even_grid(40, 2), n_sum=2), STEEP["a step"], lambda x: 1e-3 * torch.exp(2 * x))
    both = placed_grid(layer, x, torch.ones(3000, 2, dtype=torch.float64), 10)
    with torch.no_grad():
        layer.coef[0, 1] = 0.0  # now the second input has the weak spline alone
    weak = placed_grid(layer, x, torch.ones(3000, 2, dtype=torch.float64), 10)
    assert torch.equal(weak[0], both[0])
    assert float(both[1].diff()[4]) < 0.6 * float(weak[1].diff()[4])


@pytest.mark.parametrize("name", STEEP)
def test_there_are_enough_rows_between_knots_however_much_a_function_bends(name: str) -> None:
    for rows, intervals in ((3000, 10), (400, 10), (400, 20), (150, 10)):
        x = uniform_rows(rows, 1, seed=rows)
        counts = rows_between(grid_for(STEEP[name], x, intervals), x)
        assert min(counts) >= min(ROWS_BETWEEN, rows / intervals) / 2


@pytest.mark.parametrize("name", STEEP)
def test_no_interval_grows_without_end(name: str) -> None:
    steps = grid_for(STEEP[name], uniform_rows(3000, 1, seed=1), 40).diff()
    assert float(steps.max()) < 2 / 40 / 0.2 * 1.1  # a fifth of the knots stays even


@pytest.mark.parametrize("flat", [lambda x: 0 * x, lambda x: 0.5 * x - 2], ids=["constant", "straight"])
def test_there_are_rows_between_knots_even_where_nothing_bends(flat: Function) -> None:
    for x in (uniform_rows(400, 1, seed=1), uniform_rows(400, 1, seed=1) ** 3, uniform_rows(400, 1, seed=1) / 4 - 0.5):
        counts = rows_between(grid_for(flat, x, 8), x)
        assert sum(counts) == 400
        assert min(counts) >= ROWS_BETWEEN / 2


def test_where_nothing_bends_and_rows_lie_everywhere_knots_are_even() -> None:
    layer = layer_on(even_grid(40))
    torch.nn.init.zeros_(layer.coef)
    grid = placed_grid(layer, uniform_rows(4000, 1, seed=1), torch.ones(4000, 1, dtype=torch.float64), 8)
    torch.testing.assert_close(grid, even_grid(8), rtol=0, atol=1e-9)


# ---- a network with placed knots -----------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["silu", "zero"])
@pytest.mark.parametrize("name", STEEP)
def test_placed_knots_bring_the_error_below_that_of_even_ones(name: str, base: str) -> None:
    f, x, test = STEEP[name], uniform_rows(2000, 1, seed=1), uniform_rows(1000, 1, seed=2)
    even = KAN([1, 1], grid=10, base=base, grid_eps=1.0)
    even.fit_grids(x)
    fine = learn(learn(even, x, f(x)).refine(40), x, f(x))
    place_knots(fine, x, 10)
    assert fine.grid == 10
    assert fine.parameter_count() == even.parameter_count()
    learn(fine, x, f(x))
    with torch.no_grad():
        before, after = (float(((model(test) - f(test)) ** 2).mean()) for model in (even, fine))
    assert after < 0.5 * before


@pytest.mark.parametrize("f", [lambda x: torch.sin(torch.pi * x), lambda x: x**4], ids=["sine", "fourth power"])
def test_placed_knots_lose_nothing_where_even_ones_are_best(f: Function) -> None:
    x, test = uniform_rows(2000, 1, seed=1), uniform_rows(1000, 1, seed=2)
    even = KAN([1, 1], grid=10, base="zero", grid_eps=1.0)
    even.fit_grids(x)
    fine = learn(learn(even, x, f(x)).refine(40), x, f(x))
    place_knots(fine, x, 10)
    learn(fine, x, f(x))
    with torch.no_grad():
        before, after = (float(((model(test) - f(test)) ** 2).mean()) for model in (even, fine))
    assert after < 1.1 * before


def test_place_knots_moves_the_splines_of_all_layers_and_hardly_changes_the_network() -> None:
    x = uniform_rows(1000, 2, seed=1)
    y = torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)
    model = KAN([2, 1, 1], grid=8, seed=1)
    model.fit_grids(x)
    fine = learn(learn(model, x, y).refine(32), x, y)
    before, grids = fine(x).detach(), [layer.grid.clone() for layer in fine.layers]
    weights = sensitivities(fine, x)
    expected = [
        placed_grid(layer, *given, intervals=8) for layer, given in zip(fine.layers, weights, strict=True)
    ]  # fmt: skip
    place_knots(fine, x, 8)
    assert fine.knots_stay
    with torch.no_grad():
        rough, placed = (float(((m(x) - y) ** 2).mean()) for m in (model, learn(fine.clone(), x, y)))
    assert placed < 0.5 * rough
    assert float((fine(x).detach() - before).std()) < 0.02 * float(before.std())
    for layer, grid, wanted in zip(fine.layers, grids, expected, strict=True):
        assert torch.equal(layer.grid, wanted)
        torch.testing.assert_close(layer.grid[:, [0, -1]], grid[:, [0, -1]], rtol=1e-12, atol=1e-12)


def test_placing_knots_survives_edges_that_are_no_splines_and_single_precision() -> None:
    for dtype in (torch.float64, torch.float32):
        model = KAN([2, 3, 2], grid=12, dtype=dtype)
        model.fix(0, 0, 1, "sin")
        model.layers[0].remove(2, 1)
        model.layers[1].remove(0, 0)
        x = uniform_rows(200, 2, seed=1).to(dtype)
        model.fit_grids(x)
        place_knots(model, x, 3)
        assert model.grid == 3
        assert bool(torch.isfinite(model(x)).all())
        assert all(bool((layer.grid.diff(dim=1) > 0).all()) for layer in model.layers)
        assert all(layer.grid.dtype == dtype for layer in model.layers)


# ---- knots that stay -----------------------------------------------------------------------------------------------


def test_of_placed_knots_only_the_outermost_move_and_only_outwards() -> None:
    x = uniform_rows(300, 2, seed=1)
    model = KAN([2, 2, 1], grid=20)
    model.fit_grids(x)
    place_knots(model, x, 5)
    placed = [layer.grid.clone() for layer in model.layers]
    model.fit_grids(x / 3)
    assert torch.equal(model.layers[0].grid, placed[0])
    assert torch.equal(model.layers[1].grid, placed[1])
    wide = torch.cat([4 * x, x])
    model.fit_grids(wide)
    for layer, before, trace in zip(model.layers, placed, model.trace(wide), strict=True):
        assert torch.equal(layer.grid[:, 1:-1], before[:, 1:-1])
        assert bool((layer.grid[:, 0] <= trace.inputs.amin(0)).all())
        assert bool((layer.grid[:, -1] >= trace.inputs.amax(0)).all())
        assert bool((layer.grid[:, 0] <= before[:, 0]).all())
        assert bool((layer.grid[:, -1] >= before[:, -1]).all())
    assert float(model.layers[0].grid[0, 0]) < -3


def test_placed_knots_stay_in_copies_and_in_finer_networks() -> None:
    x = uniform_rows(300, 2, seed=1)
    model = KAN([2, 2, 1], grid=20)
    assert not model.knots_stay
    model.fit_grids(x)
    place_knots(model, x, 5)
    finer = model.clone().refine(10)
    torch.testing.assert_close(finer.layers[0].grid[:, ::2], model.layers[0].grid, rtol=0, atol=1e-14)
    before = finer.layers[0].grid.clone()
    finer.fit_grids(x)
    assert torch.equal(finer.layers[0].grid[:, 1:-1], before[:, 1:-1])
