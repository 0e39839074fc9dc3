"""Scores of outputs against targets."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from kanrun.data.dataset import CLASSIFICATION, Dataset

Scores = dict[str, float | int | None]


def scores(data: Dataset, outputs: Tensor, targets: Tensor) -> Scores:
    """The loss by its name; beside it rmse and r2 for regression, accuracy for classification.

    Rows whose outputs are not finite are left out and counted as `nonfinite_rows`; a class there counts as wrong.
    """
    finite = outputs.isfinite().all(1)
    kept, aims = outputs[finite], targets[finite]
    result: Scores = {data.loss.name: as_number(data.loss.value(kept, aims)) if len(kept) else None}
    if data.task == CLASSIFICATION:
        result["accuracy"] = float(data.loss.right(kept, aims).sum()) / len(targets)
    else:
        mse = as_number(((kept - aims) ** 2).mean()) if len(kept) else None
        result["rmse"] = math.sqrt(mse) if mse is not None else None
        varies = len(aims) > 0 and bool((aims != aims[0]).any())
        spread = as_number(((aims - aims.mean(0)) ** 2).mean()) if varies else None
        result["r2"] = None if mse is None or not spread else 1 - mse / spread
    if not bool(finite.all()):
        result["nonfinite_rows"] = int((~finite).sum())
    return result


def as_number(value: Tensor) -> float | None:
    """A float, or None where it is not finite."""
    number = float(value)
    return number if np.isfinite(number) else None
