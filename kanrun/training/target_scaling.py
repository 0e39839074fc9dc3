"""Target scaling: networks train on targets of spread about one where theirs is far from that, and come back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from kanrun.data.dataset import Dataset, Rows, in_all_parts
from kanrun.data.sizes import DIGITS, FAR, LEAST, MOST, WIDEST_TARGETS, decimal, far_middle
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.training.history import Record

UNEVEN = 3.0  # times the smallest spread that the largest one may be among outputs that are left as they are

N = TypeVar("N", bound=Network)
F = TypeVar("F", bound="Read")


class Read(Protocol):
    """What was read from a network: a network of functions, its loss, and those on its front."""

    @property
    def model(self) -> KAN: ...
    @property
    def loss(self) -> float: ...
    @property
    def front(self) -> list[KAN]: ...


class TargetScaling(Protocol):
    """A transform of a problem's targets with its inverse for all that comes of training on them."""

    def scaled(self, data: Dataset) -> Dataset: ...
    def entered(self, model: N) -> N: ...
    def restored(self, model: N) -> N: ...
    def restored_formula(self, found: F) -> F: ...
    def restored_record(self, record: Record) -> Record: ...


@dataclass(frozen=True)
class Unscaled:
    """Targets that train as they are."""

    def scaled(self, data: Dataset) -> Dataset:
        """The same problem."""
        return data

    def entered(self, model: N) -> N:
        """The same network."""
        return model

    def restored(self, model: N) -> N:
        """The same network."""
        return model

    def restored_formula(self, found: F) -> F:
        """The same network of functions."""
        return found

    def restored_record(self, record: Record) -> Record:
        """The same row of the history."""
        return record


@dataclass(frozen=True)
class Scaled:
    """Targets are `scale * scaled + shift`, both [outputs]."""

    scale: Tensor
    shift: Tensor

    @property
    def of_loss(self) -> float:
        """What a mean squared error counts for; with several outputs as if each had its part of it."""
        return float((self.scale**2).mean())

    def scaled(self, data: Dataset) -> Dataset:
        """The problem with scaled targets."""

        def of(rows: Rows) -> Rows:
            return replace(rows, y=(rows.y - self.shift) / self.scale)

        return in_all_parts(data, of)

    def entered(self, model: N) -> N:
        """A network for the scaled targets, from one for the targets themselves."""
        own = model.clone()
        own.rescale_outputs(1 / self.scale, -self.shift / self.scale)
        return own

    def restored(self, model: N) -> N:
        """A network for the targets themselves, from one for the scaled ones."""
        own = model.clone()
        own.rescale_outputs(self.scale, self.shift)
        return own

    def restored_formula(self, found: F) -> F:
        """The same for a network of functions and its front."""
        front = [self.restored(model) for model in found.front]
        whole: F = replace(found, model=self.restored(found.model), loss=found.loss * self.of_loss, front=front)  # type: ignore[type-var]
        return whole

    def restored_record(self, record: Record) -> Record:
        """A row of the history with the losses of the targets themselves."""
        factor = self.of_loss
        test, judged = (None if v is None else v * factor for v in (record.test_loss, record.validation_loss))
        return replace(
            record, train_loss=record.train_loss * factor, test_loss=test,
            regularization=record.regularization * factor, validation_loss=judged,
        )  # fmt: skip


def scaling_of(data: Dataset, model: Network) -> TargetScaling:
    """The scaling with which to train a network like `model`; targets of a moderate size stay as they are.

    So do those of a loss that has no other scale, and where an edge that is not trained holds the scale of an output.
    An output that is a product of sums has no constant that could be shifted.
    """
    if not data.loss.rescalable:
        return Unscaled()
    y = data.train.y.double().cpu()  # squares may be no numbers in single precision
    spread, locked = spreads(y), False
    mean = torch.where(spread > 0, y.mean(0), y[0])  # a constant itself, which rounding would keep from becoming 0
    shifts = [True] * y.shape[1]
    if isinstance(model, KAN):
        last = model.layers[-1]
        shifts[last.n_sum :] = [False] * last.n_mult
        locked = bool((last.alive & last.is_fixed & ~last.is_trainable).any())
    if locked or moderate(spread, mean.abs()):
        return Unscaled()
    digits = DIGITS.get(data.train.y.dtype, 37)
    scale = [decimal(s or abs(m), digits, WIDEST_TARGETS) for s, m in zip(spread.tolist(), mean.tolist(), strict=True)]
    parts = zip(shifts, mean.tolist(), spread.tolist(), scale, strict=True)
    shift = [(far_middle(m, s, c) if s else m) if is_sum else 0.0 for is_sum, m, s, c in parts]
    even = y.new_tensor(scale)
    left = spread / even
    if uneven(left):
        even = torch.where(left > 0, even * one_digit(left), even)
    return Scaled(even.to(data.train.y), y.new_tensor(shift).to(data.train.y))


def spreads(y: Tensor) -> Tensor:
    """The standard deviation of every output of `y` [rows, outputs]; 0 where there is only rounding."""
    spread, size = y.std(0, correction=0), y.abs().amax(0)
    return torch.where(spread <= 8 * torch.finfo(y.dtype).eps * size, 0.0, spread)


def moderate(spread: Tensor, size: Tensor) -> bool:
    """Whether targets can stay as they are: not far from 0, of a spread near one, and alike in that; both [outputs]."""
    near = bool(((spread >= LEAST) & (spread <= MOST) & (size <= FAR * spread)).all())
    return near and not uneven(spread)


def uneven(spread: Tensor) -> bool:
    """Whether the loss of all outputs would hardly see the smaller ones among them."""
    varied = spread[spread > 0]
    return len(varied) > 0 and float(varied.amax()) > UNEVEN * float(varied.amin())


def one_digit(size: Tensor) -> Tensor:
    """Sizes between a hundredth and a hundred with their first digit only, so that constants stay short."""
    unit = 10 ** torch.floor(torch.log10(size.clamp(min=1e-300)))
    return torch.round(size / unit) * unit
