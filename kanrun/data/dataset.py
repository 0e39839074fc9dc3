"""What every dataset becomes: training rows, test rows, names, the task and, where it is known, the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from kanrun.data.losses import Loss
from kanrun.data.split import drawn

VALIDATION_PART = 0.2  # of the training rows, where nothing else says how many judge what the others train
REGRESSION, CLASSIFICATION = "regression", "classification"


@dataclass(frozen=True)
class Rows:
    """Inputs [rows, inputs] and targets: [rows, outputs], or class numbers [rows] for a loss of logits.

    `weights` [rows], with a mean of 1 where all rows are together, say how much each counts; None where they are alike.
    `numbers` [rows] are those that the rows have for the user, from 1; None where they are as they come.
    """

    x: Tensor
    y: Tensor
    weights: Tensor | None = None
    numbers: Tensor | None = None

    def taken(self, rows: Tensor | slice) -> Rows:
        """Some of the rows."""
        weights, numbers = (None if own is None else own[rows] for own in (self.weights, self.numbers))
        return Rows(self.x[rows], self.y[rows], weights, numbers)

    def to(self, device: torch.device) -> Rows:
        """The rows on another device."""
        weights, numbers = (None if own is None else own.to(device) for own in (self.weights, self.numbers))
        return Rows(self.x.to(device), self.y.to(device), weights, numbers)


@dataclass(frozen=True)
class Dataset:
    """A problem. `truth` has a formula an output, as text, where one is known.

    `test` is None where the rows are too few to set some aside. `validation` are rows that no stage trains on; they say
    when to stop. `inputs` are identifiers; what the user calls them, and their units where they are known, is in
    `names` and `units`, with the units of the outputs. `noise` is known where errors of measurement are: the variance
    of the error of a row whose weight is 1; `absolute` takes them for what they are, else for their ratios alone.
    `robust` names a loss that outliers do not decide (data/robust.py). `recognized` is what the rows have shown of
    their errors: where there is something, weights are our own, which say how formulas are fitted but not how they
    score.
    `about` says in metrics.json where the rows are from; `notes` are told before training.
    """

    name: str
    train: Rows
    test: Rows | None
    inputs: list[str]
    outputs: list[str]
    task: str
    loss: Loss
    truth: list[str] = field(default_factory=list)
    domain: list[tuple[float, float]] = field(default_factory=list)
    relations: list[str] = field(default_factory=list)  # contrastive: the true relations, as equations
    validation: Rows | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    units_matter: str = "prefer"  # or demand, ignore: whether formulas have to add up in the units
    noise: float | None = None
    absolute: bool = False
    robust: str = ""
    recognized: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def judged(self) -> Rows:
        """The rows that scores and pictures show first: those of the test, or all where there are none."""
        return self.train if self.test is None else self.test

    @property
    def of_a_file(self) -> bool:
        """Whether the rows are the user's own, so that there are no more of them to be had."""
        return "file" in self.about

    @property
    def input_names(self) -> list[str]:
        """What the user calls the inputs."""
        return [self.names.get(symbol, symbol) for symbol in self.inputs]


def null_value(data: Dataset) -> float:
    """The loss of the best constant on the training rows, of all outputs together."""
    return data.loss.weighted_null_value(data.train.y, data.train.weights)


def in_all_parts(data: Dataset, change: Callable[[Rows], Rows]) -> Dataset:
    """The dataset with the rows of each of its parts changed."""
    test, validation = (None if rows is None else change(rows) for rows in (data.test, data.validation))
    return replace(data, train=change(data.train), test=test, validation=validation)


def at_most(data: Dataset, rows: int) -> Dataset:
    """The dataset with no more than this many training rows, evenly taken, which keep their numbers."""
    train, step = data.train, -(-len(data.train.x) // rows)
    if step == 1:
        return data
    numbers = torch.arange(1, len(train.x) + 1) if train.numbers is None else train.numbers
    return replace(data, train=replace(train, numbers=numbers).taken(slice(None, None, step)))


def of_output(data: Dataset, output: int) -> Dataset:
    """The same inputs with one of the outputs."""

    def column(rows: Rows) -> Rows:
        return replace(rows, y=rows.y[:, output : output + 1])

    truth = data.truth[output : output + 1]
    return replace(in_all_parts(data, column), outputs=[data.outputs[output]], truth=truth)


def hold_back(data: Dataset, fraction: float, seed: int) -> Dataset:
    """The dataset with this part of its training rows as validation rows."""
    parts = (part.to(data.train.x.device) for part in drawn(len(data.train.x), fraction, seed + 1))
    kept, held = (data.train.taken(part) for part in parts)
    return replace(data, train=kept, validation=held)
