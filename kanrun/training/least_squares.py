"""Levenberg-Marquardt with the network's analytic Jacobian, for every loss that has a Gauss-Newton matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kanrun.context import UNLIMITED, Context, Over, never
from kanrun.data.losses import Loss
from kanrun.model.jacobian import Extent, KanPass, extent_of
from kanrun.model.network import KAN
from kanrun.model.prepared import Prepared
from kanrun.model.protocol import Pass, Trainable, depth_of
from kanrun.training.objective import Objective, prepared
from kanrun.training.roughness import roughness
from kanrun.training.sparsity import penalty_derivatives

MOST_FOR_LM = 3000  # parameters; a step costs rows * parameters^2 + parameters^3 / 3, and as many numbers in memory
CHUNK = 4096  # rows whose Jacobian is held at once
TRIALS = 10  # with growing damping before a step is given up
MANY_OUTPUTS = 3e-5  # units of work for a number of the Jacobian of each output beyond the first
MADE_SUM, MADE_NUMBER = 0.2, 4.5e-5  # the same of a sum that it is made by, and of each number of these
SETTING_UP = 0.2  # units of work before the first step, and as many a layer
SMOOTH = 1e-9  # part of the largest curvature that a rough step counts as


def normal_equations(
    model: Trainable,
    x: Tensor,
    y: Tensor,
    loss: Loss,
    first: Prepared | None = None,
    chunk: int = CHUNK,
    known: Pass | None = None,
    buffer: Tensor | None = None,
    weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Gradient [P] and Gauss-Newton matrix [P, P] of the mean loss, summed over chunks of rows.

    A pass of all rows that is `known` need not be repeated; a `buffer` holds the Jacobian of a chunk, as fresh memory
    costs as much as a third of all this. Rows count by their `weights`. Raises ValueError without rows.
    """
    gradient, matrix = None, None
    for start in range(0, len(x), chunk):
        rows = slice(start, start + chunk)
        kept = known or model.passed(x[rows], None if first is None else first.features[rows])
        blocks = kept.blocks() if weights is None and loss.takes_blocks and isinstance(kept, KanPass) else None
        if blocks is not None:
            slope, product = loss.by_products(kept.outputs, y[rows], blocks, y.numel())
        else:
            jacobian = kept.jacobian(None if buffer is None else buffer[: len(kept.outputs)])
            own = None if weights is None else weights[rows]
            slope, product = loss.weighted_gauss_newton(kept.outputs, y[rows], jacobian, y.numel(), own)
        gradient = slope if gradient is None else gradient.add_(slope)
        matrix = product if matrix is None else matrix.add_(product)
    if gradient is None or matrix is None:
        raise ValueError("no rows")
    return gradient, matrix


def extent(model: Trainable, rows: int) -> Extent:
    """What the Jacobian at so many rows takes."""
    size = model.parameter_count()
    one = extent_of(model.layers) if isinstance(model, KAN) else Extent(model.n_out * size, model.n_out * size**2)
    return one.times(rows)


@dataclass(frozen=True)
class Fit:
    """How a run of `levenberg_marquardt` ended: the loss, without the ridge, and the accepted steps."""

    loss: float
    steps: int


@dataclass(frozen=True)
class Reached:
    """What a network was found to be worth, with the pass that showed it where it was kept."""

    objective: Objective
    loss: float
    penalty: float
    ridge: float
    kept: Pass | None

    @property
    def total(self) -> float:
        return self.loss + self.penalty + self.ridge


class LevenbergMarquardt:
    """Damped Gauss-Newton steps on all trained entries of a network, in place; no step leaves it worse.

    `ridge` adds `ridge * mean(v^2)` over the entries v, by default as much as the loss needs, and a `prior` [P, P]
    half its quadratic form of them. Damping follows Nielsen's
    rule (Madsen, Nielsen, Tingleff 2004, Methods for Non-Linear Least Squares Problems, sec. 3.2). A step is damped by
    its roughness too: coefficients that hardly a row tells where to go follow their neighbours. It is `finished` when
    ten trials in a row were no better, or three steps in a row each gained less than `tolerance` of the objective.
    """

    def __init__(
        self, model: Trainable, x: Tensor, y: Tensor, ridge: float | None = None, tolerance: float = 1e-9,
        cancelled: Over = never, weights: Tensor | None = None, prior: Tensor | None = None,
    ) -> None:  # fmt: skip
        self.prior = prior
        self.model, self.x, self.y, self.ridge, self.tolerance = model, x, y, ridge, tolerance
        self.cancelled, self.weights = cancelled, weights
        self.first = prepared(model, x)
        self.vector = model.get_vector()
        self.scale = torch.zeros_like(self.vector)
        self.damping, self.growth = 1e-3, 2.0
        self.idle = self.accepted = self.trials = 0
        self.reached: Reached | None = None  # of the network as it stands
        self.finished = len(self.vector) == 0
        self.extent = extent(model, len(x))
        self.rough = roughness(model)
        self.buffer = x.new_empty(min(len(x), CHUNK), model.n_out, len(self.vector))

    def pull(self, objective: Objective) -> float:
        """The ridge that was given, or that of the loss."""
        return objective.loss.ridge if self.ridge is None else self.ridge

    def value(self, objective: Objective) -> Reached:
        """What the network as it stands is worth."""
        kept = None
        with torch.no_grad():
            if len(self.x) <= CHUNK and not objective.penalizes(self.model):
                kept = self.model.passed(self.x, self.first.features if self.first else None)
                loss, penalty = objective.loss.weighted_value(kept.outputs, self.y, self.weights), 0.0
            else:
                loss, regularization = objective.parts(
                    self.model, self.x, self.y, first=self.first, weights=self.weights
                )
                penalty = float(regularization)
            pull = self.pull(objective)
            ridge = pull * float((self.model.get_vector() ** 2).mean()) if pull else 0.0
            if self.prior is not None:
                vector = self.model.get_vector()
                ridge += 0.5 * float(vector @ self.prior @ vector)
        return Reached(objective, float(loss), penalty, ridge, kept)

    def derivatives(self, objective: Objective, known: Pass | None = None) -> tuple[Tensor, Tensor]:
        """Gradient [P] and Gauss-Newton matrix [P, P] of the objective; a pass of the rows that is `known` is used."""
        gradient, matrix = normal_equations(
            self.model, self.x, self.y, objective.loss, self.first, known=known, buffer=self.buffer,
            weights=self.weights,
        )  # fmt: skip
        if objective.penalizes(self.model):
            more_gradient, more_matrix = penalty_derivatives(self.model, self.x, objective.penalty, self.first)
            gradient, matrix = gradient + more_gradient, matrix + more_matrix
        if self.pull(objective):
            pull = 2 * self.pull(objective) / len(self.vector)
            gradient = gradient + pull * self.vector
            matrix.diagonal().add_(pull)
        if self.prior is not None:
            gradient = gradient + self.prior @ self.vector
            matrix = matrix + self.prior
        return gradient, matrix

    def state(self) -> dict[str, Any]:
        """What it remembers beside the network."""
        names = ("scale", "damping", "growth", "idle", "accepted", "finished")
        return {name: getattr(self, name) for name in names}

    def resume(self, state: dict[str, Any]) -> None:
        """Takes up what `state` gave, for the same network and rows."""
        for name, value in state.items():
            setattr(self, name, value)

    def work(self) -> float:
        """Units of work in the last step: what each layer and trial costs in any case, and sums over all targets."""
        p, layers, trials = len(self.vector), depth_of(self.model), max(self.trials, 1)
        whole, own = self.extent, len(self.x) * p
        sums = 2.6e-6 * trials * whole.numbers + 4e-8 * whole.products + 1e-8 * trials * p**3
        made = MADE_SUM * whole.sums + MADE_NUMBER * own if whole.sums else MANY_OUTPUTS * (whole.numbers - own)
        return 0.1 * (1 + trials) + (0.15 + 0.2 * trials) * layers + sums + made

    def step(self, objective: Objective) -> tuple[float, float] | None:
        """One accepted step, or none where ten trials with growing damping were no better.

        Gives loss and penalty of the network as it then stands, None where they are not finite.
        """
        known = self.reached
        before = known if known and known.objective == objective else self.value(objective)
        if self.finished or not math.isfinite(before.total):
            self.finished = True
            return None
        self.trials = 0
        gradient, matrix = self.derivatives(objective, before.kept)
        self.scale = torch.maximum(self.scale * 0.5, matrix.diagonal())
        largest = float(self.scale.max())
        floor = largest * 1e-12 + torch.finfo(self.x.dtype).tiny
        scale = self.scale.clamp(min=floor)
        for _ in range(TRIALS):
            if self.cancelled():
                break
            self.trials += 1
            damped = matrix.clone()
            damped.diagonal().add_(scale, alpha=self.damping)
            for offset, band in enumerate(self.rough):  # the upper triangle is never read
                damped.diagonal(-offset).add_(band, alpha=SMOOTH * largest)
            factor, failed = torch.linalg.cholesky_ex(damped)
            if not int(failed):
                step = -torch.cholesky_solve(gradient[:, None], factor)[:, 0]
                self.model.set_vector(self.vector + step)
                reached = self.value(objective)
                gain = before.total - reached.total
                if gain > 0:  # false for NaN
                    expected = float(-(gradient @ step) - 0.5 * step @ matrix @ step)
                    ratio = min(gain / expected, 1.0) if expected > 0 else 1.0
                    self.damping = max(self.damping * max(1 / 5, 1 - (2 * ratio - 1) ** 3), 1e-15)
                    self.growth = 2.0
                    self.vector, self.accepted = self.vector + step, self.accepted + 1
                    self.reached = reached
                    self.idle = self.idle + 1 if gain < self.tolerance * before.total else 0
                    self.finished = self.idle >= 3
                    return reached.loss, reached.penalty
            self.damping, self.growth = self.damping * self.growth, self.growth * 2
        self.model.set_vector(self.vector)
        self.finished = True
        return before.loss, before.penalty


def levenberg_marquardt(
    model: Trainable, x: Tensor, y: Tensor, loss: Loss, steps: int = 100, ridge: float | None = None,
    tolerance: float = 1e-9, context: Context = UNLIMITED, weights: Tensor | None = None,
) -> Fit:  # fmt: skip
    """Up to `steps` steps of `LevenbergMarquardt` on the loss alone, in place, until it is finished or cancelled.

    Classes that are told apart as far as the rows can tell need no more, unless a `ridge` says what is best.
    """

    def fitted() -> tuple[Tensor, Fit]:
        meter = context.budget.meter
        optimizer = LevenbergMarquardt(model, x, y, ridge, tolerance, lambda: meter.cancelled() is not None, weights)
        objective = Objective(loss)
        context.spend(SETTING_UP * (1 + depth_of(model)))
        while optimizer.accepted < steps and not optimizer.finished:
            optimizer.step(objective)
            context.spend(optimizer.work())
            if ridge is None and optimizer.reached and loss.tells_apart(optimizer.reached.loss, len(y)):
                break
        reached = optimizer.reached or optimizer.value(objective)
        return model.get_vector(), Fit(reached.loss, optimizer.accepted)

    vector, fit = context.once(fitted)
    model.set_vector(vector)
    return fit
