"""Logits of several classes as sums of terms that all of them share: a line first, then with other terms and without.

Terms are chosen by the evidence of a multinomial logistic regression (kanrun/discovery/multinomial.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.data.blas import one_thread
from kanrun.discovery.class_terms import NEW, Terms, terms_of
from kanrun.discovery.multinomial import MULTIPLIED, STEP, Fit, Labelled, fitted, with_constants
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
MADE = 0.5  # units of work of a term


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
    selection.context.spend(STEP + MULTIPLIED * selection.classes * 2 * design.size * rows.terms.shape[1])
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
