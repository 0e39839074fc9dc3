"""Scores of formulas by evaluating their texts: on test rows, on training rows, cross-validated."""

from __future__ import annotations

import math
from collections.abc import Sequence

import sympy as sp

from kanrun.data.dataset import Dataset, Rows
from kanrun.data.scores import Scores, scores, weights_of
from kanrun.symbolic.cross_validation import cross_validated, folds_of, tells_of
from kanrun.symbolic.judging import factors_for
from kanrun.symbolic.left_out import directions_of, rows_alone
from kanrun.symbolic.outliers import row_numbers
from kanrun.symbolic.values import evaluate_texts, training_arrays

FOLDS_SEED = 0  # draws the parts of a cross-validation


def scores_of(expressions: list[sp.Expr], data: Dataset, rows: Rows) -> list[Scores]:
    """Scores of each output alone, of all classes together, by evaluating the texts of the formulas."""
    values, weights = evaluate_texts([str(e) for e in expressions], rows.x, data.inputs), weights_of(data, rows)
    if data.loss.logits:
        return [scores(data, values, rows.y.cpu(), weights)] * len(expressions)
    columns = zip(values.split(1, dim=1), rows.y.double().cpu().split(1, dim=1), strict=True)
    return [scores(data, ours, y, weights) for ours, y in columns]


def cross_validation_of(expression: sp.Expr, j: int, data: Dataset) -> Scores | None:
    """Scores of a formula of values for output `j`, for a table of the user's and where no rows are set aside.

    None where its constants could not be fitted without some of the rows.
    """
    if data.loss.logits or (data.test is not None and not data.of_a_file):
        return None
    columns, y = training_arrays(data)
    factors, given = factors_for(expression, j, data), data.train.weights is not None and not data.recognized
    if not tells_of(expression, columns, factors, len(y), FOLDS_SEED):
        return None
    return cross_validated(expression, columns, y[:, j], FOLDS_SEED, factors**2, given)


def rows_that_decide(expression: sp.Expr, j: int, data: Dataset) -> list[int]:
    """The numbers of the training rows each of which alone decides constants of the formula of output `j`."""
    columns, y = training_arrays(data)
    moved = directions_of(expression, columns, factors_for(expression, j, data), len(y))
    return row_numbers(data, rows_alone(moved))


def together(scores: Sequence[Scores], data: Dataset) -> Scores:
    """The scores of all outputs together, from those of each."""
    mse = [s["mse"] for s in scores]
    if any(value is None for value in mse):
        return {"rmse": None, "r2": None, "folds": folds_of(len(data.train.x))}
    mean = sum(float(value or 0) for value in mse) / len(mse)
    weights, y = weights_of(data, data.train), data.train.y.double().cpu()
    spread = sum(data.loss.weighted_null_values(y, weights)) / y.shape[1]
    r2 = 1 - mean / spread if spread > 0 else None
    return {"rmse": math.sqrt(mean), "r2": r2, "folds": folds_of(len(data.train.x))}
