from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from kanrun.data.units import dimension_of
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.dimensions import Units, dimensions_of


def units(output: str, **symbols: str) -> Units:
    """Units by their names."""
    return Units({name: dimension_of(unit) or () for name, unit in symbols.items()}, dimension_of(output))


def parsed(text: str, names: str = "T p x y t") -> sp.Expr:
    return parse_formula(text, names.split())


SI = {"T": "K", "p": "Pa", "x": "m", "y": "m", "t": "s"}


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("8.314*T/p", "m^3"),
        ("x + y", "m"),
        ("x + 2.5*t", "m"),
        ("x*y", "m^2"),
        ("sqrt(x*y)", "m"),
        ("x^2/t", "m^2/s"),
        ("0.5*x^1.5", "m"),
        ("2*sin(1.5*x)", "m"),
        ("exp(-1.5*t)*x", "m"),
        ("exp(x/y)*t", "s"),
        ("abs(x - y)", "m"),
        ("Max(x, y, 2.5)", "m"),
        ("Min(x, 2.5*t)", "m"),
        ("x + 2", "m"),  # which may be 2 m
        ("1.5*log(x) + 0.5", "s"),
        ("3.5", "m"),
        ("x/t", "m/s"),
        ("1/(0.5 + x)", "1/m"),
    ],
)
def test_formulas_that_add_up(text: str, output: str) -> None:
    assert dimensions_of(parsed(text), units(output, **SI)).agree


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("x + t", "m"),
        ("x + t", "s"),
        ("x*y", "m"),
        ("sin(x)", "m"),
        ("exp(x)", "m"),
        ("x^t", "m"),
        ("x", "s"),
        ("x", "ft"),  # the same kind in another size
        ("x/y", "m"),
        ("log(x)", "m"),
        ("abs(x)", "s"),
        ("Max(x, t)", "m"),
        ("Max(x, t)", "s"),
        ("Min(x, y, t)", "m"),
        ("Min(x, y, t)", "s"),
        ("Min(x, y)", "s"),
        ("x + 1", "m"),  # 1 and pi hide no unit
        ("x + pi", "m"),
        ("x^2 + y", "m^2"),
        ("x^(x/y)", "m"),
        ("x^(x/y)", "1"),
    ],
)
def test_formulas_that_do_not(text: str, output: str) -> None:
    assert not dimensions_of(parsed(text), units(output, **SI)).agree


@pytest.mark.parametrize(
    ("text", "output", "wanted"),
    [
        ("8.314*T/p", "m^3", ["m^3 Pa/K"]),
        ("x + 2.5*t", "m", ["m/s"]),
        ("2.5*exp(-1.5*t)", "m", ["m", "1/s"]),
        ("x^2.5*0.5", "m", ["1/m^1.5", "1"]),
        ("1.5*x^2 + 0.5*x + 3.5", "m", ["1/m", "1", "m"]),
        ("2.5^(x/y)*x", "m", ["1"]),
        ("2^(1.5*t)*x", "m", ["1/s"]),
    ],
)
def test_constants_carry_what_makes_both_sides_agree(text: str, output: str, wanted: list[str]) -> None:
    verdict = dimensions_of(parsed(text), units(output, **SI))
    found = [d for [d] in verdict.constants if d is not None]
    assert verdict.agree and len(found) == len(wanted) == len(verdict.constants)
    aims = [np.array(dimension_of(u)) for u in wanted]
    assert all(any(np.allclose(d, aim, atol=1e-6) for d in found) for aim in aims)


@pytest.mark.parametrize(
    ("text", "output", "wanted"),
    [
        ("x*(1.5*t + 1.5*T)", "m", {"1/s", "1/K"}),  # two things that happen to be equal
        ("1.5*x*exp(1.5*t)", "m", {"1", "1/s"}),
        ("x^1.5 + 1.5", "m^1.5", {"1", "m^1.5"}),
        ("x*exp(1.5*t)/(1 + exp(1.5*t))", "m", {"1/s"}),
    ],
)
def test_equal_decimals_have_each_their_own_unit(text: str, output: str, wanted: set[str]) -> None:
    verdict = dimensions_of(parsed(text), units(output, **SI))
    [found] = verdict.constants
    assert verdict.agree and len(found) == len(wanted)
    aims = [np.array(dimension_of(u)) for u in wanted]
    assert all(any(d is not None and np.allclose(d, aim, atol=1e-6) for d in found) for aim in aims)


def test_a_constant_beside_a_column_without_a_unit_may_have_any() -> None:
    verdict = dimensions_of(parsed("x*(1.5*q + 1.25)", "x q"), units("m", **SI))
    assert verdict.agree and [d is None for [d] in verdict.constants].count(True) == 1


def test_columns_without_a_unit_take_any_and_without_the_targets_nothing_is_said() -> None:
    assert dimensions_of(parsed("x*T"), units("m", x="m")).agree
    assert dimensions_of(parsed("x + t"), Units({"x": dimension_of("m") or ()}, None)).agree
    assert not dimensions_of(parsed("x + t"), units("m", x="m", t="s")).agree


def test_scaling_all_units_changes_no_verdict() -> None:
    for text in ("x + t", "8.314*T/p", "x*y + 2.5*t"):
        small = dimensions_of(parsed(text), units("m^2", T="K", p="Pa", x="m", y="m", t="s"))
        large = dimensions_of(parsed(text), units("km^2", T="K", p="MPa", x="km", y="km", t="year"))
        assert small.agree == large.agree


def test_rows_in_other_units_of_ten_are_held_against_the_kinds_alone() -> None:
    own = units("ft", x="m", t="s")
    assert not dimensions_of(parsed("x"), own).agree
    kinds = own.without_factors()
    assert dimensions_of(parsed("x"), kinds).agree
    assert not dimensions_of(parsed("t"), kinds).agree
    assert kinds == units("m", x="m", t="s").without_factors()
    assert Units({"x": dimension_of("ft") or ()}).without_factors().output is None
