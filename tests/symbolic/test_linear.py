from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.symbolic.linear import least_squares, missed
from tests.helpers import uniform_rows


@given(columns=st.integers(1, 12), more=st.integers(0, 40), seed=st.integers(0, 1000), independent=st.booleans())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_factors_are_those_of_numpy(columns: int, more: int, seed: int, independent: bool) -> None:
    design, target = uniform_rows(columns + more, columns, seed), uniform_rows(columns + more, 1, seed + 1)[:, 0]
    expected, *_ = np.linalg.lstsq(design.numpy(), target.numpy(), rcond=None)
    found = least_squares(design, target, independent)
    assert found is not None
    left = np.linalg.norm(target.numpy() - design.numpy() @ expected)
    assert missed(design, target) == pytest.approx(left, rel=1e-6, abs=1e-9)
    assert float((target - design @ found).norm()) == pytest.approx(left, rel=1e-6, abs=1e-9)


def test_of_columns_that_are_the_same_the_smallest_factors_are_taken() -> None:
    column = uniform_rows(30, 1)
    found = least_squares(column.repeat(1, 3), 6 * column[:, 0])
    assert found is not None
    torch.testing.assert_close(found, torch.full((3,), 2.0, dtype=torch.float64))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["design", "target"])
def test_numbers_that_are_not_finite_have_no_solution(bad: float, where: str) -> None:
    design, target = uniform_rows(20, 3), uniform_rows(20, 1, 1)[:, 0]
    (design if where == "design" else target[:, None])[4, 0] = bad
    assert least_squares(design, target) is None
    assert missed(design, target) == float("inf")


def test_a_column_of_nothing_is_not_independent() -> None:
    design, target = uniform_rows(20, 3), uniform_rows(20, 1, 1)[:, 0]
    design[:, 1] = 0.0
    assert least_squares(design, target, independent=True) is None
    found = least_squares(design, target)
    assert found is not None
    assert float(found[1]) == 0.0


def test_rounding_does_not_depend_on_where_the_numbers_lie() -> None:
    design, target = uniform_rows(60, 9), uniform_rows(60, 1, 1)[:, 0]
    found, kept = set(), []
    for size in range(1, 60):
        kept.append(torch.empty(37 * size))
        factors = least_squares(design.clone(), target.clone())
        assert factors is not None
        found.add(tuple(factors.tolist()))
    assert len(found) == 1
