"""SymPy within bounds: equal forms where they can be had, the expression as it was where not, and never a long wait."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.functions.algebra import (
    bounded,
    degree,
    is_ending,
    is_tractable,
    is_zero,
    latex_of,
    rewritten,
    simplified,
    terms,
)
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula

X = {"x_1": np.linspace(0.3, 1.7, 9), "x_2": np.linspace(1.1, 0.2, 9)}

# What SymPy factors or simplifies for minutes: denominators that make polynomials of a high degree.
ENDLESS = [
    "83/100 + 26*exp(-1250*(x_1 - 137/100)**2/441)/5 - 7*exp(-x_1/37)*exp(11*x_1/41)",
    "(x_1**(17/41) + 3*x_2**(5/97) - 1)*(x_1**(2/3) + x_2**(11/89))/(1 + x_1**(3/71))",
    "(x_1 + x_2 + 1)**30*(x_1 - x_2)**25",
    "(x_1 + 1)**500 - 1",
    "sin((x_1 + x_2)**12*(x_1 + 3*x_2 + 7)**11)*cos((x_1 + x_2)**9)",
    "1/((x_1 + 1/7)**(1/9) + (x_2 + 3/11)**(5/13) + (x_1*x_2)**(2/17))",
]


def read(text: str) -> sp.Expr:
    return parse_formula(text, ["x_1", "x_2"])


@pytest.mark.parametrize("text", ENDLESS)
def test_no_rewriting_goes_on_for_long_and_what_it_gives_has_the_same_values(text: str) -> None:
    expression = read(text)
    before = time.process_time()
    forms = [*simplified(expression), rewritten(sp.factor, expression), rewritten(sp.simplify, expression)]
    assert time.process_time() - before < 40  # against minutes to hours for one of them
    for form in forms:
        np.testing.assert_allclose(evaluate(form, X), evaluate(expression, X), rtol=1e-6)


def test_what_takes_too_many_calls_is_left_as_it_was_the_same_every_time() -> None:
    def count(n: int) -> int:
        return 0 if n == 0 else 1 + count(n - 1)

    assert bounded(lambda: count(50), -1, calls=100) == 50
    assert bounded(lambda: count(200), -1, calls=100) == -1
    assert bounded(lambda: 1 // 0, "otherwise") == "otherwise"  # type: ignore[comparison-overlap]
    assert bounded(lambda: count(10**6), -1) == -1  # a tree too deep for Python


@pytest.mark.parametrize("calls", [100, 1000, 5000])
def test_nothing_within_sympy_takes_the_end_for_an_error_of_its_own(calls: int) -> None:
    expression = read("(sin(x_1)**4 - cos(x_1)**4)/(sin(x_1) + cos(x_1)) + tan(x_2)/(1 + tan(x_2)**2)")
    assert bounded(lambda: sp.simplify(expression), None, calls) is None


@pytest.mark.parametrize("calls", range(12))
def test_the_end_is_not_lost_where_python_drops_errors(calls: int) -> None:
    class Dropped:
        def __del__(self) -> None:
            self.left = len(str(self.__class__))

    def count_ops(one: sp.Expr) -> int:
        return len(one.args)

    def work() -> str:
        for _ in range(200):
            begun = (n for n in (1, 2))
            next(begun)
            del begun  # is closed now, and what it raises is ignored; so is what the other one raises
            Dropped()
            count_ops(sp.Integer(1))
        return "all of it"

    assert bounded(work, "otherwise", calls) == "otherwise"


def test_a_tracer_that_was_there_is_there_again() -> None:
    def tracer(*_: object) -> None: ...

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        bounded(lambda: None, None)
        bounded(lambda: [None for _ in map(str, range(10))], None, calls=0)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x_1**3 + x_1", 3), ("x_1**(3/7) + sqrt(x_1)", 7), ("exp(x_1/3) + exp(2*x_1)", 6), ("sin(x_1)", 1),
        ("x_1**(1/3)*x_2**(1/5)", 1), ("exp(x_1*x_2/50)+exp(x_1*x_2/49)", 50), ("1/x_1**4", 4),
    ],
)  # fmt: skip
def test_the_degree_is_that_of_polynomials_in_the_parts(text: str, expected: int) -> None:
    assert degree(read(text)) == expected
    assert degree(read(f"({text})*x_2**1.37*exp(0.5*x_2)")) == expected  # decimals are no exponents of polynomials


@pytest.mark.parametrize("text", ["x_1*(x_2+1)", "(x_1+x_2)**5", "(x_1+x_2+1)**3*(x_1-1)", "sin((x_1+1)**4)+x_2"])
def test_terms_are_at_least_those_of_the_expression_multiplied_out(text: str) -> None:
    expression = read(text)
    inside = [expression, *(node.args[0] for node in expression.atoms(sp.sin))]
    assert terms(expression) >= max(len(sp.Add.make_args(sp.expand(part))) for part in inside)


@pytest.mark.parametrize(
    "text", ["x_1", "7*x_1*x_2*sin(x_1)*exp(x_2)", "x_1*(x_2+1)", "(x_1+x_2)**5", "(x_1+sin(x_2))*(x_2+exp(x_1))/x_1"]
)
def test_terms_are_those_of_the_expression_multiplied_out_where_none_are_alike(text: str) -> None:
    expression = read(text)
    assert terms(expression) == len(sp.Add.make_args(sp.expand(expression)))


def test_large_numbers_and_long_expressions_are_left_alone() -> None:
    assert not is_tractable(sp.Rational(10**80, 3) * read("x_1"))
    assert not is_tractable(sp.Add(*[sp.sin(k * read("x_1")) for k in range(1, 90)]))
    assert is_tractable(read("(x_1**2 - 1)/(x_1 - 1)"))


def test_short_forms_are_found() -> None:
    assert read("x_1 + 1") in simplified(read("(x_1**2 - 1)/(x_1 - 1)"))
    assert read("(x_1 + x_2)**2") in simplified(read("x_1**2 + 2*x_1*x_2 + x_2**2"))
    assert simplified(read("1.5*x_1")) == []


def test_zero_is_seen_where_algebra_shows_it() -> None:
    assert is_zero(read("sin(x_1)**2 + cos(x_1)**2 - 1"))
    assert not is_zero(read("sin(x_1)**2 + cos(x_1)**2"))
    assert not is_zero(read("x_1*1.0 - x_1*1.5"))


def test_latex_is_made_of_every_formula() -> None:
    assert latex_of(read("x_1/(1 + x_2)")) == r"\frac{x_{1}}{x_{2} + 1}"


@settings(max_examples=30, deadline=None)
@given(st.recursive(
    st.sampled_from(["x_1", "x_2", "2", "3/7", "11/13", "0.5", "pi"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        st.tuples(st.sampled_from(["sin", "exp", "sqrt", "tanh"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(inner, st.sampled_from(["2", "3", "12", "1/2", "5/7", "-1"])).map(lambda t: f"({t[0]})**({t[1]})"),
    ),
    max_leaves=10,
))  # fmt: skip
def test_rewritten_formulas_have_the_values_of_the_formula(text: str) -> None:
    try:
        expression = read(text)
    except Exception:  # not a formula
        return
    for form in [*simplified(expression), rewritten(sp.factor, expression)]:
        both = moderate(expression) & moderate(form)
        for one, other in zip(precise(form, both), precise(expression, both), strict=True):
            assert mpmath.almosteq(one, other, rel_eps=1e-5, abs_eps=1e-8)


def moderate(expression: sp.Expr) -> np.ndarray:
    """The rows at which all parts of it have values, none of them enormous."""
    parts = [np.broadcast_to(evaluate(part, X), X["x_1"].shape) for part in sp.preorder_traversal(expression)]
    return (np.abs(parts) < 1e100).all(axis=0)


def precise(expression: sp.Expr, rows: np.ndarray) -> list[mpmath.mpf]:
    """Its values at some rows to many digits: of (x_1 - x_2)**12 multiplied out few are left where these are close."""
    value = sp.lambdify([read("x_1"), read("x_2")], expression, "mpmath")
    with mpmath.workdps(60):
        return [value(mpmath.mpf(a), mpmath.mpf(b)) for a, b in zip(*(X[name][rows] for name in X), strict=True)]


def test_only_where_an_error_may_be_dropped_the_counting_waits() -> None:
    """Without a tracer: what is within generators and `__del__`, and what these call, is ending."""
    seen = dict[str, bool]()

    def helper(name: str) -> None:
        seen[name] = is_ending(sys._getframe())

    class Dropped:
        def __del__(self) -> None:
            helper("called by __del__")

    def generator() -> Iterator[bool]:
        yield is_ending(sys._getframe())

    helper("plain")
    dropped = Dropped()
    del dropped
    assert seen == {"plain": False, "called by __del__": True}
    assert list(generator()) == [True]
