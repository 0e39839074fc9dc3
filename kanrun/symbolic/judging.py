"""What may be said of a formula: whether it is exact, whether the rows can tell, and why it was chosen."""

from __future__ import annotations

import numpy as np
import sympy as sp

from kanrun.context import UNLIMITED, Context
from kanrun.data.dataset import Dataset
from kanrun.functions.algebra import is_zero
from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.bare import Verdict, verdict
from kanrun.symbolic.compare import is_exact, over_decades, relative_loss, relative_weights
from kanrun.symbolic.relative_errors import is_refuted
from kanrun.symbolic.values import columns_of, factors_of_errors, sizes_are_known

EXACT_REASON = "exact to rounding"
UNDECIDED_REASON = "the data cannot decide: it fits to rounding, and so do others"
RELATIVE_REASON = "shortest description of the training data, judged relative to their size"
SHORT_REASON = "shortest description of the training data"


def verdict_on_training(expression: sp.Expr, j: int, data: Dataset, context: Context = UNLIMITED) -> Verdict:
    """What the training rows say of the formula of output `j`."""
    if data.loss.logits:
        return Verdict.NOT
    y = data.train.y[:, j].double().cpu().numpy()
    return verdict(expression, columns_of(data.train.x, data.inputs), y, context)


def claim(found: sp.Expr, truth: sp.Expr, judged: Verdict, data: Dataset) -> bool | None:
    """Whether a formula is the truth; None where the rows could not tell it from others."""
    exact = is_exact(found, truth, data.inputs, data.domain)
    if exact and judged is Verdict.UNDECIDED and found != truth and not is_zero(found - truth):
        return None
    return exact


def reason_of(expression: sp.Expr, j: int, judged: Verdict, data: Dataset) -> str:
    """Why a formula was chosen for output `j`."""
    if judged is not Verdict.NOT:
        return EXACT_REASON if judged is Verdict.EXACT else UNDECIDED_REASON
    if is_relative(expression, j, data):
        return RELATIVE_REASON
    return SHORT_REASON


def is_relative(expression: sp.Expr, j: int, data: Dataset) -> bool:
    """Whether errors relative to the size of the targets explain output `j` better than errors of one size.

    Never where the sizes of errors are known already.
    """
    if sizes_are_known(data) or not data.loss.least_squares:
        return False
    y, columns = data.train.y[:, j].double().cpu().numpy(), columns_of(data.train.x, data.inputs)
    ours = evaluate(expression, columns)
    explained = over_decades(y) and relative_loss(ours, y) < float(np.mean((ours - y) ** 2))
    return explained and not is_refuted(expression, columns, y)


def factors_for(expression: sp.Expr, j: int, data: Dataset) -> Array | float:
    """What errors of the training rows count times for the formula of output `j`, [rows]; 1 where they are alike."""
    if is_relative(expression, j, data):
        factors = relative_weights(data.train.y[:, j].double().cpu().numpy())
        return factors / factors.max()
    return factors_of_errors(data)
