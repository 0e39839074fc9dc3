from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from kanrun.exporters.source import Source
from kanrun.functions.parser import parse_formula
from kanrun.report.load import formula_of
from kanrun.report.pages.formulas import MOST_LETTERS, decided, pieces, source_in, told


def entry(expression: str, **more: Any) -> dict[str, Any]:
    return {
        "output": "y",
        "expression": expression,
        "rounded": expression,
        "complexity": 5,
        "test": {"mse": 0.25},
        **more,
    }


def letters(expression: str, symbols: dict[str, str] | None = None) -> list[str]:
    source = Source([], ["x_1", "x_2"], symbols or {})
    shown = pieces("y", parse_formula(expression, ["x_1", "x_2"]), source)
    return ["".join(ElementTree.fromstring(piece).itertext()) for piece in shown]


def test_a_line_may_end_between_the_terms_of_a_sum() -> None:
    found = letters("2.5*x_1 - sin(x_2) + 3")
    assert len(found) == 3
    assert found[0].startswith("y=")
    assert {part[0] for part in found[1:]} == {"+", "\u2212"}
    assert sum("sin" in part and part.startswith("\u2212") for part in found) == 1


def test_a_product_is_one_piece() -> None:
    assert len(letters("2.5*x_1*sin(x_2)")) == 1


def test_names_are_the_users_and_are_escaped() -> None:
    [piece] = letters("x_1", {"x_1": "</math><script>alert(1)</script>"})
    assert "</math><script>alert(1)</script>" in piece.replace("&lt;", "<").replace("&gt;", ">")


def test_a_formula_too_long_to_be_set_is_a_text() -> None:
    text = " + ".join(["x_1"] * MOST_LETTERS)
    entries = [entry(text)]
    [one] = told([formula_of(one) for one in entries], source_in(entries, ["x_1"]))
    assert one.equation.pieces == []
    assert one.equation.text == text


def test_a_formula_that_cannot_be_read_is_shown_as_it_stands() -> None:
    entries = [entry("x_1 +* ")]
    assert source_in(entries, ["x_1"]) is None
    [one] = told([formula_of(one) for one in entries], None)
    assert (one.equation.pieces, one.equation.rounded) == ([], "x_1 +* ")
    assert one.score == "test entropy 0.25" or "0.25" in one.score


def test_two_classes_have_their_decision() -> None:
    decision = {"expression": "x_1 - 2.5", "rounded": "x_1 - 2.5", "latex": "", "complexity": 3, "test": {}}
    entries = [entry("0", output="logit_a", decision=decision), entry("x_1 - 2.5", output="logit_b")]
    found = decided([formula_of(one) for one in entries], source_in(entries, ["x_1"]))
    assert found is not None
    assert found[1][0] == "class b where x_1 - 2.5 > 0"
    assert decided([formula_of(entry("x_1"))], source_in([entry("x_1")], ["x_1"])) is None


@pytest.mark.parametrize("complexity", [10, 1000])
def test_what_nobody_could_read_is_not_set(complexity: int) -> None:
    entries = [entry("x_1 + 1", complexity=complexity)]
    [one] = told([formula_of(one) for one in entries], source_in(entries, ["x_1"]))
    assert bool(one.equation.pieces) == (complexity < 100)
