"""Real rows, whose inputs are tied by relations, against rows with every column shuffled on its own."""

from __future__ import annotations

import re

import numpy as np
import sympy as sp
import torch

from kanrun.config.datasets import ContrastiveConfig
from kanrun.data.dataset import CLASSIFICATION, Dataset, Rows
from kanrun.data.formula import draw_inputs, finite_values, read_domain
from kanrun.data.losses import MSE
from kanrun.errors import ConfigError, wrong
from kanrun.functions.evaluate import Array
from kanrun.functions.parser import parse_formula

KEY = "dataset.relations"


def make_contrastive(config: ContrastiveConfig, seed: int, dtype: torch.dtype) -> Dataset:
    """As many shuffled rows (target 0) as real ones (target 1); the real ones come first.

    Raises ConfigError for relations that cannot be read, depend on each other in a circle or are not finite.
    """
    names = [f"x_{i + 1}" for i in range(config.n_inputs)]
    relations = read_relations(config.relations, names)
    domain = read_domain(config.domain, config.n_inputs)
    if len(domain) != config.n_inputs:
        raise ConfigError(wrong("dataset.domain", config.domain, f"one pair for each of the {config.n_inputs} inputs"))
    parts = []
    for stream, rows in ((1, config.n_train), (2, config.n_test)):
        draw = np.random.default_rng([seed, stream])
        real = tie(draw_inputs(draw, domain, rows), names, relations)
        shuffled = np.stack([draw.permutation(column) for column in real.T], axis=1)
        y = np.concatenate([np.ones(rows), np.zeros(rows)])[:, None]
        x = np.concatenate([real, shuffled])
        parts.append(Rows(torch.as_tensor(x, dtype=dtype), torch.as_tensor(y, dtype=dtype)))
    return Dataset(
        "contrastive", parts[0], parts[1], names, ["real"], CLASSIFICATION, MSE, [], domain, list(config.relations)
    )


def read_relations(texts: list[str], names: list[str]) -> dict[str, tuple[sp.Expr, str]]:
    """Each tied input with its formula and text, in an order in which they can be computed."""
    waiting: dict[str, tuple[sp.Expr, str]] = {}
    for text in texts:
        match = re.fullmatch(r"\s*(x_\d+)\s*=(?!=)(.*)", str(text), flags=re.DOTALL)
        if not match or match.group(1) not in names or match.group(1) in waiting:
            raise ConfigError(
                wrong(KEY, text, f"'x_i = formula', with each of {names[0]} to {names[-1]} at most once on the left")
            )
        waiting[match.group(1)] = (parse_formula(match.group(2), names, KEY), str(text))
    ordered: dict[str, tuple[sp.Expr, str]] = {}
    while waiting:
        ready = [n for n, (f, _) in waiting.items() if not {s.name for s in f.free_symbols} & waiting.keys()]
        if not ready:
            raise ConfigError(wrong(KEY, "; ".join(texts), "these inputs depend on each other in a circle"))
        for name in ready:
            ordered[name] = waiting.pop(name)
    return ordered


def tie(x: Array, names: list[str], relations: dict[str, tuple[sp.Expr, str]]) -> Array:
    """The rows with every tied input replaced by its formula's value."""
    for name, (formula, text) in relations.items():
        x[:, names.index(name)] = finite_values(formula, text, names, x, KEY)
    return x
