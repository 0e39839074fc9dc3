from __future__ import annotations

import ast

import pytest

from kanrun.errors import ConfigError
from kanrun.functions.parser import FUNCTIONS, parse_formula
from kanrun.functions.syntax import FAMILIAR, no_such_function, syntax_tree, with_products


def complaint(text: str, names: list[str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_formula(text, names)
    [problem] = caught.value.problems
    return problem.removeprefix(f"dataset.formula={' '.join(text.split())}: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sin(x_1", "the bracket at character 4 is never closed, '(x_1'"),
        ("  sin(x_1", "the bracket at character 6 is never closed"),  # in the text as it was typed
        ("x_1^2+sin(x_1", "the bracket at character 10 is never closed"),  # though ^ is read as two characters
        ("x_1)", "the bracket at character 4 closes nothing"),
        ("x_1 +/ 2", "at character 6, '/ 2'"),
        ("x_1 +", "it ends too early, after character 5"),
        ("/x_1", "at character 1, '/x_1'"),
        ("x_1 + $x_2", "at character 7, '$x_2'"),
    ],
)
def test_a_text_that_cannot_be_read_is_told_with_the_place_counted_from_one(text: str, told: str) -> None:
    assert told in complaint(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2x_1", "2*x_1"),
        ("2 x_1 + 1", "2*x_1 + 1"),
        ("1.5sin(x_1)", "1.5*sin(x_1)"),
        ("2e3x_1", "2e3*x_1"),
        ("x_1 x_2", "x_1*x_2"),
        ("3x_1^2", "3*x_1^2"),
        ("(x_1+1)x_2", "(x_1+1)*x_2"),
        ("2x_1*sin (x_2)", "2*x_1*sin (x_2)"),
        ("(2x_1\n+ 1)", "(2*x_1 + 1)"),  # on one line, as all that is said
    ],
)
def test_the_sign_of_a_product_that_was_left_out_is_suggested(text: str, meant: str) -> None:
    assert complaint(text).endswith(f"; did you mean {meant}?")
    parse_formula(meant)


@pytest.mark.parametrize(("text", "names"), [("x_1(x_2+1)", None), ("pi(x_1)", None), ("mass(x_1)", ["mass", "x_1"])])
def test_a_value_before_a_bracket_is_no_function(text: str, names: list[str] | None) -> None:
    name = text.partition("(")[0]
    assert complaint(text, names) == f"{name} is no function; a product is written {name}*(...)"


def test_nothing_is_suggested_that_cannot_be_read_either() -> None:
    assert with_products("2x_1 +/ 3", FUNCTIONS) is None
    assert with_products("x_1*x_2", FUNCTIONS) is None
    assert "did you mean" not in complaint("x_1 +/ 2")


@pytest.mark.parametrize(
    ("text", "same"),
    [("x_1^2", "x_1**2"), ("-x_1^2+1", "-x_1**2+1"), ("2^-x_1", "2**-x_1"), ("2^3^x_1", "2**3**x_1")],
)
def test_a_power_may_be_written_with_a_hat(text: str, same: str) -> None:
    assert parse_formula(text) == parse_formula(same)
    assert ast.dump(syntax_tree(text, FUNCTIONS)) == ast.dump(syntax_tree(same, FUNCTIONS))


@pytest.mark.parametrize(
    ("name", "meant"), [("tann", "tan"), ("sine", "sin"), ("Cos", "cos"), ("arcsinh", "asinh"), ("bessel", "besselj")]
)
def test_an_unknown_function_gets_the_closest_ones(name: str, meant: str) -> None:
    told = no_such_function(name, FUNCTIONS)
    assert meant in told.partition("did you mean ")[2].rstrip("?").replace(" or ", ", ").split(", ")
    assert len(told) < 80


def test_where_none_is_close_a_handful_is_named() -> None:
    told = complaint("qqqqq(x_1)")
    assert told.startswith("unknown function qqqqq; there are sin, cos,")
    assert len(told) < 150
    assert set(FAMILIAR) < set(FUNCTIONS)
