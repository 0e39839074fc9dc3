"""Values of formulas, as texts and as expressions, at rows."""

from __future__ import annotations

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanrun.data.dataset import Dataset, Rows
from kanrun.data.losses import Loss
from kanrun.functions.evaluate import Array, evaluate
from kanrun.functions.parser import parse_formula

OWN_LENGTH = 10_000_000  # characters of a formula of our own; one from a config is read with a smaller limit


def evaluate_texts(texts: list[str], rows: Tensor, inputs: list[str]) -> Tensor:
    """Values of formulas given as text at `rows` [rows, inputs]: [rows, formulas], NaN where not finite."""
    return evaluate_all([parse_formula(t, inputs, "expression", OWN_LENGTH) for t in texts], rows, inputs)


def evaluate_all(expressions: list[sp.Expr], rows: Tensor, inputs: list[str]) -> Tensor:
    """Values of expressions at `rows`: [rows, expressions]."""
    columns = columns_of(rows, inputs)
    return torch.as_tensor(np.stack([evaluate(e, columns) for e in expressions], axis=1))


def columns_of(rows: Tensor, inputs: list[str]) -> dict[str, Array]:
    """The inputs' columns by name."""
    return {name: rows[:, i].double().cpu().numpy() for i, name in enumerate(inputs)}


def training_arrays(data: Dataset) -> tuple[dict[str, Array], Array]:
    """The columns of the training inputs by name, and the targets: [rows, outputs], or class numbers [rows]."""
    return columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy()


def row_weights(data: Dataset) -> Array | float:
    """The weights by which the training rows count in squared errors, [rows]; 1 where they are alike."""
    return 1.0 if data.train.weights is None else data.train.weights.double().cpu().numpy()


def sizes_are_known(data: Dataset) -> bool:
    """Whether it is said or recognized already how large the errors of the training rows are beside each other."""
    return data.train.weights is not None or data.noise is not None or bool(data.recognized)


def factors_of_errors(data: Dataset) -> Array | float:
    """The factors that give errors of the training rows their weight, [rows]; 1 where they are alike."""
    return np.sqrt(row_weights(data))


def training_loss(expressions: list[sp.Expr], train: Rows, inputs: list[str], loss: Loss) -> float:
    """The loss of these formulas on the training rows; NaN where one is not finite."""
    targets = train.y.double().cpu() if train.y.is_floating_point() else train.y.cpu()
    weights = None if train.weights is None else train.weights.double().cpu()
    return float(loss.weighted_value(evaluate_all(expressions, train.x, inputs), targets, weights))
