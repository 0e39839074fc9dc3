from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.prior import FORMS, forms, named_laws, nested, table
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.prior import (
    BITS,
    KINDS,
    LINE,
    LINE_INPUT,
    NESTED,
    PLACES,
    bits_of_form,
    events,
    inputs_of_line,
    named_forms,
    skeleton,
)
from kanrun.symbolic.textbook import as_in_textbooks


def test_the_table_is_that_of_the_named_laws() -> None:
    assert table() == BITS and nested() == NESTED


@pytest.mark.parametrize("place", PLACES)
def test_bits_are_those_of_a_distribution(place: str) -> None:
    assert sum(2.0**-bits for bits in BITS[place]) == pytest.approx(1.0, abs=0.05)


def test_what_people_write_is_cheap_and_functions_of_functions_are_dear() -> None:
    cheap_to_dear = [
        "1.7*x_1", "1.7*x_1**2.3", "8.4/(1 + 50.1*exp(-1.3*x_1))", "2.6*atan(1.2*x_1)",
        "0.7*atan(0.4*exp(sin(1.2*x_1))) + 2.5",
    ]  # fmt: skip
    bits = [bits_of_form(parse_formula(text, ["x_1"])) for text in cheap_to_dear]
    assert all(a < b for a, b in pairwise(bits))
    saturation, arctangent = "3.7*x_1/(x_1 + 0.9)", "2.6*atan(1.2*x_1)"
    assert bits_of_form(parse_formula(saturation, ["x_1"])) < bits_of_form(parse_formula(arctangent, ["x_1"]))


def test_every_node_is_told_by_where_it_stands() -> None:
    found = sorted((place, kind) for place, kind, _ in events(parse_formula("1.5 - 2.5*exp(-x_1/x_2)", ["x_1", "x_2"])))
    assert found == sorted([
        ("formula", "sum"), ("sum", "constant"), ("sum", "product"), ("product", "constant"), ("product", "exp"),
        ("exp", "product"), ("product within", "input"), ("product within", "inverse"), ("denominator within", "input"),
    ])  # fmt: skip


def test_larger_numbers_and_rarer_powers_take_more_bits() -> None:
    bits = [bits_of_form(parse_formula(f"1.3*x_1**{n}", ["x_1"])) for n in ("2", "3", "7", "12")]
    assert all(a < b for a, b in pairwise(bits))


def test_all_laws_have_bits() -> None:
    laws = named_laws()
    assert len(laws) > 300
    assert {kind for law in laws.values() for _, kind, _ in events(law)} == set(KINDS) - {"other"}
    assert max(map(bits_of_form, laws.values())) < 120


def test_the_forms_are_those_of_the_named_laws() -> None:
    assert FORMS.read_text(encoding="utf-8") == forms()
    assert sum(named_forms().values()) == len(named_laws())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3.7*x_1/(x_1 + 0.9)", "4.29/(1.154 + 1.0/x_1)*2"),
        ("8.4/(1 + 50.1*exp(-1.3*x_1))", "0.17/(0.02 + exp(-1.3*x_1))"),
        ("1.7*sin(2*x_1 + 0.3)", "-0.4*cos(x_1)"),
        ("2.0*x_1*x_2", "0.3*x_2*x_1"),
    ],
)
def test_a_form_is_the_same_whatever_its_constants(one: str, other: str) -> None:
    first, second = (skeleton(as_in_textbooks(parse_formula(text, ["x_1", "x_2"]))) for text in (one, other))
    assert first == second


def test_the_form_of_a_named_law_is_told_by_its_name() -> None:
    named, odd = (parse_formula(text, ["x_1"]) for text in ("3.7*x_1/(x_1 + 0.9)", "3.7*x_1**1.5/(x_1 + 0.9)"))
    assert bits_of_form(named) < 8 < 15 < bits_of_form(odd)


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("1.7*x_1 - 0.3*x_2 + 4.2", 2), ("x_1 + 2*x_2 - x_3", 3), ("0.5*x_3", 1), ("x_2", 1), ("x_1*x_2 + 0.1", 0),
        ("1.7*x_1 + x_2**2", 0), ("sin(x_1) + x_2", 0), ("2.5", 0),
    ],
)  # fmt: skip
def test_a_line_is_known_by_its_inputs(text: str, inputs: int) -> None:
    assert inputs_of_line(parse_formula(text, ["x_1", "x_2", "x_3"])) == inputs


def test_a_line_in_several_inputs_is_told_by_its_name_and_each_more_input_takes_a_bit() -> None:
    names = [f"x_{k}" for k in range(1, 9)]
    lines = [" + ".join(f"{k}.5*{name}" for k, name in enumerate(names[:n], 1)) + " - 7.3" for n in range(1, 9)]
    bits = [bits_of_form(parse_formula(text, names)) for text in lines]
    assert all(bits[n + 1] - bits[n] == pytest.approx(LINE_INPUT) for n in range(1, 7))
    assert bits[0] <= LINE + LINE_INPUT and bits[1] == LINE + 2 * LINE_INPUT
    assert bits_of_form(parse_formula("1.7*x_1 - 0.3*x_2**1.7 + 4.2", names)) > bits[1]
