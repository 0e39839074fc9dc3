from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula, symbol
from kanrun.symbolic.expression import complexity
from kanrun.symbolic.snap import EXACT, decimal, expanded, nice_numbers, shortest, snap, where_positive
from tests.helpers import Array, run_limited, uniform_rows

X_1, X_2 = symbol("x_1"), symbol("x_2")
ROWS = uniform_rows(200, 2, seed=6, low=0.2, high=1.2).numpy()
COLUMNS = {"x_1": ROWS[:, 0], "x_2": ROWS[:, 1]}

Loss = Callable[[list[sp.Expr]], float]


def decimals(expression: sp.Expr, error: float = 0.0) -> sp.Expr:
    """The expression with every number but powers as a decimal, wrong by a part `error`."""
    if expression.is_number:
        return sp.Float(repr(float(expression) * (1 + error)), 17)
    if expression.is_Pow:
        return sp.Pow(decimals(expression.base, error), expression.exp)
    return expression.func(*(decimals(a, error) for a in expression.args)) if expression.args else expression


def squared_error(*truths: Array) -> Loss:
    """The mean squared error of expressions against these targets, NaN where one is not finite."""

    def loss_of(trial: list[sp.Expr]) -> float:
        found = np.stack([evaluate(e, COLUMNS) for e in trial])
        return float(((found - np.stack(truths)) ** 2).mean())

    return loss_of


def snapped(starts: list[sp.Expr], *truths: Array) -> list[sp.Expr]:
    """What becomes of these expressions with the loss against these targets."""
    return snap(starts, squared_error(*truths), len(ROWS), EXACT * float(np.var(np.stack(truths))))


CONSTANTS = [
    "3", "-7", "12", "1/2", "-2/3", "5/7", "11/12", "1/16", "123/1000", "123", "1000", "1/1000", "pi", "-pi", "2*pi",
    "pi/2", "3*pi/4", "pi/6", "e", "-e", "e/2", "sqrt(2)", "-sqrt(3)/2", "sqrt(5)", "1/sqrt(2)", "1/pi", "1/(4*pi)",
    "3/(8*pi)", "sqrt(pi)", "sqrt(pi)/2", "1/sqrt(pi)", "1/sqrt(2*pi)", "sqrt(2*pi)",
]  # fmt: skip
FORMS = {
    "factor": lambda k: k * X_1**2,
    "inside": lambda k: sp.sin(k * X_1) + X_2,
    "shift": lambda k: sp.tanh(X_1 + X_2) + k,
    "both": lambda k: k * sp.cos(k * X_1) + X_2 / 3,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", CONSTANTS)
def test_constants_of_formulas_are_found_exactly(text: str, form: str) -> None:
    truth = FORMS[form](parse_formula(text))
    (found,) = snapped([decimals(truth, 3e-15)], evaluate(truth, COLUMNS))
    assert sp.simplify(found - truth) == 0
    assert not found.atoms(sp.Float)


@pytest.mark.parametrize("text", CONSTANTS)
def test_the_first_nice_number_near_a_constant_is_the_constant(text: str) -> None:
    value = parse_formula(text)
    assert sp.simplify(next(nice_numbers(float(value), exact=True)) - value) == 0


@pytest.mark.parametrize("value", [0.99, 1.01, -0.99, -1.01])
def test_where_the_scale_is_free_a_constant_near_one_may_be_one_with_its_sign(value: float) -> None:
    assert list(nice_numbers(value, exact=False, ones=True)) == [round(value)]
    assert list(nice_numbers(2 * value, exact=False, ones=True)) == []
    assert list(nice_numbers(value, exact=False)) == []


def test_several_constants_in_several_formulas_are_found_together() -> None:
    truths = [
        sp.exp(sp.sin(sp.pi * X_1) + X_2**2),
        3 * X_1 / 4 - sp.sqrt(2) * X_2 + 1,
        sp.cos(2 * sp.pi * X_2) / (4 * sp.pi),
    ]
    found = snapped([decimals(t, 1e-15) for t in truths], *(evaluate(t, COLUMNS) for t in truths))
    assert found == truths


def test_each_formula_keeps_what_is_not_nice_while_others_are_mended() -> None:
    truths = [0.7391857264519 * X_1 + sp.Integer(2) * X_2, sp.pi * sp.sin(X_1)]
    first, second = snapped([decimals(t) for t in truths], *(evaluate(t, COLUMNS) for t in truths))
    assert float(first.coeff(X_1)) == 0.7391857264519
    assert first.coeff(X_2) == 2
    assert second == truths[1]


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=20, derandomize=True)
def test_constants_like_any_other_stay_as_they_are(seed: int) -> None:
    draw = np.random.default_rng(seed)
    a, b, c = (sp.Float(repr(v), 17) for v in (draw.choice([-1, 1], 3) * 10 ** draw.uniform(-1, 1, 3)).tolist())
    truth = a * sp.sin(b * X_1) + c * X_2
    assert snapped([truth], evaluate(truth, COLUMNS)) == [truth]


def test_few_of_many_random_numbers_look_nice() -> None:
    draw = np.random.default_rng(0)
    values = draw.choice([-1, 1], 1000) * 10 ** draw.uniform(-2, 2, 1000)
    assert sum(next(nice_numbers(v, exact=True), None) is not None for v in values) <= 20


def test_a_constant_that_the_rows_hardly_see_gets_no_long_fraction() -> None:
    truth = X_1 + sp.Float("1e-9", 17) * sp.sin(sp.Float("0.7391857264519", 17) * X_2)
    (found,) = snapped([truth], ROWS[:, 0])
    assert all(abs(r.p) * r.q < 1000 for r in found.atoms(sp.Rational))


@pytest.mark.parametrize("tiny", [1e-17, -3e-13, 2e-16])
def test_terms_that_are_only_rounding_vanish(tiny: float) -> None:
    start = sp.Float(tiny, 17) * sp.exp(X_2) + sp.sin(sp.Float("2.0000000000000004", 17) * X_1) + sp.Float(-tiny, 17)
    assert snapped([start], np.sin(2 * ROWS[:, 0])) == [sp.sin(2 * X_1)]


def test_a_small_constant_that_matters_stays() -> None:
    truth = sp.Float("1e-7", 17) * X_1
    (found,) = snapped([truth], evaluate(truth, COLUMNS))
    np.testing.assert_allclose(evaluate(found, COLUMNS), 1e-7 * ROWS[:, 0], rtol=1e-9)


@given(seed=st.integers(0, 10**6), noise=st.sampled_from([0.3, 0.03, 1e-3, 1e-6]))
@settings(deadline=None, max_examples=20, derandomize=True)
def test_each_constant_costs_at_most_its_share_of_the_loss(seed: int, noise: float) -> None:
    draw = np.random.default_rng(seed)
    a, b, c, d = (sp.Float(repr(v), 17) for v in ([2, -1, 0, 0.5] + noise * draw.normal(size=4)).tolist())
    start = a * sp.sin(3 * X_1 + b) + c * X_2**2 + d
    target = evaluate(start, COLUMNS) + noise * draw.normal(size=len(ROWS))
    (found,) = snapped([start], target)
    before, after = squared_error(target)([start]), squared_error(target)([found])
    replaced = len(start.atoms(sp.Float)) - len(found.atoms(sp.Float))
    assert after <= before * (1 + math.log(len(ROWS)) / len(ROWS)) ** replaced * (1 + 1e-12)


def test_with_noise_constants_go_where_the_rows_allow_it_and_stay_as_measured_elsewhere() -> None:
    noise = 0.1 * np.random.default_rng(1).normal(size=len(ROWS))
    target = np.sin(np.pi * ROWS[:, 0]) + 2 * np.abs(ROWS[:, 1]) ** 1.5 + noise
    start = sp.Float("1.003") * sp.sin(sp.Float("3.1425") * X_1) + sp.Float("2.001") * sp.Abs(X_2) ** sp.Float("1.49")
    (found,) = snapped([start], target)
    assert found == sp.Float("1.003") * sp.sin(sp.Float("3.1425") * X_1) + sp.Float("2.001") * sp.Abs(
        X_2
    ) ** sp.Rational(3, 2)


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    start = [sp.log(sp.Float("2.0000000000000004", 17) * X_1)]
    for loss in (math.nan, math.inf):
        assert snap(start, lambda _, loss=loss: loss, 100, 1e-20) == start


def test_no_replacement_makes_a_formula_infinite_or_imaginary() -> None:
    tiny, small = sp.Float("1e-8", 17), sp.Float("-3e-9", 17)
    starts = [
        sp.log(tiny + tiny * X_1**2),
        1 / (tiny * X_1 + tiny),
        sp.sqrt(X_1 - small) + sp.log(1 - small),
        X_1**tiny / tiny,
    ]
    for start in starts:
        for truth in (evaluate(start, COLUMNS), np.zeros(len(ROWS))):
            (found,) = snapped([start], truth)
            assert not found.has(sp.zoo, sp.oo, sp.nan, sp.I)
            assert np.isfinite(evaluate(found, COLUMNS)).all()


def test_exact_numbers_are_left_alone() -> None:
    start = sp.Rational(355, 113) * sp.sin(sp.pi * X_1)
    assert snapped([start], evaluate(start, COLUMNS)) == [start]
    assert snapped([start], np.zeros(len(ROWS))) == [start]


# ---- rewriting -------------------------------------------------------------------------------------------------------

FORMULAS = [
    "x_1*x_2+x_1*sin(x_2)", "exp(x_1)*exp(x_2)", "(x_1+x_2)**2-x_1**2-x_2**2", "sin(x_1)**2+cos(x_1)**2", "x_1", "3",
    "0.5*x_1*(x_2+1.5)+0.75*(x_1-2.0)", "sqrt(x_1)*sqrt(x_2)", "log(x_1)+log(x_2)", "x_1**2.0*x_1**1.5",
    "(x_1+1)**3/(x_1+1)", "1/(x_1*x_2)+1/x_1", "2*(x_1+3*(x_2+0.25*(x_1-1)))", "exp(2*log(x_1))",
    "(0.5*x_1+0.5*x_2)*(2.0*x_1-2.0*x_2)", "pi*x_1+pi*x_2", "(x_1-x_2)*(x_1+x_2)", "tanh(x_1)*2.5+2.5*x_2",
    "Abs(x_1*x_2)*sign(x_1)", "x_1**3+3*x_1**2*x_2+3*x_1*x_2**2+x_2**3",
]  # fmt: skip


@pytest.mark.parametrize("rewrite", [shortest, expanded])
@pytest.mark.parametrize("text", FORMULAS)
def test_rewriting_keeps_the_values(text: str, rewrite: Callable[[sp.Expr], sp.Expr]) -> None:
    expression = parse_formula(text)
    signed = {"x_1": 4 * ROWS[:, 0] - 2.5, "x_2": 3 * ROWS[:, 1] - 2.0}
    for columns in (COLUMNS, signed):
        before, after = evaluate(expression, columns), evaluate(rewrite(expression), columns)
        finite = np.isfinite(before)
        np.testing.assert_allclose(after[finite], before[finite], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("text", FORMULAS)
def test_the_shortest_form_is_never_longer(text: str) -> None:
    expression = parse_formula(text)
    assert complexity(shortest(expression)) <= complexity(expression)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("exp(x_1)*exp(x_2)", "exp(x_1+x_2)"),
        ("sin(x_1)**2+cos(x_1)**2", "1"),
        ("pi*x_1+pi*x_2", "pi*(x_1+x_2)"),
        ("x_1**2+2*x_1*x_2+x_2**2", "(x_1+x_2)**2"),
        ("x_1*(x_2+1)-x_1", "x_1*x_2"),
    ],
)
def test_shorter_forms_are_found(text: str, short: str) -> None:
    assert shortest(parse_formula(text)) == parse_formula(short)


def test_expanding_drops_terms_that_only_rounding_has_left() -> None:
    expression = parse_formula("(x_1+0.1)*(x_2+3.0)-0.1*x_2-3.0*x_1-0.3+1e-12*sin(x_1)")
    assert str(expanded(expression)) in ("1.0*x_1*x_2", "x_1*x_2")


def test_expanding_nested_powers_does_not_grow_without_bounds() -> None:
    script = """
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.expression import complexity
from kanrun.symbolic.snap import expanded
inner = "+".join(f"0.{i}7*x_{i}" for i in range(1, 7))
print(complexity(expanded(parse_formula(f"0.3*(0.7*({inner}+0.2)**5+0.1)**3"))))
"""
    assert run_limited(script, seconds=8).strip().isdigit()


def test_signs_of_inputs_make_roots_and_sizes_short() -> None:
    x, y = symbol("x_1"), symbol("x_2")
    assert where_positive(shortest, sp.sqrt(x**2 * y**4) / sp.Abs(x * y), ["x_1", "x_2"]) == y
    assert where_positive(shortest, sp.Abs(x * y), ["x_1"]) == x * sp.Abs(y)
    assert where_positive(shortest, sp.Abs(x), []) == sp.Abs(x)


@pytest.mark.parametrize("value", [6.626e-34, 1.380649e-23, 8.854e-12, 2.99792458e8, 1.6e25, -9.80665])
def test_constants_of_any_size_become_the_decimals_that_they_are(value: float) -> None:
    off = sp.Float(value * (1 + 4e-16), 17)
    (short,) = snapped([off * X_1 * X_2], value * ROWS[:, 0] * ROWS[:, 1])
    (constant,) = short.atoms(sp.Number)
    assert float(constant) == value
    assert str(constant * X_1).startswith(str(value)[:4])


def test_no_decimal_is_made_of_digits_that_mean_nothing() -> None:
    assert decimal(0.1234567890123456) is None
    assert decimal(2 / 3) is None
    assert decimal(0.1) == sp.Float(0.1)


def test_a_constant_goes_where_it_is_nothing_beside_the_rest_and_stays_where_it_is_not() -> None:
    size = 1e20
    y = size * np.exp(ROWS[:, 0])
    start = sp.Float(size, 17) * sp.exp(X_1) + sp.Float(1e9, 17)
    assert snapped([start], y)[0].is_Mul
    kept = sp.Float(1e-9, 17) * sp.exp(X_1) + sp.Float(3.3e-10, 17)
    assert snapped([kept], 1e-9 * np.exp(ROWS[:, 0]) + 3.3e-10)[0].is_Add
