from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kanrun.report.sound import fits, odd_field, odd_formulas, odd_in
from kanrun.symbolic.front import Other

OTHER = Other("x_1", "x_1", 1, 0.5, {"x_1": 1.0}, (1.0, 2.0))


@pytest.mark.parametrize(
    ("value", "hint", "wanted"),
    [(1, float, True), (1.5, int, False), (True, float, False), (None, float, False), (None, float | None, True),
     ([1.0, None], list[float], True), (["a"], list[float], False), ([1, 2], tuple[float, float] | None, True),
     ({"a": 1}, dict[str, float], True), ({"a": "b"}, dict[str, float], False), ("a", dict[str, float], False),
     ({"a": "b"}, dict[str, Any], True), ([OTHER], list[Other], True), ([3], list[Other], False)],
)  # fmt: skip
def test_what_json_may_say_for_a_type(value: Any, hint: Any, wanted: bool) -> None:
    assert fits(value, hint) == wanted


def test_the_field_that_is_of_another_type_is_named() -> None:
    assert odd_field(OTHER) is None
    assert odd_field(replace(OTHER, odds="x")) == "odds is 'x'"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metrics", "told"),
    [({}, None), ({"stages": [{"test": None, "train": {"rmse": 1, "r2": None}}]}, None),
     ({"total_seconds": "long"}, "total_seconds is 'long', not a number"),
     ({"stages": 3}, "stages[0] is 3, not a stage"), ({"stages": [{"seconds": True}]}, "stages[0].seconds is True"),
     ({"stages": [{"test": 1}]}, "stages[0].test is 1, not scores"), ({"final": "good"}, "final is 'good', not scores"),
     ({"final": {"mse": [1]}}, "final.mse is [1], not a number")],
)  # fmt: skip
def test_what_is_no_number_is_named_with_its_place(metrics: dict[str, Any], told: str | None) -> None:
    found = next(odd_in(metrics), None)
    assert found == told or (told is not None and found is not None and found.startswith(told))


def test_all_that_is_odd_is_named_and_not_the_first_alone() -> None:
    assert list(odd_in({"stages": ["train", {"seconds": "1", "test": [0.5]}]})) == [
        "stages[0] is 'train', not a stage",
        "stages[1].seconds is '1', not a number",
        "stages[1].test is [0.5], not scores",
    ]


@pytest.mark.parametrize(
    ("formulas", "told"),
    [([], []), ([{"output": "y", "exact": None, "complexity": 3}], []),
     ({"output": "y"}, ["is {'output': 'y'}, not a list of formulas"]),
     (["x_1", {"complexity": 1.5}], ["[0] is 'x_1', not a formula", "[1].complexity is 1.5, not a whole number"]),
     ([{"output": 3, "exact": 1}], ["[0].output is 3, not a text", "[0].exact is 1, not true or false"])],
)  # fmt: skip
def test_what_is_no_formula_is_named_with_its_place(formulas: Any, told: list[str]) -> None:
    assert list(odd_formulas(formulas)) == told
