"""Which rows and inputs the curves of one input are fitted to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from kanrun.context import Budget, Context, Meter
from kanrun.discovery.moves import curves as module
from kanrun.discovery.moves.curves import Curves
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.functions.library import FUNCTIONS
from tests.helpers import Array, uniform_rows

X = uniform_rows(60, 2, seed=1, low=0.5, high=2.0)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Array]]:
    """The inputs whose curves are fitted, and the weights of errors by which they are."""
    seen = list[tuple[str, Array]]()

    def noted(_: Any, __: Any, name: str, ___: Array, weights: Array) -> list[Any]:
        seen.append((name, weights))
        return []

    monkeypatch.setattr(module, "fits_of_curves", lambda *_: [])
    monkeypatch.setattr(module, "found_of", noted)
    return seen


def run(x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None = None, alone: bool = False) -> None:
    problem = Problem(x, y, list(FUNCTIONS.values()), weights=weights)
    search = Search.begun(problem, 0, Context(Budget.of(Meter(), math.inf, 100.0)), lambda _: [])
    Curves(part=1.0, alone=alone).run(search)


def test_inputs_that_do_not_vary_have_no_curves(looked_at: list[tuple[str, Array]]) -> None:
    x = torch.cat([X[:, :1], torch.full_like(X[:, :1], 2.0), X[:, 1:]], dim=1)
    run(x, X[:, :1] + X[:, 1:])
    assert [name for name, _ in looked_at] == ["x_1", "x_3"]


def test_targets_over_decades_are_fitted_by_relative_errors_too(looked_at: list[tuple[str, Array]]) -> None:
    y = torch.exp(8 * X[:, :1])
    run(X[:, :1], y)
    (_, plain), (_, relative) = looked_at
    assert np.ptp(plain) == 0
    np.testing.assert_allclose(relative * y[:, 0].numpy(), 1.0, rtol=1e-9)
    looked_at.clear()
    run(X[:, :1], y, torch.ones(60, dtype=torch.float64))  # whose errors are known
    run(X[:, :1], X[:, :1])
    assert len(looked_at) == 2


@pytest.mark.parametrize(("alone", "names"), [(True, ["x_2"]), (False, ["x_1", "x_3"])])
def test_the_input_that_tells_all_is_looked_at_first_and_the_others_later(
    alone: bool, names: list[str], looked_at: list[tuple[str, Array]]
) -> None:
    x = uniform_rows(200, 3, seed=1, low=0.5, high=2.0)
    run(x, torch.sin(3 * x[:, 1:2]), alone=alone)
    assert [name for name, _ in looked_at] == names
