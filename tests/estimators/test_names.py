"""Names of columns in formulas."""

from __future__ import annotations

import sympy as sp

from kanrun.estimators.names import shown, symbols
from kanrun.functions.naming import as_shown


def test_symbols_stand_for_columns_in_their_order() -> None:
    assert symbols(3) == ["x_1", "x_2", "x_3"]
    names = [f"c{i}" for i in range(12)]
    assert shown("x_1 + x_11*sin(x_12)", names) == "c0 + c10*sin(c11)"


def test_columns_that_are_called_like_the_symbols_of_others_are_not_mixed_up() -> None:
    assert shown("x_1 - x_2", ["x_2", "x_1"]) == "x_2 - x_1"


def test_without_names_a_formula_stays_as_it_is() -> None:
    assert shown("x_1 + exp(x_2)", None) == "x_1 + exp(x_2)"


def test_names_that_mean_something_else_stand_as_in_all_formulas() -> None:
    names = ["E (eV)", "sin", "mass"]
    assert shown("x_1*x_2*x_3", names) == "`E (eV)`*`sin`*mass"
    assert as_shown(sp.Symbol("x_2") * sp.Symbol("x_3"), {"x_2": "sin", "x_3": "mass"}) == "`sin`*mass"
