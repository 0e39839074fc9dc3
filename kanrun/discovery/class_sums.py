"""Logits of several classes as sums of terms that all of them share: a line first, then with other terms and without.

A multinomial logistic regression whose factors are normal around 0, with the width that makes the classes likeliest
when all factors are averaged over (MacKay 1992, Neural Computation 4, 415). Terms are chosen by that likelihood, by
Laplace's approximation: a factor costs as much as rows have to tell of it, where half the logarithm of the rows would
be too much for classes of which there are few.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
from scipy.linalg import cho_solve, cholesky
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.data.blas import one_thread
from kanrun.discovery.class_terms import NEW, Terms, terms_of
from kanrun.functions.builtin import Function
from kanrun.functions.evaluate import Array
from kanrun.symbolic.prior import LINE, LINE_INPUT

MOST_FACTORS = 1500  # of all terms and classes together: a step solves equations for all of them
MOST_MULTIPLIED = 12  # inputs, whose products may be terms
SELECTING = 3000  # rows that terms are chosen by; the factors are those of all rows
WIDTH, TRIALS = 3, 3  # sums that are kept, and terms that each is tried with
CLEARLY = 2.0  # bits that a term must cost before it goes: odds of four to one, as far as an approximation can tell
ALIKE = 0.5  # part of what the best term promises
PATIENCE = 2  # more terms that may win nothing
STEPS, HALVINGS = 12, 12
GAIN = 1e-2  # nats below which a step is the last one
FREE = 1e-3  # pull on the constants, of which one too many is there
LEAST, MOST = 1e-4, 1e3  # bounds of the pull on factors
MADE, TRIED = 0.5, 1.0  # units of work: of a term that is made, and of a step
MULTIPLIED, SOLVED = 4e-8, 2e-8  # the same of rows times factors squared, and of factors cubed


@dataclass(frozen=True)
class ClassSums:
    """Logits of all classes by the same terms: `factors` [classes, 1 + terms], of the first class 0, constants first.

    `nats` is minus the log likelihood of the classes, `bits` describe them by the sums: with how the terms are told
    and all that the rows tell of the factors. Where they are `separated` every row is right.
    """

    terms: list[sp.Expr]
    factors: Array
    nats: float
    bits: float
    separated: bool

    @property
    def expressions(self) -> list[sp.Expr]:
        """The logits as expressions."""
        return [
            sp.Add(
                sp.Float(constant) if constant else sp.Integer(0),
                *(sp.Float(factor) * term for factor, term in zip(own, self.terms, strict=True) if factor),
            )
            for constant, *own in self.factors.tolist()
        ]


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


def sums_for_classes(
    x: Tensor,
    names: list[str],
    functions: Mapping[str, Function],
    labels: Array,
    classes: int,
    weights: Array | float = 1.0,
    context: Context = UNLIMITED,
) -> ClassSums | None:
    """The sum over inputs `x` [rows, inputs] of the fewest bits for class numbers `labels` [rows]; None without any."""
    terms = terms_of(x, names, functions, products=len(names) <= MOST_MULTIPLIED)
    if terms is None or classes < 2:
        return None
    context.spend(MADE * len(terms.expressions))
    own = np.ones(len(labels)) * weights
    means = np.average(terms.values, axis=0, weights=own)
    spreads = np.sqrt(np.average((terms.values - means) ** 2, axis=0, weights=own))
    whole = Labelled((terms.values - means) / spreads, np.eye(classes)[labels.astype(int)], own)
    step = -(-len(labels) // SELECTING)
    with one_thread():
        found = chosen(Selection(whole.every(step), bits_of(terms, len(labels)), is_plain(terms), context))
        if step > 1 and found.chosen:
            found = fitted(whole, found.chosen, found.factors, found.pull, context)
    if not found.chosen:
        return None
    told, used = bits_of(terms, len(labels)), list(found.chosen)
    factors = found.factors - found.factors[0]
    scaled = factors[:, 1:] / (spreads[used] * terms.scales[used])
    constants = factors[:, 0] - factors[:, 1:] @ (means[used] / spreads[used])
    return ClassSums(
        [terms.expressions[k] for k in used],
        np.column_stack([constants, scaled]),
        found.nats,
        found.bits + float(told[used].sum()) + LINE,
        bool((found.chances.argmax(1) == labels)[own > 0].all()),
    )


def is_plain(terms: Terms) -> Array:
    """Which terms are inputs as they are: [terms]."""
    return np.array([e.is_Symbol for e in terms.expressions])


def bits_of(terms: Terms, rows: int) -> Array:
    """Bits of saying that a term is there, but for its factors: one more input of a line is next to nothing."""
    return np.where(is_plain(terms), LINE_INPUT, terms.bits - 0.5 * math.log2(rows))


@dataclass
class Selection:
    """What terms are chosen from: rows, the `bits` of naming each term, and which are inputs as they are."""

    rows: Labelled
    bits: Array
    plain: Array
    context: Context

    @property
    def classes(self) -> int:
        return self.rows.told.shape[1]

    def total(self, fit: Fit) -> float:
        """Bits of the classes by a fit."""
        return fit.bits + float(self.bits[list(fit.chosen)].sum())

    def has_room(self, terms: int) -> bool:
        """Whether equations for so many terms can be solved."""
        return terms * self.classes <= MOST_FACTORS


def chosen(selection: Selection) -> Fit:
    """The sum of the fewest bits: the line in all inputs where there is room for it, with more terms, then fewer."""
    rows, context = selection.rows, selection.context
    nothing = fitted(rows, (), np.zeros((selection.classes, 1)), 1.0, context)
    line = independent(rows, np.flatnonzero(selection.plain).tolist())
    if line and selection.has_room(len(line)):
        start = np.column_stack([nothing.factors, np.zeros((selection.classes, len(line)))])
        nothing = min(nothing, fitted(rows, line, start, 1.0, context), key=selection.total)
    return reduced(selection, grown(selection, nothing))


def independent(rows: Labelled, terms: list[int]) -> tuple[int, ...]:
    """The terms that say something beside those before them."""
    root = np.sqrt(rows.weights)[:, None]
    new = np.abs(np.diag(np.linalg.qr(root * with_constants(rows.terms[:, terms]), mode="r")))[1:]
    whole = np.sqrt(((root * rows.terms[:, terms]) ** 2).sum(0))
    return tuple(k for k, own, size in zip(terms, new, whole, strict=False) if own**2 > NEW * size**2)


def grown(selection: Selection, first: Fit) -> Fit:
    """With more terms, of which a few sums are kept at each length, as long as that saves bits."""
    beam, best, patience = [first], first, PATIENCE
    while patience and not selection.context.over():
        trials = dict[tuple[int, ...], Fit]()
        for parent in beam:
            for more in likeliest(selection, parent):
                key = tuple(sorted((*parent.chosen, *more)))
                if key not in trials and selection.has_room(len(key)):
                    start = np.column_stack([parent.factors, np.zeros((selection.classes, len(more)))])
                    whole = (*parent.chosen, *more)
                    trials[key] = fitted(selection.rows, whole, start, parent.pull, selection.context)
        if not trials:
            break
        beam = sorted(trials.values(), key=selection.total)[:WIDTH]
        if selection.total(beam[0]) < selection.total(best):
            best = beam[0]
        else:
            patience -= 1
    return best


def likeliest(selection: Selection, fit: Fit) -> list[list[int]]:
    """The terms that promise the most bits, each as a list; inputs as they are together where they promise alike.

    Nothing where none promises any.
    """
    won = promised(selection, fit) - selection.bits
    won[list(fit.chosen)] = -math.inf
    order = np.argsort(-won, kind="stable")[:TRIALS]
    good = [int(k) for k in order if won[k] > max(0.0, ALIKE * won[order[0]])]
    if selection.plain[good].all() and len(good) > 1:
        return [good, good[:1]]
    return [[k] for k in good]


def promised(selection: Selection, fit: Fit) -> Array:
    """Bits that each term would save by what the rows tell of its factors: [terms].

    Class by class, as if the others stayed as they are, of which one goes without saying.
    """
    rows, total = selection.rows, np.zeros(selection.rows.terms.shape[1])
    design = with_constants(rows.terms[:, list(fit.chosen)])
    selection.context.spend(TRIED + MULTIPLIED * selection.classes * 2 * design.size * rows.terms.shape[1])
    for own, told in zip(fit.chances.T, rows.told.T, strict=True):
        root = np.sqrt(np.maximum(rows.weights * own * (1 - own), 1e-12))
        known = np.linalg.qr(root[:, None] * design)[0]
        weighted = root[:, None] * rows.terms
        sizes = (weighted**2).sum(0)
        weighted -= known @ (known.T @ weighted)
        new = (weighted**2).sum(0)
        new[new < NEW * sizes] = 0.0
        pulled = weighted.T @ (rows.weights * (told - own) / root)
        total += np.where(new > 0, pulled**2 / (new + fit.pull) - np.log1p(new / fit.pull), 0.0)
    return total * (1 - 1 / selection.classes) / (2 * math.log(2))


def reduced(selection: Selection, best: Fit) -> Fit:
    """Without the terms that cost clearly more bits than they save, half of them at once and then fewer."""
    part = 0.5
    while len(best.chosen) > 1 and not selection.context.over():
        saved = saved_by(best) - selection.bits[list(best.chosen)]
        doomed = np.flatnonzero(saved < -CLEARLY)
        count = math.ceil(part * len(doomed))
        if not count:
            break
        gone = set(doomed[np.argsort(saved[doomed], kind="stable")[:count]].tolist())
        kept = [k for k in range(len(best.chosen)) if k not in gone]
        start = best.factors[:, [0, *(1 + k for k in kept)]]
        rest = tuple(best.chosen[k] for k in kept)
        trial = fitted(selection.rows, rest, start, best.pull, selection.context)
        if selection.total(trial) < selection.total(best) - CLEARLY * count:
            best = trial
        elif count == 1:
            break
        else:
            part /= 2
    return best


def saved_by(fit: Fit) -> Array:
    """Bits that each term of a fit saves, about, as if its factors were alone: [terms].

    What all classes share of a term tells nothing: only the pull decides it, which is taken off the variances.
    """
    share = 1 - 1 / fit.classes
    own = np.maximum(fit.variances[:, 1:] - (1 - share) / fit.pull, NEW / fit.pull) / share
    each = fit.factors[:, 1:] ** 2 / own + np.log(own * fit.pull)
    return np.asarray(each.sum(0) * share / (2 * math.log(2)))


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
    for step in range(STEPS + 1):
        context.spend(TRIED + MULTIPLIED * len(design) * factors.size**2 + SOLVED * factors.size**3)
        chances, nats = told_by(design, factors, rows)
        gradient, matrix = slope_and_information(design, chances, rows)
        root = cholesky(matrix + np.diag(pulls(is_factor, pull)), lower=True, check_finite=False)
        if step and terms:
            pull = suiting(root, factors, is_factor, pull)
            root = cholesky(matrix + np.diag(pulls(is_factor, pull)), lower=True, check_finite=False)
        own = pulls(is_factor, pull)
        before = nats + 0.5 * float(own @ factors**2)
        if step == STEPS:
            break
        move, after, trial = -cho_solve((root, True), gradient + own * factors, check_finite=False), math.inf, factors
        for halving in range(HALVINGS):
            trial = factors + 0.5**halving * move
            after = told_by(design, trial, rows)[1] + 0.5 * float(own @ trial**2)
            if after < before:
                break
        if not before - after > GAIN:
            break
        factors = trial
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
