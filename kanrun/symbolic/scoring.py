"""Scores of formulas by evaluating their texts: on test rows, on training rows, cross-validated."""

from __future__ import annotations

import sympy as sp

from kanrun.data.dataset import Dataset, Rows
from kanrun.data.scores import Scores, scores
from kanrun.symbolic.cross_validation import cross_validated
from kanrun.symbolic.values import columns_of, evaluate_texts

FOLDS_SEED = 0  # draws the parts of a cross-validation


def scores_of(expressions: list[sp.Expr], j: int, data: Dataset, rows: Rows) -> Scores:
    """Scores of output `j` alone, of all classes together, by evaluating the texts of the formulas."""
    if data.loss.logits:
        return scores(data, evaluate_texts([str(e) for e in expressions], rows.x, data.inputs), rows.y.cpu())
    values = evaluate_texts([str(expressions[j])], rows.x, data.inputs)
    return scores(data, values, rows.y[:, j : j + 1].double().cpu())


def cross_validation_of(expressions: list[sp.Expr], j: int, data: Dataset) -> Scores | None:
    """Scores of formulas of values, the first for output `j`, where no rows are set aside to test them."""
    if data.test is not None or data.loss.logits:
        return None
    columns, y = columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy()
    return cross_validated(expressions, columns, y[:, j : j + len(expressions)], FOLDS_SEED).scores()
