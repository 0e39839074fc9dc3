"""Rows of the history."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict

import pytest

from kanrun.training.history import Record

ONE = Record("train", 3, 0.1, 0.2, 0.01, 1.5)


def test_a_row_is_of_a_first_attempt_without_validation_rows_unless_it_says_otherwise() -> None:
    assert (ONE.validation_loss, ONE.grid, ONE.attempt) == (None, 0, 0)


def test_rows_are_values() -> None:
    assert Record(**asdict(ONE)) == ONE
    with pytest.raises(FrozenInstanceError):
        ONE.step = 4  # type: ignore[misc]
