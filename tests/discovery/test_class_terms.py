"""Sums of plain terms are the log-odds that classes were drawn from, where they were drawn from such a sum."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.special import expit

from kanrun.context import Budget, Context, Meter
from kanrun.discovery import class_terms
from kanrun.discovery.class_terms import WIDTH, fitted, followers, sums_of_terms, terms_of
from kanrun.functions.evaluate import evaluate
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


def test_terms_are_products_of_powers_and_functions_of_an_input_of_either_sign_where_they_have_values() -> None:
    x = np.stack([X[:60, 0], X[:60, 1] - 2], axis=1)
    terms = terms_of(torch.as_tensor(x), ["x_1", "x_2"], FUNCTIONS)
    assert terms is not None
    texts = set(map(str, terms.expressions))
    assert {"x_1", "x_1**2", "x_1*x_2", "x_2/x_1"} < texts
    assert {"log(x_1)", "exp(x_1)", "exp(-x_1)", "exp(x_2)", "exp(-x_2)", "Abs(x_2)"} < texts
    assert not {"log(x_2)", "sin(x_1)"} & texts
    assert len(texts) == len(terms.expressions) == len(terms.bits)
    columns = {"x_1": x[:, 0], "x_2": x[:, 1]}
    for k, expression in enumerate(terms.expressions):
        assert terms.values[:, k] * terms.scales[k] == pytest.approx(evaluate(expression, columns), rel=1e-12)
    assert np.abs(terms.values).max(axis=0) == pytest.approx(np.ones(len(terms.bits)))
    few = terms_of(torch.as_tensor(x), ["x_1", "x_2"], {n: FUNCTIONS[n] for n in ("x", "exp")})
    assert few is not None and {"exp(x_1)", "exp(-x_2)"} < set(map(str, few.expressions))
    assert not any("log" in str(e) or "Abs" in str(e) for e in few.expressions)
    assert terms_of(torch.ones(9, 1), ["x_1"], FUNCTIONS) is None  # nothing varies


def test_the_terms_that_follow_are_those_whose_score_tests_win_the_most_bits() -> None:
    draw = np.random.default_rng(3)
    second = (draw.random(len(X)) < expit(X[:, 0] - 2 * X[:, 1] + 3)).astype(float)
    rows = Classes({"x_1": X[:, 0], "x_2": X[:, 1]}, second, draw.uniform(0.2, 2, len(X)))
    terms = terms_of(torch.as_tensor(X), ["x_1", "x_2"], {n: FUNCTIONS[n] for n in ("x", "x^2", "log", "exp")})
    assert terms is not None
    one = fitted((terms.expressions.index(parse_formula("x_1")),), terms, rows)
    chances = expit(one.log_odds)
    won = {}
    for k in range(len(terms.bits)):
        if k in one.chosen:
            continue
        design = np.column_stack([np.ones(len(X)), terms.values[:, [*one.chosen, k]]])
        information = design.T @ (design * (rows.weights * chances * (1 - chances))[:, None])
        slopes = design.T @ (rows.weights * (second - chances))
        won[k] = slopes @ np.linalg.solve(information, slopes) / (2 * np.log(2)) - terms.bits[k]
    wanted = sorted(won, key=lambda k: -won[k])
    found = list(followers(one, terms, rows, len(terms.bits)))
    assert found == [tuple(sorted((*one.chosen, k))) for k in wanted]
    assert list(followers(one, terms, rows, 3)) == found[:3]


def test_of_classes_that_follow_nothing_as_many_sums_are_given_as_are_kept_beside_the_constant() -> None:
    rows = classes(np.random.default_rng(5).random(len(X)) < 0.5)
    found = sums_of_terms(torch.as_tensor(X), ["x_1", "x_2"], {n: FUNCTIONS[n] for n in ("x", "x^2", "log")}, rows)
    assert len(set(found)) == len(found) == WIDTH
    assert all(e.free_symbols for e in found)


def test_inputs_that_do_not_vary_have_no_sums() -> None:
    second = (np.arange(9) > 4).astype(float)
    flat = Classes({"x_1": np.ones(9)}, second, np.ones(9))
    assert sums_of_terms(torch.ones(9, 1), ["x_1"], FUNCTIONS, flat) == []


def test_no_sum_has_more_terms_than_it_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_terms, "MOST_TERMS", 1)
    rows = classes(np.random.default_rng(1).random(len(X)) < expit(X[:, 0] - 2 * X[:, 1] + 3))
    found = sums_of_terms(torch.as_tensor(X), ["x_1", "x_2"], {n: FUNCTIONS[n] for n in ("x", "x^2")}, rows)
    assert found and all(len(sp.Add.make_args(e.as_coeff_Add()[1])) == 1 for e in found)
