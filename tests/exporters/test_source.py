from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.errors import KanrunError
from kanrun.exporters.source import glossary, safe_names, source_of
from tests.exporters.laws import EVIL, source


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(st.text(max_size=6), unique=True, max_size=6))
def test_every_name_has_an_identifier_of_its_own(names: list[str]) -> None:
    safe = safe_names(names, {"x", "if"})
    assert list(safe) == names
    assert len(set(safe.values())) == len(names)
    assert all(s.isidentifier() and s.isascii() and s not in ("x", "if") for s in safe.values())


def test_good_names_stay_as_they_are() -> None:
    assert safe_names(["x_1", "Temp", "a"], ["b"]) == {"x_1": "x_1", "Temp": "Temp", "a": "a"}
    assert safe_names(["a b", "a_b", "b", "_"], ["b"]) == {"a b": "a_b", "a_b": "a_b_2", "b": "b_2", "_": "v_"}


def test_only_what_the_identifier_does_not_say_is_explained() -> None:
    own = source("x_1", symbols={"x_1": "Temp (K)", "x_2": "x_2"}, units={"x_1": "K", "y": "m"})
    safe = {"x_1": "x_1", "x_2": "x_2", "y": "y"}
    assert glossary(own, safe) == ['x_1: "Temp (K)" in "K"', 'y: "y" in "m"']
    assert len(glossary(own, safe, everything=True)) == 3


@pytest.mark.parametrize("name", EVIL)
def test_what_is_explained_is_one_line_that_ends_with_a_quote(name: str) -> None:
    [line] = glossary(source("x_1", symbols={"x_1": name}), {"x_1": "x_1", "x_2": "x_2", "y": "y"})
    assert line.isprintable()
    assert line.endswith('"')
    assert "*/" not in line


def test_what_is_no_formula_is_said() -> None:
    with pytest.raises(KanrunError, match="y=import os: not a formula"):
        source("import os")
    with pytest.raises(KanrunError, match="unknown name z"):
        source_of([{"output": "y", "expression": "z", "test": {"mse": 0.0}}], ["x_1"])


def test_what_else_a_file_calls_symbols_is_left_out() -> None:
    assert source("x_1", symbols={"x_1": 3}, units=["K"]).symbols == {}
