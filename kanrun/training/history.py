"""The record of a training: one entry a step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """One step of one stage: losses without regularization, the regularization, seconds since the stage began.

    `validation_loss` is that of validation rows, None where there are none; `attempt` counts restarts.
    """

    stage: str
    step: int
    train_loss: float
    test_loss: float
    regularization: float
    seconds: float
    validation_loss: float | None = None
    grid: int = 0
    attempt: int = 0
