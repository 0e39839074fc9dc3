"""Scores of outputs against targets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanrun.data.dataset import CLASSIFICATION, Dataset, Rows

Scores = dict[str, Any]  # numbers, None where there is no value; `outputs` has those of each output by its name


def weights_of(data: Dataset, rows: Rows) -> Tensor | None:
    """The weights of rows as scores take them: only those that the user has given."""
    return None if rows.weights is None or data.recognized else rows.weights.double().cpu()


def scores(data: Dataset, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Scores:
    """The loss by its name; beside it rmse and r2 for regression, and for classification how well classes are told.

    With several outputs of a regression `outputs` has the same for each of them, as a large one hides the others. Rows
    count by their `weights` [rows], but not in how well classes are told. Rows whose outputs are not finite are left
    out and counted as `nonfinite_rows`; a class there counts as wrong.
    """
    if data.task != CLASSIFICATION:
        outputs, targets = outputs.double(), targets.double()  # squares may be no numbers in single precision
    result = scores_of(data, outputs, targets, weights)
    if data.task != CLASSIFICATION and targets.shape[1] == len(data.outputs) > 1:
        columns = [(outputs[:, j : j + 1], targets[:, j : j + 1]) for j in range(targets.shape[1])]
        result["outputs"] = {
            name: scores_of(data, *pair, weights) for name, pair in zip(data.outputs, columns, strict=True)
        }
    return result


def scores_of(data: Dataset, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Scores:
    """The same, of all columns together."""
    finite, kept, aims, own = finite_rows(outputs, targets, weights)
    result: Scores = {data.loss.name: as_number(data.loss.weighted_value(kept, aims, own)) if len(kept) else None}
    if data.task == CLASSIFICATION:
        result["accuracy"] = float(data.loss.right(kept, aims).sum()) / len(targets)
        if data.loss.logits or outputs.shape[1] == 1:
            result |= class_scores(data, outputs, targets, finite)
    else:
        share = 1.0 if own is None else own[:, None]
        mse = as_number((share * (kept - aims) ** 2).mean()) if len(kept) else None
        result["rmse"] = math.sqrt(mse) if mse is not None else None
        varies = len(aims) > 0 and bool((aims != aims[0]).any())
        spread = as_number((share * (aims - (share * aims).mean(0)) ** 2).mean()) if varies else None
        result["r2"] = None if mse is None or not spread else 1 - mse / spread
    if not bool(finite.all()):
        result["nonfinite_rows"] = int((~finite).sum())
    return result


def loss_score(data: Dataset, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> float | None:
    """The loss alone, of the rows whose outputs are finite; None where there are none."""
    _, kept, aims, own = finite_rows(outputs, targets, weights)
    return as_number(data.loss.weighted_value(kept, aims, own)) if len(kept) else None


def finite_rows(
    outputs: Tensor, targets: Tensor, weights: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Which rows have finite outputs [rows], and their outputs, targets and weights, these with a mean of 1."""
    finite = outputs.isfinite().all(1)
    own = None if weights is None else weights[finite] / weights[finite].mean()
    return finite, outputs[finite], targets[finite], own


def class_scores(data: Dataset, outputs: Tensor, targets: Tensor, finite: Tensor) -> Scores:
    """What accuracy hides where classes are of different sizes: the mean recall, and the area under the ROC curve.

    The area is that of one class against each other one, averaged (Hand and Till 2001), on rows with finite outputs;
    None where a class is missing.
    """
    labels, told = data.loss.labels(targets), torch.full((len(targets),), -1)
    margins = data.loss.margins(outputs[finite]).detach()
    told[finite] = margins.argmax(1)
    recalls = [float((told[labels == c] == c).double().mean()) for c in labels.unique().tolist()]
    found: Scores = {"balanced_accuracy": sum(recalls) / len(recalls), "roc_auc": None}
    there = labels[finite].unique()
    if len(there) == margins.shape[1] > 1:
        odds = torch.softmax(outputs[finite].double(), dim=1) if margins.shape[1] > 2 else margins.double()
        parts = [odds[labels[finite] == c] for c in range(odds.shape[1])]
        pairs = [(a, b) for a in range(len(parts)) for b in range(len(parts)) if a != b]
        areas = [share_above(parts[a][:, a], parts[b][:, a]) for a, b in pairs]
        found["roc_auc"] = sum(areas) / len(areas)
    return found


def missing_classes(data: Dataset) -> list[str]:
    """A sentence for each part of the rows that lacks a class, so that some scores have no value there."""
    if data.task != CLASSIFICATION:
        return []
    classes = data.loss.margins(data.train.y.new_zeros((1, len(data.outputs)), dtype=data.train.x.dtype)).shape[1]
    parts = {"training": data.train, "test": data.test, "validation": data.validation}
    there = {part: len(data.loss.labels(rows.y).unique()) for part, rows in parts.items() if rows is not None}
    return [
        f"only {number} of {classes} classes among the {part} rows: the area under the ROC curve has no value there"
        for part, number in there.items()
        if number < classes
    ]


def share_above(ones: Tensor, others: Tensor) -> float:
    """The part of all pairs in which one of `ones` is above one of `others`, equal ones by half: the area under ROC."""
    ordered = others.contiguous().sort().values
    ones = ones.contiguous()
    below, up_to = (torch.searchsorted(ordered, ones, right=right) for right in (False, True))
    return float((below + up_to).double().mean()) / (2 * len(ordered))


def chance(one: float, other: float, rows: int) -> float:
    """The standard error of the difference of two accuracies on this many rows each."""
    return math.sqrt((one * (1 - one) + other * (1 - other)) / rows)


def as_number(value: Tensor) -> float | None:
    """A float, or None where it is not finite."""
    number = float(value)
    return number if np.isfinite(number) else None
