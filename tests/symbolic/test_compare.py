from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.functions.parser import parse_formula, symbol
from kanrun.symbolic.compare import agrees as values_agree
from kanrun.symbolic.compare import (
    has_digits,
    is_exact,
    over_decades,
    relative_loss,
    relative_weights,
    sizes,
    weights_by_size,
)
from tests.helpers import Array, run_limited

X_1, X_2 = symbol("x_1"), symbol("x_2")
UNIT = (-1.0, 1.0)


def agrees(found: str, truth: str, *domain: tuple[float, float]) -> bool:
    """Whether `found` counts as the same formula as `truth`, in both directions."""
    ranges = list(domain) or [UNIT, UNIT]
    names = [f"x_{i + 1}" for i in range(len(ranges))]
    answers = {
        is_exact(parse_formula(a, names), parse_formula(b, names), names, ranges)
        for a, b in ((found, truth), (truth, found))
    }
    assert len(answers) == 1
    return answers.pop()


SAME = [
    ("x_1*x_1", "x_1**2"), ("sin(x_1)**2", "1-cos(x_1)**2"), ("exp(x_1)*exp(x_2)", "exp(x_1+x_2)"),
    ("(x_1+x_2)**2", "x_1**2+2*x_1*x_2+x_2**2"), ("tanh(atanh(x_1/2)+atanh(x_2/2))", "(x_1/2+x_2/2)/(1+x_1*x_2/4)"),
    ("sin(x_1+pi/2)", "cos(x_1)"), ("sin(x_1+1.5707963267948966)", "cos(x_1)"), ("0.5*x_1", "x_1/2"),
    ("3.141592653589793*x_1", "pi*x_1"),
    ("exp(1.0*sin(3.14159265358979*x_1)+0.9999999999999998*x_2**2)", "exp(sin(pi*x_1)+x_2**2)"),
    ("1e-17*x_2+x_1", "x_1"), ("sqrt(x_1**2)", "Abs(x_1)"), ("2.0", "2"), ("0.30000000000000004", "0.3"),
    ("pi", "3.141592653589793"), ("0", "1e-320"), ("besselj(1,x_1)", "-besselj(1,-x_1)"), ("erf(x_1)+erfc(x_1)", "1"),
    ("x_2-x_2+x_1*1.0000000000001", "x_1"), ("1000000*x_1+0.0001", "1000000*x_1+0.00010000000001"),
    ("log(exp(x_1))", "x_1"), ("1e-12*x_1", "x_1/1000000000000"),
]  # fmt: skip

DIFFERENT = [
    ("10000*sin(0.0001*x_1)", "x_1"), ("x_1+1e-6", "x_1"), ("x_1*(1+1e-7)", "x_1"), ("x_1+1e-6*sin(50*x_2)", "x_1"),
    ("x_1", "x_2"), ("x_1", "-x_1"), ("x_1", "Abs(x_1)"), ("sin(x_1)", "x_1-x_1**3/6+x_1**5/120-x_1**7/5040"),
    ("x_1", "1"), ("2", "2.000001"), ("0", "1e-3"), ("1e-5", "0"), ("exp(x_1)", "(1+x_1/30)**30"),
    ("3.1416*x_1", "pi*x_1"), ("x_1**2", "x_1**2*(1+1e-8*x_2)"), ("1e-12*x_1", "2e-12*x_1"),
    ("tanh(x_1)", "erf(0.886*x_1)"), ("sign(x_1)", "tanh(50*x_1)"), ("gamma(x_1+3)", "gamma(x_1+3.0001)"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "truth"), SAME)
def test_equal_formulas_are_exact(found: str, truth: str) -> None:
    assert agrees(found, truth)


@pytest.mark.parametrize(("found", "truth"), DIFFERENT)
def test_lookalikes_are_not_exact(found: str, truth: str) -> None:
    assert not agrees(found, truth)


def test_a_tail_of_tanh_is_not_an_exponential() -> None:
    x = np.linspace(-1, 1, 100)
    factor = float(np.exp(16.0)) / 2
    assert np.abs(factor * (np.tanh(x / 2 - 8) + 1) / np.exp(x) - 1).max() < 1e-6
    assert not agrees(f"{factor}*(tanh(x_1/2-8)+1)", "exp(x_1)", UNIT)


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        ("log(x_1)", "log(Abs(x_1))"),
        ("sqrt(x_1)", "sqrt(Abs(x_1))"),
        ("log(x_1-0.9)", "log(Abs(x_1-0.9))"),
        ("sqrt(x_1-5)", "sqrt(x_1-5)+1e-7*x_1"),
        ("log(-2-x_1**2)", "log(-3-x_1**2)"),
    ],
)
def test_formulas_that_are_real_on_other_points_or_nowhere_are_not_exact(found: str, truth: str) -> None:
    assert not agrees(found, truth, UNIT)


@pytest.mark.parametrize(
    ("found", "truth", "domain"),
    [
        ("sqrt(1-x_1)*sqrt(1+x_1)", "sqrt(1-x_1**2)", UNIT),
        ("exp(log(x_1+1))", "x_1+1", (-0.99, 1.0)),
        ("log(x_1)+log(x_2)", "log(x_1*x_2)", (0.01, 2.0)),
    ],
)
def test_beyond_the_domain_a_formula_may_cease_to_be_real(found: str, truth: str, domain: tuple[float, float]) -> None:
    assert agrees(found, truth, domain, domain)


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        ("x_1", "Abs(x_1)"),
        ("x_1", "Max(x_1,-0.1)"),
        ("exp(x_1)", "exp(Max(x_1,-0.01))"),
        ("tanh(x_1)", "tanh(x_1)*(1+sign(x_1+0.001))/2"),
    ],
)
def test_formulas_that_part_beyond_the_domain_are_lookalikes(found: str, truth: str) -> None:
    assert agrees(found, truth, (0.5, 1.0))
    assert not agrees(found, truth, (0.0, 1.0))


def test_every_input_has_its_own_domain() -> None:
    assert agrees("Abs(x_1)+x_2", "x_1+x_2", (2.0, 3.0), (-1.0, 1.0))
    assert not agrees("Abs(x_1)+x_2", "x_1+x_2", (-1.0, 1.0), (2.0, 3.0))


def test_inputs_that_no_formula_names_do_not_matter() -> None:
    assert agrees("x_1+0.5", "x_1+1/2", UNIT, UNIT, UNIT)


@given(
    a=st.floats(-100, 100).filter(lambda v: abs(v) > 1e-3),
    b=st.floats(-10, 10),
    k=st.sampled_from([1e-8, 1e-3, 1.0, 1e3, 1e8]),
    wrong=st.sampled_from([1e-5, -1e-6, 1e-7]),
)
@settings(deadline=None, max_examples=40, derandomize=True)
def test_rounding_is_forgiven_and_small_errors_are_not_whatever_the_scale(
    a: float, b: float, k: float, wrong: float
) -> None:
    def formula(part: float) -> sp.Expr:
        return sp.Float(k * a * (1 + part)) * sp.sin(X_1 + b) + sp.Float(3 * k) * X_2

    assert is_exact(formula(1e-15), formula(0.0), ["x_1", "x_2"], [UNIT, UNIT])
    spread = abs(wrong * a) / (abs(a) + 3)
    if spread > 1e-8:
        assert not is_exact(formula(wrong), formula(0.0), ["x_1", "x_2"], [UNIT, UNIT])


def test_the_answer_does_not_depend_on_global_random_numbers() -> None:
    np.random.seed(3)
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    assert agrees("0.5*x_1", "x_1/2")
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


def test_large_powers_are_compared_without_being_multiplied_out() -> None:
    script = """
from kanrun.symbolic.compare import is_exact
from kanrun.functions.parser import parse_formula
print(is_exact(parse_formula("x_1"), parse_formula("(x_1+x_2+1)**300"), ["x_1", "x_2"], [(-1.0, 1.0)] * 2))
"""
    assert run_limited(script, seconds=8).strip() == "False"


# ---- sizes -------------------------------------------------------------------------------------------------------


def test_errors_are_held_against_the_size_of_a_value_or_the_spread_of_all_where_that_is_smaller() -> None:
    y = np.linspace(-3.0, 5.0, 9)
    assert sizes(y) == pytest.approx(np.maximum(np.minimum(np.abs(y), np.std(y)), 1e-6 * np.std(y)))
    assert sizes(1e200 * y) == pytest.approx(1e200 * sizes(y))
    near_one = 1 + 1e-4 * y
    assert sizes(near_one) == pytest.approx(np.full(9, 1e-4 * np.std(y)))
    assert sizes(np.full(4, -7.0)).tolist() == [7.0] * 4  # there is no spread
    assert sizes(np.zeros(3)).tolist() == [1.0] * 3
    assert weights_by_size(y) * sizes(y) == pytest.approx(np.ones(9))


def test_relative_weights_make_errors_parts_of_the_values() -> None:
    y = np.array([-4.0, 0.0, 1e-5, 2e7])
    assert relative_weights(y) * y == pytest.approx([-1.0, 0.0, 1.0, 1.0])


def test_digits_are_lost_where_values_hardly_differ() -> None:
    wave = np.sin(np.arange(50.0))
    assert has_digits(wave) and has_digits(1e150 * wave) and has_digits(1 + 1e-4 * wave)
    assert not has_digits(1 + 1e-8 * wave)  # eight digits of sixteen are left, of which some are rounding


@pytest.mark.parametrize("sign", [1, -1])
def test_values_over_decades_are_of_one_sign_and_go_over_more_than_three(sign: int) -> None:
    def powers(decades: float) -> Array:
        return sign * np.logspace(0, decades, 100)

    assert over_decades(powers(3.2)) and not over_decades(powers(3.0))
    one_far = np.append(np.full(99, sign * 1.0), sign * 1e9)
    assert not over_decades(one_far)  # a single row is no range
    assert over_decades(np.append(powers(6), np.zeros(10)))
    assert not over_decades(np.append(powers(6), np.zeros(20)))
    assert not over_decades(np.append(powers(6), -sign))


def test_the_relative_loss_is_that_of_logarithms_in_the_unit_of_the_typical_size() -> None:
    y = np.array([-1.0, -100.0, 0.0, -10.0])  # the geometric mean of the sizes is 10
    assert relative_loss(np.exp(0.3) * y, y) == pytest.approx((10 * 0.3) ** 2)
    assert relative_loss(np.exp(-0.3) * y, y) == pytest.approx((10 * 0.3) ** 2)  # off by as much to the other side
    assert relative_loss(y * np.exp([0.1, -0.2, 5.0, 0.4]), y) == pytest.approx(100 * (0.01 + 0.04 + 0.16) / 3)
    assert relative_loss(np.array([-1.0, 100.0, 0.0, -10.0]), y) == math.inf
    assert relative_loss(np.array([-1.0, -math.inf, 0.0, -10.0]), y) == math.inf
    assert relative_loss(y[2:3], y[2:3]) == math.inf  # nothing is said by zeros


def test_values_agree_only_where_all_are_numbers() -> None:
    y = np.array([1.0, -2.0, 3.0])
    assert values_agree(y * (1 + 1e-12), y) and not values_agree(y * (1 + 1e-6), y)
    for lost in (math.nan, math.inf):
        holes = np.array([1.0, lost, 3.0])
        assert not values_agree(holes, y) and not values_agree(y, holes) and not values_agree(holes, holes)
