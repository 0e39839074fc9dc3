"""Whether a formula stays between the rows what it is on them, or has poles where none of them lies."""

from __future__ import annotations

import numpy as np
import sympy as sp

from kanrun.data.dataset import Dataset
from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.values import columns_of

PAIRS, STEPS = 300, 15  # of rows, and points between the two of a pair
FAR = 3.0  # times as far from the middle of the targets as the farthest of them
ROWS = 2.0  # as many as these would have been as far out, if the points between them were like them


def share_gone_wild(expression: sp.Expr, j: int, data: Dataset) -> float:
    """The part of points between the training rows where a formula for output `j` has no value or one far off.

    Points lie on the lines between pairs of rows, drawn by a seed.
    """
    x, y = data.train.x, data.train.y[:, j].double().cpu().numpy()
    generator = np.random.default_rng(0)
    ends = generator.integers(len(x), size=(2, PAIRS))
    along = x.new_tensor(((np.arange(STEPS) + 0.5) / STEPS).tolist())[:, None, None]
    between = (x[ends[0]] + along * (x[ends[1]] - x[ends[0]])).flatten(0, 1)
    return float(np.mean(is_far(evaluate(expression, columns_of(between, data.inputs)), y)))


def is_far(values: Array, y: Array) -> Array:
    """Which values are far from all of the targets `y` [rows], or none at all."""
    middle = float(np.median(y))
    farthest = float(np.abs(y - middle).max())
    with np.errstate(invalid="ignore", over="ignore"):
        far: Array = ~(np.abs(values - middle) <= FAR * farthest)
    return far


def goes_wild(expression: sp.Expr, j: int, data: Dataset) -> bool:
    """Whether more of the points between the rows are far off than rows of such a formula would hide.

    A law with poles shows some of them in its rows: of n rows the farthest is n times as far out as most, so that one
    of 3 n points is three times as far. Logits have no targets of their own to go by.
    """
    return not data.loss.logits and share_gone_wild(expression, j, data) * len(data.train.x) > ROWS
