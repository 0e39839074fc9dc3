"""A straight line in all inputs at once, without those that it does not need."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr
from torch import Tensor

from kanrun.data.losses import description_bits
from kanrun.functions.evaluate import Array

ROWS_AN_INPUT = 2  # at least
COMPLEXITY, CONSTANTS = 1, 1  # of one more input, as the network of the line counts them
TINY = 1e-10  # part of what a column was, below which nothing of its own is left


@dataclass(frozen=True)
class Line:
    """The sum of `slopes` [inputs] times the inputs, 0 of those that it does not need, and a `constant`."""

    slopes: Array
    constant: float

    @property
    def inputs(self) -> list[int]:
        """Those that it needs."""
        return [int(i) for i in np.flatnonzero(self.slopes)]

    def of(self, x: Tensor) -> Tensor:
        """Its values [rows, 1] at rows x [rows, inputs]."""
        return x @ x.new_tensor(self.slopes)[:, None] + self.constant


def line_through(x: Array, y: Array, factors: Array) -> Line | None:
    """The line of `x` [rows, inputs] that describes y [rows] shortest, where errors count times `factors` [rows].

    Backward elimination: of all inputs that are not sums of others the one that says least is left out, again and
    again (by sweeping the inverse of the normal equations: Goodnight 1979, The American Statistician 33). Which of them
    are needed costs what it takes to name them. None where rows are few beside inputs, and where a constant is shorter.
    """
    rows, count = x.shape
    if rows < ROWS_AN_INPUT * (count + 1):
        return None
    counts = factors > 0
    middle, size = x[counts].mean(0), x[counts].std(0)
    varies = np.flatnonzero(size > TINY * np.abs(middle))
    design = np.concatenate([np.ones((rows, 1)), (x[:, varies] - middle[varies]) / size[varies]], axis=1)
    design, target = design * factors[:, None], y * factors
    _, sizes, order = qr(design, mode="economic", pivoting=True)
    sizes = np.abs(np.diag(sizes))
    own = [int(i) for i in order[sizes > TINY * sizes[0]] if i != 0]
    best = shortest_path(design[:, [0, *own]], target)
    if best is None:
        return None
    kept = [own[place - 1] for place in best]
    coefficients = np.linalg.lstsq(design[:, [0, *kept]], target, rcond=None)[0]
    slopes, at = np.zeros(count), varies[[i - 1 for i in kept]]
    slopes[at] = coefficients[1:] / size[at]
    return Line(slopes, float(coefficients[0] - slopes @ middle))


def shortest_path(design: Array, target: Array) -> list[int] | None:
    """Which columns of `design` [rows, columns] beside the first one describe `target` [rows] shortest; None: none."""
    rows, count = design.shape
    inverse = np.linalg.inv(design.T @ design)
    solution = inverse @ (design.T @ target)
    left = float(np.sum((target - design @ solution) ** 2))
    nothing = float(np.sum((target - design[:, :1] @ np.linalg.lstsq(design[:, :1], target, rcond=None)[0]) ** 2))
    columns = list(range(count))
    naming = math.log2(max(count - 1, 1))

    def bits() -> float:
        number = len(columns) - 1
        return description_bits(left / nothing, COMPLEXITY * number, CONSTANTS * number, rows) + naming * number

    if not nothing > (TINY * float(np.linalg.norm(target))) ** 2:
        return None
    least, best = bits(), columns[1:]
    while len(columns) > 1:
        gains = solution**2 / np.diag(inverse)
        out = 1 + int(np.argmin(gains[1:]))
        left += float(gains[out])
        solution = solution - inverse[:, out] * (solution[out] / inverse[out, out])
        inverse = inverse - np.outer(inverse[:, out], inverse[out]) / inverse[out, out]
        solution, inverse = np.delete(solution, out), np.delete(np.delete(inverse, out, 0), out, 1)
        del columns[out]
        if bits() < least:
            least, best = bits(), columns[1:]
    return best or None
