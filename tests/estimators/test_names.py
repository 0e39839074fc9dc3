"""Names of columns in formulas."""

from __future__ import annotations

import pytest

from kanrun.estimators.names import quoted, shown, symbols


def test_symbols_stand_for_columns_in_their_order() -> None:
    assert symbols(3) == ["x_1", "x_2", "x_3"]
    names = [f"c{i}" for i in range(12)]
    assert shown("x_1 + x_11*sin(x_12)", names) == "c0 + c10*sin(c11)"


def test_columns_that_are_called_like_the_symbols_of_others_are_not_mixed_up() -> None:
    assert shown("x_1 - x_2", ["x_2", "x_1"]) == "x_2 - x_1"


def test_without_names_a_formula_stays_as_it_is() -> None:
    assert shown("x_1 + exp(x_2)", None) == "x_1 + exp(x_2)"


@pytest.mark.parametrize("name", ["E (eV)", "lambda", "x-1", "sin", "pi", "E", "2nd", ""])
def test_what_is_no_name_or_another_one_is_quoted(name: str) -> None:
    assert quoted(name) == f"`{name}`"


def test_a_backquote_within_a_name_is_doubled() -> None:
    assert quoted("a`b") == "`a``b`"


@pytest.mark.parametrize("name", ["mass", "x_1", "größe", "T2"])
def test_identifiers_are_not(name: str) -> None:
    assert quoted(name) == name
