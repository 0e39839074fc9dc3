"""Multinomial logistic regression whose factors are normal around 0, with the width of the most evidence.

Averaged over all factors the classes are likeliest at that width (MacKay 1992, Neural Computation 4, 415), by Laplace's
approximation: a factor costs as much as rows have to tell of it, where half the logarithm of the rows would be too much
for classes of which there are few.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky

from kanrun.context import Context
from kanrun.functions.evaluate import Array

STEPS, HALVINGS = 12, 12
GAIN = 1e-2  # nats below which a step is the last one
FREE = 1e-3  # pull on the constants, of which one too many is there
LEAST, MOST = 1e-4, 1e3  # bounds of the pull on factors
STEP = 1.0  # units of work
MULTIPLIED, SOLVED = 4e-8, 2e-8  # the same of rows times factors squared, and of factors cubed


@dataclass(frozen=True)
class Labelled:
    """Terms [rows, terms] with a mean of 0 and a spread of 1, the class of each row as 1 among 0, and its weight."""

    terms: Array
    told: Array  # [rows, classes]
    weights: Array  # [rows]

    def every(self, step: int) -> Labelled:
        """One row of so many."""
        return Labelled(self.terms[::step], self.told[::step], self.weights[::step])


@dataclass(frozen=True)
class Fit:
    """A sum of the terms `chosen`: its factors, constants first, the pull on them, and what it makes of the rows."""

    chosen: tuple[int, ...]
    factors: Array  # [classes, 1 + terms]
    pull: float
    chances: Array  # [rows, classes]
    nats: float
    bits: float
    variances: Array  # of what the factors may be: [classes, 1 + terms]

    @property
    def classes(self) -> int:
        return len(self.factors)


def with_constants(terms: Array) -> Array:
    """A column of ones before the terms."""
    return np.column_stack([np.ones(len(terms)), terms])


def fitted(rows: Labelled, terms: tuple[int, ...], start: Array, pull: float, context: Context) -> Fit:
    """These terms with their likeliest factors, from `start` on, under the pull of the most evidence.

    Newton's steps, halved as long as they lead nowhere; the pull is the number of factors that the rows determine over
    the sum of their squares.
    """
    design = with_constants(rows.terms[:, list(terms)])
    classes, each = start.shape
    is_factor = np.tile(np.arange(each) > 0, classes)
    factors = start.flatten()
    chances, nats = told_by(design, factors, rows)
    for step in range(STEPS + 1):
        context.spend(STEP + MULTIPLIED * len(design) * factors.size**2 + SOLVED * factors.size**3)
        gradient, matrix = slope_and_information(design, chances, rows)
        root = cholesky(matrix + np.diag(pulls(is_factor, pull)), lower=True, check_finite=False)
        if step and terms:
            pull = suiting(root, factors, is_factor, pull)
            root = cholesky(matrix + np.diag(pulls(is_factor, pull)), lower=True, check_finite=False)
        own = pulls(is_factor, pull)
        before = nats + 0.5 * float(own @ factors**2)
        if step == STEPS:
            break
        move = -cho_solve((root, True), gradient + own * factors, check_finite=False)
        trial, tried, after = factors, (chances, nats), math.inf
        for halving in range(HALVINGS):
            trial = factors + 0.5**halving * move
            tried = told_by(design, trial, rows)
            after = tried[1] + 0.5 * float(own @ trial**2)
            if after < before:
                break
        if not before - after > GAIN:
            break
        factors, (chances, nats) = trial, tried
    determined = 0.5 * float(is_factor.sum()) * math.log(pull) - float(np.log(np.diag(root)).sum())
    bits = (before - determined) / math.log(2)
    variances = np.diag(inverse(root)).reshape(classes, each)
    return Fit(terms, factors.reshape(classes, each), pull, chances, nats, bits, variances)


def pulls(is_factor: Array, pull: float) -> Array:
    """The pull on each factor and constant."""
    return np.where(is_factor, pull, FREE)


def suiting(root: Array, factors: Array, is_factor: Array, pull: float) -> float:
    """The pull of the most evidence, of factors that another one has led to."""
    determined = 1 - pull * np.diag(inverse(root))[is_factor]
    return float(np.clip(determined.sum() / max(float((factors[is_factor] ** 2).sum()), 1e-300), LEAST, MOST))


def inverse(root: Array) -> Array:
    """The inverse of a matrix by its Cholesky factor."""
    return np.asarray(cho_solve((root, True), np.eye(len(root)), check_finite=False))


def told_by(design: Array, factors: Array, rows: Labelled) -> tuple[Array, float]:
    """Chances of the classes [rows, classes], and minus the log likelihood."""
    logits = design @ factors.reshape(-1, design.shape[1]).T
    logits -= logits.max(1, keepdims=True)
    odds = np.exp(logits)
    whole = odds.sum(1)
    nats = float(rows.weights @ (np.log(whole) - (logits * rows.told).sum(1)))
    return odds / whole[:, None], nats


def slope_and_information(design: Array, chances: Array, rows: Labelled) -> tuple[Array, Array]:
    """Gradient and Fisher information of the factors, class after class."""
    (count, each), classes = design.shape, chances.shape[1]
    gradient = ((rows.weights[:, None] * (chances - rows.told)).T @ design).flatten()
    mixed = (np.sqrt(rows.weights)[:, None, None] * chances[:, :, None] * design[:, None]).reshape(count, -1)
    matrix = -(mixed.T @ mixed)
    for k in range(classes):
        own = slice(k * each, (k + 1) * each)
        matrix[own, own] += design.T @ ((rows.weights * chances[:, k])[:, None] * design)
    return gradient, matrix
