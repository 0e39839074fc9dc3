"""Rows of one's own, given in Python, as a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanrun.config.datasets import RowsConfig
from kanrun.config.schema import Config
from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.data.robust import with_loss
from kanrun.data.split import FEW, parts_of
from kanrun.data.units import check_unit
from kanrun.data.weights import evened, weights_of_errors
from kanrun.errors import ConfigError, unknown, wrong

MOST_CLASSES = 1000


def dataset_of(
    config: Config, inputs: Any, targets: Any, test: tuple[Any, Any] | None, names: Sequence[str] | None,
    outputs: Sequence[str] | None, dtype: torch.dtype, device: torch.device, counts: Counts | None = None,
    units: Mapping[str, str] | None = None,
) -> Dataset:  # fmt: skip
    """The rows as a dataset. Raises ConfigError, in one line, for rows and units that cannot be used."""
    x, y = as_inputs(inputs, "inputs", dtype), as_targets(targets, "targets", dtype)
    check_lengths(x, y, "inputs", "targets")
    classes = not y.is_floating_point()
    weights, noise = (counts or Counts()).weights_for(y)
    rows = Rows(x, y, weights, torch.arange(1, len(x) + 1))
    if test is None:
        train, held = set_aside(rows, config)
    else:
        held = Rows(as_inputs(test[0], "test inputs", dtype), as_targets(test[1], "test targets", dtype))
        check_lengths(held.x, held.y, "test inputs", "test targets")
        train = rows
        if held.x.shape[1:] != x.shape[1:] or held.y.shape[1:] != y.shape[1:] or classes == held.y.is_floating_point():
            raise ConfigError("test: it must have as many columns of the same kinds as inputs and targets")
    count = int(max(part.y.max() for part in (train, held) if part)) + 1 if classes else y.shape[1]
    known = column_names(names, x.shape[1], "names", "x")
    plain = [f"logit_{k}" for k in range(count)] if classes else ["y"] if count == 1 else None
    named = plain if outputs is None and plain else column_names(outputs, count, "outputs", "y")
    task, loss = (CLASSIFICATION, CROSS_ENTROPY) if classes else (REGRESSION, MSE)
    data = Dataset(
        "rows", train.to(device), held.to(device) if held else None, known, named, task, loss, noise=noise,
        absolute=counts is not None and counts.absolute, units=known_units(units or {}, [*known, *named]),
    )  # fmt: skip
    return with_loss(data, config.dataset.loss)


def known_units(units: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """The units of columns by their names. Raises ConfigError for names and units that are not known."""
    for name, unit in units.items():
        if name not in names:
            raise ConfigError(wrong(f"units.{name}", unit, unknown("column", str(name), names)))
        check_unit(f"units.{name}", unit)
    return dict(units)


@dataclass(frozen=True)
class Counts:
    """How much rows count: by the errors `sigma` [rows] of the targets, which may be `absolute`, or by `weights`."""

    sigma: Any = None
    weights: Any = None
    absolute: bool = False

    def weights_for(self, y: Tensor) -> tuple[Tensor | None, float | None]:
        """The weights for targets `y`, with a mean of 1, and the variance of weight 1 where errors are known.

        Raises ConfigError, in one line, for what cannot be used.
        """
        if self.absolute and self.sigma is None:
            raise ConfigError("absolute_sigma: it says what sigma means, which is not given")
        if self.sigma is not None and self.weights is not None:
            raise ConfigError("sigma: rows count by sigma or by weights, not by both")
        if self.sigma is not None and (y.ndim != 2 or y.shape[1] != 1):
            raise ConfigError("sigma: it has errors of one target of numbers; use weights")
        what, given = ("weights", self.weights) if self.sigma is None else ("sigma", self.sigma)
        if given is None:
            return None, None
        values = as_numbers(given, what).reshape(-1).astype(np.float64)
        if len(values) != len(y):
            raise ConfigError(f"{what}: {len(values)} numbers, but targets have {len(y)} rows")
        if not (np.isfinite(values).all() and (values > 0).all()):
            raise ConfigError(f"{what}: numbers above 0 are needed; leave rows out that do not count")
        found, noise = (values, None) if self.sigma is None else weights_of_errors(values)
        own, dtype = evened(found), y.dtype if y.is_floating_point() else torch.float64
        return None if own is None else torch.tensor(own, dtype=dtype), noise


def as_inputs(given: Any, what: str, dtype: torch.dtype) -> Tensor:
    """Numbers [rows, inputs]; one column may come as [rows]."""
    values = as_numbers(given, what)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise ConfigError(f"{what}: rows of numbers [rows, inputs] are needed, not an array of shape {values.shape}")
    return finite_numbers(values.astype(np.float64), what, dtype)


def as_targets(given: Any, what: str, dtype: torch.dtype) -> Tensor:
    """Numbers [rows, outputs], or class numbers [rows] where they are whole numbers of an integer type."""
    values = as_numbers(given, what)
    if values.dtype.kind in "iub" and (values.ndim == 1 or values.shape[1:] == (1,)):
        labels = values.reshape(-1).astype(np.int64)
        if not len(labels) or labels.min() < 0 or labels.max() >= MOST_CLASSES or len(np.unique(labels)) < 2:
            reason = f"whole numbers are classes, two or more from 0 to {MOST_CLASSES - 1}"
            raise ConfigError(f"{what}: {reason}; give numbers to be fitted as floats")
        return torch.as_tensor(labels)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise ConfigError(f"{what}: numbers [rows] or [rows, outputs] are needed, not an array of shape {values.shape}")
    return finite_numbers(values.astype(np.float64), what, dtype)


def as_numbers(given: Any, what: str) -> Any:
    """The rows as an array of numbers."""
    values = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if values.dtype.kind not in "fiub":
        raise ConfigError(f"{what}: numbers are needed, not {values.dtype}")
    return values


def finite_numbers(values: Any, what: str, dtype: torch.dtype) -> Tensor:
    """The numbers as a tensor."""
    numbers = torch.tensor(values, dtype=dtype)
    bad = (~torch.isfinite(numbers)).any(1).nonzero().flatten().tolist()
    if bad:
        raise ConfigError(f"{what}: {len(bad)} of {len(values)} rows are not finite, the first is row {bad[0]}")
    return numbers


def check_lengths(x: Tensor, y: Tensor, first: str, second: str) -> None:
    """Raises ConfigError where there are not as many rows of both, or too few."""
    if len(x) != len(y):
        raise ConfigError(f"{second}: {len(y)} rows, but {first} have {len(x)}")
    if len(x) < 2:
        raise ConfigError(f"{first}: two rows or more are needed")


def set_aside(rows: Rows, config: Config) -> tuple[Rows, Rows | None]:
    """Training rows and test rows, drawn by the seed; None for these where there are none."""
    section = config.dataset
    assert isinstance(section, RowsConfig)
    seed = config.seed if section.seed is None else section.seed
    few = FEW if rows.y.is_floating_point() else 0
    kept, held = parts_of(len(rows.x), section.test, seed, few=few)
    return rows.taken(kept), None if held is None else rows.taken(held)


def column_names(given: Sequence[str] | None, count: int, what: str, letter: str) -> list[str]:
    """The names of the columns, x_1, x_2, ... where none are given."""
    names = [f"{letter}_{i + 1}" for i in range(count)] if given is None else list(given)
    if len(names) != count or len(set(names)) != count:
        raise ConfigError(f"{what}: {count} different names are needed, not {len(set(names))}")
    for name in names:
        if not isinstance(name, str) or not name.isidentifier():
            raise ConfigError(wrong(what, name, "a name has letters, digits and _, and begins with no digit"))
    return names
