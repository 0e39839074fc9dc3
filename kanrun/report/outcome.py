"""What a function of the inputs gives at the rows that a run is judged by, for pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kanrun.data.dataset import Dataset
from kanrun.errors import counted
from kanrun.report.look import shortened

Array = NDArray[np.float64]
Function = Callable[[Tensor], Tensor]
BLOCK = 2**14  # rows: a wide network on a whole grid of points needs much memory


def values_at(function: Function, x: Tensor) -> Tensor:
    """Values [rows, outputs] at rows `x`, as doubles."""
    with torch.no_grad():
        blocks = [function(x[start : start + BLOCK]) for start in range(0, len(x), BLOCK)]
    return torch.cat([block.detach().reshape(len(block), -1).cpu().double() for block in blocks])


def true_values(data: Dataset) -> Tensor:
    """The targets of these rows, [rows, outputs]."""
    return data.judged.y.reshape(len(data.judged.y), -1).cpu().double()


def true_classes(data: Dataset) -> Tensor:
    """The class numbers of these rows, [rows]."""
    return data.loss.labels(data.judged.y.cpu())


def margins_at(data: Dataset, function: Function, x: Tensor) -> Tensor:
    """How far each class is ahead of the best of the others, [rows, classes]; the predicted class has the largest."""
    return data.loss.margins(values_at(function, x))


def class_names(data: Dataset, limit: int = 16) -> list[str]:
    """What the classes are called, shortened."""
    if not data.loss.logits:
        return [f"{shortened(data.outputs[0], limit)} = {c}" for c in (0, 1)]
    plain = [" ".join(name.removeprefix("logit_").split()) for name in data.outputs]
    return [f"class {name}" if name.isdigit() else shortened(name, limit) for name in plain]


def rows_of(data: Dataset) -> str:
    """test rows, or training rows where there are no others."""
    return "training rows" if data.test is None else "test rows"


def without_value(rows: int) -> str:
    """A line on rows that are left out, if there are any."""
    return f"\n({counted(rows, 'row')} without a value)" if rows else ""


def residuals(truth: Array, predicted: Array) -> tuple[Array, NDArray[np.bool_]]:
    """What rows have beyond what is predicted, and whether that is known; 0 where it is not."""
    known = np.isfinite(truth) & np.isfinite(predicted)
    return np.where(known, truth, 0.0) - np.where(known, predicted, 0.0), known


def rms(values: Array) -> float:
    """The root of the mean square, of very large values too."""
    size = float(np.abs(values).max(initial=0.0))
    return size * float(np.sqrt(np.mean((values / size) ** 2))) if size else 0.0
