from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from kanrun.functions.builtin import Function
from kanrun.functions.library import FUNCTIONS
from kanrun.relations.curves import (
    CUBE_ROOT,
    HOLDS,
    LOG_SIZE,
    are_independent,
    is_step,
    least_varying,
    residual_of,
    set_aside,
    smallest_tied,
    tied_curves,
)
from tests.helpers import uniform_rows


def rows(count: int = 400, inputs: int = 6, seed: int = 0) -> Tensor:
    """x_3 = exp(sin(pi x_1) + x_2^2), x_5 = x_1^2 - x_4, x_6 free."""
    x = uniform_rows(count, inputs, seed)
    x[:, 2] = torch.exp(torch.sin(torch.pi * x[:, 0]) + x[:, 1] ** 2)
    x[:, 4] = x[:, 0] ** 2 - x[:, 3]
    return x


def test_the_curves_are_the_terms_of_the_relation_to_spline_precision() -> None:
    x = rows()[:, :3]
    curves = tied_curves(x)
    assert curves.residual < 1e-5
    terms = torch.stack([torch.sin(torch.pi * x[:, 0]), x[:, 1] ** 2, -torch.log(x[:, 2])], dim=1)
    for i in range(3):
        assert abs(np.corrcoef(curves.values[:, i], terms[:, i])[0, 1]) > 0.9999
    assert residual_of(curves.values) < 1e-5


def test_products_of_either_sign_are_tied_by_the_logarithms_of_their_sizes() -> None:
    x = uniform_rows(400, 3, 1)
    x[:, 2] = x[:, 0] * x[:, 1]
    assert tied_curves(x).residual < 1e-20


def test_all_singular_values_are_those_of_a_generalized_eigenvalue_problem() -> None:
    x = rows()[:, :3]
    weights, spectrum, columns = least_varying(x, torch.ones(len(x), dtype=torch.bool), 8)
    terms = torch.stack([c @ w for c, w in zip(columns, weights, strict=True)], dim=1)
    torch.testing.assert_close(float((terms.sum(1) ** 2).sum()), float(spectrum[-1]), rtol=1e-6, atol=1e-14)
    torch.testing.assert_close(float((terms**2).sum()), 1.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):  # no other curves of these splines vary less
        other = [w + 0.1 * torch.randn(w.shape, generator=generator, dtype=w.dtype) * w.norm() for w in weights]
        assert residual_of(torch.stack([c @ w for c, w in zip(columns, other, strict=True)], 1)) > float(spectrum[-1])


@pytest.mark.parametrize("seed", range(6))
def test_independent_inputs_are_not_tied(seed: int) -> None:
    x = uniform_rows(300, 4, seed)
    assert tied_curves(x).residual > 0.3
    assert smallest_tied(x, range(4)) is None


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ([0, 1, 2], [0, 1, 2]), ([0, 1, 2, 5], [0, 1, 2]), ([0, 3, 4, 5], [0, 3, 4]), ([0, 1, 5], None), ([2], None),
        ([], None),
    ],
)  # fmt: skip
def test_inputs_that_a_relation_does_not_need_are_left_out(group: list[int], expected: list[int] | None) -> None:
    found = smallest_tied(rows(), group)
    assert (found and found[0]) == expected
    if found:
        assert found[1].residual < HOLDS


def test_a_constant_input_and_few_rows_tie_nothing() -> None:
    x = uniform_rows(100, 3, 0)
    x[:, 1] = 0.5
    assert smallest_tied(x, [0, 1, 2]) is None
    assert smallest_tied(x[:, :2], [0, 1]) is None
    x[:, 1] = x[:, 0]
    assert smallest_tied(x[:10], [0, 1]) is None


def test_signs_that_agree_are_steps() -> None:
    x = uniform_rows(100, 1, 0)[:, 0]
    assert is_step(torch.tanh(1e4 * x))
    assert not is_step(torch.tanh(2 * x))
    assert not is_step(x**3)


def test_an_input_of_its_own_is_set_aside_rather_than_a_shared_one() -> None:
    x = rows()
    first, second = [0, 1, 2], [0, 3, 4]
    found = [(group, tied_curves(x[:, group]).values) for group in (first, second)]
    assert set_aside(x, [], range(6)) == []
    (chosen,) = set_aside(x, found[:1], range(6))
    assert chosen in (1, 2)
    (chosen,) = set_aside(x, found[1:], range(6))
    assert chosen in (3, 4)
    both = set_aside(x, found, range(6))
    assert len(both) == 2
    assert set(both) & set(first) and set(both) & set(second)


def test_what_follows_from_relations_set_aside_is_not_left() -> None:
    """x_3 = x_1 + x_2 and x_4 = x_1 - x_2 would leave a sum of both, were x_1 set aside alone."""
    x = uniform_rows(300, 4, 2)
    x[:, 2], x[:, 3] = x[:, 0] + x[:, 1], x[:, 0] - x[:, 1]
    centred = x - x.mean(0)
    found = [
        ([0, 1, 2], centred[:, [0, 1, 2]] * torch.tensor([1.0, 1.0, -1.0])),
        ([0, 1, 3], centred[:, [0, 1, 3]] * torch.tensor([1.0, -1.0, -1.0])),
        ([0, 2, 3], centred[:, [0, 2, 3]] * torch.tensor([2.0, -1.0, -1.0])),
    ]
    assert are_independent(found[:2], (0, 1))
    assert not are_independent(found[:2], (0,))
    assert not are_independent(found, (0, 1, 2))  # the third follows from the first two
    left = [i for i in range(4) if i not in set_aside(x, found[:2], range(4))]
    assert smallest_tied(x, left) is None


@pytest.mark.parametrize("function", [LOG_SIZE, CUBE_ROOT], ids=lambda f: f.name)
def test_slopes_of_what_undoes_products_and_cubes_are_those_of_differences(function: Function) -> None:
    z = torch.tensor([-3.0, -0.7, -0.1, 0.2, 1.0, 5.0], dtype=torch.float64)
    step = 1e-6 * z.abs()
    slope = (function.value(z + step) - function.value(z - step)) / (2 * step)
    torch.testing.assert_close(function.slope(z), slope, rtol=1e-7, atol=0)
    torch.testing.assert_close(function.value(-z), function.parity * function.value(z))
    torch.testing.assert_close(CUBE_ROOT.value(z) ** 3, z)
    torch.testing.assert_close(LOG_SIZE.value(z).exp(), z.abs())


def test_an_input_that_another_relation_needs_stays_even_where_two_inputs_are_all_of_it() -> None:
    """x_2 = x_1^2 and x_3 = (x_1 - 0.3)^2, of which neither says what the other is: x_1 is in both relations."""
    x = uniform_rows(80, 3, 4)
    x[:, 1], x[:, 2] = x[:, 0] ** 2, (x[:, 0] - 0.3) ** 2
    found = [([0, 1], tied_curves(x[:, :2]).values)]
    assert set_aside(x, found, range(3)) == [1]


def test_the_logarithm_of_a_size_is_one_function_longer_than_a_logarithm() -> None:
    assert LOG_SIZE.complexity == FUNCTIONS["log"].complexity + 1
