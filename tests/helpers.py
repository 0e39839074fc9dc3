"""Shared set-up of the tests: seeded rows, networks with every kind of edge, and independent evaluations of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from torch import Tensor

from kanrun.context import Budget, Context, Journal, Meter
from kanrun.discovery.search import Move, Search
from kanrun.functions.library import FUNCTIONS
from kanrun.model import spline
from kanrun.model.layer import KANLayer
from kanrun.model.network import KAN, Width
from kanrun.pipeline.codec import Unpacker, packed
from kanrun.pipeline.saved_types import SAVED_TYPES

Array = NDArray[np.float64]


class Resumable:
    """Work in a journal that is saved at every step, as a checkpoint does it, and cancelled after some of them."""

    def __init__(self, steps: int | None = None, kept: Any = None) -> None:
        self.steps, self.taken, self.kept = steps, 0, kept
        base, entries, partial = kept or (None, [], None)
        self.journal = Journal(
            self.save, lambda: True, packed, self.unpacked, base, list(entries), partial and self.unpacked(partial)
        )
        self.context = Context(Budget(Meter(cancelled=self.cancelled)), self, self.journal)  # type: ignore[arg-type]

    def cancelled(self) -> str | None:
        return "SIGTERM" if self.steps is not None and self.taken >= self.steps else None

    def step(self, record: Any, steps: int) -> None:  # noqa: ARG002
        self.taken += 1

    def save(self) -> None:
        partial = packed(self.journal.partial()) if self.journal.partial else None
        self.kept = (self.journal.base, list(self.journal.entries), partial)

    def unpacked(self, value: tuple[str, bytes]) -> Any:
        return Unpacker(value[1], SAVED_TYPES.values()).unpack(json.loads(value[0]))


NUMPY_NAMES = {
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
    "Abs": np.abs, "sign": np.sign, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atanh": np.arctanh,
}  # fmt: skip


def evaluate_text(text: str, x: Array) -> Array:
    """A library function's `text` at `x`, by NumPy."""
    return np.broadcast_to(np.asarray(eval(text, {"__builtins__": {}}, {**NUMPY_NAMES, "x": x}), dtype=float), x.shape)


def uniform_rows(rows: int, inputs: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> Tensor:
    """Independent uniform numbers: [rows, inputs], float64."""
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(rows, inputs, generator=generator, dtype=torch.float64)


def irregular_grid(intervals: int, inputs: int = 1, seed: int = 0) -> Tensor:
    """Increasing points whose steps differ up to fiftyfold: [inputs, intervals + 1]."""
    steps = 0.02 + 0.98 * uniform_rows(inputs, intervals, seed, 0.0, 1.0)
    start = uniform_rows(inputs, 1, seed + 1)
    return torch.cat([start, start + steps.cumsum(1)], dim=1)


def points_around(grid: Tensor, rows: int, seed: int, margin: float = 0.0) -> Tensor:
    """Random points over every grid, `margin` of its width more on both sides: [rows, inputs]."""
    width = grid[:, -1] - grid[:, 0]
    return grid[:, 0] - margin * width + (1 + 2 * margin) * width * uniform_rows(rows, len(grid), seed, 0.0, 1.0)


def basis_and_slopes(x: Tensor, grid: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """The basis functions and their slopes at `x` by automatic differentiation: two [rows, inputs, functions]."""
    x = x.clone().requires_grad_()
    values = spline.basis(x, spline.knots_of(grid, table))
    slopes = [torch.autograd.grad(column.sum(), x, retain_graph=True)[0] for column in values.unbind(2)]
    return values.detach(), torch.stack(slopes, dim=2)


def scipy_basis(grid: Array, k: int, x: Array, derivative: int = 0) -> Array:
    """All basis functions at `x` by SciPy: [rows, intervals + k]. Beyond the grid: the tangents at its borders."""
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    beyond = np.arange(1, k + 1) * step
    knots = np.concatenate([grid[0] - beyond[::-1], grid, grid[-1] + beyond])
    functions = BSpline(knots, np.eye(len(grid) - 1 + k), k)
    inside = np.clip(x, grid[0], grid[-1])
    slopes = functions.derivative()(inside) if k else np.zeros((len(x), len(grid) - 1))
    return slopes if derivative else functions(inside) + slopes * (x - inside)[:, None]


def plain_edge(layer: KANLayer, sub: int, i: int, x: Array) -> Array:
    """One edge's output, without the bias, from the meaning of its numbers."""
    if not layer.alive[sub, i]:
        return np.zeros_like(x)
    if layer.is_fixed[sub, i]:
        a, b, c = layer.affine.detach()[sub, i].tolist()
        return c * evaluate_text(FUNCTIONS[layer.functions[sub, i]].text, a * x + b)
    values = scipy_basis(layer.grid[i].numpy(), layer.k, x) @ layer.coef.detach()[sub, i].numpy()
    base = {"silu": x / (1 + np.exp(-x)), "identity": x, "zero": np.zeros_like(x)}[layer.base]
    return values + float(layer.base_scale.detach()[sub, i]) * base


def plain_forward(model: KAN, x: Array) -> Array:
    """The network's outputs by plain loops over layers, nodes and edges: [rows, outputs]."""
    for layer in model.layers:
        sums = [
            sum((plain_edge(layer, s, i, x[:, i]) for i in range(layer.n_in)), start=float(layer.bias.detach()[s]))
            for s in range(layer.n_sub)
        ]
        products = [sums[s] * sums[s + 1] for s in range(layer.n_sum, layer.n_sub, 2)]
        x = np.stack([*sums[: layer.n_sum], *products], axis=1)
    return x


def tangled_network(base: str = "silu", k: int = 3, seed: int = 0, width: Width = (3, (2, 1), (1, 1), 2)) -> KAN:
    """A random network with irregular knots, removed edges, an empty sum, trained and locked functions, and biases."""
    model = KAN(width, grid=4, k=k, base=base, seed=seed)
    model.fit_grids(uniform_rows(40, model.n_in, seed + 50) ** 3)
    generator = torch.Generator().manual_seed(seed)
    names = ["sin", "exp", "x^2", "tanh", "gaussian", "arctan", "x", "cos"]
    for depth, layer in enumerate(model.layers):
        torch.nn.init.normal_(layer.bias, 0.0, 0.3, generator=generator)
        pairs = [(s, i) for s in range(layer.n_sub) for i in range(layer.n_in)]
        order = torch.randperm(len(pairs), generator=generator).tolist()
        numbers = (0.6 * torch.randn(len(pairs), 4, generator=generator)).tolist()
        for position, chosen in enumerate(order[: 1 + len(pairs) // 2]):
            s, i = pairs[chosen]
            if position % 3 == 0:
                layer.remove(s, i, constant=0.2)
            else:
                a, b, c, d = numbers[chosen]
                model.fix(depth, i, s, names[chosen % len(names)], a, b, c, d, trainable=position % 3 == 1)
    first = model.layers[0]
    for i in range(first.n_in):
        first.remove(0, i, constant=0.1)
    return model


def additive_network(edges: list[tuple[str, float, float, float]], trainable: bool = True) -> KAN:
    """One output, the sum of `c * f(a x + b)` over the inputs; an edge is (name, a, b, c)."""
    model = KAN([len(edges), 1], grid=3)
    for i, (name, a, b, c) in enumerate(edges):
        model.fix(0, i, 0, name, a, b, c, trainable=trainable)
    return model


def trained_gradient(model: KAN, value: Tensor) -> Tensor:
    """The gradient of a number by the trained entries, by autograd: [parameters]. The graph stays."""
    pairs = model.trained()
    gradients = torch.autograd.grad(
        value, [p for p, _ in pairs], retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return torch.cat([g[mask] for g, (_, mask) in zip(gradients, pairs, strict=True)])


def autograd_jacobian(model: KAN, x: Tensor) -> Tensor:
    """Derivatives of every output by the trained entries, one call of autograd each: [rows, outputs, parameters]."""
    return torch.stack([torch.stack([trained_gradient(model, value) for value in row]) for row in model(x)])


def formula_values(text: str, x: Array) -> Array:
    """A formula's text over x_1, x_2, ... by Python's own arithmetic and NumPy, at rows `x`: [rows]."""
    names = {**NUMPY_NAMES, "pi": np.pi, "E": np.e, **{f"x_{i + 1}": x[:, i] for i in range(x.shape[1])}}
    with np.errstate(all="ignore"):
        values = eval(text, {"__builtins__": {}}, names)
    return np.broadcast_to(np.asarray(values, dtype=float), len(x))


def fixed_network(width: Width, edges: Sequence[tuple[Any, ...]]) -> KAN:
    """A network of these edges only, the arguments of `KAN.fix`: layer, input, subnode, function, a, b, c, d, ..."""
    model = KAN(width, grid=3)
    for edge in edges:
        model.fix(*edge)
    for layer in model.layers:
        layer.alive &= layer.is_fixed
    return model


def run_limited(script: str, *arguments: str, seconds: int = 20) -> str:
    """What a Python script prints, run on its own and ended after so much processor time, for work that may not end."""
    limit = f"import resource\nresource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))\n"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", limit + script, *arguments], cwd=root, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else f"ended by {done.returncode}: {done.stderr[-2000:]}"


def used_up() -> Context:
    """A context whose budget is used up."""
    return Context(Budget(Meter(), end=-1.0, of_work=True))


def turns(search: Search, move: Move) -> int:
    """Does all turns of a move, as the loop of the search does; how many there were."""
    search.state.doing.turn = 0
    while move.run(search):
        search.state.doing.turn += 1
        assert search.state.doing.turn < 100
    return search.state.doing.turn + 1
