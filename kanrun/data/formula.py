"""Rows of a formula given as text."""

from __future__ import annotations

import numpy as np
import sympy as sp
import torch

from kanrun.config.datasets import SymbolicConfig
from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.errors import ConfigError, wrong
from kanrun.functions.evaluate import Array, evaluate
from kanrun.functions.parser import input_index, parse_formula


def make_symbolic(config: SymbolicConfig, seed: int, dtype: torch.dtype) -> Dataset:
    """Training and test rows drawn evenly from the domain, with noise on the training targets only.

    Raises ConfigError for a formula that cannot be read or is not finite on its domain.
    """
    texts = list(config.formula) if isinstance(config.formula, (list, tuple)) else [config.formula]
    if not texts:
        raise ConfigError(wrong("dataset.formula", "[]", "at least one formula is needed"))
    formulas = [parse_formula(t) for t in texts]
    n_inputs = max([input_index(s.name) or 0 for f in formulas for s in f.free_symbols] + [1])
    domain = read_domain(config.domain, n_inputs)
    names = [f"x_{i + 1}" for i in range(len(domain))]
    draws = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    parts = []
    for rows, draw in zip((config.n_train, config.n_test), draws, strict=True):
        x = draw_inputs(draw, domain, rows)
        y = np.stack([finite_values(f, t, names, x) for f, t in zip(formulas, texts, strict=True)], axis=1)
        parts.append([x, y])
    if config.noise:
        y = parts[0][1]
        parts[0][1] = y + config.noise * y.std(axis=0) * np.random.default_rng([seed, 3]).standard_normal(y.shape)
    train, test = (Rows(torch.as_tensor(x, dtype=dtype), torch.as_tensor(y, dtype=dtype)) for x, y in parts)
    outputs = ["y"] if len(texts) == 1 else [f"y_{j + 1}" for j in range(len(texts))]
    return Dataset("symbolic", train, test, names, outputs, REGRESSION, MSE, [str(t) for t in texts], domain)


def draw_inputs(draw: np.random.Generator, domain: list[tuple[float, float]], rows: int) -> Array:
    """[rows, inputs], even over the domain."""
    low, high = np.array(domain).T
    return low + (high - low) * draw.random((rows, len(domain)))


def finite_values(formula: sp.Expr, text: str, names: list[str], x: Array, key: str = "dataset.formula") -> Array:
    """The formula's values at `x` [rows, inputs]; raises ConfigError with an example where one is not finite."""
    values = evaluate(formula, {name: x[:, i] for i, name in enumerate(names)})
    bad = ~np.isfinite(values)
    if bad.any():
        used = sorted(s.name for s in formula.free_symbols)
        row = int(np.argmax(bad))
        at = ", ".join(f"{n}={x[row, names.index(n)]:.4g}" for n in used)
        share = f"{bad.sum()} of {len(bad)} rows"
        raise ConfigError(wrong(key, text, f"not finite on its domain ({share}, e.g. at {at}); change dataset.domain"))
    return values


def read_domain(given: object, n_inputs: int, key: str = "dataset.domain") -> list[tuple[float, float]]:
    """One (low, high) an input, from one pair for all or a list of pairs with at least `n_inputs` entries."""
    form = "[low, high] for all inputs, or a list of such pairs, one an input, with low < high"
    if not isinstance(given, (list, tuple)) or not given:
        raise ConfigError(wrong(key, given, form))
    pairs = list(given) if all(isinstance(p, (list, tuple)) for p in given) else [given] * n_inputs
    domain = []
    for pair in pairs:
        numbers = [p for p in pair if isinstance(p, (int, float)) and not isinstance(p, bool) and np.isfinite(p)]
        if len(pair) != 2 or len(numbers) != 2 or not 0 < numbers[1] - numbers[0] < np.inf:
            raise ConfigError(wrong(key, given, form))
        domain.append((float(pair[0]), float(pair[1])))
    if len(domain) < n_inputs:
        raise ConfigError(wrong(key, given, f"{len(domain)} pairs, but the formula has {n_inputs} inputs"))
    return domain
