"""Target scaling: networks train on targets of spread one around zero where theirs is far from that, and come back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from kanrun.data.dataset import Dataset, Rows, in_all_parts
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.training.history import Record

LEAST, MOST = 0.1, 10.0  # spread of targets that are left as they are
FAR = 10.0  # the same for their mean, in spreads

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
    def restored(self, model: N) -> N: ...
    def restored_formula(self, found: F) -> F: ...
    def restored_record(self, record: Record) -> Record: ...


@dataclass(frozen=True)
class Unscaled:
    """Targets that train as they are."""

    def scaled(self, data: Dataset) -> Dataset:
        """The same problem."""
        return data

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
            return Rows(rows.x, (rows.y - self.shift) / self.scale)

        return in_all_parts(data, of)

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
    y = data.train.y
    shift, locked = y.mean(0), False
    if isinstance(model, KAN):
        last = model.layers[-1]
        shift[last.n_sum :] = 0.0
        locked = bool((last.alive & last.is_fixed & ~last.is_trainable).any())
    spread, size = ((y - shift) ** 2).mean(0).sqrt(), y.mean(0).abs()
    if locked or bool(((spread >= LEAST) & (spread <= MOST) & (size <= FAR * spread)).all()):
        return Unscaled()
    alike = spread <= 8 * torch.finfo(y.dtype).eps * y.abs().amax(0)  # but for rounding
    return Scaled(torch.where(alike, 1.0, spread), shift)
