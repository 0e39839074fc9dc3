"""Inputs that count only together, found by the derivatives of what is known of the targets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kanrun.discovery.composites import Composite, composites, derivatives, over_composites
from kanrun.model.network import KAN
from tests.helpers import uniform_rows

POSITIVE = uniform_rows(200, 3, seed=2, low=0.4, high=3.0)
SIGNED = uniform_rows(200, 3, seed=3, low=-2.0, high=2.0)


def test_derivatives_are_those_of_calculus() -> None:
    x = POSITIVE
    found = derivatives(lambda x: x[:, :1] ** 2 * x[:, 1:2].sin(), x)
    expected = torch.stack([2 * x[:, 0] * x[:, 1].sin(), x[:, 0] ** 2 * x[:, 1].cos(), 0 * x[:, 0]], dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


outer = st.sampled_from([torch.exp, torch.sin, torch.tanh, lambda u: 1 / (1 + u**2)])


@settings(max_examples=20, deadline=None)
@given(outer, st.sampled_from([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0]), st.permutations([0, 1, 2]))
def test_a_product_of_powers_is_found_whatever_is_made_of_it(
    function: Callable[[Tensor], Tensor], power: float, order: list[int]
) -> None:
    i, j, k = order
    i, j = sorted((i, j))
    found = composites(lambda x: (function(x[:, i] * x[:, j] ** power) + x[:, k])[:, None], POSITIVE)
    assert found[0][:2] == (i, j)
    assert found[0][2] == Composite({i: 1.0, j: power}, "log", "exp")


@settings(max_examples=20, deadline=None)
@given(outer, st.floats(-3, 3).filter(lambda r: abs(r) > 0.2))
def test_a_sum_is_found_with_the_ratio_of_its_weights(function: Callable[[Tensor], Tensor], ratio: float) -> None:
    found = composites(lambda x: (function(x[:, 0] + ratio * x[:, 2]) * x[:, 1])[:, None], SIGNED)
    assert [(i, j, one.inner) for i, j, one in found] == [(0, 2, "x")]
    assert found[0][2].weights[0] == 1.0 and found[0][2].weights[2] == pytest.approx(ratio, rel=0.03)


def test_a_sum_of_squares_is_found() -> None:
    ((i, j, found),) = composites(lambda x: (x[:, :1] ** 2 + 3 * x[:, 1:2] ** 2).sin() + x[:, 2:], POSITIVE)
    assert (i, j, found.inner, found.outer) == (0, 1, "x^2", "x")
    assert found.weights == {0: 1.0, 1: pytest.approx(3.0, rel=1e-3)}


def test_inputs_that_count_each_for_themselves_are_not_put_together() -> None:
    assert composites(lambda x: (x[:, :1] ** 3).sin() * x[:, 1:2] + x[:, 2:].exp() * x[:, 1:2] ** 2, POSITIVE) == []
    assert composites(lambda x: x[:, :1] * 2, POSITIVE) == []  # nor those that do not count


@pytest.mark.parametrize(
    ("composite", "expected"),
    [
        (Composite({0: 1.0, 2: -0.5}), lambda x: x[:, 0] - x[:, 2] / 2),
        (Composite({0: 2.0, 1: -1.0}, "log", "exp"), lambda x: x[:, 0] ** 2 / x[:, 1]),
        (Composite({0: 1.0, 1: 1.0}, "log"), lambda x: (x[:, 0] * x[:, 1]).log()),
        (Composite.product({1: 3.0}), lambda x: x[:, 1] ** 3),
        (Composite.product({1: 1.0}), lambda x: x[:, 1]),
    ],
)
def test_an_argument_has_the_values_of_its_formula_and_so_has_a_network_over_it(
    composite: Composite, expected: Callable[[Tensor], Tensor]
) -> None:
    torch.testing.assert_close(composite.of(POSITIVE), expected(POSITIVE))
    rest = KAN([2, 2], grid=3, seed=1, dtype=torch.float64)
    over = over_composites(rest, [composite, Composite({2: 1.0})], 3)
    inputs = torch.stack([expected(POSITIVE), POSITIVE[:, 2]], dim=1)
    torch.testing.assert_close(over(POSITIVE), rest(inputs))
