"""Weights as repetitions, an order of rows that nobody chose, and seeds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanrun.estimators.rows import COPIES, distinct, repetitions, seed_of, weighted_rows


def test_whole_weights_are_repetitions() -> None:
    assert repetitions(np.array([2.0, 0.0, 1.0, 3.0])).tolist() == [2, 0, 1, 3]
    assert repetitions(np.array([2.0, 2.0])).tolist() == [2, 2]


def test_multiples_of_the_least_weight_are_met_exactly() -> None:
    assert repetitions(np.array([0.1, 0.3, 0.0, 0.2])).tolist() == [1, 3, 0, 2]
    assert repetitions(np.full(7, 1 / 7)).tolist() == [1] * 7
    assert repetitions(np.array([2e6, 4e6, 2e6])).tolist() == [1, 2, 1]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_other_weights_are_met_in_proportion(drawn: list[float]) -> None:
    weights = np.array([*drawn, 1.0])
    counts = repetitions(weights)
    assert (counts[weights == 0] == 0).all() and counts.sum() > 0
    passed, wanted = np.cumsum(counts) / counts.sum(), np.cumsum(weights) / weights.sum()
    assert np.abs(passed - wanted).max() <= 1 / counts.sum() + 1e-9


def test_other_weights_take_few_copies() -> None:
    weights = np.random.default_rng(0).uniform(size=100)
    assert repetitions(weights).sum() == COPIES * 100


def test_the_order_of_the_rows_makes_no_difference() -> None:
    rng = np.random.default_rng(0)
    x, y, weights = rng.integers(0, 3, (40, 2)).astype(float), rng.normal(size=(40, 2)), rng.integers(0, 4, 40)
    order = rng.permutation(40)
    one = weighted_rows(x, y, weights.astype(float))
    other = weighted_rows(x[order], y[order], weights[order].astype(float))
    repeated = weighted_rows(x.repeat(weights, axis=0), y.repeat(weights, axis=0), None)
    for a, b, c in zip(one, other, repeated, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    assert sorted(map(tuple, np.column_stack(one).tolist())) == sorted(
        map(tuple, np.column_stack([x, y]).repeat(weights, axis=0).tolist())
    )


def test_no_weight_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="all weights are zero"):
        weighted_rows(np.ones((2, 1)), np.ones(2), np.zeros(2))


def test_copies_of_a_row_are_one() -> None:
    x, y = weighted_rows(np.array([[1.0], [2.0], [1.0], [1.0]]), np.array([1, 1, 2, 1]), None)
    x, y = distinct(x, y)
    assert x.tolist() == [[1], [1], [2]] and y.tolist() == [1, 2, 1]
    assert y.dtype.kind == "i"


def test_seeds_follow_the_convention_of_scikit_learn() -> None:
    assert seed_of(3) == seed_of(np.int64(3)) == 3
    drawn = [seed_of(np.random.RandomState(5)) for _ in range(2)]
    assert drawn[0] == drawn[1] != seed_of(np.random.RandomState(6))
    state = np.random.RandomState(5)
    assert seed_of(state) != seed_of(state)
    assert seed_of(2**32 - 1) < 2**31 and seed_of(None) >= 0
    for wrong in (-1, "0", 0.5):
        with pytest.raises(ValueError, match=r"seed|Seed"):
            seed_of(wrong)
