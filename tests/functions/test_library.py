from __future__ import annotations

import pytest

from kanrun.config.schema import Config
from kanrun.config.validation import read_config
from kanrun.errors import ConfigError
from kanrun.functions.library import FUNCTIONS, library


def test_names_are_unique_and_pykans_functions_are_there() -> None:
    known = {
        "0", "x", "x^2", "x^3", "x^4", "x^5", "1/x", "1/x^2", "1/x^3", "1/x^4", "1/x^5", "sqrt", "x^1.5", "1/sqrt(x)",
        "exp", "log", "abs", "sin", "cos", "tan", "tanh", "sgn", "arcsin", "arccos", "arctan", "arctanh", "gaussian",
    }  # fmt: skip
    assert known <= set(FUNCTIONS)
    assert all(name == function.name for name, function in FUNCTIONS.items())


def test_a_library_is_sorted_from_simple_to_complex_without_doubles() -> None:
    chosen = library(["gaussian", "x", "sin", "x", "x^5"])
    assert [f.name for f in chosen] == ["x", "sin", "gaussian", "x^5"]
    assert sorted(f.name for f in library()) == sorted(FUNCTIONS)
    with pytest.raises(KeyError):
        library(["sine"])


def test_an_unknown_function_is_reported_with_its_key_the_nearest_and_all_names() -> None:
    assert read_config({}) == Config()
    with pytest.raises(ConfigError) as caught:
        read_config({"symbolic": {"library": ["x", "gausian", "qqqq"]}})
    first, second = caught.value.problems
    assert "symbolic.library=gausian" in first
    assert "did you mean gaussian?" in first
    assert "symbolic.library=qqqq" in second
    assert "did you mean" not in second
    for message in (first, second):
        assert all(name in message for name in FUNCTIONS)
        assert len(message.splitlines()) == 1
