from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kanrun.data.losses import (
    CROSS_ENTROPY,
    LOSSES,
    MSE,
    CrossEntropy,
    Loss,
    SquaredLoss,
    description_bits,
    loss_of,
    register_loss,
)
from tests.helpers import uniform_rows

# ---- values --------------------------------------------------------------------------------------------------------


def test_mse_is_the_mean_over_rows_and_outputs() -> None:
    outputs = torch.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]])
    targets = torch.tensor([[0.0, 2.0], [1.0, 1.0], [0.0, -2.0]])
    assert float(MSE.value(outputs, targets)) == pytest.approx((1 + 0 + 4 + 9 + 0 + 4) / 6)
    with pytest.raises(ValueError, match=r"outputs \[3, 2\] and targets \[3, 1\] differ in shape"):
        MSE.value(outputs, targets[:, :1])


def test_cross_entropy_is_minus_the_mean_log_probability_of_the_class() -> None:
    outputs = 3 * uniform_rows(20, 4, seed=1)
    classes = torch.arange(20) % 4
    logits = outputs.numpy()
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = -np.log(probabilities[np.arange(20), classes.numpy()]).mean()
    assert float(CROSS_ENTROPY.value(outputs, classes)) == pytest.approx(expected, rel=1e-13)
    undecided = torch.zeros(20, 4, dtype=torch.float64)
    assert float(CROSS_ENTROPY.value(undecided, classes)) == pytest.approx(math.log(4))


def constants(level: float, rows: int) -> Tensor:
    return torch.full((rows, 1), level, dtype=torch.float64)


def logits(share: float, rows: int) -> Tensor:
    return torch.tensor([[math.log(1 - share), math.log(share)]], dtype=torch.float64).expand(rows, 2)


@pytest.mark.parametrize(
    ("loss", "targets", "outputs"),
    [
        (MSE, uniform_rows(50, 1, seed=3) ** 2, constants),
        (CROSS_ENTROPY, (uniform_rows(50, 1, seed=3)[:, 0] > 0.4).long(), logits),
    ],
    ids=["mse", "cross_entropy"],
)
def test_the_null_value_is_that_of_the_best_constant(
    loss: Loss, targets: Tensor, outputs: Callable[[float, int], Tensor]
) -> None:
    trials = [float(loss.value(outputs(level / 1000, 50), targets)) for level in range(1, 1000)]
    assert loss.null_value(targets) == pytest.approx(min(trials), rel=1e-4)
    assert loss.null_value(targets) <= min(trials) + 1e-12


def test_only_the_square_counts_in_other_units() -> None:
    outputs, targets = uniform_rows(9, 2, seed=1), uniform_rows(9, 2, seed=2)
    assert MSE.rescalable
    assert float(MSE.value(3 * outputs, 3 * targets)) == pytest.approx(9 * float(MSE.value(outputs, targets)))
    assert not CROSS_ENTROPY.rescalable


# ---- classes -------------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10**6), classes=st.integers(2, 4))
def test_the_predicted_class_is_the_one_that_is_ahead(seed: int, classes: int) -> None:
    values, numbers = uniform_rows(30, classes, seed), torch.arange(30) % classes
    cases: list[tuple[Loss, Tensor, Tensor]] = [(CROSS_ENTROPY, values, numbers)]
    if classes == 2:
        cases.append((MSE, values[:, :1] + 0.5, numbers[:, None].double()))
    for loss, outputs, targets in cases:
        margins = loss.margins(outputs)
        assert torch.equal(loss.labels(targets), numbers)
        assert torch.equal(margins.argmax(1) == numbers, loss.right(outputs, targets))
        assert bool(((margins > 0).sum(1) == 1).all())


# ---- description lengths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_bits_fall_with_the_loss_and_rise_with_complexity_and_constants(loss: Loss) -> None:
    def bits(reached: float, complexity: int, constants: int, rows: int) -> float:
        return loss.description_bits(reached, 1.0, complexity, constants, rows)

    assert bits(0.1, 1, 3, 100) < bits(0.2, 1, 3, 100) < bits(0.2, 3, 3, 100) < bits(0.2, 3, 4, 100)
    assert bits(0.1, 3, 3, 100) < bits(0.9, 1, 3, 100)
    assert bits(math.nan, 1, 3, 100) == math.inf


def test_bits_of_values_count_from_the_constant_and_those_of_classes_from_nothing() -> None:
    assert MSE.description_bits(0.5, 2.0, 0, 0, 100) == pytest.approx(50 * math.log2(0.25))
    assert CROSS_ENTROPY.description_bits(0.5, 2.0, 0, 0, 100) == pytest.approx(50 / math.log(2))
    assert description_bits(0.0, 1, 3, 100) == pytest.approx(description_bits(1e-30, 1, 3, 100), abs=1)


def test_what_is_negligible_is_a_part_of_the_variance_or_of_about_a_coin() -> None:
    assert MSE.unit(4 * uniform_rows(50, 1)) == pytest.approx(16 * MSE.unit(uniform_rows(50, 1)))
    assert CROSS_ENTROPY.unit(torch.zeros(50, dtype=torch.long)) == pytest.approx(1.0)
    assert CROSS_ENTROPY.units(torch.zeros(50, dtype=torch.long)) == [1.0]


# ---- names ---------------------------------------------------------------------------------------------------------


def test_losses_are_known_by_their_names_and_equal_by_their_settings() -> None:
    assert LOSSES == {"mse": MSE, "cross_entropy": CROSS_ENTROPY}
    assert (SquaredLoss(), CrossEntropy()) == (MSE, CROSS_ENTROPY)
    assert loss_of({"rmse": 0.1, "mse": 0.01}) is MSE
    assert loss_of({"cross_entropy": None, "accuracy": 1.0}) is CROSS_ENTROPY
    with pytest.raises(KeyError, match="no loss among accuracy"):
        loss_of({"accuracy": 1.0})


def test_a_name_is_given_once() -> None:
    class Other(SquaredLoss):
        short = "another MSE"

    assert register_loss(SquaredLoss()) == MSE
    with pytest.raises(ValueError, match="there is another loss by the name of mse"):
        register_loss(Other())


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_gradient_and_gauss_newton_matrix_are_those_of_automatic_differentiation(loss: Loss) -> None:
    """For outputs that are linear in the entries the Gauss-Newton matrix is the Hessian."""
    draw = torch.Generator().manual_seed(3)
    jacobian = torch.randn(11, 3, 5, generator=draw, dtype=torch.float64)
    targets = torch.randint(0, 3, (11,), generator=draw) if loss.logits else torch.randn(11, 3, generator=draw).double()
    entries = torch.randn(5, generator=draw, dtype=torch.float64)

    def whole(vector: Tensor) -> Tensor:
        return loss.value(jacobian @ vector, targets)

    count = len(targets) if loss.logits else targets.numel()
    parts = [
        loss.gauss_newton((jacobian @ entries)[rows], targets[rows], jacobian[rows].clone(), count)
        for rows in (slice(0, 4), slice(4, None))  # rows in chunks add up
    ]
    gradient, matrix = (torch.stack(one).sum(0) for one in zip(*parts, strict=True))
    torch.testing.assert_close(gradient, torch.autograd.functional.jacobian(whole, entries), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(matrix, torch.autograd.functional.hessian(whole, entries), rtol=1e-10, atol=1e-12)


# ---- rows that do not count alike ----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY])
def test_a_row_of_weight_three_counts_as_three_rows(loss: Loss) -> None:
    outputs, jacobian = uniform_rows(12, 2, seed=1), uniform_rows(24, 3, seed=2).view(12, 2, 3)
    targets = uniform_rows(12, 2, seed=3) if loss == MSE else torch.arange(12) % 2
    times = torch.arange(12) % 3 + 1
    weights = times / times.double().mean()
    many = [part.repeat_interleave(times, 0) for part in (outputs, targets, jacobian)]
    value = loss.weighted_value(outputs, targets, weights)
    torch.testing.assert_close(value, loss.value(many[0], many[1]))
    torch.testing.assert_close(loss.weighted_values(outputs, targets, weights), loss.values(many[0], many[1]))
    assert loss.weighted_null_values(targets, weights) == pytest.approx(loss.null_values(many[1]))
    assert loss.weighted_null_value(targets, weights) == pytest.approx(loss.null_value(many[1]))
    found = loss.weighted_gauss_newton(outputs, targets, jacobian.clone(), targets.numel(), weights)
    wanted = loss.gauss_newton(many[0], many[1], many[2], many[1].numel())
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY])
def test_chunks_of_weighted_rows_add_up(loss: Loss) -> None:
    outputs, jacobian, weights = uniform_rows(10, 2, seed=1), uniform_rows(20, 3, seed=2).view(10, 2, 3), torch.ones(10)
    weights[:4] = 0.25
    targets = uniform_rows(10, 2, seed=3) if loss == MSE else torch.arange(10) % 2
    count = targets.numel()
    whole = loss.weighted_gauss_newton(outputs, targets, jacobian.clone(), count, weights)
    parts = [
        loss.weighted_gauss_newton(outputs[s], targets[s], jacobian[s].clone(), count, weights[s])
        for s in (slice(4), slice(4, 10))
    ]
    for k in range(2):
        torch.testing.assert_close(whole[k], parts[0][k] + parts[1][k])


def test_without_weights_all_rows_count_alike() -> None:
    outputs, targets = uniform_rows(12, 2, seed=1), uniform_rows(12, 2, seed=3)
    assert MSE.weighted_value(outputs, targets, None) == MSE.value(outputs, targets)
    assert MSE.units(targets) == MSE.null_values(targets) and MSE.unit(targets) == MSE.null_value(targets)
    assert CROSS_ENTROPY.unit(torch.arange(4), torch.ones(4)) == 1.0


def test_a_formula_costs_four_bits_a_unit_and_half_a_logarithm_of_the_rows_a_constant() -> None:
    def bits(complexity: int, constants: int) -> float:
        return description_bits(0.3, complexity, constants, 64)

    assert bits(0, 0) == pytest.approx(32 * math.log2(0.3))
    assert bits(5, 0) - bits(0, 0) == pytest.approx(20)
    assert bits(0, 5) - bits(0, 0) == pytest.approx(15)


@pytest.mark.parametrize("factor", [1.0, 0.4])
@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY])
def test_the_null_value_of_weighted_rows_is_that_of_the_best_constant_though_they_be_a_part_of_all(
    loss: Loss, factor: float
) -> None:
    targets = uniform_rows(50, 1, seed=3) ** 2 if loss == MSE else (uniform_rows(50, 1, seed=3)[:, 0] > 0.4).long()
    weights, outputs = factor * uniform_rows(50, 1, seed=4, low=0.1)[:, 0], constants if loss == MSE else logits
    trials = [float(loss.weighted_value(outputs(level / 100, 50), targets, weights)) for level in range(1, 100)]
    assert loss.weighted_null_value(targets, weights) == pytest.approx(min(trials), rel=1e-3)
    assert loss.weighted_null_value(targets, weights) <= min(trials) + 1e-12
