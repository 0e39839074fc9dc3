"""Rows as the estimators train on them: weighted by repetition, and in an order of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

Array = NDArray[Any]

MOST_REPEATED, LEAST_LIMIT = 10, 1000  # copies a row, and of all rows together where these are few
COPIES = 4  # of a row of mean weight, where weights are no whole multiples of each other
WHOLE = 1e-9  # part by which a number may be beside a whole one
MOST_SEED = 2**31


def weighted_rows(x: Array, y: Array, weights: Array | None) -> tuple[Array, Array]:
    """The rows `x` [rows, inputs] and `y` [rows] or [rows, outputs], repeated by their weights [rows] and sorted.

    A weight of 0 removes a row, whole numbers repeat it; the order of the rows that were given makes no difference.
    Raises ValueError where no row has a weight.
    """
    if weights is not None and not (weights > 0).any():
        raise ValueError("sample_weight: all weights are zero, at least one row needs a positive weight")
    order = np.lexsort((*y.reshape(len(y), -1).T[::-1], *x.T[::-1]))
    x, y = x[order], y[order]
    if weights is None:
        return x, y
    counts = repetitions(weights[order])
    return x.repeat(counts, axis=0), y.repeat(counts, axis=0)


def repetitions(weights: Array) -> NDArray[np.int64]:
    """How often each row is repeated for its weight [rows], 0 or more and one of them positive.

    Weights that are whole numbers, or whole multiples of the least one, are met exactly. Others, and those that would
    take too many copies, in proportion: the running sum of the copies follows that of the weights by less than one
    (systematic resampling, Kitagawa 1996, J. Comput. Graph. Stat. 5(1)).
    """
    limit = max(LEAST_LIMIT, MOST_REPEATED * len(weights))
    for unit in (1.0, weights[weights > 0].min()):
        if weights.sum() / limit <= unit:
            counts = weights / unit
            whole = np.rint(counts)
            if (np.abs(counts - whole) <= WHOLE * counts).all():
                return whole.astype(np.int64)
    passed = np.cumsum(weights / weights.sum()) * COPIES * np.count_nonzero(weights)
    return np.diff(np.rint(passed), prepend=0).astype(np.int64)


def distinct(x: Array, y: Array) -> tuple[Array, Array]:
    """The sorted rows without repetitions, so that copies of a row are not on both sides of a split."""
    both = np.column_stack([x, y])
    new = np.concatenate([[True], (both[1:] != both[:-1]).any(axis=1)])
    return x[new], y[new]


def seed_of(random_state: Any) -> int:
    """The seed of a fit, by the convention of scikit-learn: a whole number, None, or a RandomState that is drawn from.

    Raises ValueError for anything else.
    """
    if isinstance(random_state, (int, np.integer)) and 0 <= random_state <= MOST_SEED:
        return int(random_state)
    return int(check_random_state(random_state).randint(MOST_SEED - 1))
