"""The regularization as a quadratic: its gradient, and the curvature of the squares that touch it from above."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from kanrun.data.losses import MSE
from kanrun.model.network import KAN
from kanrun.training.least_squares import LevenbergMarquardt
from kanrun.training.objective import Objective, Penalty, regularization
from kanrun.training.sparsity import penalty_derivatives
from tests.helpers import Array, scipy_basis, tangled_network, trained_gradient, uniform_rows

PENALTIES = {
    "l1": Penalty(0.7, 1.3, 0.0), "entropy": Penalty(0.7, 0.0, 2.1), "coef": Penalty(0.7, 0.0, 0.0, 0.4),
    "coefdiff": Penalty(0.7, 0.0, 0.0, 0.0, 0.9), "usual": Penalty(1e-3), "all": Penalty(0.7, 1.3, 2.1, 0.4, 0.9),
    "nothing": Penalty(0.7, 0.0, 0.0),
}  # fmt: skip
FLOOR = 1e-4  # of strengths and coefficients


def rows(model: KAN) -> Tensor:
    return uniform_rows(60, model.n_in, 7)


def value(model: KAN, x: Tensor, penalty: Penalty) -> Tensor:
    _, strengths = model.forward_with_strengths(x)
    return penalty.lamb * regularization(model, strengths, penalty)


def numbered(model: KAN) -> list[tuple[Array, Array]]:
    """The place of every coefficient and base factor among the trained entries, layer by layer."""
    places = model.clone()
    places.set_vector(torch.arange(model.parameter_count(), dtype=torch.float64))
    return [(layer.coef.detach().numpy(), layer.base_scale.detach().numpy()) for layer in places.layers]


def slopes_by_strength(strength: Array, penalty: Penalty) -> Array:
    """The derivatives of l1 and entropy by every strength, by finite differences in NumPy."""

    def total(s: Array) -> float:
        found = penalty.l1 * s.sum()
        for axis in (0, 1):
            p = s / (s.sum(axis, keepdims=True) + 1)
            found += penalty.entropy * -(p * np.log2(p + 1e-4)).sum(axis).mean()
        return float(penalty.lamb * found)

    slopes = np.zeros_like(strength)
    for at in np.ndindex(strength.shape):
        step = np.zeros_like(strength)
        step[at] = 1e-6
        slopes[at] = (total(strength + step) - total(strength - step)) / 2e-6
    return slopes


def plain_curvature(model: KAN, x: Tensor, penalty: Penalty) -> Array:
    """weight * C / (v scale^2) of every spline edge, with features by SciPy, and that of the coefficients' size."""
    matrix = np.zeros((model.parameter_count(),) * 2)
    for layer, trace, (coef_at, base_at) in zip(model.layers, model.trace(x), numbered(model), strict=True):
        inputs, is_spline = trace.inputs.numpy(), layer.is_spline.numpy()
        scale = inputs.std(0) + 0.1
        strength = trace.edges.numpy().std(0) / scale * is_spline
        slopes = slopes_by_strength(strength, penalty)
        for s, i in zip(*is_spline.nonzero(), strict=True):
            features, at = scipy_basis(layer.grid[i].numpy(), layer.k, inputs[:, i]), list(coef_at[s, i].astype(int))
            if layer.base != "zero":
                u = inputs[:, i : i + 1]
                features = np.hstack([features, u / (1 + np.exp(-u)) if layer.base == "silu" else u])
                at.append(int(base_at[s, i]))
            weight = max(slopes[s, i], 0.0) / max(strength[s, i], FLOOR) / scale[i] ** 2
            matrix[np.ix_(at, at)] += weight * np.cov(features.T, bias=True)
            for c, place in zip(layer.coef.detach()[s, i].tolist(), at, strict=False):
                matrix[place, place] += penalty.lamb * penalty.coef / layer.coef.shape[2] / max(abs(c), FLOOR)
    return matrix


def even_network(base: str, width: list[int | list[int]], seed: int = 3) -> KAN:
    """Splines with even knots, for which SciPy has the features, on whose edges one is removed and one a function."""
    model = KAN(width, grid=4, base=base, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for layer in model.layers:
        layer.coef.data += 0.3 * torch.randn(layer.coef.shape, generator=generator, dtype=torch.float64)
        layer.bias.data += 0.1
    model.layers[0].remove(0, 1)
    model.fix(0, 0, 1, "sin")
    return model


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("base", ["silu", "zero"])
def test_the_gradient_is_that_of_the_penalty(name: str, base: str) -> None:
    model, penalty = tangled_network(base), PENALTIES[name]
    x = rows(model)
    gradient, _ = penalty_derivatives(model, x, penalty)
    number = value(model, x, penalty)
    expected = trained_gradient(model, number) if number.requires_grad else torch.zeros_like(gradient)
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("base", ["silu", "identity", "zero"])
def test_the_curvature_is_that_of_weighted_squares(name: str, base: str) -> None:
    model = even_network(base, [2, [1, 1], 2])
    x = rows(model)
    _, matrix = penalty_derivatives(model, x, PENALTIES[name])
    expected = plain_curvature(model, x, PENALTIES[name])
    np.testing.assert_allclose(matrix.numpy(), expected, rtol=1e-5, atol=1e-8 * max(1.0, np.abs(expected).max()))
    assert bool(expected.any()) is (name not in ("nothing", "coefdiff"))


@pytest.mark.parametrize("seed", range(3))
def test_the_squares_lie_above_a_sum_of_strengths_and_touch_it(seed: int) -> None:
    """Majorize and minimize: no step lowers the squares that does not lower the penalty at least as much."""
    model, penalty = even_network("silu", [2, 3], seed), Penalty(0.7, 1.3, 0.0, 0.4)
    x, start = rows(model), model.get_vector()
    gradient, matrix = penalty_derivatives(model, x, penalty)
    now = value(model, x, penalty).item()
    generator = torch.Generator().manual_seed(seed)
    for size in (1e-3, 0.1, 1.0):
        step = size * torch.randn(len(start), generator=generator, dtype=torch.float64)
        model.set_vector(start + step)
        above = now + float(gradient @ step + 0.5 * step @ matrix @ step)
        assert value(model, x, penalty).item() <= above + 1e-6


@pytest.mark.parametrize("tiny", [0.0, 1e-9])
def test_an_edge_without_strength_has_a_curvature_that_is_finite(tiny: float) -> None:
    model = even_network("silu", [2, 2])
    model.layers[0].coef.data[1, 1] = tiny
    model.layers[0].base_scale.data[1, 1] = tiny
    x, penalty = rows(model), Penalty(0.7, 1.3, 0.0, 0.4)
    gradient, matrix = penalty_derivatives(model, x, penalty)
    assert bool(torch.isfinite(gradient).all())
    expected = plain_curvature(model, x, penalty)
    np.testing.assert_allclose(matrix.numpy(), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_features_that_are_known_change_nothing_and_no_gradient_is_left_behind() -> None:
    model = tangled_network()
    x = rows(model)
    plain = penalty_derivatives(model, x, PENALTIES["all"])
    known = penalty_derivatives(model, x, PENALTIES["all"], model.prepare(x))
    for one, other in zip(plain, known, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    assert not any(p.grad is not None and bool(p.grad.any()) for p in model.parameters())
    torch.testing.assert_close(plain, penalty_derivatives(model, x, PENALTIES["all"]))  # nothing adds up


def test_a_strength_that_the_entropy_would_raise_is_held_by_no_square() -> None:
    """The curvature is never negative, or the steps would lead to a saddle."""
    model = even_network("silu", [2, 3])
    _, matrix = penalty_derivatives(model, rows(model), Penalty(1.0, 0.0, 5.0))
    assert float(torch.linalg.eigvalsh(matrix).min()) > -1e-9 * float(matrix.abs().max())
    assert torch.equal(matrix, matrix.T) or torch.allclose(matrix, matrix.T)


@pytest.mark.parametrize("name", PENALTIES)
def test_exact_steps_lower_every_penalty(name: str) -> None:
    """Also where it has no weight for the strengths of edges, or none at all."""
    model = even_network("silu", [2, 2, 1])
    x = rows(model)
    y = torch.sin(2 * x[:, :1])
    objective = Objective(MSE, replace(PENALTIES[name], lamb=0.05))
    before = sum(part.item() for part in objective.parts(model, x, y))
    optimizer = LevenbergMarquardt(model, x, y)
    for _ in range(3):
        optimizer.step(objective)
    assert sum(part.item() for part in objective.parts(model, x, y)) < before
