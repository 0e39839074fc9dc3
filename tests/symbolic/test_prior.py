from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.prior import named_laws, table
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.prior import BITS, KINDS, PLACES, bits_of_form, events


def test_the_table_is_that_of_the_named_laws() -> None:
    assert table() == BITS


@pytest.mark.parametrize("place", PLACES)
def test_bits_are_those_of_a_distribution(place: str) -> None:
    assert sum(2.0**-bits for bits in BITS[place]) == pytest.approx(1.0, abs=0.05)


def test_what_people_write_is_cheap_and_functions_of_functions_are_dear() -> None:
    cheap_to_dear = [
        "1.7*x_1", "1.7*x_1**2.3", "0.4 + 2.4*exp(-0.8*x_1)", "8.4/(1 + 50.1*exp(-1.3*x_1))",
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
        ("exp", "product"), ("product", "input"), ("product", "inverse"), ("denominator", "input"),
    ])  # fmt: skip


def test_larger_numbers_and_rarer_powers_take_more_bits() -> None:
    bits = [bits_of_form(parse_formula(f"1.3*x_1**{n}", ["x_1"])) for n in ("2", "3", "7", "12")]
    assert all(a < b for a, b in pairwise(bits))


def test_all_laws_have_bits() -> None:
    laws = named_laws()
    assert len(laws) > 300
    assert {kind for law in laws.values() for _, kind, _ in events(law)} == set(KINDS) - {"other"}
    assert max(map(bits_of_form, laws.values())) < 120
