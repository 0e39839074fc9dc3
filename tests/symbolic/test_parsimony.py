from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from kanrun.context import UNLIMITED, Budget, Context, Meter
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula, symbol
from kanrun.symbolic import parsimony
from kanrun.symbolic.constants import constants_of
from kanrun.symbolic.parsimony import proposals, settled, simple_numbers, squares, straightened, work_of_polish
from kanrun.symbolic.polishing import polished
from kanrun.symbolic.uncertainty import Constant
from tests.helpers import Array, formula_values, used_up

X_1, X_2 = symbol("x_1"), symbol("x_2")
INPUTS = ["x_1", "x_2"]


def problem(truth: str, noise: float, rows: int = 400, seed: int = 0) -> tuple[dict[str, Array], Array]:
    """Columns in [0.5, 2] and the truth's values with noise as a part of their spread."""
    generator = np.random.default_rng(seed)
    x = generator.uniform(0.5, 2.0, (rows, 2))
    y = formula_values(truth, x)
    return {"x_1": x[:, 0], "x_2": x[:, 1]}, y + noise * y.std() * generator.standard_normal(rows)


def read(text: str) -> sp.Expr:
    return parse_formula(text, INPUTS)


@pytest.mark.parametrize("seed", [0, 1, 3])
@pytest.mark.parametrize(
    ("form", "found", "truth"),
    [
        (
            "a*exp(a*sin(a*x_1)+a*x_2**2)",
            "1.003*exp(0.998*sin(3.1418*x_1+0.0021)+1.0007*x_2**2)-0.0031",
            "exp(sin(pi*x_1)+x_2**2)",
        ),
        ("a*x_1*x_2", "1.004*(x_1-0.004)*x_2+0.003", "x_1*x_2"),
        ("a*sin(a*x_1)+a*x_2", "1.002*x_2-1.01*cos(2.99*x_1+1.572)", "sin(3*x_1)+x_2"),
        ("a*exp(a*x_1)", "2.97*exp(-0.991*x_1)+0.012", "3*exp(-x_1)"),
        ("a*x_1**2+a*x_2", "0.503*x_1**2.02-1.002*x_2+0.004", "x_1**2/2-x_2"),
        ("a*sqrt(x_1)", "0.703*x_1**0.507+0.003", "0.7*sqrt(x_1)"),
    ],
)
def test_constants_that_noise_has_moved_go_where_the_rows_do_not_need_them_and_keep_their_values_elsewhere(
    form: str, found: str, truth: str, seed: int
) -> None:
    columns, y = problem(truth, 0.03, seed=seed)
    result = settled(read(found), columns, y)
    constants = {f: sp.Symbol("a", real=True) for f in constants_of(result)}
    assert sp.simplify(result.xreplace(constants) - parse_formula(form, [*INPUTS, "a"])) == 0
    clean = evaluate(read(truth), columns)
    bound = 16 * len(constants) / len(y) * float(np.var(y - clean))  # what so many constants may be off by
    assert float(np.mean((evaluate(result, columns) - clean) ** 2)) < bound


@pytest.mark.parametrize(
    ("truth", "values"),
    [
        ("1.37*exp(0.63*x_1)", [1.37, 0.63]),
        ("2.183*x_1+0.61*x_2", [2.183, 0.61]),
        ("sin(2.37*x_1)+0.147", [2.37, 0.147]),
    ],
)
def test_constants_that_are_no_simple_numbers_stay(truth: str, values: list[float]) -> None:
    columns, y = problem(truth, 0.005)
    result = settled(read(truth), columns, y)
    assert sorted(abs(float(c)) for c in constants_of(result)) == pytest.approx(sorted(values), rel=0.02)
    assert squares(result, columns, y) == pytest.approx(squares(polished(read(truth), columns, y), columns, y))


def test_what_is_left_is_fitted_again() -> None:
    """With the exponent settled at 1/2, the factor has the least squares of its own."""
    columns, y = problem("0.37*sqrt(x_2)", 0.02)
    result = settled(read("0.36*x_2**0.51"), columns, y)
    [left] = constants_of(result)
    root = np.sqrt(columns["x_2"])
    assert float(left) == pytest.approx(float(y @ root / (root @ root)), rel=1e-9)


def test_the_squared_error_hardly_grows_for_what_it_saves() -> None:
    columns, y = problem("exp(x_1)+x_2**2", 0.1)
    start = read("1.01*exp(0.99*x_1)+0.98*x_2**2.01-0.02")
    result = settled(start, columns, y)
    before, after = (squares(e, columns, y) for e in (polished(start, columns, y), result))
    saved = len(constants_of(polished(start, columns, y))) - len(constants_of(result))
    assert saved >= 2
    assert len(y) * np.log(after / before) < saved * np.log(len(y))


@pytest.mark.parametrize("text", ["1.37*exp(0.63*x_1)", "exp(x_1)+x_2", "x_1*x_2/3"])
def test_without_noise_nothing_happens(text: str) -> None:
    columns, y = problem(text, 0.0)
    assert settled(read(text), columns, y) == read(text)


def test_a_constant_that_the_rows_show_to_the_last_digit_is_not_made_simple() -> None:
    columns, y = problem("1.003*exp(x_1)-0.003", 0.0)
    result = settled(read("1.003*exp(x_1)-0.003"), columns, y)
    assert result == read("1.003*exp(x_1)-0.003")


@pytest.mark.parametrize("text", ["1.37*x_1", "2.5*x_1+0.25", "1.37*exp(0.63*x_1)"])
def test_an_expression_without_any_error_at_all_is_left_alone(text: str) -> None:
    columns, _ = problem("x_1", 0.0)
    y = evaluate(sp.N(read(text), 17), columns)
    assert squares(sp.N(read(text), 17), columns, y) == 0
    assert settled(sp.N(read(text), 17), columns, y) == sp.N(read(text), 17)


def test_decimals_far_from_the_truth_are_fitted_first() -> None:
    columns, y = problem("3*x_1**2", 0.0)
    result = settled(read("2.6*(x_1+0.35)**2"), columns, y)
    assert squares(result, columns, y) <= 1e-20 * float(y @ y)


def test_the_inputs_never_vanish() -> None:
    """Where a simple number would leave no input at all, the constants stay."""
    columns, _ = problem("x_1", 0.0)
    y = np.random.default_rng(5).standard_normal(400)
    result = settled(read("0.01*x_1"), columns, y)
    assert result.free_symbols == {X_1}


def test_the_same_rows_give_the_same_expression() -> None:
    columns, y = problem("exp(x_1)+x_2**2", 0.1)
    start = read("1.01*exp(0.99*x_1+0.01)+0.98*x_2**2-0.02")
    assert settled(start, columns, y) == settled(start, columns, y)


# ---- proposals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "error", "place", "expected"),
    [
        (1.003, 0.01, "", [0]),  # as measured
        (-2.02, 0.01, "", [0]),
        (5.3, None, "", [0, 1]),
        (-5.3, None, "", [0, -1]),
        (2.01, 0.01, "exponent", [0, 2]),
        (1.51, 0.01, "exponent", [0, 2, sp.Rational(3, 2)]),
        (1.51, 0.07, "exponent", [0, 2]),  # halves lie nearer to each other
        (-0.5, 0.01, "exponent", [0, sp.Rational(-1, 2)]),
        (0.1, 0.01, "exponent", [0]),
        (-1.57, 0.01, "phase", [0, -sp.pi / 2]),
        (3.15, 0.01, "phase", [0, sp.pi]),
        (0.3, 0.01, "phase", [0]),
    ],
)
def test_simple_numbers_save_a_constant_or_are_exponents(
    value: float, error: float | None, place: str, expected: list[sp.Expr]
) -> None:
    assert list(simple_numbers(Constant(value, error), place)) == expected


def test_proposals_drop_constants_first_and_lie_within_what_the_rows_allow() -> None:
    columns, y = problem("exp(x_1)+x_2**2", 0.1)
    fitted = polished(read("1.01*exp(0.99*x_1)+0.98*x_2**2-0.02"), columns, y)
    found = proposals(fitted, columns, y)
    dropping = [target == 0 for _, target in found]
    assert dropping == sorted(dropping, reverse=True)
    assert any(dropping)
    assert {target for _, target in found} == {sp.Integer(0)}
    assert {constant for constant, _ in found} <= set(constants_of(fitted))
    assert all(abs(float(c) - float(t)) < 0.5 for c, t in found)


def test_a_function_that_the_rows_see_as_a_line_is_dropped() -> None:
    columns, y = problem("tanh(2*x_1)*x_2", 0.01)
    found = straightened(polished(read("6.4*atan(0.15*tanh(2.02*x_1)*x_2)"), columns, y), columns, y, UNLIMITED)
    assert not found.has(sp.atan)
    assert found.has(sp.tanh)


def test_time_that_is_over_leaves_constants_as_they_are() -> None:
    columns, y = problem("2*x_1+x_2", 0.05)
    start = polished(read("2.013*x_1+0.98*x_2+0.002"), columns, y)
    assert settled(start, columns, y, used_up()) == start
    assert len(constants_of(settled(start, columns, y))) == 2


def test_nothing_more_is_tried_once_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, y = problem("2*x_1+x_2", 0.05)
    start = polished(read("2.013*x_1+0.98*x_2+0.002"), columns, y)
    tried = list[sp.Expr]()

    def noted(trial: sp.Expr, *_: object) -> sp.Expr:
        tried.append(trial)
        return trial

    monkeypatch.setattr(parsimony, "polished", noted)
    settled(start, columns, y, Context(Budget.of(Meter(), work=1.001 * work_of_polish(start))))
    assert len(tried) == 2  # where it begins, and the first proposal
