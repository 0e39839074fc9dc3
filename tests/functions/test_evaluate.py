from __future__ import annotations

import warnings

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.functions.evaluate import evaluate, evaluators
from kanrun.functions.parser import FUNCTIONS, parse_formula, symbol
from tests.helpers import Array, formula_values, uniform_rows

X_1, X_2 = symbol("x_1"), symbol("x_2")
ROWS = uniform_rows(60, 2, seed=4, low=-2.0, high=2.0).numpy()
COLUMNS = {"x_1": ROWS[:, 0], "x_2": ROWS[:, 1]}

NUMBERS = [2, -3, sp.Rational(1, 3), sp.Rational(-5, 2), sp.Float("0.7"), sp.pi, -sp.E, sp.sqrt(2)]
EXPONENTS = [2, 3, -1, -2, sp.Rational(1, 2), sp.Rational(-1, 2), sp.Rational(3, 2), sp.Rational(1, 3), sp.Float("1.7")]
TAME = [
    sp.sin,
    sp.cos,
    sp.tanh,
    sp.atan,
    sp.asin,
    sp.acos,
    sp.atanh,
    sp.log,
    sp.sqrt,
    sp.Abs,
    sp.sign,
    sp.erf,
    sp.asinh,
]


def larger(parts: st.SearchStrategy[sp.Expr]) -> st.SearchStrategy[sp.Expr]:
    """Sums, products, powers and functions of smaller expressions."""
    return st.one_of(
        st.tuples(parts, parts).map(lambda p: p[0] + p[1]),
        st.tuples(parts, parts).map(lambda p: p[0] * p[1]),
        st.tuples(parts, st.sampled_from(EXPONENTS)).map(lambda p: sp.Pow(*p)),
        st.tuples(st.sampled_from(TAME), parts).map(lambda p: p[0](p[1])),
        parts.map(lambda p: sp.exp(sp.sin(p))),
        st.tuples(parts, parts).map(lambda p: sp.Max(p[0] + X_1, p[1] - X_2) if p[0] != p[1] else sp.cos(p[0])),
        st.tuples(parts, parts).map(lambda p: sp.atan2(p[0], p[1])),
    )


line = st.tuples(st.sampled_from([X_1, X_2]), st.sampled_from(NUMBERS), st.sampled_from([0, *NUMBERS]))
leaves = st.sampled_from([X_1, X_2]) | line.map(lambda p: p[1] * p[0] + p[2])
expressions = st.recursive(
    leaves, lambda parts: larger(parts).filter(lambda e: bool(e.free_symbols)), max_leaves=6
).filter(lambda e: not e.has(sp.zoo, sp.oo, sp.nan, sp.I))


@given(expressions)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_random_expressions_have_the_values_of_lambdify(expression: sp.Expr) -> None:
    with np.errstate(all="ignore"):
        compiled = sp.lambdify([X_1, X_2], expression, modules=["scipy", "numpy"])
        expected = np.broadcast_to(np.asarray(compiled(*ROWS.T), dtype=float), len(ROWS))
    found = evaluate(expression, COLUMNS)
    usable = np.abs(expected) < 1e6  # false for NaN
    np.testing.assert_allclose(found[usable], expected[usable], rtol=1e-8, atol=1e-8)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


@given(expressions)
@settings(deadline=None, max_examples=25, derandomize=True)
def test_random_expressions_have_the_values_that_sympy_computes_with_many_digits(expression: sp.Expr) -> None:
    found = evaluate(expression, COLUMNS)
    for row in range(3):
        exact = sp.N(expression.subs({X_1: sp.Rational(ROWS[row, 0]), X_2: sp.Rational(ROWS[row, 1])}), 30)
        if exact.is_real and abs(exact) < 1e6 and np.isfinite(found[row]):
            assert found[row] == pytest.approx(float(exact), rel=1e-7, abs=1e-7)


@given(expressions)
@settings(deadline=None, max_examples=25, derandomize=True)
def test_the_text_of_an_expression_is_worth_the_same_in_plain_python(expression: sp.Expr) -> None:
    if expression.atoms(sp.Max, sp.erf, sp.asinh, sp.atan2):
        return
    found, expected = evaluate(expression, COLUMNS), formula_values(str(expression), ROWS)
    usable = np.abs(expected) < 1e6
    np.testing.assert_allclose(found[usable], expected[usable], rtol=1e-8, atol=1e-8)


ONE_ARGUMENT = [name for name, (_, counts) in FUNCTIONS.items() if 1 in counts]
AROUND_ZERO = np.array([-3.3, -2.7, -1.6, -0.9, -0.45, -0.2, 0.15, 0.3, 0.55, 0.97, 1.2, 2.6, 4.4])


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_functions_are_nan_exactly_where_sympy_finds_no_real_value(name: str) -> None:
    expression = parse_formula(f"{name}(x_1)")
    found = evaluate(expression, {"x_1": AROUND_ZERO})
    exact = np.array([complex(sp.N(expression.subs(X_1, sp.Float(v, 20)), 20)) for v in AROUND_ZERO])
    real = np.abs(exact.imag) < 1e-12
    assert real.any()
    np.testing.assert_array_equal(np.isfinite(found), real)
    np.testing.assert_allclose(found[real], exact.real[real], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "real"),
    [
        ("log(x_1)", AROUND_ZERO > 0),
        ("sqrt(x_1)", AROUND_ZERO > 0),
        ("1/sqrt(x_1)", AROUND_ZERO > 0),
        ("x_1**0.5", AROUND_ZERO > 0),
        ("x_1**-0.5", AROUND_ZERO > 0),
        ("x_1**1.5", AROUND_ZERO > 0),
        ("x_1**(1/3)", AROUND_ZERO > 0),
        ("x_1**(-2/3)", AROUND_ZERO > 0),
        ("x_1**pi", AROUND_ZERO > 0),
        ("x_1**2.0", AROUND_ZERO < 9),
        ("x_1**-3", AROUND_ZERO < 9),
        ("log(x_1**2)", AROUND_ZERO < 9),
        ("sqrt(-1-x_1)", AROUND_ZERO < -1),
        ("log(-x_1)+x_1", AROUND_ZERO < 0),
        ("asin(x_1)*acos(x_1)", np.abs(AROUND_ZERO) < 1),
        ("acosh(x_1)", AROUND_ZERO > 1),
        ("besselk(1,x_1)", AROUND_ZERO > 0),
    ],
)
def test_powers_and_roots_are_nan_where_they_are_not_real(text: str, real: Array) -> None:
    found = evaluate(parse_formula(text), {"x_1": AROUND_ZERO})
    np.testing.assert_array_equal(np.isfinite(found), real)
    np.testing.assert_array_equal(np.isnan(found), ~real)


@pytest.mark.parametrize("expression", [sp.I * X_1, X_1 + sp.log(-2), sp.sqrt(-2) * X_1**2, sp.exp(sp.I * X_1)])
def test_values_with_an_imaginary_part_are_nan(expression: sp.Expr) -> None:
    assert np.isnan(evaluate(expression, COLUMNS)).all()


@pytest.mark.parametrize(
    "expression",
    [
        (X_1 + sp.I) * (X_1 - sp.I),
        sp.Abs(X_1 + sp.I, evaluate=False) ** 2,
        sp.exp(sp.I * X_1) * (X_1**2 + 1) * sp.exp(-sp.I * X_1, evaluate=False),
        sp.re(X_1**2 + sp.I * X_2 + 1, evaluate=False),
        sp.im(X_2 + sp.I * (X_1**2 + 1), evaluate=False),
    ],
)
def test_imaginary_parts_that_cancel_leave_real_values(expression: sp.Expr) -> None:
    np.testing.assert_allclose(evaluate(expression, COLUMNS), ROWS[:, 0] ** 2 + 1, rtol=1e-13)


@pytest.mark.parametrize("text", ["1/x_1", "log(x_1)", "x_1**-2", "x_1/x_1**2*0.5", "exp(1e5*x_1+1e5)", "gamma(x_1)"])
def test_poles_and_overflow_give_infinity_or_nan_without_a_warning(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate(parse_formula(text), {"x_1": np.array([0.0, 1.0])})
    assert not np.isfinite(found[0])


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3.0), ("pi/4", np.pi / 4), ("e**2", np.e**2), ("-2.5", -2.5), ("0", 0.0)]
)
def test_constants_fill_all_rows(text: str, value: float) -> None:
    found = evaluate(parse_formula(text), COLUMNS)
    assert found.shape == (60,)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, value, rtol=1e-15)
    found[0] = 1e9
    assert found[1] < 1e9


def test_without_columns_a_constant_has_one_row() -> None:
    assert evaluate(sp.Integer(3), {}).tolist() == [3.0]


def test_results_are_copies_in_double_precision() -> None:
    column = np.arange(4, dtype=np.float32)
    found = evaluate(X_1, {"x_1": column})
    assert found.dtype == np.float64
    found += 1
    assert column.tolist() == [0, 1, 2, 3]
    assert evaluate(X_1 / 2, {"x_1": np.array([1, 2, 3])}).tolist() == [0.5, 1.0, 1.5]


def test_no_rows_give_no_values() -> None:
    assert evaluate(sp.sin(X_1) + 1, {"x_1": np.array([])}).shape == (0,)


def test_a_function_without_evaluator_is_a_type_error_that_names_it() -> None:
    for expression in (sp.Function("strange")(X_1), sp.polylog(2, X_1), 1 + sp.Piecewise((X_1, X_1 > 0), (0, True))):
        name = "Piecewise" if expression.has(sp.Piecewise) else expression.func.__name__
        with pytest.raises(TypeError, match=name):
            evaluate(expression, COLUMNS)


def test_an_unknown_symbol_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="x_9"):
        evaluate(X_1 + symbol("x_9"), COLUMNS)


def test_everything_that_can_be_parsed_can_be_evaluated() -> None:
    parts = {type(parse_formula(f"{name}({','.join(['2'] * (counts[0] - 1) + ['x_1'])})")) for name, (_, counts) in
             FUNCTIONS.items() if name not in ("re", "im")}  # fmt: skip
    assert parts - {sp.Pow, sp.Mul, sp.Add, sp.log} <= set(evaluators())


def test_functions_that_are_quotients_of_others_have_their_values() -> None:
    z = np.array([-2.7, -0.4, 0.3, 1.1, 2.9])
    x, columns = sp.Symbol("x_1", real=True), {"x_1": z}
    expected = {
        sp.cot: np.cos(z) / np.sin(z),
        sp.sec: np.cos(z) ** -1.0,
        sp.csc: np.sin(z) ** -1.0,
        sp.coth: np.cosh(z) / np.sinh(z),
    }
    for function, values in expected.items():
        np.testing.assert_allclose(evaluate(function(x), columns), values, rtol=1e-13)
    # acoth is the inverse of coth outside of [-1, 1].
    np.testing.assert_allclose(evaluate(sp.acoth(x), {"x_1": expected[sp.coth]}), z, rtol=1e-12)


N, M = symbol("n"), symbol("m")
ORDERS = [(2, 2, 0.3), (3, 1, 0.7), (4, 0, 0.45), (2, 1, 0.85)]  # n, m and x_1
OF_SEVERAL = [
    sp.log(X_1, N), sp.atan2(X_1, -N), sp.beta(X_1, N), sp.besselj(N, X_1), sp.bessely(N, X_1), sp.besseli(N, X_1),
    sp.besselk(N, X_1), sp.jn(N, X_1), sp.yn(N, X_1), sp.elliptic_f(X_1, M / 4), sp.elliptic_e(X_1, M / 4),
    sp.legendre(N, X_1), sp.assoc_legendre(N, M, X_1), sp.chebyshevt(N, X_1), sp.chebyshevu(N, X_1), sp.hermite(N, X_1),
    sp.laguerre(N, X_1), sp.gegenbauer(N, M + 1, X_1), sp.jacobi(N, M, sp.Rational(3, 2), X_1), sp.polygamma(M, X_1),
    sp.Ynm(N, M, X_1, 0), sp.Znm(N, M, X_1, sp.Rational(2, 5)), sp.Znm(N, -M, X_1, sp.Rational(2, 5)),
    sp.Min(X_1, N - sp.Rational(5, 2), M), sp.Max(X_1, N - sp.Rational(5, 2), M),
]  # fmt: skip


@pytest.mark.parametrize("expression", OF_SEVERAL, ids=str)
def test_functions_of_several_arguments_have_the_values_of_sympy(expression: sp.Expr) -> None:
    n, m, x = np.array(ORDERS).T
    exact = [
        complex(sp.N(expression.subs({N: order, M: degree, X_1: sp.Rational(str(at))}).doit(), 20))
        for order, degree, at in ORDERS
    ]
    np.testing.assert_allclose(evaluate(expression, {"n": n, "m": m, "x_1": x}), exact, rtol=1e-12, atol=1e-15)


def test_a_complex_value_that_is_zero_is_real() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    assert evaluate((X_1 + sp.I) * (X_1 - sp.I) - 1, {"x_1": x}).tolist() == [1.0, 0.0, 4.0]
    assert evaluate(sp.I * X_1, {"x_1": x})[1] == 0.0


def test_a_function_with_arguments_that_nothing_computes_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        evaluate(sp.LambertW(X_1, -1), COLUMNS)
    with pytest.raises(TypeError, match="no way to evaluate"):
        evaluate(sp.Function("unknown")(X_1), COLUMNS)
