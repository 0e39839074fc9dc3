"""What an exact formula can go without, and whether the rows tell it from others."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from kanrun.context import Budget, Context, Meter
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.symbolic import bare as module
from kanrun.symbolic.bare import Verdict, bare, verdict, without_identities, work_of_look
from kanrun.symbolic.constants import Columns
from tests.helpers import Array

NAMES = ["x_1", "x_2"]


def columns(low: float, high: float) -> dict[str, Array]:
    draw = np.random.default_rng(3)
    return {name: np.exp(draw.uniform(np.log(low), np.log(high), 300)) for name in NAMES}


def left(found: str, truth: str, low: float = 0.1, high: float = 10.0) -> str:
    """What is left of a formula for the values of another one."""
    rows = columns(low, high)
    return str(bare(parse_formula(found, NAMES), rows, evaluate(parse_formula(truth, NAMES), rows)))


@pytest.mark.parametrize(
    ("found", "truth", "domain"),
    [
        ("1.00000000001*x_1*x_2+0.000001", "x_1*x_2", (0.1, 10)),
        ("1e12*x_1*x_2+1e-7", "1e12*x_1*x_2", (1e-9, 1e-7)),
        ("1.0*x_1*x_2+1e13", "x_1*x_2", (1e9, 1e11)),
        ("2.0*sin(x_1*x_2)", "2*x_1*x_2", (1e-9, 1e-7)),
        ("2.5e5*atan(tan(4e-6*x_1+0.1))-24999.9", "x_1", (0.1, 10)),
        ("x_2-Abs(x_1-20.0)+20.0", "x_1+x_2", (0.1, 10)),
        ("3.1*x_1+1e-9*exp(-x_2)", "3.1*x_1", (0.1, 10)),
        ("tanh(x_1+2e-17)*x_2", "tanh(x_1)*x_2", (0.1, 10)),
    ],
)
def test_what_is_not_needed_goes(found: str, truth: str, domain: tuple[float, float]) -> None:
    rows = columns(*domain)
    short, wanted = parse_formula(left(found, truth, *domain), NAMES), parse_formula(truth, NAMES)
    np.testing.assert_allclose(evaluate(short, rows), evaluate(wanted, rows), rtol=1e-13)
    assert short.count_ops() <= wanted.count_ops() + 1  # a factor of 1.0


@pytest.mark.parametrize("found", ["x_1*(x_2+1e-4)", "sin(x_1)*x_2", "Abs(x_1-1.0)+x_2", "x_1+1e-7*x_2**2"])
def test_what_is_needed_stays(found: str) -> None:
    assert left(found, found) == str(parse_formula(found, NAMES))


def test_a_function_is_undone_only_where_all_rows_have_a_value() -> None:
    inverse = parse_formula("atan(tan(log(x_1)))", NAMES)
    rows = {"x_1": np.linspace(0.5, 2.0, 9)}
    assert [str(e) for e in without_identities(inverse, rows)] == ["log(x_1)"]
    assert list(without_identities(inverse, {"x_1": np.linspace(-0.5, 2.0, 9)})) == []


def test_what_does_not_fit_is_left_alone() -> None:
    assert left("x_1+1e-12", "x_2") == str(parse_formula("x_1+1e-12", NAMES))


@pytest.mark.parametrize(
    ("found", "truth", "domain", "judged"),
    [
        ("x_1*x_2", "x_1*x_2", (0.1, 10), Verdict.EXACT),
        ("x_1*x_2", "x_1*x_2", (1e-30, 1e-20), Verdict.EXACT),
        ("exp(-x_1)*x_2", "exp(-x_1)*x_2", (0.1, 10), Verdict.EXACT),
        ("exp(-x_1**2/(2*x_2**2))", "exp(-x_1**2/(2*x_2**2))", (0.1, 10), Verdict.EXACT),
        ("x_1*(1+1e-9)", "x_1", (0.1, 10), Verdict.NOT),
        ("x_1*x_2+1e-9", "x_1*x_2", (1e-3, 10), Verdict.NOT),  # the small rows are wrong
        ("tanh(x_1)", "x_1-x_1**3/3", (1e-4, 1e-3), Verdict.UNDECIDED),
        ("x_1+1e-10*x_2**2", "x_1+1e-10*x_2**2", (0.1, 10), Verdict.UNDECIDED),
        ("x_1*(1+1e-10)", "x_1", (0.1, 10), Verdict.UNDECIDED),
        ("1+1e-9*x_1", "1+1e-9*x_1", (0.1, 10), Verdict.UNDECIDED),  # of the differences few digits are left
    ],
)
def test_rows_say_of_a_formula_no_more_than_they_show(
    found: str, truth: str, domain: tuple[float, float], judged: Verdict
) -> None:
    rows = columns(*domain)
    assert verdict(parse_formula(found, NAMES), rows, evaluate(parse_formula(truth, NAMES), rows)) is judged


@pytest.mark.parametrize(("rows", "wanted"), [(4, Verdict.UNDECIDED), (5, Verdict.UNDECIDED), (6, Verdict.EXACT)])
def test_rows_that_only_settle_the_constants_cannot_decide(rows: int, wanted: Verdict) -> None:
    x = np.linspace(0.3, 2.0, rows)
    expression = parse_formula("1.37*x_1**2 + 0.61*x_1 - 2.13", ["x_1"])
    assert verdict(expression, {"x_1": x}, 1.37 * x**2 + 0.61 * x - 2.13) is wanted


@pytest.mark.parametrize(
    ("text", "rows", "wanted"),
    [("x_1**2/4 + 21*x_1/20 + 4/5", 3, Verdict.UNDECIDED), ("x_1**2/4 + 21*x_1/20 + 4/5", 5, Verdict.EXACT),
     ("2*x_1 + 1", 3, Verdict.UNDECIDED), ("2*x_1 + 1", 4, Verdict.EXACT), ("2*x_1", 3, Verdict.EXACT)],
)  # fmt: skip
def test_numbers_that_are_no_decimals_are_chosen_by_the_rows_as_well(text: str, rows: int, wanted: Verdict) -> None:
    x = np.linspace(0.3, 2.0, rows)
    expression = parse_formula(text, ["x_1"])
    assert verdict(expression, {"x_1": x}, evaluate(expression, {"x_1": x})) is wanted


def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The skeletons of what is fitted again to see whether it is as good, as they come."""

    def noted(trial: sp.Expr, rows: Columns, y: Array, weights: Array, steps: int = 0) -> sp.Expr:
        if steps:
            seen.append(str(trial.xreplace(dict.fromkeys(trial.atoms(sp.Float), sp.Symbol("c")))))
            return plain(trial, rows, y, weights, steps)
        return plain(trial, rows, y, weights)

    seen, plain = list[str](), module.least_squared
    monkeypatch.setattr(module, "least_squared", noted)
    return seen


def test_no_form_is_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = looked_at(monkeypatch)
    left("(x_1+1.5)*(x_1+2.5)+sin(x_2)", "(x_1+1.5)*(x_1+2.5)+sin(x_2)")  # without either constant it is the same form
    assert "x_1*(c + x_1) + sin(x_2)" in seen
    assert len(set(seen)) == len(seen) > 3


def test_nothing_is_tried_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, rows = looked_at(monkeypatch), columns(0.1, 10)
    found, y = parse_formula("x_1*sin(x_2)+cos(x_1)", NAMES), rows["x_1"] * np.sin(rows["x_2"]) + np.cos(rows["x_1"])
    for work, tried in ((-1.0, 0), (1.001 * work_of_look(found), 1)):
        seen.clear()
        left_over = bare(found, rows, y, Context(Budget.of(Meter(), work=work)))
        assert evaluate(left_over, rows) == pytest.approx(y, rel=1e-13)
        assert len(seen) == tried
    seen.clear()
    bare(found, rows, y)
    assert len(seen) > 1
