"""The description length of rows by a formula: bits for what it leaves of them, for its form and for its constants."""

from __future__ import annotations

import math

import numpy as np
import sympy as sp

from kanrun.data.losses import ROUNDING, residual_bits
from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.constants import Columns, constants_of
from kanrun.symbolic.polishing import squares
from kanrun.symbolic.prior import bits_of_form, is_line_of_one

PART_OF_A_WAVE, PART_OF_ANY = 8.0, 24.0  # bits of a wave of which the rows show less than a period, of any frequency
LEAST_EXPONENT = 1e-3  # of a power; with smaller ones c*x**p is c but where x is next to 0


def description(expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0) -> float:
    """Bits of the rows by a formula; infinite where it has no value on some, or `has_steps`."""
    return description_at(squares(expression, columns, y, weights) / len(y), expression, columns, y, weights)


def description_at(loss: float, expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0) -> float:
    """The same at a mean squared error that is known.

    The form takes the bits of symbolic/prior.py and those of naming its inputs. A constant takes as many as it has
    digits: it is known to about the size of the error over the root of the rows, and was as likely anywhere within the
    spread of the targets before (MacKay 2003, Information Theory, Inference, and Learning Algorithms, ch. 28).
    """
    own = np.broadcast_to(np.asarray(weights, dtype=np.float64), y.shape) ** 2
    spread = float(np.average((y - np.average(y, weights=own)) ** 2, weights=own) * own.mean())
    unexplained = loss / max(spread, 1e-300)
    if not math.isfinite(unexplained) or has_steps(expression, columns):
        return math.inf
    form = bits_of_form(expression) + bits_of_inputs(expression, columns) + bits_of_waves(expression, columns)
    return bits_of_rows(unexplained, len(y), form, len(constants_of(expression)))


def bits_of_rows(unexplained: float, rows: int, form: float, constants: int) -> float:
    """Bits of so many rows by a form of known bits with so many constants, each to the digits that the rows tell."""
    digits = 0.5 * math.log2(rows / min(1.0, unexplained + ROUNDING))
    return residual_bits(unexplained, rows) + form + digits * constants


def bits_of_inputs(expression: sp.Expr, columns: Columns) -> float:
    """Bits of saying which input each is; those of a line in several are a set, which has no order."""
    count = max(1, len(columns))
    named = sum(node.is_Symbol for node in sp.preorder_traversal(expression))
    lines = [sum(map(is_line_of_one, node.args)) for node in sp.preorder_traversal(expression) if node.is_Add]
    together = sum(log2_binomial(count, inputs) for inputs in lines)
    return together + math.log2(count) * (named - sum(lines))


def log2_binomial(count: int, chosen: int) -> float:
    """Bits of saying which of so many are chosen."""
    return math.log2(math.comb(count, chosen))


def bits_of_waves(expression: sp.Expr, columns: Columns) -> float:
    """Bits of waves of which the rows show only a part: those between which half a turn or more passes show none of it.

    That may be an angle between two of its values. Where the frequency is a decimal, nothing in the rows is a wave.
    """
    total = 0.0
    for wave in expression.atoms(sp.sin, sp.cos):
        turned = evaluate(wave.args[0], columns)
        fitted = any(wave.args[0].diff(symbol).atoms(sp.Float) for symbol in wave.free_symbols)
        total += (PART_OF_ANY if fitted else PART_OF_A_WAVE) * (not turn_shown(turned) >= 2 * math.pi)
    return total


def turn_shown(angles: Array) -> float:
    """How far a wave turns between rows at these angles, without gaps in which it may turn either way (Nyquist)."""
    with np.errstate(invalid="ignore"):
        gaps = np.diff(np.sort(angles, axis=None))
    return float(gaps[gaps < math.pi].sum())


def has_steps(expression: sp.Expr, columns: Columns) -> bool:
    """Whether a power has so small an exponent that it is a constant but in rows where its base is 0."""
    small = [p for p in expression.atoms(sp.Pow) if p.exp.is_Float and abs(p.exp) < LEAST_EXPONENT]
    return any(bool((evaluate(p.base, columns) == 0).any()) for p in small)
