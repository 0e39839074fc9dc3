from __future__ import annotations

import numpy as np
import pytest

from kanrun.data.table.asked import Asked
from kanrun.data.table.copies import copies
from tests.data.table.helpers import Path, inputs_of, rows_of

X = np.random.default_rng(0).normal(size=50)


@pytest.mark.parametrize("copy", [X * 3, 5 - X, X * 1e-200, X * 1e200, X + 1e3, -X])
def test_a_column_with_another_scale_or_zero_is_a_copy(copy: np.ndarray) -> None:
    assert copies([X, copy], None) == {1: "0"}


@pytest.mark.parametrize("other", [X**2, X + 1e-6 * X[::-1], np.ones(50), X[::-1], np.where(X > 0, np.nan, X)])
def test_a_column_that_says_something_else_is_none(other: np.ndarray) -> None:
    assert copies([X, other], None) == {}


def test_the_target_among_the_inputs_is_found_and_three_rows_say_nothing() -> None:
    assert copies([X, X**2, X], X**2) == {1: "the target", 2: "0"}
    assert copies([X[:3], X[:3] * 2], None) == {}


def test_the_target_is_found_where_numbers_are_missing_in_the_same_rows_alone() -> None:
    holes, other = np.where(X > 0, np.nan, X), np.where(X > 1, np.nan, X)
    assert copies([holes, other], holes) == {0: "the target"}


def test_a_thousand_columns_are_compared_soon() -> None:
    columns = np.random.default_rng(1).normal(size=(1000, 20))
    assert copies([*columns, *(2 * columns)], None) == {1000 + k: str(k) for k in range(1000)}


def test_a_target_beside_its_copy_is_warned_of(tmp_path: Path) -> None:
    content = "T,q,p\n" + "".join(f"{i},{i * i},{i * i}\n" for i in range(9))
    rows = rows_of(tmp_path, content)
    assert inputs_of(rows) == ["T"] and "q is the target itself, so it is left out" in rows.warnings[0]
    named = rows_of(tmp_path, content, inputs=["q"])
    assert inputs_of(named) == ["q"] and "left out" not in named.warnings[0]
    assert Asked("a", ["p"]).inputs is None
