"""Sums of plain terms are the log-odds that classes were drawn from, where they were drawn from such a sum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit

from kanrun.context import Budget, Context, Meter
from kanrun.discovery.class_terms import sums_of_terms
from kanrun.functions.library import FUNCTIONS
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.logistic import Classes, log_odds

X = np.random.default_rng(0).uniform(0.3, 4, (400, 2))
LAWS = {
    "4.5 - 1.1*x_1**2 - 2.2*x_2": 2 * (4 - X[:, 0] ** 2 - 2 * X[:, 1]),
    "3.0*x_1*x_2 - 8.5": 3 * X[:, 0] * X[:, 1] - 8,
    "6.5*log(x_1) - 3.5": 6 * np.log(X[:, 0]) - 3,
    "5.5*x_1/x_2 - 6.5": 5 * X[:, 0] / X[:, 1] - 6,
}


def classes(second: np.ndarray) -> Classes:
    """Two inputs, and which rows are of the second class."""
    return Classes({"x_1": X[:, 0], "x_2": X[:, 1]}, second.astype(float), np.ones(len(X)))


@pytest.mark.parametrize(
    ("law", "overlap"), [*((law, True) for law in LAWS), *((law, False) for law in list(LAWS)[::3])]
)
def test_no_sum_describes_classes_shorter_than_the_one_that_is_found(law: str, overlap: bool) -> None:
    z = LAWS[law]
    rows = classes(np.random.default_rng(1).random(len(X)) < expit(z) if overlap else z > 0)
    found = [log_odds(e, rows) for e in sums_of_terms(torch.as_tensor(X), ["x_1", "x_2"], FUNCTIONS, rows)]
    truth = log_odds(parse_formula(law, ["x_1", "x_2"]), rows)
    assert truth is not None and truth.separated is not overlap
    assert min(one.bits for one in found if one) < truth.bits + 0.5


def test_nothing_is_looked_for_without_work() -> None:
    spent = Context(budget=Budget.of(Meter(), work=-1.0))
    assert sums_of_terms(torch.as_tensor(X), ["x_1", "x_2"], FUNCTIONS, classes(X[:, 0] > 1), spent) == []
