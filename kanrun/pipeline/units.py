"""Targets in units of their own spread, in which networks train, and the way back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from kanrun.data.dataset import Dataset, Rows
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.symbolic.search import Symbolic
from kanrun.training.history import Record

LEAST, MOST = 0.1, 10.0  # spread of targets that are left as they are
FAR = 10.0  # the same for their mean, in spreads

N = TypeVar("N", bound=Network)


@dataclass(frozen=True)
class Units:
    """Targets are `scale * standardized + shift`, both [outputs]."""

    scale: Tensor
    shift: Tensor

    @property
    def of_loss(self) -> float:
        """What a mean squared error counts for; with several outputs as if each had its part of it."""
        return float((self.scale**2).mean())

    def standardized(self, data: Dataset) -> Dataset:
        """The problem in these units."""

        def of(rows: Rows) -> Rows:
            return Rows(rows.x, (rows.y - self.shift) / self.scale)

        validation = None if data.validation is None else of(data.validation)
        return replace(data, train=of(data.train), test=of(data.test), validation=validation)

    def restored(self, model: N) -> N:
        """A network for the targets themselves, from one for the standardized ones."""
        own = model.clone()
        own.rescale_outputs(self.scale, self.shift)
        return own

    def restored_formula(self, found: Symbolic) -> Symbolic:
        """The same for a network of functions and its front."""
        front = [self.restored(model) for model in found.front]
        return replace(found, model=self.restored(found.model), loss=found.loss * self.of_loss, front=front)

    def restored_record(self, record: Record) -> Record:
        """A row of the history with the losses of the targets themselves."""
        factor = self.of_loss
        judged = None if record.validation_loss is None else record.validation_loss * factor
        return replace(
            record, train_loss=record.train_loss * factor, test_loss=record.test_loss * factor,
            regularization=record.regularization * factor, validation_loss=judged,
        )  # fmt: skip


def units_of(data: Dataset, model: Network) -> Units | None:
    """The units in which to train a network like `model`, None where the targets are of a moderate size as they are.

    None as well where other units would make it another loss, or where an edge that is not trained holds the scale of
    an output. An output that is a product of sums has no constant that could be shifted.
    """
    if not data.loss.rescalable:
        return None
    y = data.train.y
    shift, locked = y.mean(0), False
    if isinstance(model, KAN):
        last = model.layers[-1]
        shift[last.n_sum :] = 0.0
        locked = bool((last.alive & last.is_fixed & ~last.is_trainable).any())
    spread, size = ((y - shift) ** 2).mean(0).sqrt(), y.mean(0).abs()
    if locked or bool(((spread >= LEAST) & (spread <= MOST) & (size <= FAR * spread)).all()):
        return None
    alike = spread <= 8 * torch.finfo(y.dtype).eps * y.abs().amax(0)  # but for rounding
    return Units(torch.where(alike, 1.0, spread), shift)
