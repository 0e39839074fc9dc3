from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch

from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.bare import Verdict
from kanrun.symbolic.compare import relative_weights
from kanrun.symbolic.cross_validation import cross_validated
from kanrun.symbolic.formula import estimates_of
from kanrun.symbolic.judging import (
    EXACT_REASON,
    RELATIVE_REASON,
    SHORT_REASON,
    UNDECIDED_REASON,
    factors_for,
    is_relative,
    reason_of,
    verdict_on_training,
)
from kanrun.symbolic.polishing import polished
from kanrun.symbolic.scoring import FOLDS_SEED, cross_validation_of
from kanrun.symbolic.uncertainty import estimate

LAW = sp.Float(3.1) * sp.exp(-sp.Float(1.1) * sp.Symbol("x_1"))


def decaying(size: float, last: float = 10.0) -> tuple[Dataset, Array, Array]:
    """Rows of a decay down to where `last` is, with errors of this part of the values."""
    draw = np.random.default_rng(0)
    x = np.linspace(0, last, 60)
    y = evaluate(LAW, {"x_1": x}) * (1 + size * draw.normal(size=60))
    rows = Rows(torch.as_tensor(x)[:, None], torch.as_tensor(y)[:, None])
    return Dataset("d", rows, None, ["x_1"], ["y"], REGRESSION, MSE), x, y


def test_a_formula_over_decades_is_judged_validated_and_uncertain_by_relative_errors() -> None:
    data, x, y = decaying(0.1)
    formula = polished(LAW, {"x_1": x}, y, relative_weights(y))
    assert is_relative(formula, 0, data)
    assert reason_of(formula, 0, Verdict.NOT, data) == RELATIVE_REASON
    weights = relative_weights(y)
    weights = weights / weights.max()
    np.testing.assert_allclose(factors_for(formula, 0, data), weights)
    by_size = cross_validated(formula, {"x_1": x}, y, FOLDS_SEED, weights**2, scored=False)
    assert cross_validation_of(formula, 0, data) == by_size
    assert by_size != cross_validated(formula, {"x_1": x}, y, FOLDS_SEED)
    [found] = estimates_of([formula], data)
    expected = estimate(formula, {"x_1": x}, y, weights)
    errors = [c.standard_error for c in found.constants]
    assert errors == pytest.approx([c.standard_error for c in expected.constants])
    assert errors[1] == pytest.approx(0.1 / np.sqrt(60 * np.var(x)), rel=0.4)  # of a slope of the logarithm


def test_errors_that_are_known_and_values_of_one_size_are_taken_as_they_are() -> None:
    narrow = decaying(0.1, last=2.0)[0]
    data = decaying(0.1)[0]
    known = replace(data, train=replace(data.train, weights=torch.full((60,), 4.0, dtype=torch.float64)))
    told = replace(data, recognized={"model": "constant"})
    stated = replace(data, noise=0.1**2)
    for other, factor in ((narrow, 1.0), (known, 2.0), (told, 1.0), (stated, 1.0)):
        assert not is_relative(LAW, 0, other)
        assert reason_of(LAW, 0, Verdict.NOT, other) == SHORT_REASON
        assert np.unique(factors_for(LAW, 0, other)).tolist() == [factor]


@pytest.mark.parametrize(("rows", "reason"), [(3, UNDECIDED_REASON), (4, EXACT_REASON)])
def test_a_line_is_called_exact_only_where_rows_are_left_beside_its_two_numbers(rows: int, reason: str) -> None:
    x = torch.linspace(0.5, 2.0, rows, dtype=torch.float64)[:, None]
    data = Dataset("d", Rows(x, 2 * x + 1), None, ["x_1"], ["y"], REGRESSION, MSE)
    line = 2 * sp.Symbol("x_1") + 1
    assert reason_of(line, 0, verdict_on_training(line, 0, data), data) == reason
