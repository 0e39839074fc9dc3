"""Losses as objects: all that depends on which loss a problem has is asked of the loss, which is known by its name."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from kanrun.data.products import Dense, Products
from kanrun.errors import counted

ROUNDING = 1e-28  # part of the loss of a constant that is taken for rounding


@dataclass(frozen=True)
class Loss(ABC):
    """A mean loss over rows and what follows from it; without state, so that losses with the same settings are equal.

    Another loss of values (`outputs` and `targets` [rows, outputs]) gives its names, `value`, `gauss_newton` and
    `null_value`, and is registered by `register_loss`. What is said here of a class is a value of 0 or 1, with 0.5
    between. Residuals of equations are such values too, with targets of 0.
    """

    name: ClassVar[str]  # in metrics.json and formula.json
    title: ClassVar[str]  # on the axes of pictures
    short: ClassVar[str]  # at the head of a column
    ridge: ClassVar[float] = 0.0  # pull to zero on all trained entries, times their mean square, that exact steps need
    constants_ridge: ClassVar[float] = 0.0  # the same on the constants of a formula
    rescalable: ClassVar[bool] = False  # whether c * outputs and c * targets have c^2 times the loss
    least_squares: ClassVar[bool] = False  # whether plain least squares, output by output, makes it least
    nats: ClassVar[bool] = False  # whether it is a mean of -log probabilities, which describe the targets
    takes_blocks: ClassVar[bool] = False  # whether there is `by_products`
    logits: ClassVar[bool] = False  # outputs [rows, classes] are logits, judged together; targets are class numbers

    @abstractmethod
    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss over the rows."""

    @abstractmethod
    def gauss_newton(self, outputs: Tensor, targets: Tensor, jacobian: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """What some rows add to gradient [P] and Gauss-Newton matrix [P, P], where all rows have `count` targets.

        `jacobian` [rows, outputs, P] has the derivatives of the outputs by the trained entries; it may be used up.
        """

    def by_products(self, outputs: Tensor, targets: Tensor, products: Products, count: int) -> tuple[Tensor, Tensor]:
        """The same by the products of a Jacobian, which need not have its zeros, for a loss that `takes_blocks`."""
        raise NotImplementedError

    @abstractmethod
    def null_value(self, targets: Tensor) -> float:
        """The loss of the best constant outputs."""

    def tells_apart(self, value: float, rows: int) -> bool:
        """Whether so many rows with a loss of `value` are told apart further than they can tell.

        Where all of n rows are right, the next one is wrong with a probability of about 1/n (Laplace's rule of
        succession): a loss below 1/n comes of logits that only grow.
        """
        return self.nats and value * rows < 1

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of each output where it is one of its own, [outputs]; else that of all together, [1]."""
        return self.value(outputs, targets)[None]

    def null_values(self, targets: Tensor) -> list[float]:
        """The loss of the best constant for each of `values`."""
        return [self.null_value(targets)]

    # ---- rows that do not count alike: `weights` [rows] with a mean of 1 over all rows, None where they do -----------

    def weighted_value(self, outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """The mean loss where the rows count by their weights."""
        if weights is None:
            return self.value(outputs, targets)
        return (weights * torch.vmap(lambda o, t: self.value(o[None], t[None]))(outputs, targets)).mean()

    def weighted_values(self, outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """The same for each of `values`."""
        if weights is None:
            return self.values(outputs, targets)
        return (weights[:, None] * torch.vmap(lambda o, t: self.values(o[None], t[None]))(outputs, targets)).mean(0)

    def weighted_gauss_newton(
        self, outputs: Tensor, targets: Tensor, jacobian: Tensor, count: int, weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What `gauss_newton` gives where the rows count by their weights."""
        if weights is None:
            return self.gauss_newton(outputs, targets, jacobian, count)
        with torch.enable_grad():
            leaves = outputs.detach().requires_grad_()
            (slopes,) = torch.autograd.grad(self.value(leaves, targets), leaves)
        slopes = slopes * weights[:, None] * (targets.numel() / count)
        gradient = jacobian.flatten(0, 1).T @ slopes.flatten()
        return gradient, self.gauss_newton(outputs, targets, jacobian.mul_(weights.sqrt()[:, None, None]), count)[1]

    def weighted_null_values(self, targets: Tensor, weights: Tensor | None) -> list[float]:  # noqa: ARG002
        """The loss of the best constant for each of `values`; a loss that does not say more has that of equal rows."""
        return self.null_values(targets)

    def weighted_null_value(self, targets: Tensor, weights: Tensor | None) -> float:
        """The loss of the best constant outputs where the rows count by their weights."""
        if weights is None:
            return self.null_value(targets)
        values = self.weighted_null_values(targets, weights)
        return sum(values) / len(values)

    def unit(self, targets: Tensor, weights: Tensor | None = None) -> float:
        """A loss of which a small part is negligible: that of a constant, or about the entropy of a coin."""
        return 1.0 if self.nats else self.weighted_null_value(targets, weights)

    def units(self, targets: Tensor, weights: Tensor | None = None) -> list[float]:
        """The same for each of `values`."""
        return [1.0] if self.nats else self.weighted_null_values(targets, weights)

    def description_bits(self, loss: float, null: float, complexity: int, constants: int, rows: int) -> float:
        """Bits for the residuals at this loss plus bits for the formula; `null` is the loss of the best constant."""
        if not self.nats:
            return description_bits(loss / max(null, 1e-300), complexity, constants, rows)
        bits = description_bits(1.0, complexity, constants, rows) + rows * loss / math.log(2)
        return bits if math.isfinite(bits) else math.inf

    def outputs_in_words(self, number: int) -> str:
        """What a dataset with this many outputs has."""
        return counted(number, "output")

    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Whether the class of every row is told: [rows]."""
        return ((outputs > 0.5) == (targets > 0.5)).all(1)

    def labels(self, targets: Tensor) -> Tensor:
        """Class numbers of the targets: [rows]."""
        return (targets.reshape(-1) > 0.5).long()

    def margins(self, outputs: Tensor) -> Tensor:
        """How far each class is ahead of the best of the others, [rows, classes]; the predicted one has the largest."""
        return torch.cat([0.5 - outputs[:, :1], outputs[:, :1] - 0.5], dim=1)


@dataclass(frozen=True)
class SquaredLoss(Loss):
    """The mean squared error."""

    name = "mse"
    title = "mean squared error"
    short = "MSE"
    rescalable = True
    least_squares = True
    takes_blocks = True

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over rows and outputs. Raises ValueError where their shapes differ."""
        if outputs.shape != targets.shape:
            raise ValueError(f"outputs {list(outputs.shape)} and targets {list(targets.shape)} differ in shape")
        return (outputs - targets).square().mean()  # a power goes through Python, in a step of every training

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over the rows, output by output."""
        return ((outputs - targets) ** 2).mean(0)

    def null_values(self, targets: Tensor) -> list[float]:
        """The variance of each output."""
        variances: list[float] = targets.var(0, correction=0).tolist()
        return variances

    def weighted_null_values(self, targets: Tensor, weights: Tensor | None) -> list[float]:
        """The weighted variance of each output."""
        if weights is None:
            return self.null_values(targets)
        middle = (weights[:, None] * targets).mean(0) / weights.mean()
        variances: list[float] = (weights[:, None] * (targets - middle) ** 2).mean(0).tolist()
        return variances

    def gauss_newton(self, outputs: Tensor, targets: Tensor, jacobian: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """J^T r and J^T J, both times 2 / count."""
        return self.by_products(outputs, targets, Dense(jacobian), count)

    def by_products(self, outputs: Tensor, targets: Tensor, products: Products, count: int) -> tuple[Tensor, Tensor]:
        """The same."""
        scale = 2.0 / count
        return products.pulled(outputs - targets).mul_(scale), products.square().mul_(scale)

    def null_value(self, targets: Tensor) -> float:
        """The variance of the targets, averaged over the outputs."""
        return float(targets.var(0, correction=0).mean())


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Minus the mean log probability of the right class. Classes that can be told apart drive logits to infinity."""

    name = "cross_entropy"
    title = "cross entropy"
    short = "entropy"
    ridge = 1e-5
    constants_ridge = 1e-4
    takes_blocks = True
    nats = True
    logits = True

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over rows of logits [rows, classes] and class numbers [rows]."""
        return F.cross_entropy(outputs, targets)

    def gauss_newton(self, outputs: Tensor, targets: Tensor, jacobian: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """J^T (p - e) and J^T (diag(p) - p p^T) J (Schraudolph 2002, Neural Computation 14(7), sec. 3)."""
        return self.by_products(outputs, targets, Dense(jacobian), count)

    def by_products(self, outputs: Tensor, targets: Tensor, products: Products, count: int) -> tuple[Tensor, Tensor]:
        """The same."""
        p = torch.softmax(outputs, dim=1)
        gradient = products.pulled(p - F.one_hot(targets, outputs.shape[1]))
        return gradient / count, products.spread(p).div_(count)

    def null_value(self, targets: Tensor) -> float:
        """The entropy of the shares of the classes, in nats."""
        share = torch.bincount(targets).double() / len(targets)
        return float(-(share * torch.log(share.clamp(min=1e-300))).sum())

    def weighted_null_values(self, targets: Tensor, weights: Tensor | None) -> list[float]:
        """The weighted entropy of the weighted shares."""
        if weights is None:
            return self.null_values(targets)
        share = torch.bincount(targets, weights.double()) / len(targets)
        return [float(-(share * torch.log((share / share.sum()).clamp(min=1e-300))).sum())]

    def outputs_in_words(self, number: int) -> str:
        """One output a class."""
        return f"{number} classes"

    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Whether the largest logit is that of the class."""
        return outputs.argmax(1) == targets

    def labels(self, targets: Tensor) -> Tensor:
        """The targets are class numbers."""
        return targets.long()

    def margins(self, outputs: Tensor) -> Tensor:
        """Each logit less the largest of the others."""
        best = outputs.topk(2, dim=1).values
        return outputs - torch.where(outputs == best[:, :1], best[:, 1:], best[:, :1])


def description_bits(unexplained: float, complexity: int, constants: int, rows: int) -> float:
    """Bits for the residuals plus bits for the formula (minimum description length, Rissanen 1978).

    Residuals: rows / 2 * log2(loss / loss of a constant), down to machine precision. Formula: 4 bits a unit of
    complexity and log2(rows) / 2 a constant.
    """
    return residual_bits(unexplained, rows) + 4 * complexity + 0.5 * math.log2(rows) * constants


def residual_bits(unexplained: float, rows: int) -> float:
    """Bits for the residuals alone; infinite where there are none."""
    return 0.5 * rows * math.log2(unexplained + ROUNDING) if math.isfinite(unexplained) else math.inf


LOSSES: dict[str, Loss] = {}


def register_loss(loss: Loss) -> Loss:
    """Makes a loss known by its name. Raises ValueError where another one has it."""
    if LOSSES.setdefault(loss.name, loss) != loss:
        raise ValueError(f"there is another loss by the name of {loss.name}")
    return loss


def loss_of(scores: Mapping[str, object]) -> Loss:
    """The loss whose value is among these scores. Raises KeyError where none is."""
    for key in scores:
        if key in LOSSES:
            return LOSSES[key]
    raise KeyError(f"no loss among {', '.join(scores) or 'no scores'}")


MSE = register_loss(SquaredLoss())
CROSS_ENTROPY = register_loss(CrossEntropy())
