"""What every dataset becomes: training rows, test rows, names, the task and, where it is known, the truth."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

REGRESSION, CLASSIFICATION = "regression", "classification"
MSE, CROSS_ENTROPY = "mse", "cross_entropy"


@dataclass(frozen=True)
class Rows:
    """Inputs [rows, inputs] and targets: [rows, outputs], or class numbers [rows] for cross entropy."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Dataset:
    """A problem. `loss` is mse or cross_entropy; `truth` has a formula an output, as text, where one is known."""

    name: str
    train: Rows
    test: Rows
    inputs: list[str]
    outputs: list[str]
    task: str
    loss: str
    truth: list[str] = field(default_factory=list)
    domain: list[tuple[float, float]] = field(default_factory=list)
    relations: list[str] = field(default_factory=list)  # contrastive: the true relations, as equations
