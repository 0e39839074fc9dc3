"""Levenberg-Marquardt with the network's analytic Jacobian, for squared loss and cross entropy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kanrun.data.dataset import MSE
from kanrun.model.layer import Prepared
from kanrun.model.protocol import Network, has_splines
from kanrun.training.objective import Objective, prepared
from kanrun.training.sparsity import penalty_derivatives

CLASS_RIDGE = 1e-5  # on the mean square of all trained entries


def normal_equations(
    model: Network, x: Tensor, y: Tensor, loss: str, first: Prepared | None = None, chunk: int = 4096
) -> tuple[Tensor, Tensor]:
    """Gradient [P] and Gauss-Newton matrix [P, P] of the mean loss, summed over chunks of rows.

    For cross entropy the matrix is J^T (diag(p) - p p^T) J (Schraudolph 2002, Neural Computation 14(7), sec. 3).
    """
    count = model.parameter_count()
    gradient = torch.zeros(count, dtype=x.dtype, device=x.device)
    matrix = torch.zeros(count, count, dtype=x.dtype, device=x.device)
    for start in range(0, len(x), chunk):
        features = None if first is None else first.features[start : start + chunk]
        outputs, jacobian = model.jacobian(x[start : start + chunk], features)
        part = y[start : start + chunk]
        if loss == MSE:
            scale = 2.0 / y.numel()
            flat = jacobian.flatten(0, 1)
            gradient += scale * flat.T @ (outputs - part).flatten()
            matrix += scale * flat.T @ flat
        else:
            p = torch.softmax(outputs, dim=1)
            residual = p - torch.nn.functional.one_hot(part, outputs.shape[1])
            gradient += torch.einsum("rop,ro->p", jacobian, residual) / len(y)
            centred = (jacobian - torch.einsum("ro,rop->rp", p, jacobian)[:, None]) * p.sqrt()[..., None]
            flat = centred.flatten(0, 1)
            matrix += flat.T @ flat / len(y)
    return gradient, matrix


def ridge_for(y: Tensor) -> float:
    """A slight pull to zero for class numbers, whose separation would drive the coefficients to infinity."""
    return 0.0 if y.is_floating_point() else CLASS_RIDGE


@dataclass(frozen=True)
class Fit:
    """How a run of `levenberg_marquardt` ended: the loss, without the ridge, and the accepted steps."""

    loss: float
    steps: int


class LevenbergMarquardt:
    """Damped Gauss-Newton steps on all trained entries of a network, in place; no step leaves it worse.

    `ridge` adds `ridge * mean(v^2)` over the entries v. Damping follows Nielsen's rule (Madsen, Nielsen, Tingleff 2004,
    Methods for Non-Linear Least Squares Problems, sec. 3.2). It is `finished` when ten trials in a row were no better,
    or three steps in a row each gained less than `tolerance` of the objective.
    """

    def __init__(self, model: Network, x: Tensor, y: Tensor, ridge: float = 0.0, tolerance: float = 1e-9) -> None:
        self.model, self.x, self.y, self.ridge, self.tolerance = model, x, y, ridge, tolerance
        self.first = prepared(model, x)
        self.vector = model.get_vector()
        self.scale = torch.zeros_like(self.vector)
        self.damping, self.growth = 1e-3, 2.0
        self.idle = self.accepted = 0
        self.known: tuple[Objective, float] | None = None  # what the network as it stands was last found to be worth
        self.finished = len(self.vector) == 0

    def value(self, objective: Objective) -> float:
        """The objective of the network as it stands, with the ridge."""
        with torch.no_grad():
            loss, penalty = objective.parts(self.model, self.x, self.y, first=self.first)
            ridge = self.ridge * float((self.model.get_vector() ** 2).mean()) if self.ridge else 0.0
        return float(loss + penalty) + ridge

    def derivatives(self, objective: Objective) -> tuple[Tensor, Tensor]:
        """Gradient [P] and Gauss-Newton matrix [P, P] of the objective."""
        gradient, matrix = normal_equations(self.model, self.x, self.y, objective.loss, self.first)
        if objective.penalty.lamb and has_splines(self.model):
            more_gradient, more_matrix = penalty_derivatives(self.model, self.x, objective.penalty, self.first)
            gradient, matrix = gradient + more_gradient, matrix + more_matrix
        if self.ridge:
            pull = 2 * self.ridge / len(self.vector)
            gradient = gradient + pull * self.vector
            matrix = matrix + pull * torch.eye(len(self.vector), dtype=matrix.dtype, device=matrix.device)
        return gradient, matrix

    def step(self, objective: Objective) -> None:
        """One accepted step, or none where ten trials with growing damping were no better."""
        before = self.known[1] if self.known and self.known[0] == objective else self.value(objective)
        if self.finished or not math.isfinite(before):
            self.finished = True
            return
        gradient, matrix = self.derivatives(objective)
        self.scale = torch.maximum(self.scale * 0.5, matrix.diagonal())
        floor = float(self.scale.max()) * 1e-12 + torch.finfo(self.x.dtype).tiny
        for _ in range(10):
            damped = matrix + torch.diag(self.damping * self.scale.clamp(min=floor))
            factor, failed = torch.linalg.cholesky_ex(damped)
            if not int(failed):
                step = -torch.cholesky_solve(gradient[:, None], factor)[:, 0]
                self.model.set_vector(self.vector + step)
                reached = self.value(objective)
                if reached < before:  # false for NaN
                    expected = float(-(gradient @ step) - 0.5 * step @ matrix @ step)
                    ratio = (before - reached) / expected if expected > 0 else 1.0
                    self.damping = max(self.damping * max(1 / 5, 1 - (2 * ratio - 1) ** 3), 1e-15)
                    self.growth = 2.0
                    self.vector, self.accepted = self.vector + step, self.accepted + 1
                    self.known = (objective, reached)
                    self.idle = self.idle + 1 if before - reached < self.tolerance * before else 0
                    self.finished = self.idle >= 3
                    return
            self.damping, self.growth = self.damping * self.growth, self.growth * 2
        self.model.set_vector(self.vector)
        self.finished = True


def levenberg_marquardt(
    model: Network, x: Tensor, y: Tensor, loss: str, steps: int = 100, ridge: float = 0.0, tolerance: float = 1e-9
) -> Fit:
    """Up to `steps` steps of `LevenbergMarquardt` on the loss alone, until it is finished."""
    optimizer, objective = LevenbergMarquardt(model, x, y, ridge, tolerance), Objective(loss)
    while optimizer.accepted < steps and not optimizer.finished:
        optimizer.step(objective)
    optimizer.ridge = 0.0
    return Fit(optimizer.value(objective), optimizer.accepted)
