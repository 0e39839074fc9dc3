from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanrun.report.numbers import part_shown, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (0.99996, "0.99996"), (0.999949, "0.9999"), (0.9999996, "0.9999996"), (1 - 3e-10, "1 - 3e-10"),
        (0.5, "0.5"), (-12.3456, "-12.35"), (0.0, "0"), (None, "-"),
    ],
)  # fmt: skip
def test_an_r2_is_one_only_where_it_is(value: float | None, text: str) -> None:
    assert part_shown(value) == text


@given(st.floats(0.99, 1, exclude_max=True))
def test_no_r2_below_one_is_shown_as_one(value: float) -> None:
    text = part_shown(value)
    number = 1 - float(text.removeprefix("1 - ")) if text.startswith("1 - ") else float(text)
    assert text != "1" and (number < 1 or 1 - value < 1e-16)
    assert math.isclose(1 - number, 1 - value, rel_tol=0.51, abs_tol=6e-5)


def test_what_is_all_but_for_rounding_is_all() -> None:
    assert part_shown(math.nextafter(1, 2), digits=3) == "1"


def test_a_number_has_four_digits_and_none_is_a_dash() -> None:
    assert shown(0.000123456) == "0.0001235"
    assert shown(None) == "-"


@pytest.mark.parametrize(("value", "text"), [(100.0, "100"), (99.99996, "99.99996"), (99.5, "99.5"), (0.0, "0")])
def test_no_share_below_all_is_shown_as_all(value: float, text: str) -> None:
    assert part_shown(value, 100) == text
