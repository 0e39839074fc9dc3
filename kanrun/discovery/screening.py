"""Which of many inputs tell something about the targets, so that a search looks at combinations of these alone.

Forward selection of an additive model, a smooth curve an input, each by an F test that counts how many inputs there
are (nonparametric independence screening: Fan, Feng and Song 2011, Journal of the American Statistical Association
106), and products of two inputs in what it leaves (interactions without main effects: Hao and Zhang 2014, the same
journal, 109).
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
from scipy.special import fdtrc

from kanrun.discovery.lines import line_through
from kanrun.discovery.problem import Problem
from kanrun.functions.evaluate import Array
from kanrun.symbolic.compare import over_decades

LEVEL = 0.01  # chance that of inputs that tell nothing any is taken
WAVES = 6  # of the curve of an input
MIXED = 2  # of each of two inputs in products
MOST_COLUMNS = 3000  # of which all products are looked at
ROWS = 10  # at least, a wave
FEW, MOST = 12, 24  # inputs of which all are looked at without a question, and that may be told apart
MOST_ROWS = 2000  # that are looked at
ALONE = 2.0  # times what all inputs leave, which is near enough for one that is looked at on its own
TOLD = 0.5  # part of the mean square that this one must leave at most, as its waves do not follow all curves
TINY = 1e-9  # part of what a column was, below which nothing of its own is left


def inputs_to_look_at(problem: Problem) -> list[int] | None:
    """Of many inputs those that tell something about the targets, or about their logarithms where these span decades.

    Those of a straight line do, and no others if what it leaves is noise. None where all are to be looked at.
    """
    if problem.n <= FEW or problem.width is not None:
        return None
    x, (_, y), factors = problem.x.double().cpu().numpy(), problem.arrays, problem.factors
    line = line_through(x, y, factors)
    if line is not None and problem.leaves_noise(line.of):
        return line.inputs
    told = [telling_inputs(x, y, factors), line.inputs if line else []]
    if over_decades(y):
        there = y != 0
        told.append(telling_inputs(x[there], np.log(np.abs(y[there])), np.ones(there.sum())))
    known = [inputs for inputs in told if inputs is not None]
    found = {i for inputs in known for i in inputs}
    return sorted(found) if len(known) == len(told) and len(found) <= MOST else None


def telling_inputs(x: Array, y: Array, factors: Array) -> list[int] | None:
    """The inputs of x [rows, inputs] that say something about y [rows], the most telling first.

    Errors of the rows count times their `factors` [rows]. Empty where no input tells more than chance among so many;
    None where so many tell something, or so few rows are left, that others may too.
    """
    counts = np.flatnonzero(factors)[:MOST_ROWS]
    x, y, root = x[counts], y[counts], factors[counts]
    whole = TINY * np.linalg.norm(y * root)
    ranks = np.stack([ranks_of(column) for column in x.T], axis=1)
    count = waves_for(len(ranks))
    curves = [waves_of(column, count) * root[:, None] for column in ranks.T]
    chosen, left, free = list[int](), y * root, len(y)
    new = root[:, None] / np.linalg.norm(root)
    while True:
        left, free = without(new, left), free - new.shape[1]
        if len(chosen) == MOST or free <= 2 * WAVES:
            return None
        if np.linalg.norm(left) <= whole:
            return chosen
        curves = [without(new, curve) for curve in curves]
        own = [directions(curve) for curve in curves]
        gains = np.array([np.sum((one.T @ left) ** 2) for one in own])
        best = int(np.argmax(gains))
        if own[best].shape[1] == 0 or chance(gains[best], left, own[best].shape[1], free) * len(curves) > LEVEL:
            break
        chosen.append(best)
        new = own[best]
    for pair in telling_pairs(ranks, root, left, free):
        chosen += [i for i in pair if i not in chosen]
    return chosen


def telling_alone(x: Array, y: Array, factors: Array) -> int | None:
    """The input of x [rows, inputs] beside which all others say next to nothing about y [rows]; None without one."""
    counts = np.flatnonzero(factors)[:MOST_ROWS]
    x, y, factors = x[counts], y[counts], factors[counts]
    chosen = telling_inputs(x, y, factors)
    if not chosen:
        return None
    nothing, one, several = (left_by(x[:, inputs], y * factors, factors) for inputs in ([], chosen[:1], chosen))
    return chosen[0] if one <= min(ALONE * several, TOLD * nothing) else None


def left_by(x: Array, y: Array, factors: Array) -> float:
    """The mean square that smooth curves of the inputs, and products of two, leave of y [rows], by its free rows."""
    count = waves_for(len(x))
    waves = [waves_of(ranks_of(column), count) for column in x.T]
    mixed = list(product(range(min(MIXED, count)), repeat=2))
    together = [a[:, i] * b[:, j] for a, b in combinations(waves, 2) for i, j in mixed]
    columns = [np.ones((len(x), 1)), *waves, *(part[:, None] for part in together)]
    basis = directions(np.concatenate(columns, axis=1) * factors[:, None])
    left = without(basis, y)
    return float(left @ left) / max(len(y) - basis.shape[1], 1)


def waves_for(rows: int) -> int:
    """How many waves the curve of an input has that so many rows tell."""
    return min(WAVES, max(1, rows // ROWS))


def ranks_of(values: Array) -> Array:
    """The ranks of values [rows] in (0, 1), those of equal ones alike."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles: Array = (np.cumsum(counts) - counts / 2) / len(values)
    return middles[place]


def waves_of(ranks: Array, count: int) -> Array:
    """So many columns [rows, waves] whose sums are the smooth functions of an input with these ranks [rows]."""
    return np.cos(np.pi * ranks[:, None] * np.arange(1, count + 1))


def without(basis: Array, columns: Array) -> Array:
    """What of columns [rows, ...] is orthogonal to a basis [rows, directions]."""
    return columns - basis @ (basis.T @ columns)


def directions(columns: Array) -> Array:
    """An orthonormal basis [rows, directions] of columns that had a size around the root of their rows."""
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, sizes > TINY * np.sqrt(len(columns))]


def chance(gain: float, left: Array, count: int, free: int) -> float:
    """How often so many columns that tell nothing would explain as much of what is left: the F test."""
    rest = max(float(left @ left) - gain, 0.0)
    ratio = np.inf if rest == 0 else gain / count / (rest / (free - count))
    return float(fdtrc(count, free - count, ratio))


def telling_pairs(ranks: Array, root: Array, left: Array, free: int) -> list[tuple[int, int]]:
    """Pairs of inputs of which a product of waves goes with what is left [rows], the strongest first, an input once."""
    size, inputs = float(np.linalg.norm(left)), ranks.shape[1]
    count = max(1, min(WAVES, MOST_COLUMNS // inputs))
    waves = np.concatenate([waves_of(column, count) for column in ranks.T], axis=1)
    together = (waves * (left * root)[:, None]).T @ waves
    sizes = np.sqrt((waves * root[:, None]).T ** 2 @ waves**2)
    agreement = np.abs(together) / np.maximum(sizes * size, np.finfo(float).tiny)
    strongest = np.triu(agreement.reshape(inputs, count, inputs, count).max(axis=(1, 3)), 1)
    products = count**2 * inputs * (inputs - 1) // 2
    found, taken = list[tuple[int, int]](), set[int]()
    for place in np.argsort(-strongest, axis=None):
        i, j = (int(one) for one in np.unravel_index(place, strongest.shape))
        if chance(min(strongest[i, j], 1.0) ** 2 * size**2, left, 1, free) * products > LEVEL:
            break
        if not {i, j} & taken:
            found.append((i, j))
            taken |= {i, j}
    return found
