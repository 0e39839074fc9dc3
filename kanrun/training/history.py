"""The record of a training: one entry a step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """One step of one stage: losses without regularization, the regularization, seconds since the stage began.

    `test_loss` and `validation_loss` are None where there are no such rows; `attempt` counts restarts.
    """

    stage: str
    step: int
    train_loss: float
    test_loss: float | None
    regularization: float
    seconds: float
    validation_loss: float | None = None
    grid: int = 0
    attempt: int = 0
