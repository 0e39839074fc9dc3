"""Levenberg-Marquardt with the network's analytic Jacobian, for squared loss and cross entropy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kanrun.data.dataset import MSE
from kanrun.model.network import KAN
from kanrun.training.objective import loss_value


@dataclass(frozen=True)
class Fit:
    """How a run of `levenberg_marquardt` ended: the loss and the accepted steps."""

    loss: float
    steps: int


def normal_equations(model: KAN, x: Tensor, y: Tensor, loss: str, chunk: int = 4096) -> tuple[Tensor, Tensor]:
    """Gradient [P] and Gauss-Newton matrix [P, P] of the mean loss, summed over chunks of rows.

    For cross entropy the matrix is J^T (diag(p) - p p^T) J (Schraudolph 2002, Neural Computation 14(7), sec. 3).
    """
    count = model.parameter_count()
    gradient = torch.zeros(count, dtype=x.dtype, device=x.device)
    matrix = torch.zeros(count, count, dtype=x.dtype, device=x.device)
    for start in range(0, len(x), chunk):
        outputs, jacobian = model.jacobian(x[start : start + chunk])
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


def levenberg_marquardt(
    model: KAN, x: Tensor, y: Tensor, loss: str, steps: int = 100, ridge: float = 0.0, tolerance: float = 1e-9
) -> Fit:
    """Trains every trained entry of `model` in place; never leaves it worse than it was.

    `ridge` adds `ridge * mean(v^2)` over the entries v. Damping follows Nielsen's rule (Madsen, Nielsen, Tingleff 2004,
    Methods for Non-Linear Least Squares Problems, sec. 3.2). Stops after `steps` accepted or 10 rejected steps in a
    row, or when three steps in a row each gain less than `tolerance` of the loss.
    """
    vector = model.get_vector()
    if not len(vector):
        with torch.no_grad():
            return Fit(float(loss_value(loss, model(x), y)), 0)

    def value() -> float:
        with torch.no_grad():
            penalty = ridge * float((model.get_vector() ** 2).mean()) if ridge else 0.0
            return float(loss_value(loss, model(x), y)) + penalty

    best, damping, growth = value(), 1e-3, 2.0
    if not torch.isfinite(torch.tensor(best)):
        return Fit(best, 0)
    accepted = idle = rejected = 0
    scale = torch.zeros_like(vector)
    while accepted < steps and rejected < 10 and idle < 3:
        if rejected == 0:
            gradient, matrix = normal_equations(model, x, y, loss)
            if ridge:
                gradient = gradient + 2 * ridge / len(vector) * vector
                matrix = matrix + 2 * ridge / len(vector) * torch.eye(len(vector), dtype=x.dtype, device=x.device)
            diagonal = matrix.diagonal()
            scale = torch.maximum(scale * 0.5, diagonal)
            floor = float(scale.max()) * 1e-12 + torch.finfo(x.dtype).tiny
        factor, failed = torch.linalg.cholesky_ex(matrix + torch.diag(damping * scale.clamp(min=floor)))
        reached = float("nan")
        if not int(failed):
            step = -torch.cholesky_solve(gradient[:, None], factor)[:, 0]
            model.set_vector(vector + step)
            reached = value()
        if reached < best:  # false for NaN
            expected = float(-(gradient @ step) - 0.5 * step @ matrix @ step)
            ratio = (best - reached) / expected if expected > 0 else 1.0
            damping = max(damping * max(1 / 5, 1 - (2 * ratio - 1) ** 3), 1e-15)
            idle = idle + 1 if best - reached < tolerance * best else 0
            vector, best, growth, rejected = vector + step, reached, 2.0, 0
            accepted += 1
        else:
            damping, growth, rejected = damping * growth, growth * 2, rejected + 1
    model.set_vector(vector)
    return Fit(best, accepted)
