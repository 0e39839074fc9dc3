"""From a dataset's config to its rows, and the check that the network fits them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch

from kanrun.config.datasets import (
    ContrastiveConfig,
    DatasetConfig,
    MoonsConfig,
    RowsConfig,
    SklearnConfig,
    SymbolicConfig,
    TableConfig,
)
from kanrun.config.schema import GROUPS, Config, MlpConfig, ModelConfig
from kanrun.config.validation import given_width
from kanrun.data.dataset import Dataset, Rows, hold_back, in_all_parts
from kanrun.data.robust import with_loss
from kanrun.errors import ConfigError, counted, wrong
from kanrun.model.mlp import matched_width
from kanrun.model.network import KAN, split_width

Maker = Callable[[Any, int, torch.dtype, int | None], Dataset]


def symbolic(section: SymbolicConfig, seed: int, dtype: torch.dtype, n_outputs: int | None) -> Dataset:  # noqa: ARG001
    """Rows of a formula."""
    from kanrun.data.formula import make_symbolic

    return make_symbolic(section, seed, dtype)


def moons(section: MoonsConfig, seed: int, dtype: torch.dtype, n_outputs: int | None) -> Dataset:
    """Two moons, whose form the number of outputs may decide."""
    from kanrun.data.moons import make_moons

    return make_moons(section, seed, dtype, n_outputs)


def contrastive(
    section: ContrastiveConfig, seed: int, dtype: torch.dtype, n_outputs: int | None  # noqa: ARG001
) -> Dataset:  # fmt: skip
    """Real rows against shuffled ones."""
    from kanrun.data.contrastive import make_contrastive

    return make_contrastive(section, seed, dtype)


def rows(section: RowsConfig, seed: int, dtype: torch.dtype, n_outputs: int | None) -> Dataset:  # noqa: ARG001
    """None: they are given in Python. Raises ConfigError."""
    raise ConfigError(wrong("dataset", section.name, "its rows are given in Python, to kanrun.fit"))


def table(section: TableConfig, seed: int, dtype: torch.dtype, n_outputs: int | None) -> Dataset:  # noqa: ARG001
    """Rows of a file."""
    from kanrun.data.table.dataset import make_table

    return make_table(section, seed, dtype)


def shipped(section: SklearnConfig, seed: int, dtype: torch.dtype, n_outputs: int | None) -> Dataset:  # noqa: ARG001
    """A table of scikit-learn's."""
    from kanrun.data.shipped import make_shipped

    return make_shipped(section, seed, dtype)


# What makes the rows of a dataset from its settings, the seed, the precision and the number of outputs, if it is given;
# each imports what it needs when it is called.
MAKERS: dict[type, Maker] = {
    SymbolicConfig: symbolic, MoonsConfig: moons, ContrastiveConfig: contrastive, RowsConfig: rows,
    TableConfig: table, SklearnConfig: shipped,
}  # fmt: skip


def register_dataset(section: type[DatasetConfig], maker: Maker) -> None:
    """Makes a dataset known by the default of `name` in its settings. Raises ValueError where another one has it."""
    name = next(f.default for f in fields(section) if f.name == "name")
    if GROUPS["dataset"].setdefault(str(name), section) is not section:
        raise ValueError(f"there is another dataset by the name of {name}")
    MAKERS[section] = maker


def build_dataset(config: Config, dtype: torch.dtype, device: torch.device) -> Dataset:
    """The rows that `config.dataset` describes. Raises ConfigError where it can't be or does not fit the width."""
    section, (key, width) = config.dataset, given_width(config.model)
    seed = config.seed if section.seed is None else section.seed
    n_outputs = sum(split_width(width)[-1]) if width else None
    data = MAKERS[type(section)](section, seed, dtype, n_outputs)
    if width:
        check_match(list(width), data, key)
    data = with_loss(data, section.loss)
    if section.validation:
        data = hold_back(data, section.validation, seed)
    return moved(data, device)


def network_width(config: Config, data: Dataset) -> list[int | list[int]]:
    """The width that was asked for, or `model.hidden` between the dataset's inputs and outputs.

    An MLP for which none was asked has about as many parameters as the KAN of that width.
    """
    model, (_, width) = config.model, given_width(config.model)
    hidden = model.hidden if isinstance(model, ModelConfig) else ModelConfig().hidden
    width = list(width) if width else [len(data.inputs), *hidden, len(data.outputs)]
    if isinstance(model, MlpConfig) and model.width is None:
        parameters = KAN(width, model.kan_grid, model.kan_k).parameter_count()
        return matched_width(parameters, len(data.inputs), len(data.outputs))
    return width


def check_match(width: list[int | list[int]], data: Dataset, key: str = "model.width") -> None:
    """Raises ConfigError where the first or last layer is not what the dataset needs."""
    sizes = split_width(width)
    problems = []
    if sum(sizes[0]) != len(data.inputs):
        problems.append(
            wrong(key, width, f"the dataset has {counted(len(data.inputs), 'input')}, so it begins with that number")
        )
    if sum(sizes[-1]) != len(data.outputs):
        number = len(data.outputs)
        what = data.loss.outputs_in_words(number)
        problems.append(wrong(key, width, f"the dataset has {what}, so it ends with that number"))
    if problems:
        raise ConfigError(problems)


def moved(data: Dataset, device: torch.device) -> Dataset:
    """The dataset on another device."""
    if device.type == "cpu":
        return data

    def there(rows: Rows) -> Rows:
        return rows.to(device)

    return in_all_parts(data, there)
