from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.pipeline.left_over import MORE, NOISE, left_over
from kanrun.state import State
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.judging import EXACT_REASON
from tests.helpers import uniform_rows

X = uniform_rows(200, 2)
WHITE = 0.1 * torch.randn(200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def formula(expression: str, **more: Any) -> Formula:
    return Formula("y", expression, expression, "", 3, None, None, [], **more)


def told(expression: str, y: torch.Tensor, task: str = REGRESSION, rows: int = 200, **more: Any) -> dict[str, str]:
    part = Rows(X[:rows], y[:rows, None])
    data = Dataset("rows", part, part, ["x_1", "x_2"], ["y"], task, MSE)
    problem: Any = SimpleNamespace(data=data)
    return left_over(problem, replace(State(), formulas=(formula(expression, **more),)))


@pytest.mark.parametrize(("expression", "what"), [("x_1**2", NOISE), ("x_1", MORE), ("0.5", MORE)])
def test_noise_is_told_from_a_pattern(expression: str, what: str) -> None:
    assert told(expression, X[:, 0] ** 2 + WHITE) == {"y": what}


def test_a_pattern_of_two_inputs_together_is_seen() -> None:
    assert told("0.0", 0.5 * X[:, 0] * X[:, 1] + WHITE) == {"y": MORE}


def test_nothing_is_said_where_nothing_can_be_told() -> None:
    y = X[:, 0] ** 2 + WHITE
    assert told("x_1**2", y, rows=20) == {}
    assert told("x_1**2", y, task=CLASSIFICATION) == {}
    assert told("x_1**2", y, reason=EXACT_REASON) == {}
    assert told("log(x_1)", y) == {}  # no value below 0


def test_each_output_is_judged_by_itself() -> None:
    y = torch.stack([X[:, 0] + WHITE, X[:, 1] ** 2 + WHITE], dim=1)
    rows = Rows(X, y)
    data = Dataset("rows", rows, rows, ["x_1", "x_2"], ["a", "b"], REGRESSION, MSE)
    problem: Any = SimpleNamespace(data=data)
    formulas = (replace(formula("x_1"), output="a"), replace(formula("x_2"), output="b"))
    assert left_over(problem, replace(State(), formulas=formulas)) == {"a": NOISE, "b": MORE}


def test_single_precision_is_judged_too() -> None:
    rows = Rows(X.float(), (X[:, :1] ** 2 + WHITE[:, None]).float())
    problem: Any = SimpleNamespace(data=Dataset("rows", rows, rows, ["x_1", "x_2"], ["y"], REGRESSION, MSE))
    assert left_over(problem, replace(State(), formulas=(formula("x_1**2"),))) == {"y": NOISE}
