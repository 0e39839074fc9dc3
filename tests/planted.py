"""Datasets and functions for tests of pictures, whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from kanrun.data.dataset import Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE, Loss

LONG = ["temperature_in_kelvin_of_wall", "price_$_per_<b>unit</b>_$", "温度センサー番号一", "x" * 30, "Ω·m of the coil"]


def rows(n_in: int, count: int = 100) -> Tensor:
    return torch.rand(count, n_in, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def truth(x: Tensor) -> Tensor:
    return torch.exp(torch.sin(math.pi * x[:, :1]) + x[:, 1:2] ** 2)


def regression(outputs: int = 1, n_in: int = 2, count: int = 100) -> Dataset:
    part = Rows(rows(n_in, count), truth(rows(n_in, count)) * torch.arange(1, outputs + 1))
    names = [f"x_{i + 1}" for i in range(n_in)]
    return Dataset("d", part, part, names, [f"y_{o}" for o in range(outputs)], "regression", MSE)


def classification(n_in: int, classes: int, loss: Loss = CROSS_ENTROPY, count: int = 100) -> Dataset:
    label = ((rows(n_in, count)[:, 0] + 1) / 2 * classes).long()
    part = Rows(rows(n_in, count), label if loss == CROSS_ENTROPY else label[:, None].double())
    outputs = [f"logit_{c}" for c in range(classes)] if loss == CROSS_ENTROPY else ["real"]
    return Dataset("d", part, part, [f"x_{i}" for i in range(n_in)], outputs, "classification", loss)


def logits(classes: int) -> Callable[[Tensor], Tensor]:
    """Those that tell the classes of `classification` by the first input."""
    middles = (2 * torch.arange(classes, dtype=torch.float64) + 1) / classes - 1
    return lambda x: -((x[:, :1] - middles) ** 2)


def long_names(count: int) -> list[str]:
    return [f"{LONG[i % len(LONG)]}{i if i >= len(LONG) else ''}" for i in range(count)]


def with_test(data: Dataset, x: Tensor, y: Tensor) -> Dataset:
    return replace(data, test=Rows(x, y))


STRANGE = {
    "one row": (rows(2)[:1], truth(rows(2)[:1])),
    "constant": (rows(2), torch.full((100, 1), 3.0, dtype=torch.float64)),
    "zeros": (rows(2), torch.zeros(100, 1, dtype=torch.float64)),
    "infinite": (rows(2), torch.full((100, 1), torch.inf, dtype=torch.float64)),
    "huge": (rows(2), 1e300 * truth(rows(2))),
}
