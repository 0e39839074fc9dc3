from __future__ import annotations

import numpy as np
import pytest
import torch

from kanrun.model.attribution import attribution
from kanrun.model.network import KAN
from tests.helpers import additive_network, tangled_network, uniform_rows


def test_a_sum_of_scaled_inputs_scores_by_their_spreads() -> None:
    x = uniform_rows(200, 3, seed=1) * torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    factors = (3.0, -2.0, 0.5)
    scores = attribution(additive_network([("x", 1.0, 0.4, c) for c in factors]), x)
    output = (x.numpy() * factors).sum(1)
    expected = [abs(c) * x.numpy()[:, i].std() / output.std() for i, c in enumerate(factors)]
    np.testing.assert_allclose(scores.inputs, expected, rtol=1e-12)
    np.testing.assert_allclose(scores.edges[0][0], expected, rtol=1e-12)
    assert scores.nodes[1].tolist() == [1.0]


def two_steps() -> KAN:
    """h0 = 2 x0 + 3 x1, h1 = sin x1, y0 = h0 - 4 h1, y1 = 5 h1."""
    model = KAN([2, 2, 2])
    model.fix(0, 0, 0, "x", c=2.0)
    model.fix(0, 1, 0, "x", c=3.0)
    model.fix(0, 1, 1, "sin")
    model.layers[0].remove(1, 0)
    model.fix(1, 0, 0, "x", c=1.0)
    model.fix(1, 1, 0, "x", c=-4.0)
    model.fix(1, 1, 1, "x", c=5.0, d=7.0)
    model.layers[1].remove(1, 0)
    return model


def test_two_layers_by_hand_take_the_largest_over_outputs() -> None:
    x = uniform_rows(300, 2, seed=2)
    x0, x1 = x.numpy().T
    scores = attribution(two_steps(), x)
    h0, h1 = 2 * x0 + 3 * x1, np.sin(x1)
    y0 = h0 - 4 * h1
    node0 = [h0.std() / y0.std(), 0.0]  # by output
    node1 = [4 * h1.std() / y0.std(), 1.0]
    np.testing.assert_allclose(scores.edges[1], [[node0[0], node1[0]], [0.0, 1.0]], rtol=1e-12)
    np.testing.assert_allclose(scores.nodes[1], [max(node0), max(node1)], rtol=1e-12)
    from_h0 = [2 * x0.std() / h0.std(), 3 * x1.std() / h0.std()]
    edges0 = [[node0[0] * from_h0[0], node0[0] * from_h0[1]], [0.0, max(node1)]]
    np.testing.assert_allclose(scores.edges[0], edges0, rtol=1e-12)
    input1 = max(node0[0] * from_h0[1] + node1[0], node1[1])
    np.testing.assert_allclose(scores.inputs, [node0[0] * from_h0[0], input1], rtol=1e-12)


def test_both_factors_of_a_product_get_its_score() -> None:
    x = uniform_rows(300, 3, seed=3)
    x0, x1, x2 = x.numpy().T
    model = KAN([3, [1, 1], 1])  # y = x2 + 2 * (x0 + x1) * x1
    for sub, inputs in ((0, [2]), (1, [0, 1]), (2, [1])):
        for i in range(3):
            if i in inputs:
                model.fix(0, i, sub, "x")
            else:
                model.layers[0].remove(sub, i)
    model.fix(1, 0, 0, "x")
    model.fix(1, 1, 0, "x", c=2.0)
    output = x2 + 2 * (x0 + x1) * x1
    product = (2 * (x0 + x1) * x1).std() / output.std()
    first = [product * x0.std() / (x0 + x1).std(), product * x1.std() / (x0 + x1).std()]
    scores = attribution(model, x)
    np.testing.assert_allclose(scores.nodes[1], [x2.std() / output.std(), product], rtol=1e-12)
    np.testing.assert_allclose(scores.edges[0][1:], [[*first, 0.0], [0.0, product, 0.0]], rtol=1e-12)
    np.testing.assert_allclose(scores.inputs, [first[0], first[1] + product, x2.std() / output.std()], rtol=1e-12)


def test_each_product_gives_its_score_to_its_own_factors() -> None:
    x = uniform_rows(300, 4, seed=3)
    model = KAN([4, [0, 2], 1])  # y = x0 * x1 + 10 * x2 * x3
    for sub in range(4):
        for i in range(4):
            if i == sub:
                model.fix(0, i, sub, "x")
            else:
                model.layers[0].remove(sub, i)
    model.fix(1, 0, 0, "x")
    model.fix(1, 1, 0, "x", c=10.0)
    products = np.stack([x[:, 0] * x[:, 1], 10 * x[:, 2] * x[:, 3]])
    small, large = products.std(1) / products.sum(0).std()
    np.testing.assert_allclose(attribution(model, x).inputs, [small, small, large, large], rtol=1e-12)


def test_dead_edges_score_nothing_and_a_node_without_edges_neither() -> None:
    model = KAN([2, 2, 1], seed=1)
    model.layers[0].remove(0, 1)
    model.layers[1].remove(0, 1)
    scores = attribution(model, uniform_rows(50, 2))
    assert float(scores.edges[0][0, 1]) == 0
    assert scores.edges[0][1].tolist() == [0.0, 0.0]
    assert float(scores.edges[1][0, 1]) == 0
    assert float(scores.nodes[1][1]) == 0
    assert float(scores.edges[0][0, 0]) > 0
    assert float(scores.inputs[0]) > 0
    assert float(scores.inputs[1]) == 0


def test_a_network_without_variation_scores_zero_not_nan() -> None:
    model = additive_network([("x", 1.0, 0.0, 0.0), ("0", 1.0, 0.0, 1.0)])
    for rows in (uniform_rows(20, 2), torch.ones(20, 2, dtype=torch.float64)):
        scores = attribution(model, rows)
        assert scores.inputs.tolist() == [0.0, 0.0]
    constant = additive_network([("sin", 1.0, 0.3, 1.0)])
    # The mean of 33 equal numbers is rounded: their spread is not quite 0.
    assert attribution(constant, torch.full((33, 1), 0.1, dtype=torch.float64)).inputs.tolist() == [0.0]


def test_scores_of_one_output_add_up_at_every_node() -> None:
    x = uniform_rows(100, 3, seed=4)
    for seed in range(4):
        model = tangled_network(seed=seed, width=(3, 4, 2, 1))
        scores = attribution(model, x)
        for edges, nodes in zip(scores.edges, scores.nodes[:-1], strict=True):
            torch.testing.assert_close(edges.sum(0), nodes, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_scores_do_not_depend_on_the_unit_of_the_output(factor: float) -> None:
    x = uniform_rows(100, 2, seed=5)
    model = two_steps()
    before = attribution(model, x)
    with torch.no_grad():
        model.layers[1].affine[:, :, 2] *= factor
        model.layers[1].bias *= factor
    after = attribution(model, x)
    assert float(before.inputs.min()) > 0.1
    for old, new in zip([*before.edges, *before.nodes], [*after.edges, *after.nodes], strict=True):
        torch.testing.assert_close(new, old, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_scores_do_not_depend_on_the_unit_between_layers(factor: float) -> None:
    x = uniform_rows(100, 2, seed=5)
    model = two_steps()
    before = attribution(model, x)
    with torch.no_grad():
        model.layers[0].affine[:, :, 2] *= factor
        model.layers[1].affine[:, :, 0] /= factor
    for old, new in zip(before.edges, attribution(model, x).edges, strict=True):
        torch.testing.assert_close(new, old, rtol=1e-9, atol=1e-12)
