from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from kanrun.data.losses import CROSS_ENTROPY, MSE, Loss
from kanrun.model.network import KAN
from kanrun.training.objective import Objective, Penalty, entropy, regularization
from tests.helpers import Array, additive_network, tangled_network, trained_gradient, uniform_rows

EVERYTHING = Penalty(lamb=0.7, l1=1.3, entropy=2.1, coef=0.4, coefdiff=0.9)


def plain_entropy(strengths: Array, axis: int) -> float:
    p = strengths / (strengths.sum(axis, keepdims=True) + 1)
    return float(-(p * np.log2(p + 1e-4)).sum(axis).mean())


def plain_regularization(model: KAN, x: Tensor, penalty: Penalty) -> float:
    """The penalty by NumPy, from the outputs of all edges."""
    total = 0.0
    for layer, trace in zip(model.layers, model.trace(x), strict=True):
        is_spline = (layer.alive & ~layer.is_fixed).numpy()
        strengths = trace.edges.numpy().std(0) / (trace.inputs.numpy().std(0) + 0.1) * is_spline
        total += penalty.l1 * strengths.sum()
        total += penalty.entropy * (plain_entropy(strengths, 1) + plain_entropy(strengths, 0))
        coef = layer.coef.detach().numpy()[is_spline]
        total += penalty.coef * np.abs(coef).mean(1).sum()
        total += penalty.coefdiff * np.abs(np.diff(coef, axis=1)).mean(1).sum()
    return total


@pytest.mark.parametrize(
    "penalty",
    [
        Penalty(1.0, 1.0, 0.0), Penalty(1.0, 0.0, 1.0), Penalty(1.0, 0.0, 0.0, 1.0), Penalty(1.0, 0.0, 0.0, 0.0, 1.0),
        EVERYTHING, Penalty(lamb=1e-3),
    ],
    ids=["l1", "entropy", "coef", "coefdiff", "all", "usual"],
)  # fmt: skip
def test_the_penalty_equals_a_plain_calculation(penalty: Penalty) -> None:
    x = uniform_rows(60, 3, seed=2)
    y = uniform_rows(60, 2, seed=3)
    for seed in range(3):
        model = tangled_network(seed=seed)
        expected = penalty.lamb * plain_regularization(model, x, penalty)
        _, reached = Objective(MSE, penalty).parts(model, x, y)
        assert expected > 1e-4
        assert float(reached.detach()) == pytest.approx(expected, rel=1e-5)


def test_the_loss_beside_a_penalty_is_the_plain_loss() -> None:
    x, y = uniform_rows(40, 3, seed=2), uniform_rows(40, 2, seed=3)
    model = tangled_network(seed=1)
    plain = ((model(x) - y) ** 2).mean()
    for objective in (Objective(MSE), Objective(MSE, EVERYTHING), Objective(MSE, replace(EVERYTHING, lamb=0.0))):
        loss, penalty = objective.parts(model, x, y)
        torch.testing.assert_close(loss, plain, rtol=1e-13, atol=0)
        assert (float(penalty.detach()) > 0) == (objective.penalty.lamb > 0)
    _, left_out = Objective(MSE, EVERYTHING).parts(model, x, y, penalized=False)
    assert float(left_out) == 0


def test_functions_and_removed_edges_cost_nothing() -> None:
    x, y = uniform_rows(40, 2, seed=2), uniform_rows(40, 1, seed=3)
    symbolic = additive_network([("sin", 1.0, 0.0, 1.0), ("exp", 1.0, 0.0, 1.0)])
    assert float(Objective(MSE, EVERYTHING).parts(symbolic, x, y)[1]) == 0
    model = KAN([2, 1], seed=1)
    for i in range(2):
        model.layers[0].remove(0, i)
    assert float(Objective(MSE, EVERYTHING).parts(model, x, y)[1]) == 0


def test_entropy_is_lowest_where_one_edge_has_it_all() -> None:
    one, even = torch.tensor([[3.0, 0.0, 0.0]]).double(), torch.ones(1, 3).double()
    mixed = torch.tensor([[2.0, 0.5, 0.5]]).double()
    assert float(entropy(one, 1)) < float(entropy(mixed, 1)) < float(entropy(even, 1))
    assert float(entropy(even * 1e6, 1)) == pytest.approx(math.log2(3), abs=1e-3)
    assert float(entropy(torch.zeros(2, 3), 1)) == 0


@pytest.mark.parametrize("grid", [1, 5])
@pytest.mark.parametrize("k", range(4))
def test_the_penalty_is_finite_for_the_smallest_splines(grid: int, k: int) -> None:
    model = KAN([2, 1], grid=grid, k=k, seed=1)
    loss, penalty = Objective(MSE, EVERYTHING).parts(model, uniform_rows(20, 2), uniform_rows(20, 1, seed=1))
    (loss + penalty).backward()
    assert math.isfinite(float(penalty.detach()))
    assert bool(torch.isfinite(model.layers[0].coef.grad).all())


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_gradients_of_loss_and_penalty_equal_finite_differences(loss: Loss) -> None:
    x = uniform_rows(50, 3, seed=2)
    y = uniform_rows(50, 2, seed=3) if loss == MSE else torch.arange(50) % 2
    objective = Objective(loss, EVERYTHING)
    for seed in range(3):
        model = tangled_network(seed=seed)
        total = sum(objective.parts(model, x, y))
        assert isinstance(total, Tensor)
        gradient = trained_gradient(model, total)
        vector, step = model.get_vector(), 1e-6
        for direction in torch.randn(3, len(vector), generator=torch.Generator().manual_seed(seed)).double():
            values = []
            for sign in (1, -1):
                model.set_vector(vector + sign * step * direction)
                values.append(float(sum(part.detach() for part in objective.parts(model, x, y))))
            difference = (values[0] - values[1]) / (2 * step)
            assert float(gradient @ direction) == pytest.approx(difference, rel=1e-5, abs=1e-6)


def test_regularization_takes_gradients_to_earlier_layers() -> None:
    model = KAN([2, 2, 1], seed=1)
    outputs, strengths = model.forward_with_strengths(uniform_rows(30, 2))
    torch.testing.assert_close(outputs, model(uniform_rows(30, 2)), rtol=1e-13, atol=1e-13)
    regularization(model, [torch.zeros_like(strengths[0]), strengths[1]], Penalty(1.0)).backward()
    assert bool((model.layers[0].coef.grad != 0).any())
