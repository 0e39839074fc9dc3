"""Tables that scikit-learn ships or makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kanrun.config.datasets import SklearnConfig
from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.data.split import FEW, parts_of
from kanrun.data.table.names import name_of, symbols_of
from kanrun.data.weights import with_balance
from kanrun.errors import ConfigError, wrong

CLASSES = ("iris", "wine", "breast_cancer", "digits")  # shipped, with classes as targets
MADE_CLASSES = ("circles", "blobs")


def make_shipped(section: SklearnConfig, seed: int, dtype: torch.dtype) -> Dataset:
    """The rows of one of the tables, with the names that scikit-learn gives its columns."""
    x, y, names, outputs = loaded(section) if not is_made(section.table) else made(section, seed)
    classes = y.dtype.kind in "iu"
    kept, held = parts_of(len(x), section.test, seed, few=0 if classes else FEW)

    def part(numbers: torch.Tensor) -> Rows:
        own = numbers.numpy()
        targets = torch.as_tensor(y[own]) if classes else torch.as_tensor(y[own].reshape(len(own), -1), dtype=dtype)
        return Rows(torch.as_tensor(x[own], dtype=dtype), targets, numbers=numbers + 1)

    columns = [name_of(name) for name in names]
    symbols = symbols_of([c.name for c in columns])
    ranges = zip(symbols, columns, x.min(0).tolist(), x.max(0).tolist(), strict=True)
    about = [
        {"name": c.header, "symbol": s, "role": "input", "type": "number", "unit": c.unit, "low": low, "high": high}
        for s, c, low, high in ranges
    ]
    data = Dataset(
        section.table, part(kept), None if held is None else part(held), symbols,
        [f"logit_{name}" for name in outputs] if classes else outputs,
        CLASSIFICATION if classes else REGRESSION, CROSS_ENTROPY if classes else MSE,
        names={s: c.name for s, c in zip(symbols, columns, strict=True)},
        units={s: c.unit for s, c in zip(symbols, columns, strict=True) if c.unit},
        about={"read": len(x), "rows": len(x), "dropped": {}, "columns": about},
    )  # fmt: skip
    if section.balanced and not classes:
        raise ConfigError(wrong("dataset.balanced", True, f"{section.table} is not of classes"))
    return with_balance(data) if section.balanced else data


def is_made(table: str) -> bool:
    """Whether a table is made, and not shipped."""
    return table in ("friedman1", "friedman2", "friedman3", "s_curve", "swiss_roll", *MADE_CLASSES)


def loaded(section: SklearnConfig) -> tuple[Any, Any, list[str], list[str]]:
    """Inputs [rows, inputs], targets, and the names of both, or of the classes."""
    from sklearn import datasets

    found = getattr(datasets, f"load_{section.table}")()
    x, y = np.asarray(found.data, dtype=float), np.asarray(found.target)
    if section.table in CLASSES:
        return x, y.astype(np.int64), list(map(str, found.feature_names)), list(map(str, found.target_names))
    outputs = list(map(str, found.target_names)) if "target_names" in found else ["y"]
    return x, y.astype(float), list(map(str, found.feature_names)), outputs


def made(section: SklearnConfig, seed: int) -> tuple[Any, Any, list[str], list[str]]:
    """The same of rows that are drawn."""
    from sklearn import datasets

    maker = getattr(datasets, f"make_{section.table}")
    if section.table == "blobs":
        x, y = maker(n_samples=section.rows, cluster_std=1.0 + section.noise, random_state=seed)
    else:
        x, y = maker(n_samples=section.rows, noise=section.noise, random_state=seed)
    classes = section.table in MADE_CLASSES
    outputs = [str(k) for k in range(int(y.max()) + 1)] if classes else ["y"]
    return x, y.astype(np.int64 if classes else float), [f"x_{i + 1}" for i in range(x.shape[1])], outputs
