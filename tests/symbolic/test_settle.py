from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch

from kanrun.context import UNLIMITED
from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.model.network import KAN
from kanrun.symbolic.settle import settled_forms, undisguised, weights_of_errors
from tests.helpers import Array, fixed_network, uniform_rows

X = uniform_rows(80, 1, seed=1)


def dataset(y: torch.Tensor) -> Dataset:
    return Dataset("d", Rows(X, y), None, ["x_1"], ["y"], REGRESSION, MSE)


def test_functions_that_undo_each_other_go_where_that_costs_nothing() -> None:
    disguised = parse_formula("3.5*atan(tan(0.5*x_1 + 0.3)) - 1.2", ["x_1"])
    (plain,) = undisguised([disguised], dataset(1.75 * X - 0.15))
    assert not plain.has(sp.tan) and evaluate(plain, {"x_1": X[:, 0].numpy()}) == pytest.approx(1.75 * X[:, 0] - 0.15)
    beyond = parse_formula("atan(tan(4*x_1))", ["x_1"])  # which has jumps that the rows show
    assert undisguised([beyond], dataset(torch.atan(torch.tan(4 * X)))) == [beyond]


def test_errors_below_the_rounding_of_the_largest_rows_leave_simple_numbers() -> None:
    noise = 1e-11 * torch.as_tensor(np.random.default_rng(0).normal(size=(80, 1)))
    model = fixed_network([1, 1], [(0, 0, 0, "x", 1.0, 0.0, 2.00000000001)])
    (found,) = settled_forms(model, [parse_formula("2.00000000001*x_1", ["x_1"])], dataset(2 * X + noise), UNLIMITED)
    assert str(found) == "2*x_1"


def test_formulas_of_many_classes_are_rewritten_only_where_somebody_may_read_them() -> None:
    x = uniform_rows(60, 2, seed=1)
    spread = parse_formula("2.5*x_1*sin(1.3*x_2) + 2.5*x_1*cos(0.7*x_2 + 0.4) + 2.5*x_1*exp(0.3*x_2)", ["x_1", "x_2"])

    def nodes(classes: int) -> set[int]:
        y = torch.arange(60) % classes
        names = [f"c{j}" for j in range(classes)]
        data = Dataset("d", Rows(x, y), None, ["x_1", "x_2"], names, CLASSIFICATION, CROSS_ENTROPY)
        return {sp.count_ops(e) for e in settled_forms(KAN([2, classes]), [spread] * classes, data, UNLIMITED)}

    (short,), (long,) = nodes(2), nodes(50)
    assert short < long == sp.count_ops(spread)


def test_rows_count_by_their_size_in_the_outputs_over_decades_alone() -> None:
    draw = np.random.default_rng(0)
    x = np.linspace(0, 10, 60)
    falling = 3.1 * np.exp(-1.1 * x) * (1 + 0.1 * draw.normal(size=60))
    straight = 2 * x + 1 + 0.1 * draw.normal(size=60)
    laws = [parse_formula(text, ["x_1"]) for text in ("3.1*exp(-1.1*x_1)", "2.0*x_1 + 1.0")]

    def weights(y: Array, expressions: list[sp.Expr]) -> list[Array] | None:
        names = [f"y_{j}" for j in range(y.shape[1])]
        rows = Rows(torch.as_tensor(x)[:, None], torch.as_tensor(y))
        return weights_of_errors(expressions, Dataset("d", rows, None, ["x_1"], names, REGRESSION, MSE))

    both = weights(np.stack([falling, straight], axis=1), laws)
    assert both is not None
    np.testing.assert_allclose(both[0] * falling, 1.0)
    np.testing.assert_allclose(both[1] * straight.std(), 1.0)
    assert weights(straight[:, None], laws[1:]) is None
