from __future__ import annotations

import re

import pytest

from kanrun.exporters.latex import latex
from kanrun.exporters.source import source_of
from kanrun.functions.naming import latex_name
from tests.exporters.laws import EVIL, TEXTS, source


def is_balanced(text: str) -> bool:
    depth = 0
    for mark in re.findall(r"\\[{}%\\]|[{}%]", text):
        depth += {"{": 1, "}": -1}.get(mark, 0)
        if depth < 0 or mark == "%":  # what follows a bare percent sign is a comment
            return False
    return depth == 0 and text.count(r"\left") == text.count(r"\right")


def test_the_balance_is_seen() -> None:
    assert is_balanced(r"\frac{a}{b} \{ 50\%")
    assert not is_balanced(r"\frac{a}{b")
    assert not is_balanced(r"\mathrm{50%}")


def test_latex_has_a_displayed_equation_an_output() -> None:
    entries = [
        {"output": "y_1", "expression": "x_1", "latex": r"\sin{\left(\pi x_{1} \right)}", "test": {"mse": 0.0}},
        {"output": "logit_0", "expression": "x_2", "latex": "x_{2}^{2}", "test": {"mse": 0.0}},
    ]
    shown = latex(source_of(entries, ["x_1", "x_2"]))
    assert shown.splitlines() == [
        r"\[ y_{1} = \sin{\left(\pi x_{1} \right)} \]",
        r"\[ \mathrm{logit\_0} = x_{2}^{2} \]",
    ]
    assert is_balanced(shown)


@pytest.mark.parametrize("name", ["x_1", "x_12", "y", "class", "logit_0", "a_b_c", "x_", "_1"])
def test_a_name_in_latex_has_its_underscores_as_an_index_or_escaped(name: str) -> None:
    shown = latex_name(name)
    assert is_balanced(shown)
    assert not re.search(r"(?<!\\)_(?!\{)", shown)


@pytest.mark.parametrize("name", ["50%", "a&b", "#1", "a$b", "a{b", "a}b", "a^b", "a~b"])
def test_a_name_in_latex_has_its_special_characters_escaped(name: str) -> None:
    inside = latex_name(name).removeprefix("\\textrm{").removesuffix("}")
    assert not re.search(r"(?<!\\)[%&#$^~_]", inside)
    assert is_balanced(latex_name(name))


def test_two_classes_have_their_decision() -> None:
    entries = [
        {"output": f"logit_{name}", "expression": f"x_{k}", "test": {"cross_entropy": 0.1}}
        for k, name in ((1, "cat"), (2, "dog"))
    ]
    kept = {"expression": "x_2 - x_1", "latex": "x_{2} - x_{1}"}
    for first in (entries[0], {**entries[0], "decision": kept}):
        shown = latex(source_of([first, entries[1]], ["x_1", "x_2"])).splitlines()[-1]
        assert shown.startswith(r"\[ \textrm{class } \mathrm{dog} \textrm{ where } ")
        assert shown.endswith(r" > 0 \]")


@pytest.mark.parametrize("text", TEXTS)
def test_a_formula_without_latex_gets_it(text: str) -> None:
    assert is_balanced(latex(source(text)).removeprefix(r"\[ ").removesuffix("\\]\n"))


@pytest.mark.parametrize("name", EVIL)
def test_the_users_names_are_escaped(name: str) -> None:
    [line] = latex(source("2.54321678*x_1", output=name, symbols={"x_1": name})).splitlines()
    assert line == rf"\[ {latex_name(name)} = 2.543 \cdot {latex_name(name)} \]"
    assert is_balanced(line)


def test_long_names_are_kept_apart_by_dots() -> None:
    law = "0.5*x_1*x_2**2"
    [line] = latex(source(law, output="E", symbols={"x_1": "mass", "x_2": "speed"})).splitlines()
    assert line == r"\[ E = 0.5 \cdot \mathrm{mass} \cdot \mathrm{speed}^{2} \]"
    [line] = latex(source(law, output="E", symbols={"x_1": "m", "x_2": "v"})).splitlines()
    assert line == r"\[ E = 0.5 m v^{2} \]"
