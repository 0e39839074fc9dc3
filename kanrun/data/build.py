"""From a dataset's config to its rows, and the check that the network fits them."""

from __future__ import annotations

from dataclasses import replace

import torch

from kanrun.config.schema import Config, ContrastiveConfig, MlpConfig, MoonsConfig, SymbolicConfig
from kanrun.config.validation import given_width
from kanrun.data.dataset import Dataset, Rows, hold_back
from kanrun.errors import ConfigError, counted, wrong
from kanrun.model.mlp import matched_width
from kanrun.model.network import KAN, split_width


def build_dataset(config: Config, dtype: torch.dtype, device: torch.device) -> Dataset:
    """The rows that `config.dataset` describes. Raises ConfigError where it can't be or does not fit the width."""
    section, (key, width) = config.dataset, given_width(config.model)
    seed = config.seed if section.seed is None else section.seed
    n_outputs = sum(split_width(width)[-1]) if width else None
    if isinstance(section, SymbolicConfig):
        from kanrun.data.formula import make_symbolic

        data = make_symbolic(section, seed, dtype)
    elif isinstance(section, MoonsConfig):
        from kanrun.data.moons import make_moons

        data = make_moons(section, seed, dtype, n_outputs)
    elif isinstance(section, ContrastiveConfig):
        from kanrun.data.contrastive import make_contrastive

        data = make_contrastive(section, seed, dtype)
    else:
        raise TypeError(f"no dataset for {type(section).__name__}")
    if width:
        check_match(list(width), data, key)
    if section.validation:
        data = hold_back(data, section.validation, seed)
    return moved(data, device)


def network_width(config: Config, data: Dataset) -> list[int | list[int]]:
    """The width that was asked for, or one hidden layer of 5 between the dataset's inputs and outputs.

    An MLP for which none was asked has about as many parameters as the KAN of that width.
    """
    model, (_, width) = config.model, given_width(config.model)
    width = list(width) if width else [len(data.inputs), 5, len(data.outputs)]
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
        return Rows(rows.x.to(device), rows.y.to(device))

    validation = data.validation and there(data.validation)
    return replace(data, train=there(data.train), test=there(data.test), validation=validation)
