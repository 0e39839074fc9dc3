"""What training makes small: the loss of the task plus the regularization of the edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor

from kanrun.data.losses import Loss
from kanrun.model.network import KAN
from kanrun.model.prepared import Prepared
from kanrun.model.protocol import Trainable, has_splines

MOST_PREPARED = 2**24  # numbers that are kept for rows seen many times


def prepared(model: Trainable, x: Tensor) -> Prepared | None:
    """What the first layer needs of rows that are seen again and again; None where it would fill the memory."""
    if not has_splines(model):
        return None
    layer = model.layers[0]
    size = x.numel() * (layer.coef.shape[2] + 1)
    return model.prepare(x) if layer.structure().splines and size <= MOST_PREPARED else None


@dataclass(frozen=True)
class Penalty:
    """Strengths of the regularization terms, with pykan's meaning (arXiv 2404.19756, eq. 2.17 to 2.20).

    `lamb` scales the whole; `l1` the sum of edge strengths; `entropy` the entropy of their distribution over a node's
    incoming and outgoing edges; `coef` and `coefdiff` the mean size and the mean step of spline coefficients.
    """

    lamb: float = 0.0
    l1: float = 1.0
    entropy: float = 2.0
    coef: float = 0.0
    coefdiff: float = 0.0


def entropy(parts: Tensor, dim: int) -> Tensor:
    """Mean entropy in bits of non-negative `parts` along `dim`; weak groups count less, as in pykan."""
    p = parts / (parts.sum(dim, keepdim=True) + 1)
    return -(p * torch.log2(p + 1e-4)).sum(dim).mean()


def regularization(model: KAN, strengths: list[Tensor], penalty: Penalty) -> Tensor:
    """The penalty on one pass' edge strengths ([n_sub, n_in] a layer), without the factor `lamb`."""
    total = strengths[0].new_zeros(())
    for layer, strength in zip(model.layers, strengths, strict=True):
        if penalty.l1:
            total = total + penalty.l1 * strength.sum()
        if penalty.entropy:
            total = total + penalty.entropy * (entropy(strength, 1) + entropy(strength, 0))
        coef = layer.coef * layer.is_spline[..., None]
        if penalty.coef:
            total = total + penalty.coef * coef.abs().mean(2).sum()
        if penalty.coefdiff and coef.shape[2] > 1:
            total = total + penalty.coefdiff * coef.diff(dim=2).abs().mean(2).sum()
    return total


@dataclass(frozen=True)
class Objective:
    """A loss and a penalty; `parts` gives both for one batch."""

    loss: Loss
    penalty: Penalty = Penalty()

    def penalizes(self, model: Trainable) -> TypeGuard[KAN]:
        """Whether the penalty of this network can be other than 0."""
        return self.penalty.lamb != 0 and has_splines(model)

    def parts(
        self, model: Trainable, x: Tensor, y: Tensor, penalized: bool = True, first: Prepared | None = None,
        weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Loss and lamb * regularization of the rows `x` [rows, n_in] with targets `y`, which may have `weights`."""
        if not penalized or not self.penalizes(model):
            outputs = model(x, first)
            return self.loss.weighted_value(outputs, y, weights), outputs.new_zeros(())
        outputs, strengths = model.forward_with_strengths(x, first)
        loss = self.loss.weighted_value(outputs, y, weights)
        return loss, self.penalty.lamb * regularization(model, strengths, self.penalty)
