"""Losses that outliers do not decide: rows count the less the farther they lie from what is fitted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.errors import ConfigError, wrong

Array = Any

HUBER, STUDENT = "huber", "student"
EFFICIENT = 1.345  # robust standard deviations from which Huber's loss is linear: 95 % efficient without outliers
FREEDOM = 4.0  # degrees of freedom of Student's distribution (Lange, Little and Taylor 1989, J. Am. Stat. Assoc. 84)
OF_MEDIAN = 1.4826  # standard deviation of a normal variable in units of its median absolute deviation
NEAR = 6  # rows whose median a row is held against before anything is fitted
MOST_NEAR = 4000  # rows that are looked at for their neighbours at once


def with_loss(data: Dataset, loss: str) -> Dataset:
    """The dataset with the loss that `dataset.loss` asks for. Raises ConfigError where it is none for these rows."""
    if loss == "auto":
        return data
    if data.task != REGRESSION or data.relations:
        raise ConfigError(wrong("dataset.loss", loss, "it is for targets that are numbers, and these are classes"))
    if data.train.weights is not None or data.noise is not None:
        raise ConfigError(wrong("dataset.loss", loss, "rows count by sigma or weights already; use dataset.loss=auto"))
    return replace(data, robust=loss)


def scale_of(off: Array, constants: int = 0) -> float:
    """The standard deviation of residuals [rows] by their median, where so many constants were fitted."""
    rows = len(off)
    return OF_MEDIAN * float(np.median(np.abs(off))) * float(np.sqrt(rows / max(rows - constants, 1)))


def weights_at(off: Array, loss: str) -> Array:
    """The weights [rows] of rows that lie `off` from what is fitted, in units of their standard deviation.

    Least squares by these, chosen anew until they no longer change, makes the loss least: Huber's (1964, Ann. Math.
    Stat. 35), or minus the log-likelihood of Student's distribution.
    """
    if loss == HUBER:
        return np.minimum(1.0, EFFICIENT / np.maximum(np.abs(off), 1e-300))
    weights: Array = (FREEDOM + 1) / (FREEDOM + off**2)
    return weights


def loss_at(off: Array, loss: str) -> Array:
    """Twice the loss of such rows, which is the square of small ones."""
    if loss == HUBER:
        size = np.abs(off)
        return np.where(size <= EFFICIENT, off**2, 2 * EFFICIENT * size - EFFICIENT**2)
    losses: Array = (FREEDOM + 1) * np.log1p(off**2 / FREEDOM)
    return losses


def variance_of_fit(off: Array, loss: str, constants: int) -> float:
    """What takes the place of the variance of errors in the covariance of least squares, (J^T J)^-1 times it.

    For residuals `off` [rows] of a formula with so many constants at the least loss: the scale's square times the mean
    of psi^2 over the squared mean of its slope (Huber and Ronchetti 2009, Robust Statistics, sec. 7.6).
    """
    scale = scale_of(off, constants)
    if not scale > 0:
        return 0.0
    unit = off / scale
    psi = unit * weights_at(unit, loss)
    if loss == HUBER:
        slope = float(np.mean(np.abs(unit) < EFFICIENT))
    else:
        slope = float(np.mean((FREEDOM + 1) * (FREEDOM - unit**2) / (FREEDOM + unit**2) ** 2))
    free = len(off) / max(len(off) - constants, 1)
    return scale**2 * float(np.mean(psi**2)) * free / max(slope, 1e-3) ** 2


def reweighed(data: Dataset, outputs: Any = None) -> Dataset:
    """The dataset with rows that count by how far they lie from `outputs`, a function of rows; where that is asked.

    Without outputs each row is held against the median of the rows near it. Of several outputs the one counts that is
    the farthest off. The scale is that of the training rows.
    """
    if not data.robust:
        return data
    off = residuals(data.train, outputs)
    scales = [scale_of(off[:, j]) for j in range(off.shape[1])]
    train = weighed(data.train, off, scales, data.robust)
    validation = data.validation
    if validation is not None and outputs is not None:
        validation = weighed(validation, residuals(validation, outputs), scales, data.robust)
    return replace(data, train=train, validation=validation)


def weighed(rows: Rows, off: Array, scales: list[float], loss: str) -> Rows:
    """The rows with weights by what is left of them, [rows, outputs]."""
    known = [np.abs(off[:, j]) / s for j, s in enumerate(scales) if s > 0]
    if not known:
        return replace(rows, weights=torch.ones_like(rows.x[:, 0]))
    weights = weights_at(np.nan_to_num(np.max(known, axis=0), nan=1e6), loss)
    return replace(rows, weights=torch.as_tensor(weights / weights.mean()).to(rows.y))


def residuals(rows: Rows, outputs: Any) -> Array:
    """What outputs leave of the targets, or the medians of the rows near each: [rows, outputs]."""
    with torch.no_grad():
        ours = medians_near(rows.x, rows.y) if outputs is None else outputs(rows.x)
    off: Array = (rows.y - ours).double().cpu().numpy()
    return off


def medians_near(x: Tensor, y: Tensor) -> Tensor:
    """The medians of the targets `y` [rows, outputs] of the rows next to each."""
    if len(x) <= NEAR:
        return y.median(0, keepdim=True).values.expand_as(y)
    scaled = (x - x.mean(0)) / x.std(0).clamp(min=1e-300)
    found = []
    for start in range(0, len(x), MOST_NEAR):
        apart = torch.cdist(scaled[start : start + MOST_NEAR], scaled)
        near = apart.topk(NEAR + 1, dim=1, largest=False).indices[:, 1:]  # without itself
        found.append(y[near].quantile(0.5, dim=1))
    return torch.cat(found)
