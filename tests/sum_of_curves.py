"""Rows of a*exp(b*x_1) + sin(c*x_2 + d), with noise or without."""

from __future__ import annotations

import numpy as np
import sympy as sp

from kanrun.functions.parser import parse_formula
from tests.helpers import Array

TRUTH = (2.013, -0.71, 1.31, -0.41)


def rows(count: int = 150, seed: int = 0, inputs: int = 2) -> Array:
    return np.random.default_rng(seed).uniform(-1, 1, (count, inputs))


def columns(x: Array) -> dict[str, Array]:
    return {f"x_{i + 1}": x[:, i] for i in range(x.shape[1])}


def model(x: Array, a: float, b: float, c: float, d: float) -> Array:
    return a * np.exp(b * x[0]) + np.sin(c * x[1] + d)


def text(a: float, b: float, c: float, d: float) -> sp.Expr:
    return parse_formula(f"{a!r}*exp({b!r}*x_1)+sin({c!r}*x_2+{d!r})")


def noisy(seed: int = 0, noise: float = 0.05, count: int = 150) -> tuple[Array, Array]:
    x = rows(count)
    return x, model(x.T, *TRUTH) + noise * np.random.default_rng(seed + 1).normal(size=count)
