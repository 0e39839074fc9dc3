from __future__ import annotations

import keyword

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.data.table.names import MOST_TOLD, column_asked, distinct, name_of, plain_header, symbols_of
from kanrun.errors import ConfigError

ODD = [
    "__class__", "lambda", "x-1", "<b>", "E (eV)", "a=b", "${oc.env:HOME}", "'; DROP TABLE x", "🙂", "x" * 300, "pi",
    "E", "I", "sin", "[red]x[/red]", 'a"b', "a\\b", "`b`", "", "N", "beta", "None", "x", "2nd run", "λ", "Größe",
    "温度",
]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [
        ("T (K)", "T", "K"),
        ("V [m^3]", "V", "m^3"),
        ("  gas   law (J/(mol K)) ", "gas law", "J/(mol K)"),
        ("T(K)", "T", "K"),
        ("share (%)", "share", "%"),
        ("Temperature (C)", "Temperature", "degC"),
        ("charge (C)", "charge", "C"),
        ("n (upper)", "n (upper)", None),
        ("p (2)", "p (2)", None),
        ("a (b) c", "a (b) c", None),
        ("p", "p", None),
        ("(K)", "(K)", None),
        ("x (9**9**9**9)", "x (9**9**9**9)", None),
    ],
)
def test_brackets_at_the_end_hold_a_unit_or_belong_to_the_name(header: str, name: str, unit: str | None) -> None:
    found = name_of(header)
    assert (found.header, found.name, found.unit) == (" ".join(header.split()), name, unit)


def test_a_row_of_units_gives_units_with_and_without_brackets() -> None:
    assert [name_of("T", unit).unit for unit in ("K", "[K]", "(K)", "-", "?", "", None)] == ["K"] * 3 + [None] * 4


def test_names_that_are_there_twice_get_others_that_are_free() -> None:
    found, notes = distinct(["a", "a", "a 2", "a", "", ""])
    assert len(set(found)) == 6 and found[0] == "a" and found[2] == "a 2"
    assert len(notes) == 2 and "two columns are called 'a'" in notes[0]
    assert len(distinct(["a"] * 1000)[1]) == MOST_TOLD + 1


NAMES = [name_of(h) for h in ("V (m^3)", "T (K)", "t (s)", "Pressure (foo)", "x-1")]


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ("V (m^3)", 0),
        ("V", 0),
        ("v", 0),
        ("T", 1),
        ("t", 2),
        ("t (S)", 2),
        ("pressure", 3),
        (" x-1 ", 4),
        ("V  (m^3)", 0),
    ],
)
def test_a_column_goes_by_its_header_or_its_name(asked: str, number: int) -> None:
    assert column_asked(asked, NAMES, "dataset.target") == number


@pytest.mark.parametrize("asked", ["A", "a"])
def test_large_and_small_letters_count_only_where_nothing_else_tells(asked: str) -> None:
    assert column_asked(asked, [name_of(h) for h in ("a", "B")], "dataset.target") == 0
    assert column_asked(asked, [name_of(h) for h in ("A", "a")], "dataset.target") == "Aa".index(asked)


def test_a_name_of_two_columns_or_none_is_refused_with_what_there_is() -> None:
    twice = [name_of(h) for h in ("T (K)", "T (degC)")]
    with pytest.raises(ConfigError, match=r"several columns have that name: 'T \(K\)', 'T \(degC\)'; give the whole"):
        column_asked("T", twice, "dataset.target")
    with pytest.raises(
        ConfigError, match=r"^dataset.inputs=Presure: no such column; did you mean 'Pressure \(foo\)'\?"
    ):
        column_asked("Presure", NAMES, "dataset.inputs")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=6), max_size=5))
def test_symbols_of_any_names_are_different_and_mean_nothing_to_anybody(names: list[str]) -> None:
    symbols = symbols_of([*ODD, *names])
    assert len(set(symbols)) == len(symbols)
    for symbol in symbols:
        assert symbol.isidentifier() and symbol.isascii() and not keyword.iskeyword(symbol)
        assert not symbol.startswith("_") and not hasattr(sympy, symbol) and len(symbol) < 60


def test_symbols_look_like_the_names() -> None:
    assert symbols_of(["T", "E (eV)", "2nd run", "Höhe", "T"]) == ["T", "E_eV", "x_2nd_run", "Hohe", "T_2"]


def test_what_cannot_be_seen_or_steers_a_terminal_is_spelled_out_or_left_out() -> None:
    assert plain_header("\ufeffT\u200b (K)\n") == "T (K)"
    assert plain_header("\x1b[31mred\x07") == "\\x1b[31mred\\x07"
    assert plain_header("a\u202eb") == "ab"
    assert plain_header("温度 λ") == "温度 λ"
