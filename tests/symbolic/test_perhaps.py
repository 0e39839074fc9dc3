from __future__ import annotations

import numpy as np
import pytest

from kanrun.symbolic.perhaps import simple_number


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (0.498, 0.003, "1/2"),
        (1.003, 0.01, "1"),
        (-1.998, 0.004, "-2"),
        (3.1416, 0.0004, "pi"),
        (3.15, 0.05, None),  # 3, pi and whatever else: the error says nothing
        (2.02, 0.004, None),  # five errors away
        (1.998, 0.8, None),
        (0.0, 0.1, None),
        (2.0, None, None),  # not determined
        (2.0, 0.0, None),  # rows without noise: then it was looked for already
    ],
)
def test_a_simple_number_needs_a_small_error_and_good_odds(
    value: float, error: float | None, expected: str | None
) -> None:
    assert simple_number(value, error) == expected


def test_constants_that_may_be_anything_are_hardly_ever_called_simple() -> None:
    values = np.random.default_rng(0).uniform(0.1, 9.0, 2000)
    called = [simple_number(float(v), 0.003 * float(v)) is not None for v in values]
    assert np.mean(called) < 0.05


def test_the_sign_and_the_size_of_both_change_nothing() -> None:
    assert simple_number(-0.498, 0.003) == "-1/2"
    assert simple_number(0.2499, 0.0004) == "1/4"
