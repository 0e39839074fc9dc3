"""How much the rows of a problem count: by their errors of measurement, or so that all classes count alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from kanrun.data.dataset import Dataset

Array = Any


def weights_of_errors(sigma: Array) -> tuple[Array, float]:
    """The weights 1/sigma^2 [rows] for errors `sigma` [rows] above 0, with a mean of 1, and the variance of weight 1.

    Aitken 1936, Proc. R. Soc. Edinburgh 55: with these weights least squares has the smallest errors.
    """
    least = float(sigma.min())
    shares = (least / sigma) ** 2
    mean = float(shares.mean())
    return shares / mean, least**2 / mean


def evened(weights: Array) -> Array | None:
    """The weights [rows] with a mean of 1; None where all rows count alike."""
    return None if (weights == weights[0]).all() else weights / weights.mean()


def with_balance(data: Dataset) -> Dataset:
    """The dataset with training rows that count n / (classes * rows of their class) times as much as before."""
    rows = data.train
    classes, own = len(data.outputs), torch.ones_like(rows.x[:, 0]) if rows.weights is None else rows.weights
    sums = torch.bincount(rows.y, own, minlength=classes)
    weights = own * (own.sum() / (classes * sums.clamp(min=1e-300)))[rows.y]
    return replace(data, train=replace(rows, weights=weights / weights.mean()))
