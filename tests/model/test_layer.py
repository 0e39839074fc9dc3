from __future__ import annotations

import numpy as np
import pytest
import torch

from kanrun.model import grids, spline
from kanrun.model.layer import KANLayer
from tests.helpers import irregular_grid, plain_edge, tangled_network, uniform_rows
from tests.marks import bases, orders


def small_layer(n_in: int = 2, n_sum: int = 2, n_mult: int = 0, grid: int = 4, k: int = 3, seed: int = 0) -> KANLayer:
    generator = torch.Generator().manual_seed(seed)
    return KANLayer(
        n_in, n_sum, n_mult, grid=grid, k=k, base="silu", noise_scale=0.5, generator=generator, dtype=torch.float64
    )


@bases
@orders
def test_every_edge_is_what_its_numbers_say(base: str, k: int) -> None:
    x = uniform_rows(30, 3, seed=k, low=-1.5, high=1.5)
    model = tangled_network(base, k, seed=k)
    for layer, trace in zip(model.layers, model.trace(x), strict=True):
        for s in range(layer.n_sub):
            for i in range(layer.n_in):
                expected = plain_edge(layer, s, i, trace.inputs[:, i].numpy())
                np.testing.assert_allclose(trace.edges[:, s, i], expected, rtol=1e-11, atol=1e-11)


def test_a_trace_sums_up_to_the_forward_pass() -> None:
    x = uniform_rows(25, 3, seed=1)
    model = tangled_network(seed=3)
    traces = model.trace(x)
    torch.testing.assert_close(traces[0].inputs, x, rtol=0, atol=0)
    for layer, trace, following in zip(model.layers, traces, [*traces[1:], None], strict=True):
        torch.testing.assert_close(trace.subnodes, trace.edges.sum(2) + layer.bias.detach(), rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(trace.subnodes, layer.subnodes(trace.inputs).detach(), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(trace.nodes, layer.multiply(trace.subnodes), rtol=0, atol=0)
        if following is not None:
            assert following.inputs is trace.nodes
    torch.testing.assert_close(traces[-1].nodes, model(x).detach(), rtol=1e-12, atol=1e-12)


def test_product_nodes_multiply_pairs_of_sums() -> None:
    layer = small_layer(n_sum=1, n_mult=2)
    subnodes = torch.tensor([[1.0, 2.0, 3.0, 5.0, 7.0], [-1.0, 0.0, 4.0, 0.5, -2.0]], dtype=torch.float64)
    expected = torch.tensor([[1.0, 6.0, 35.0], [-1.0, 0.0, -1.0]], dtype=torch.float64)
    torch.testing.assert_close(layer.multiply(subnodes), expected, rtol=0, atol=0)
    assert (layer.n_sub, layer.n_out) == (5, 3)


def test_a_removed_edge_no_longer_matters_and_leaves_its_constant() -> None:
    layer = small_layer()
    x = uniform_rows(20, 2, seed=1)
    before, edges = layer(x).detach(), layer.trace(x).edges.detach()
    layer.remove(1, 0, constant=0.25)
    after = layer(x).detach()
    torch.testing.assert_close(after[:, 0], before[:, 0], rtol=0, atol=1e-15)
    torch.testing.assert_close(after[:, 1], before[:, 1] - edges[:, 1, 0] + 0.25, rtol=0, atol=1e-14)
    with torch.no_grad():
        layer.coef[1, 0] += 10.0
        layer.base_scale[1, 0] += 10.0
    torch.testing.assert_close(layer(x).detach(), after, rtol=0, atol=0)


def test_a_fixed_edge_is_the_function_and_its_shift_goes_to_the_bias() -> None:
    layer = small_layer()
    x = uniform_rows(20, 2, seed=1)
    before, edges = layer(x).detach(), layer.trace(x).edges.detach()
    layer.fix(0, 1, "sin", (2.0, 0.5, -3.0), 0.7, trainable=True)
    expected = before[:, 0] - edges[:, 0, 1] - 3 * torch.sin(2 * x[:, 1] + 0.5) + 0.7
    torch.testing.assert_close(layer(x)[:, 0].detach(), expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(layer(x)[:, 1].detach(), before[:, 1], rtol=0, atol=1e-15)
    assert float(layer.bias.detach()[0]) == pytest.approx(0.7)


def test_fixing_a_removed_edge_brings_it_back() -> None:
    layer = small_layer()
    x = uniform_rows(20, 2, seed=1)
    layer.remove(0, 1)
    without = layer(x).detach()
    layer.fix(0, 1, "x", (1.0, 0.0, 2.0), 0.0, trainable=True)
    torch.testing.assert_close(layer(x)[:, 0].detach(), without[:, 0] + 2 * x[:, 1], rtol=0, atol=1e-14)


def test_what_is_trained_follows_the_state_of_each_edge() -> None:
    layer = small_layer(n_in=2, n_sum=4)
    layer.fix(1, 0, "sin", (1.0, 0.0, 1.0), 0.0, trainable=True)
    layer.fix(2, 0, "sin", (1.0, 0.0, 1.0), 0.0, trainable=False)
    layer.remove(2, 1)
    layer.remove(3, 0)
    layer.remove(3, 1)
    coef, base_scale, affine, bias = (mask for _, mask in layer.trained())
    assert base_scale.tolist() == [[True, True], [False, True], [False, False], [False, False]]
    assert coef.all(2).tolist() == base_scale.tolist() == coef.any(2).tolist()
    assert affine.all(2).tolist() == [[False, False], [True, False], [False, False], [False, False]]
    assert affine.any(2).tolist() == affine.all(2).tolist()
    # A spline holds the constant of its sum; a sum of locked edges is locked; an empty sum is nothing but its bias.
    assert bias.tolist() == [False, True, False, True]


@pytest.mark.parametrize("rows", [50, 5])  # more and fewer than the features of an input
def test_strengths_are_spreads_of_spline_edges_over_those_of_inputs(rows: int) -> None:
    x = uniform_rows(rows, 3, seed=2) * torch.tensor([1.0, 0.1, 3.0], dtype=torch.float64)
    for seed in range(3):
        model = tangled_network(seed=seed)
        for layer, trace in zip(model.layers, model.trace(x), strict=True):
            edges, inputs = trace.edges.numpy(), trace.inputs.numpy()
            expected = edges.std(0) / (inputs.std(0) + 0.1) * layer.is_spline.numpy()
            np.testing.assert_allclose(
                layer.forward_with_strengths(trace.inputs)[1].detach(), expected, rtol=0, atol=3e-7
            )


def test_strengths_have_finite_gradients_where_an_edge_or_an_input_is_constant() -> None:
    layer = small_layer()
    with torch.no_grad():
        layer.coef[0, 0] = 0.0
        layer.base_scale[0, 0] = 0.0
    x = uniform_rows(20, 2, seed=1)
    x[:, 1] = 0.3
    x.requires_grad_()
    layer.forward_with_strengths(x)[1].sum().backward()
    for gradient in (layer.coef.grad, layer.base_scale.grad, x.grad):
        assert gradient is not None
        assert bool(torch.isfinite(gradient).all())


@orders
def test_moving_to_a_grid_that_holds_the_old_knots_keeps_the_splines(k: int) -> None:
    layer = small_layer(grid=4, k=k, seed=k)
    layer.set_grid(irregular_grid(4, 2, seed=k))
    x = uniform_rows(60, 2, seed=1, low=-2.0, high=4.0)
    before = layer(x).detach()
    finer = torch.cat([layer.grid, (layer.grid[:, 1:] + layer.grid[:, :-1]) / 2], dim=1).sort(1).values
    layer.set_grid(finer)
    assert layer.grid.shape == (2, 9)
    assert layer.coef.shape == (2, 2, 8 + k)
    torch.testing.assert_close(layer(x).detach(), before, rtol=0, atol=1e-10)


@orders
def test_moving_to_a_narrower_grid_keeps_polynomials_on_it(k: int) -> None:
    layer = small_layer(n_in=1, n_sum=1, grid=5, k=k)
    nodes = grids.points_within(layer.grid, k + 3)
    polynomial = (0.3 + 0.5 * nodes) ** k
    with torch.no_grad():
        layer.base_scale.zero_()
        layer.coef.copy_(spline.fit_coefficients(nodes, polynomial[:, None], layer.grid, k).transpose(0, 1))
    layer.set_grid(0.5 * irregular_grid(7, 1, seed=1) / irregular_grid(7, 1, seed=1).abs().max())
    x = grids.points_within(layer.grid, 9)
    torch.testing.assert_close(layer(x).detach(), (0.3 + 0.5 * x) ** k, rtol=0, atol=1e-12)


def test_a_grid_of_the_same_size_keeps_the_parameters_that_an_optimizer_holds() -> None:
    layer = small_layer()
    held = layer.coef
    layer.set_grid(irregular_grid(4, 2, seed=3))
    assert layer.coef is held


def test_a_new_grid_reaches_removed_and_fixed_edges_too() -> None:
    layer = small_layer(grid=4)
    layer.remove(0, 0)
    layer.fix(0, 1, "sin", (1.0, 0.0, 1.0), 0.0, trainable=True)
    x = uniform_rows(20, 2, seed=1)
    before = layer(x).detach()
    layer.set_grid(grids.refined_grid(layer.grid, 8))
    torch.testing.assert_close(layer(x).detach(), before, rtol=0, atol=1e-12)
