from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.errors import ConfigError, KanrunError, as_typed, shorten, unknown, wrong


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (1, "1"),
        (-2.5, "-2.5"),
        (1e-9, "1e-09"),
        ("sin(x_1)", "sin(x_1)"),
        ("", ""),
        ([], "[]"),
        ([1, 2], "[1,2]"),
        ((2, [3, 1], 1), "[2,[3,1],1]"),
        ([None, True, "x"], "[null,true,x]"),
        ([[-1.0, 1.0]], "[[-1.0,1.0]]"),
        ([{"layer": 1, "trainable": False}], "[{layer:1,trainable:false}]"),
    ],
)
def test_values_are_shown_as_they_are_typed_on_the_command_line(value: Any, typed: str) -> None:
    assert as_typed(value) == typed
    assert wrong("a.key", value, "no") == f"a.key={typed}: no"


@given(st.text(), st.integers(20, 300))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_a_shortened_text_is_one_line_within_the_limit(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) <= limit
    assert len(short.splitlines()) <= 1
    if len(" ".join(text.split())) <= limit:
        assert short == " ".join(text.split())


def test_a_long_text_keeps_its_beginning_and_end() -> None:
    short = shorten("begin " + "x" * 1000 + " end")
    assert short.startswith("begin xxx")
    assert short.endswith("xxx end")
    assert " ... " in short
    assert len(wrong("key", "y" * 10**6, "too long")) < 250


@pytest.mark.parametrize(
    ("word", "nearest"),
    [("sine", "sin"), ("Cos", "cos"), ("tahn", "tanh"), ("gausian", "gaussian"), ("qqqq", None), ("", None)],
)
def test_an_unknown_word_gets_the_nearest_and_all_that_are_known(word: str, nearest: str | None) -> None:
    known = ["sin", "cos", "tanh", "gaussian"]
    message = unknown("function", word, iter(known))
    assert message.startswith("unknown function")
    assert (f"did you mean {nearest}?" in message) == (nearest is not None)
    assert ("did you mean" in message) == (nearest is not None)
    assert message.endswith("Known: sin, cos, tanh, gaussian")


def test_one_problem_or_many_are_a_line_each() -> None:
    assert ConfigError("one").problems == ["one"]
    many = ConfigError(line for line in ("one", "two", "three"))
    assert many.problems == ["one", "two", "three"]
    assert str(many) == "one\ntwo\nthree"


def test_a_mistake_in_the_config_is_an_error_of_the_user() -> None:
    assert issubclass(ConfigError, KanrunError)
    assert not issubclass(KanrunError, (ValueError, TypeError))
