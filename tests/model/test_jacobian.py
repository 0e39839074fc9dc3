from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kanrun.functions.library import FUNCTIONS
from kanrun.model.jacobian import ALONE, Extent, KanPass, by_entries, by_inputs, by_sums, extent_of, finite_derivatives
from kanrun.model.jets import Jet
from kanrun.model.layer import KANLayer
from kanrun.model.network import KAN, Width
from tests.helpers import autograd_jacobian, fixed_network, tangled_network, trained_gradient, uniform_rows
from tests.marks import bases, orders
from tests.plain_network import plain_edge

quickly = settings(deadline=None, max_examples=15, derandomize=True)


# ---- of whole networks -------------------------------------------------------------------------------------------


@bases
@orders
def test_the_jacobian_equals_autograd(base: str, k: int) -> None:
    model = tangled_network(base, k, seed=10 + k)
    x = uniform_rows(6, 3, seed=1, low=-1.2, high=1.2)
    outputs, jacobian = model.jacobian(x)
    torch.testing.assert_close(outputs, model(x).detach(), rtol=1e-13, atol=1e-13)
    expected = autograd_jacobian(model, x)
    assert float(expected.abs().max()) > 0.1
    torch.testing.assert_close(jacobian, expected, rtol=1e-10, atol=1e-10)


@given(
    seed=st.integers(0, 10**6), width=st.sampled_from([(1, 1), (2, (0, 2), 2), (2, 2, 2, 1), (2, (2, 1), (1, 2), 2)])
)
@quickly
def test_the_jacobian_equals_autograd_for_many_shapes(seed: int, width: Width) -> None:
    model = tangled_network(seed=seed, width=width)
    x = uniform_rows(3, model.n_in, seed, low=-1.5, high=1.5)
    expected = autograd_jacobian(model, x)
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(model.jacobian(x)[1] / scale, expected / scale, rtol=0, atol=1e-10)


def test_the_jacobian_of_an_untouched_network_equals_autograd() -> None:
    model = KAN([2, 3, [1, 1], 2], seed=3)
    x = uniform_rows(8, 2, seed=1, low=-1.5, high=1.5)
    torch.testing.assert_close(model.jacobian(x)[1], autograd_jacobian(model, x), rtol=1e-11, atol=1e-11)


def test_the_jacobian_predicts_small_changes_of_the_vector() -> None:
    model = tangled_network(seed=8)
    x = uniform_rows(10, 3, seed=1)
    vector, step = model.get_vector(), 1e-6
    direction = torch.randn(len(vector), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    _, jacobian = model.jacobian(x)
    ends = []
    for sign in (1, -1):
        model.set_vector(vector + sign * step * direction)
        ends.append(model(x).detach())
    torch.testing.assert_close(jacobian @ direction, (ends[0] - ends[1]) / (2 * step), rtol=1e-6, atol=1e-6)


def test_products_of_fixed_edges_have_the_derivatives_of_their_closed_form() -> None:
    # c1 sin(a1 x + b1) * c2 exp(a2 x + b2), then its square; the constants of the sums are trained too
    edges = [(0, 0, 0, "sin", 1.2, 0.3, 0.9), (0, 0, 1, "exp", -0.7, 0.2, 1.4), (1, 0, 0, "x^2", 1.0, 0.0, 1.0)]
    model, x = fixed_network([1, [0, 1], 1], edges), uniform_rows(9, 1, seed=2)
    sine, cosine = torch.sin(1.2 * x + 0.3), torch.cos(1.2 * x + 0.3)
    first, second = 0.9 * sine, 1.4 * torch.exp(-0.7 * x + 0.2)
    product = first * second
    by_first, by_second = 2 * product * second, 2 * product * first
    expected = [
        by_first * 0.9 * x * cosine, by_first * 0.9 * cosine, by_first * sine,
        by_second * x * second, by_second * second, by_second * second / 1.4, by_first, by_second,
        2 * product * product, 2 * product, product**2, torch.ones_like(x),
    ]  # fmt: skip
    outputs, jacobian = model.jacobian(x)
    torch.testing.assert_close(outputs, product**2)
    torch.testing.assert_close(jacobian[:, 0], torch.cat(expected, dim=1))


def test_splines_beside_fixed_edges_and_layers_of_fixed_edges_alone_equal_autograd() -> None:
    model = KAN([2, 2, 2, 1], grid=3, seed=2)
    for i in range(2):
        for s in range(2):
            model.fix(1, i, s, ["sin", "tanh", "x^3", "gaussian"][2 * i + s], 0.7, 0.2 * i, 1.1, trainable=s == 0)
    model.fix(2, 1, 0, "exp", 0.3, 0.1, -0.8)
    x = uniform_rows(7, 2, seed=1, low=-1.3, high=1.3)
    torch.testing.assert_close(model.jacobian(x)[1], autograd_jacobian(model, x), rtol=1e-11, atol=1e-11)


def test_a_network_of_which_nothing_is_trained_has_no_columns() -> None:
    model = fixed_network([1, 1], [(0, 0, 0, "sin", 2.0, 0.1, 1.5, 0.0, False)])
    assert model.jacobian(uniform_rows(4, 1))[1].shape == (4, 1, 0)


# ---- a pass ------------------------------------------------------------------------------------------------------


def test_a_pass_keeps_the_inputs_and_features_of_every_layer() -> None:
    edges: list[tuple[Any, ...]] = [(1, 0, 0, "sin"), (1, 1, 0, "x^2")]
    model = KAN([2, 2, 1], seed=3)
    for edge in edges:
        model.fix(*edge)
    x = uniform_rows(6, 2)
    kept = KanPass.through(model.layers, x)
    assert list(kept.layers) == list(model.layers)
    assert kept.inputs[0] is x
    for inputs, trace in zip(kept.inputs, model.trace(x), strict=True):
        torch.testing.assert_close(inputs, trace.inputs)
    features, nothing = kept.features
    assert features is not None
    torch.testing.assert_close(features.values, model.layers[0].features(x))
    assert nothing is None  # no splines, no features
    assert not kept.outputs.requires_grad
    assert not kept.jacobian().requires_grad
    with pytest.raises(FrozenInstanceError):
        kept.outputs = x  # type: ignore[misc]


def test_features_that_are_known_are_used_for_the_first_layer_only() -> None:
    model, x = tangled_network(seed=4), uniform_rows(6, 3, low=-1.2, high=1.2)
    first = model.layers[0].features(x).detach()
    own, given_ones = KanPass.through(model.layers, x), KanPass.through(model.layers, x, first)
    assert torch.equal(given_ones.outputs, own.outputs)
    assert torch.equal(given_ones.jacobian(), own.jacobian())
    assert given_ones.features[0] is not None and given_ones.features[0].values is first
    splines = KAN([3, 1], seed=1)
    twice = KanPass.through(splines.layers, x, 2 * splines.layers[0].features(x))
    torch.testing.assert_close(twice.outputs, 2 * splines(x).detach())


def test_the_derivatives_are_written_into_the_tensor_that_is_given() -> None:
    model, x = tangled_network(seed=5), uniform_rows(5, 3)
    kept = KanPass.through(model.layers, x)
    into = torch.full((5, model.n_out, model.parameter_count()), math.nan, dtype=torch.float64)
    assert kept.jacobian(into) is into
    assert torch.equal(into, kept.jacobian())


# ---- of one layer ------------------------------------------------------------------------------------------------


def tangled_layer(n_mult: int = 1) -> KANLayer:
    """Splines, trained and locked functions, of one function twice, removed edges and an empty sum."""
    model = KAN([3, [3, n_mult] if n_mult else 3], grid=3, seed=4)
    layer = model.layers[0]
    torch.nn.init.normal_(layer.bias, 0.0, 0.5, generator=torch.Generator().manual_seed(1))
    for s, i, name, trainable in (
        (0, 0, "sin", True), (0, 1, "exp", False), (0, 2, "sin", True), (1, 0, "arctan", True)
    ):  # fmt: skip
        model.fix(0, i, s, name, 0.8 - 0.3 * i, 0.1 + i, 1.3 - s, trainable=trainable)
    for i in range(3):
        layer.remove(2, i)
    layer.remove(1, 1)
    return layer


def edge_jets(layer: KANLayer, x: Tensor, highest: int) -> list[Tensor]:
    """Edges and their derivatives by their own inputs, [rows, n_sub, n_in] each, with a graph to the entries."""
    x = x.clone().requires_grad_()
    pairs = [(s, i) for s in range(layer.n_sub) for i in range(layer.n_in) if layer.alive[s, i]]
    parts = [torch.zeros(len(x), layer.n_sub, layer.n_in, dtype=x.dtype) for _ in range(highest + 1)]
    for s, i in pairs:
        values = plain_edge(layer, s, i, x[:, i])
        for part in parts:
            part[:, s, i] = values
            (gradient,) = torch.autograd.grad(values.sum(), x, create_graph=True)
            values = gradient[:, i]
    return parts


def model_of(layer: KANLayer) -> KAN:
    """A network of this layer alone."""
    model = KAN([layer.n_in, [layer.n_sum, layer.n_mult] if layer.n_mult else layer.n_sum], layer.grid.shape[1] - 1)
    model.layers[0] = layer
    return model


@pytest.mark.parametrize("highest", [0, 1, 2, 3])
def test_derivatives_by_entries_of_any_order_equal_autograd(highest: int) -> None:
    layer, rows, residuals = tangled_layer(), 4, 2
    x = uniform_rows(rows, 3, seed=2, low=-0.9, high=0.9)
    sizes = [1, *[layer.n_in] * highest]  # an order may be the same for all inputs
    edges = {
        n: uniform_rows(rows * residuals, layer.n_sub * size, seed=n).view(rows, residuals, layer.n_sub, size)
        for n, size in enumerate(sizes)
    }
    jets = edge_jets(layer, x, highest)
    features = feature_jets(layer, x, highest)
    ours = torch.full((rows, residuals, layer.parameter_count()), math.nan, dtype=torch.float64)
    with torch.no_grad():
        by_entries(layer, x, features, edges, ours)
    expected = expected_by_entries(layer, jets, edges)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)


def test_derivatives_of_edges_alone_may_lack_the_edges_in_between() -> None:
    layer, x = tangled_layer(), uniform_rows(4, 3, seed=2, low=-0.9, high=0.9)
    edges = {0: torch.zeros(4, 1, layer.n_sub, 1).double(), 2: uniform_rows(4, 3 * layer.n_sub).view(4, 1, -1, 3)}
    ours = torch.empty(4, 1, layer.parameter_count(), dtype=torch.float64)
    features = feature_jets(layer, x, 2)
    with torch.no_grad():
        by_entries(layer, x, features, edges, ours)
    torch.testing.assert_close(ours, expected_by_entries(layer, edge_jets(layer, x, 2), edges), rtol=1e-10, atol=1e-10)


def feature_jets(layer: KANLayer, x: Tensor, highest: int) -> list[Tensor]:
    """What splines are linear in, and its derivatives, from edges that are nothing but one feature each."""
    alone = KAN([layer.n_in, layer.coef.shape[2] + 1], layer.grid.shape[1] - 1, layer.k).layers[0]
    alone.grid, alone.table = layer.grid, layer.table
    size = alone.coef.shape[2]
    with torch.no_grad():
        alone.coef.copy_(torch.eye(size + 1, size, dtype=x.dtype)[:, None].expand(-1, layer.n_in, -1))
        alone.base_scale.copy_(torch.eye(size + 1, dtype=x.dtype)[:, size:].expand(-1, layer.n_in))
    return [part.detach().transpose(1, 2) for part in edge_jets(alone, x, highest)]


def expected_by_entries(layer: KANLayer, jets: list[Tensor], edges: Mapping[int, Tensor]) -> Tensor:
    """By autograd, of the weighted sums of edges, their derivatives and the biases."""
    model, (rows, residuals) = model_of(layer), edges[0].shape[:2]
    expected = torch.empty(rows, residuals, layer.parameter_count(), dtype=torch.float64)
    for row in range(rows):
        for r in range(residuals):
            value = (edges[0][row, r, :, 0] * layer.bias).sum()
            value = value + sum((edges[n][row, r] * jets[n][row]).sum() for n in edges)
            expected[row, r] = trained_gradient(model, value)
    return expected


def test_derivatives_by_sums_pass_sums_and_multiply_products_by_the_other_factor() -> None:
    layer, rows = tangled_layer(n_mult=2), 5
    subnodes = uniform_rows(rows, layer.n_sub, seed=1)
    nodes = uniform_rows(rows, 2 * layer.n_out, seed=2).view(rows, 2, layer.n_out)
    sums = by_sums(layer, {(): subnodes}, {(): nodes}, [()])[()]
    leaf = subnodes.clone().requires_grad_()
    for output in range(2):
        (expected,) = torch.autograd.grad((nodes[:, output] * layer.multiply(leaf)).sum(), leaf)
        torch.testing.assert_close(sums[:, output], expected)


def test_derivatives_by_sums_are_jets_and_what_nodes_lack_is_zero() -> None:
    layer = tangled_layer(n_mult=1)
    at = torch.tensor([0.4, -0.6], dtype=torch.float64, requires_grad=True)  # one input t, two rows
    powers = torch.stack([(n + 1) * at ** (n % 3 + 1) for n in range(layer.n_sub)], dim=1)
    slopes = torch.stack([(n + 1) * (n % 3 + 1) * at ** (n % 3) for n in range(layer.n_sub)], dim=1)
    nodes = uniform_rows(2, layer.n_out, seed=2).view(2, 1, -1)
    subnodes: Jet = {(): powers.detach(), (0,): slopes.detach()}
    jets = by_sums(layer, subnodes, {(): nodes}, [(), (0,)])
    whole = by_sums(layer, {(): powers}, {(): nodes}, [()])[()]
    torch.testing.assert_close(jets[()], whole.detach())
    for s in range(layer.n_sub):
        (expected,) = torch.autograd.grad(whole[:, 0, s].sum(), at, retain_graph=True, materialize_grads=True)
        torch.testing.assert_close(jets[0,][:, 0, s], expected)


def test_a_layer_without_products_passes_the_derivatives_by_its_nodes() -> None:
    nodes: Jet = {(): uniform_rows(4, 3)[:, None]}
    assert by_sums(tangled_layer(n_mult=0), {}, nodes, [()]) is nodes


@pytest.mark.parametrize("base", ["silu", "identity", "zero"])
def test_derivatives_by_inputs_equal_autograd(base: str) -> None:
    model = tangled_network(base, seed=3)
    x = uniform_rows(6, 3, seed=1, low=-1.4, high=1.4)
    kept = KanPass.through(model.layers, x)
    for layer, inputs, features in zip(model.layers, kept.inputs, kept.features, strict=True):
        sums = uniform_rows(6, 2 * layer.n_sub, seed=2).view(6, 2, -1)
        ours = by_inputs(layer, inputs, features, sums)
        leaf = inputs.clone().requires_grad_()
        for output in range(2):
            (expected,) = torch.autograd.grad((sums[:, output] * layer.subnodes(leaf)).sum(), leaf)
            torch.testing.assert_close(ours[:, output], expected, rtol=1e-11, atol=1e-11)


# ---- where there is no finite derivative --------------------------------------------------------------------------


def test_an_infinite_derivative_counts_as_none_and_values_stay_as_they_are() -> None:
    z = torch.tensor([0.0, 0.25], dtype=torch.float64)
    value, slope, second = finite_derivatives(FUNCTIONS["sqrt"], z, 2)
    assert value.tolist() == [0.0, 0.5]
    assert slope.tolist() == [0.0, 1.0]
    assert second.tolist() == [0.0, -2.0]
    assert finite_derivatives(FUNCTIONS["log"], z, 1)[0].tolist() == [-math.inf, pytest.approx(math.log(0.25))]
    assert finite_derivatives(FUNCTIONS["log"], z, 1)[1].tolist() == [0.0, 4.0]


def test_a_row_with_an_infinite_slope_tells_only_what_is_finite() -> None:
    model = fixed_network([1, 1, 1], [(0, 0, 0, "x"), (1, 0, 0, "sqrt", 1.0, 0.0, 3.0)])
    jacobian = model.jacobian(torch.tensor([[0.0], [0.25]], dtype=torch.float64))[1]
    # by a, b, c and the bias of the first layer, then of the second
    expected = [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], [0.75, 3.0, 0.75, 3.0, 0.75, 3.0, 0.5, 1.0]]
    assert jacobian[:, 0].tolist() == expected


@pytest.mark.parametrize("width", [[2, 1], [2, 3, 1], [2, 3, 3], [2, 2, [2, 8]]])
def test_a_jacobian_as_a_whole_has_a_number_for_every_output_and_entry(width: Width) -> None:
    model = KAN(width, grid=3)
    outputs, jacobian = model.jacobian(uniform_rows(1, 2))
    assert model.passed(uniform_rows(1, 2)).blocks() is None
    # A product of two entries is summed over the outputs.
    assert extent_of(model.layers) == Extent(jacobian.numel(), outputs.numel() * model.parameter_count() ** 2)


@pytest.mark.parametrize("width", [[2, 9], [2, 3, 12], [2, 3, [1, 1], 12]])
def test_a_jacobian_in_blocks_has_the_numbers_that_are_held_and_the_multiplications_of_its_entries(
    width: Width,
) -> None:
    model = KAN(width, grid=3)
    blocks, size = model.passed(uniform_rows(1, 2)).blocks(), model.parameter_count()
    assert blocks is not None
    extent = extent_of(model.layers)
    assert extent.numbers == blocks.slopes.numel() + blocks.inner.numel() + blocks.own.numel()
    outputs, sums = blocks.slopes.shape[1:]
    assert sums == sum(layer.n_sub for layer in model.layers[:-1])
    assert extent.sums == sums + outputs
    # Each entry with each, and with each sum one number after the other, as are the outputs with the sums.
    assert extent.products == size**2 + ALONE * sums * (size + outputs)
