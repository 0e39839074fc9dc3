from __future__ import annotations

from typing import Any

import pytest
import sympy as sp

from kanrun.exporters.sympy import sympy
from tests.exporters.laws import EVIL, SPECIAL, TEXTS, source


@pytest.mark.parametrize("text", [*TEXTS, *SPECIAL, "besselj(0, x_1)"])
def test_the_expression_is_the_same_again(text: str) -> None:
    written = source(text)
    names: dict[str, Any] = {}
    exec(sympy(written), names)
    expression = written.laws[0].expression
    assert names["y"].free_symbols == expression.free_symbols
    decimals = [sorted(map(float, e.atoms(sp.Float))) for e in (names["y"], expression)]
    assert decimals[0] == decimals[1]
    point = {sp.Symbol("x_1", real=True): sp.Rational(3, 7), sp.Symbol("x_2", real=True): sp.Rational(5, 9)}
    found, expected = (complex(e.subs(point).evalf(20)) for e in (names["y"], expression))
    assert found == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("name", EVIL)
def test_a_column_name_is_only_ever_a_comment(name: str) -> None:
    names: dict[str, Any] = {}
    exec(sympy(source("x_1", symbols={"x_1": name}, units={"x_1": name})), names)
    assert set(names) == {"__builtins__", "__doc__", "sympy", "x_1", "x_2", "y"}


def test_an_output_that_is_called_as_an_input_leaves_it_alone() -> None:
    names: dict[str, Any] = {}
    exec(sympy(source("x_1 + x_2", output="x_1")), names)
    assert names["x_1_"] == names["x_1"] + names["x_2"]


def test_classes_have_their_decision() -> None:
    names: dict[str, Any] = {}
    exec(sympy(source("x_1", "x_2", test="cross_entropy")), names)
    assert str(names["decision"]) == "-x_1 + x_2"
