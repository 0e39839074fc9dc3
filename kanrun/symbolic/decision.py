"""The decision between two classes as one formula, from their logits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanrun.data.dataset import Dataset, Rows
from kanrun.data.scores import Scores, scores, weights_of
from kanrun.functions.naming import as_latex, as_shown
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.boundary import Boundary, boundary_of
from kanrun.symbolic.expression import complexity, rounded
from kanrun.symbolic.logistic import Classes
from kanrun.symbolic.snap import expanded, shortest
from kanrun.symbolic.uncertainty import Constant, of_classes
from kanrun.symbolic.values import OWN_LENGTH, columns_of, evaluate_all, factors_of_errors, row_weights


@dataclass(frozen=True)
class Decision:
    """Of two classes: logit of the second less logit of the first, above 0 where the second is predicted.

    These are the log-odds of the second class; where the classes do not overlap their scale is not determined, and its
    constants have no errors. `boundary` is where they are 0, without their scale.
    """

    expression: str
    rounded: str
    latex: str
    complexity: int
    test: Scores
    constants: list[Constant]
    boundary: Boundary | None = None


def decision_between(logits: list[sp.Expr], data: Dataset) -> Decision | None:
    """The formula of the decision where there are two classes with a logit each.

    Its constants are not snapped beyond those of the logits: it decides every row as they do.
    """
    if not data.loss.logits or len(logits) != 2:
        return None

    def decided(expression: sp.Expr, rows: Rows) -> Tensor:
        difference = evaluate_all([expression], rows.x, data.inputs)
        return torch.cat([torch.zeros_like(difference), difference], dim=1)

    plain = logits[1] - logits[0]
    aims = decided(plain, data.train)
    same = [plain]
    for rewrite in (shortest, expanded, lambda e: shortest(expanded(e))):
        trial = decided(rewrite(plain), data.train)
        if torch.allclose(trial, aims, rtol=1e-9, atol=1e-9, equal_nan=True):
            same.append(rewrite(plain))
    best = min(same, key=complexity)
    classes, columns = classes_of(data), columns_of(data.train.x, data.inputs)
    boundary = boundary_of(best, classes, data)
    constants = of_classes([sp.Integer(0), best], columns, factors_of_errors(data))[1]
    short, read = rounded(best), parse_formula(str(best), data.inputs, "decision", OWN_LENGTH)
    return Decision(
        expression=str(best),
        rounded=as_shown(short, data.names),
        latex=as_latex(short, data.names),
        complexity=complexity(best),
        test=scores(data, decided(read, data.judged), data.judged.y.cpu(), weights_of(data, data.judged)),
        constants=without_errors(constants) if boundary and boundary.separated else constants,
        boundary=boundary,
    )


def without_errors(constants: list[Constant]) -> list[Constant]:
    """The constants as what the rows do not determine."""
    return [replace(c, standard_error=None) for c in constants]


def classes_of(data: Dataset) -> Classes:
    """The training rows of two classes."""
    weights = np.ones(len(data.train.x)) * row_weights(data)
    return Classes(columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy(), weights)
