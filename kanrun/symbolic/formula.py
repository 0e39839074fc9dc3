"""The written result: one formula an output, snapped, simplified, checked by evaluating its text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanrun.data.dataset import MSE, Dataset, Rows
from kanrun.metrics import Scores, scores
from kanrun.model.network import KAN
from kanrun.symbolic.compare import is_exact
from kanrun.symbolic.evaluate import evaluate
from kanrun.symbolic.expression import complexity, network_expressions, rounded
from kanrun.symbolic.parser import parse_formula
from kanrun.symbolic.search import Symbolic
from kanrun.symbolic.snap import EXACT, expanded, shortest, snap
from kanrun.training.objective import loss_value

OWN_LENGTH = 10_000_000  # characters of a formula of our own; one from a config is read with a smaller limit


@dataclass(frozen=True)
class Alternative:
    """A point of the front: another formula for the same output, simpler or more exact."""

    complexity: int
    error: float | None
    expression: str


@dataclass(frozen=True)
class Formula:
    """One output as a formula. `test` scores `expression` as a text; `exact` is None without a known truth."""

    output: str
    expression: str
    rounded: str
    latex: str
    complexity: int
    test: Scores
    exact: bool | None
    front: list[Alternative]


def evaluate_texts(texts: list[str], rows: Tensor, inputs: list[str]) -> Tensor:
    """Values of formulas given as text at `rows` [rows, inputs]: [rows, formulas], NaN where not finite."""
    return evaluate_all([parse_formula(t, inputs, "expression", OWN_LENGTH) for t in texts], rows, inputs)


def evaluate_all(expressions: list[sp.Expr], rows: Tensor, inputs: list[str]) -> Tensor:
    """Values of expressions at `rows`: [rows, expressions]."""
    columns = {name: rows[:, i].double().cpu().numpy() for i, name in enumerate(inputs)}
    return torch.as_tensor(np.stack([evaluate(e, columns) for e in expressions], axis=1))


def training_loss(expressions: list[sp.Expr], train: Rows, inputs: list[str], loss: str) -> float:
    """The loss of these formulas on the training rows; NaN where one is not finite."""
    targets = train.y.cpu() if loss != MSE else train.y.double().cpu()
    return float(loss_value(loss, evaluate_all(expressions, train.x, inputs), targets))


def expressions_of(model: KAN, data: Dataset) -> list[sp.Expr]:
    """The network's formulas with snapped constants, in their shortest form."""
    expressions = network_expressions(model, data.inputs)

    def loss_of(trial: list[sp.Expr]) -> float:
        return training_loss(trial, data.train, data.inputs, data.loss)

    floor = EXACT * float(data.train.y.double().var()) if data.loss == MSE else 0.0
    rows = len(data.train.x)
    expressions = snap(expressions, loss_of, rows, floor)
    limit = max(loss_of(expressions) * (1 + 1e-6), floor)
    for rewrite in (shortest, expanded):
        short = snap([rewrite(e) for e in expressions], loss_of, rows, floor)
        shorter = sum(map(complexity, short)) < sum(map(complexity, expressions))
        if shorter and loss_of(short) <= limit:
            expressions = short
    return expressions


def write_formulas(symbolic: Symbolic, data: Dataset) -> list[Formula]:
    """One formula an output of the chosen network, with the alternatives met on the way."""
    chosen = expressions_of(symbolic.model, data)
    texts = [str(e) for e in chosen]
    test = scores(data, evaluate_texts(texts, data.test.x, data.inputs), data.test.y.cpu())
    truths = [parse_formula(t, data.inputs) for t in data.truth]
    fronts = front_of([expressions_of(model, data) for model in symbolic.front], chosen, data)
    return [
        Formula(
            output=name,
            expression=texts[j],
            rounded=str(rounded(chosen[j])),
            latex=str(sp.latex(rounded(chosen[j]))),
            complexity=complexity(chosen[j]),
            test=test if data.loss != MSE else output_scores(data, chosen[j], j),
            exact=is_exact(chosen[j], truths[j], data.inputs, data.domain) if truths else None,
            front=fronts[j],
        )
        for j, name in enumerate(data.outputs)
    ]


def output_scores(data: Dataset, expression: sp.Expr, j: int) -> Scores:
    """Scores of output `j` alone, by evaluating the text of its formula on the test rows."""
    values = evaluate_texts([str(expression)], data.test.x, data.inputs)
    return scores(data, values, data.test.y[:, j : j + 1].double().cpu())


def front_of(others: list[list[sp.Expr]], chosen: list[sp.Expr], data: Dataset) -> list[list[Alternative]]:
    """For every output the formulas that no other one beats in both complexity and test error, simplest first."""
    fronts = []
    for j in range(len(data.outputs)):
        points = {}
        for expressions in [*others, chosen]:
            texts = [*(str(e) for e in chosen[:j]), str(expressions[j]), *(str(e) for e in chosen[j + 1 :])]
            values = evaluate_texts(texts, data.test.x, data.inputs)
            result = (
                output_scores(data, expressions[j], j) if data.loss == MSE else scores(data, values, data.test.y.cpu())
            )
            error = result["mse" if data.loss == MSE else "cross_entropy"]
            if error is not None:
                points[str(expressions[j])] = Alternative(complexity(expressions[j]), float(error), str(expressions[j]))
        front: list[Alternative] = []
        for point in sorted(points.values(), key=lambda p: (p.complexity, p.error)):
            if not front or (point.error or 0.0) < (front[-1].error or 0.0):
                front.append(point)
        fronts.append(front)
    return fronts
