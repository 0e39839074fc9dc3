"""Scores of outputs against targets."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from kanrun.data.dataset import CLASSIFICATION, CROSS_ENTROPY, Dataset

Scores = dict[str, float | int | None]


def scores(data: Dataset, outputs: Tensor, targets: Tensor) -> Scores:
    """mse, rmse and r2 for regression; cross_entropy or mse, and accuracy, for classification.

    Rows whose outputs are not finite are left out and counted as `nonfinite_rows`; a class there counts as wrong.
    """
    finite = torch.isfinite(outputs).all(1)
    kept, aims = outputs[finite], targets[finite]
    result: Scores = {}
    if data.loss == CROSS_ENTROPY:
        result["cross_entropy"] = as_number(F.cross_entropy(kept, aims)) if len(kept) else None
        right = kept.argmax(1) == aims
    else:
        mse = as_number(((kept - aims) ** 2).mean()) if len(kept) else None
        result["mse"] = mse
        right = ((kept > 0.5) == (aims > 0.5)).all(1)
        if data.task != CLASSIFICATION:
            result["rmse"] = math.sqrt(mse) if mse is not None else None
            varies = len(aims) > 0 and bool((aims != aims[0]).any())
            spread = as_number(((aims - aims.mean(0)) ** 2).mean()) if varies else None
            result["r2"] = None if mse is None or not spread else 1 - mse / spread
    if data.task == CLASSIFICATION:
        result["accuracy"] = float(right.sum()) / len(targets)
    if not bool(finite.all()):
        result["nonfinite_rows"] = int((~finite).sum())
    return result


def as_number(value: Tensor) -> float | None:
    """A float, or None where it is not finite."""
    number = float(value)
    return number if np.isfinite(number) else None
