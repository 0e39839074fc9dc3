from __future__ import annotations

import re

import pytest
import sympy as sp

from kanrun.functions.naming import as_latex, as_shown, latex_name, shown_name

X, Y = sp.Symbol("x", real=True), sp.Symbol("y_", real=True)
ODD = ["E (eV)", "x-1", "<b>", "a b", "2nd", "${HOME}", "a`b", "a+b*c", "", "x\\y", "lambda x", "p^2"]


@pytest.mark.parametrize("name", ["T", "mass", "x_1", "Größe", "温度", "a1"])
def test_a_plain_name_stands_as_it_is(name: str) -> None:
    assert shown_name(name) == name


@pytest.mark.parametrize("name", [*ODD, "sin", "pi", "E", "lambda", "x²"])
def test_a_name_that_could_be_taken_for_something_else_stands_in_backticks(name: str) -> None:
    shown = shown_name(name)
    assert shown[0] == shown[-1] == "`" and shown[1:-1].replace("``", "`") == name


def test_no_two_names_look_alike() -> None:
    assert shown_name("a'b") != shown_name("a`b")


def test_a_formula_speaks_in_the_names_of_the_user() -> None:
    assert as_shown(2 * X + sp.sin(Y), {"x": "E (eV)", "y_": "y"}) in ("2*`E (eV)` + sin(y)", "sin(y) + 2*`E (eV)`")
    assert as_shown(X**2, {}) == "x**2"
    assert as_shown(X - Y, {"x": "y_", "y_": "x"}) in ("y_ - x", "-x + y_")  # all at once, not one after the other


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("T", "T"),
        ("x_1", "x_{1}"),
        ("mass", "\\mathrm{mass}"),
        ("a_b", "\\mathrm{a\\_b}"),
        ("50%", "\\textrm{50\\%}"),
        ("x-1", "\\textrm{x{-}1}"),
        ("a<b", "\\textrm{a\\textless{}b}"),
        ("Größe", "\\textrm{Größe}"),
    ],
)
def test_names_in_latex(name: str, latex: str) -> None:
    assert latex_name(name) == latex


@pytest.mark.parametrize("name", [*ODD, "\\input{/etc/passwd}", "}$x", "a#b", "a&b", "~"])
def test_no_sign_of_latex_in_a_name_means_anything(name: str) -> None:
    assert read_back(latex_name(name)) == name


def read_back(latex: str) -> str:
    """What LaTeX sets of a text in \\textrm, by its rules: a command ends at {}, a mark behind \\ is itself."""
    assert latex.startswith("\\textrm{") and latex.endswith("}")
    text = latex.removeprefix("\\textrm{").removesuffix("}").replace("{-}", "-")
    words = {
        "textbackslash": "\\", "textasciicircum": "^", "textasciitilde": "~", "textless": "<", "textgreater": ">",
        "textbar": "|",
    }  # fmt: skip
    shown = ""
    for command, mark, plain in re.findall(r"\\([a-z]+)\{\}|\\([{}%&#$_])|(.)", text):
        assert command or mark or plain not in "\\{}%&#$_^~<>|", latex
        shown += words[command] if command else mark or plain
    return shown


def test_a_formula_in_latex_has_the_names() -> None:
    assert as_latex(X / Y, {"x": "mass", "y_": "T"}) == "\\frac{\\mathrm{mass}}{T}"
