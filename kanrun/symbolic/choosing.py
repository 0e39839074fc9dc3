"""The bits by which one formula is chosen among others."""

from __future__ import annotations

import sympy as sp

from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.compare import relative_loss
from kanrun.symbolic.constants import Columns
from kanrun.symbolic.cross_validation import ONE_BY_ONE
from kanrun.symbolic.description import description_at
from kanrun.symbolic.left_out import founded_loss, left_out_loss, left_out_relative_loss
from kanrun.symbolic.relative_errors import is_refuted


def bits_to_choose(
    expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0, by_size: bool = False
) -> float:
    """The description length of targets `y` [rows] by a formula; infinite where it has no value.

    Errors count times `weights` [rows]; `by_size` by errors relative to the targets' size, where these describe them
    better. Few rows are each described by what the others say of them, as a few constants may follow a few rows
    anywhere, and of many those that alone decide constants.
    """
    few = len(y) <= ONE_BY_ONE
    loss = (left_out_loss if few else founded_loss)(expression, columns, y, weights)
    if by_size:
        relative = (
            left_out_relative_loss(expression, columns, y) if few else relative_loss(evaluate(expression, columns), y)
        )
        if relative < loss and not is_refuted(expression, columns, y):
            loss = relative
    return description_at(loss, expression, columns, y, weights)
