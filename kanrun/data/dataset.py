"""What every dataset becomes: training rows, test rows, names, the task and, where it is known, the truth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from kanrun.data.losses import Loss

VALIDATION_PART = 0.2  # of the training rows, where nothing else says how many judge what the others train
REGRESSION, CLASSIFICATION = "regression", "classification"


@dataclass(frozen=True)
class Rows:
    """Inputs [rows, inputs] and targets: [rows, outputs], or class numbers [rows] for a loss of logits."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Dataset:
    """A problem. `truth` has a formula an output, as text, where one is known.

    `validation` are rows that no stage trains on; they say when to stop.
    """

    name: str
    train: Rows
    test: Rows
    inputs: list[str]
    outputs: list[str]
    task: str
    loss: Loss
    truth: list[str] = field(default_factory=list)
    domain: list[tuple[float, float]] = field(default_factory=list)
    relations: list[str] = field(default_factory=list)  # contrastive: the true relations, as equations
    validation: Rows | None = None


def at_most(data: Dataset, rows: int) -> Dataset:
    """The dataset with no more than this many training rows, evenly taken."""
    step = -(-len(data.train.x) // rows)
    return data if step == 1 else replace(data, train=Rows(data.train.x[::step], data.train.y[::step]))


def of_output(data: Dataset, output: int) -> Dataset:
    """The same inputs with one of the outputs."""

    def column(rows: Rows) -> Rows:
        return Rows(rows.x, rows.y[:, output : output + 1])

    return replace(
        data, train=column(data.train), test=column(data.test), outputs=[data.outputs[output]],
        truth=data.truth[output : output + 1], validation=None if data.validation is None else column(data.validation),
    )  # fmt: skip


def hold_back(data: Dataset, fraction: float, seed: int) -> Dataset:
    """The dataset with this part of its training rows as validation rows."""
    rows = len(data.train.x)
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed + 1)).to(data.train.x.device)
    count = min(max(1, round(fraction * rows)), rows - 1)
    held, kept = (
        Rows(data.train.x[part], data.train.y[part])
        for part in (order[:count].sort().values, order[count:].sort().values)
    )
    return replace(data, train=kept, validation=held)
