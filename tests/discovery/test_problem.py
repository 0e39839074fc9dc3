"""Rows and what is asked of them: their variance, which are held back, and what leaves noise."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from kanrun.discovery.problem import Problem
from kanrun.discovery.scales import Scales
from kanrun.functions.library import library
from kanrun.model.network import KAN
from tests.helpers import fixed_network, uniform_rows

X = uniform_rows(403, 2, seed=1, low=0.5, high=2.0)
NOISE = torch.randn(403, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def problem(y: Tensor, x: Tensor = X) -> Problem:
    return Problem(x, y, library(["x", "sin"]))


@pytest.mark.parametrize(
    ("y", "told"),
    [
        (torch.zeros(5), "one target a row"),
        (torch.zeros(5, 2), "one target a row"),
        (torch.zeros(4, 1), "one target a row"),
        (1e30 * torch.arange(5.0)[:, None], "finite squares"),
    ],
)
def test_targets_must_be_one_column_of_numbers_that_have_squares(y: torch.Tensor, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Problem(torch.zeros(5, 2), y, [])


def test_the_variance_is_the_mean_square_around_the_mean() -> None:
    y = 3 * X[:, :1] + 7
    assert problem(y[:5], X[:5]).variance == pytest.approx(float(np.var(y[:5].numpy())), rel=1e-12)
    assert problem(y).n == 2


def test_exact_is_what_rounding_leaves_of_targets_of_any_size() -> None:
    y = torch.sin(X[:, :1]) * X[:, 1:]
    rounded = problem(y)
    assert problem(1000 * y).exact == pytest.approx(1e6 * rounded.exact, rel=1e-9, abs=0)
    off = float(((y * (1 / 3) * 3 - y) ** 2).mean())  # as two roundings leave it
    assert off < rounded.exact < 1e-12 * rounded.variance


def test_targets_that_differ_by_rounding_are_all_alike() -> None:
    assert problem(torch.full((403, 1), 0.1, dtype=torch.float64) + 1e-17 * X[:, :1]).alike
    assert problem(torch.zeros(403, 1, dtype=torch.float64)).alike
    assert not problem(1e-9 * X[:, :1]).alike


@pytest.mark.parametrize("size", [1.0, 2.0**20, 2.0**-20])
@pytest.mark.parametrize(("steps", "alike"), [(1, True), (4, False)])
def test_alike_is_what_varies_by_less_than_the_precision_of_its_size(size: float, steps: int, alike: bool) -> None:
    """A number and one that is so many steps of its last digit away: they vary by half of that."""
    numbers = torch.tensor([1.0, 1.0 + steps * 2**-52], dtype=torch.float64)
    assert problem(size * numbers.repeat(200)[:, None], X[:400]).alike is alike


def test_every_fifth_row_is_held_back() -> None:
    held = problem(X[:, :1]).held
    assert torch.equal(held.nonzero()[:, 0], torch.arange(0, 403, 5))


def test_joined_inputs_are_in_the_columns_that_may_hide_in_noise() -> None:
    joined = problem(X[:, :1]).joined
    assert len(joined) == 403
    for expected in (X[:, 0] * X[:, 1], X[:, 0] - X[:, 1], X[:, 0] / X[:, 1]):
        assert any(torch.allclose(column, expected) for column in joined.T)


@pytest.mark.parametrize(
    ("rest", "noise"),
    [
        (NOISE, True),
        (0 * NOISE, True),
        (NOISE + 2 * X[:, :1], False),
        (NOISE + 2 * (X[:, :1] - X[:, 1:] > 0), False),  # seen by the joined columns
    ],
)
def test_what_is_left_of_the_targets_is_noise_or_not(rest: Tensor, noise: bool) -> None:
    explained = 100 * torch.sin(3 * X[:, :1])
    assert problem(explained + rest).leaves_noise(lambda x: 100 * torch.sin(3 * x[:, :1])) is noise


def test_a_product_of_inputs_is_no_noise() -> None:
    """Left by a sum of functions of both."""
    x = uniform_rows(403, 2, seed=3)
    assert not problem(0.1 * NOISE + x[:, :1] * x[:, 1:], x).leaves_noise(lambda x: 0 * x[:, :1])


def test_the_formula_of_targets_that_are_all_the_same_is_their_mean() -> None:
    y = 2.5 + 0.1 * NOISE
    found = problem(y).constant()
    assert found.spline is found.pruned is found.symbolic.model
    assert (found.spline.n_in, found.spline.n_out) == (2, 1)
    assert found.spline.active_edges() == 0
    np.testing.assert_allclose(found.spline(X).detach().numpy(), float(y.mean()), rtol=1e-12)
    assert found.symbolic.loss == pytest.approx(problem(y).variance, rel=1e-12)


def test_a_network_is_described_by_its_loss_alone() -> None:
    model = fixed_network([2, 1], [(0, 0, 0, "sin", 2.0, 0.0, 1.0)])
    y = torch.sin(2 * X[:, :1]) + 0.3
    found = problem(y).described(model)
    assert found.model is model
    assert found.loss == pytest.approx(0.09, rel=1e-12)
    assert found.bits == math.inf


def test_a_width_is_only_there_where_it_is_given() -> None:
    assert problem(X[:, :1]).width is None
    assert Problem(X, X[:, :1], [], [2, 1]).width == [2, 1]
    assert isinstance(problem(X[:, :1].float(), X.float()).constant().spline, KAN)


def test_what_is_left_is_no_noise_beyond_what_noise_may_leave() -> None:
    whole = problem(100 * (X[:, :1] + 0.3 * NOISE))

    def line(rows: Tensor) -> Tensor:
        return 100 * rows[:, :1]

    assert whole.leaves_noise(line)
    assert replace(whole, most=35.0**2).leaves_noise(line)
    assert not replace(whole, most=20.0**2).leaves_noise(line)


@pytest.mark.parametrize("size", [1e-150, 1e6, 1e150])
def test_what_noise_may_leave_goes_with_the_unit_of_the_targets(size: float) -> None:
    whole = replace(problem(size * (X[:, :1] + 0.3 * NOISE)), most=size * 0.09 * size)
    scales = Scales.of(whole.x, whole.y)
    assert scales.problem(whole.x, whole.y, whole).most == pytest.approx(0.09 * (size * 10.0**-scales.target) ** 2)
    assert scales.problem(whole.x, whole.y, problem(whole.y)).most == math.inf
