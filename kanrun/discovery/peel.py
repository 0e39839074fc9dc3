"""Taking powers of single inputs off a product, and putting them and other inputs back on the network of the rest."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from kanrun.context import UNLIMITED, Context
from kanrun.data.losses import MSE
from kanrun.discovery.links import one_sign
from kanrun.model.network import KAN
from kanrun.training.least_squares import levenberg_marquardt

NEAR = 0.04  # how far a fitted exponent may lie from a multiple of 1/2
STRAIGHT = 2e-3  # part of an edge's variance that a straight line over log(x) may leave
SMALLEST = 0.3  # part of the rows, those next to a change of sign, that says nothing about exponents


def exponents(x: Tensor, y: Tensor, seed: int, context: Context = UNLIMITED) -> dict[int, float]:
    """Inputs that y [rows] seems to have as a factor x_i^p, p a multiple of 1/2: from log|y| as a sum of splines."""
    size, positive = y.abs(), [i for i in range(x.shape[1]) if float(x[:, i].amin()) > 0]
    rows = size > 0
    if not one_sign(y):
        rows = rows & (size > size.quantile(SMALLEST))
    x, z = x[rows], size[rows].log()[:, None]
    model = KAN([x.shape[1], 1], grid=10, seed=seed, dtype=x.dtype)
    model.fit_grids(x)
    levenberg_marquardt(model, x, z, MSE, 4, context=context)
    edges = model.trace(x)[0].edges[:, 0]
    found = {}
    for i in positive:
        u, v = x[:, i].log(), edges[:, i]
        if not float(u.amax()) > float(u.amin()):  # whose mean may be off by rounding, which is no exponent
            continue
        u, v = u - u.mean(), v - v.mean()
        p = float((u * v).mean() / (u**2).mean())
        rest = float(((v - p * u) ** 2).mean() / (v**2).mean().clamp(min=1e-300))
        nearest = round(2 * p) / 2
        if nearest and abs(p - nearest) < NEAR * max(1.0, abs(p)) and rest < STRAIGHT:
            found[i] = nearest
    return found


def exponents_of(f: Callable[[Tensor], Tensor], x: Tensor) -> dict[int, float]:
    """Inputs that `f`, a function of rows, has as a factor x_i^p: f then grows by (x_i'/x_i)^p where only x_i moves."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).to(x.device)
    base, found = f(x)[:, 0], {}
    for i in range(x.shape[1]):
        if float(x[:, i].amin()) <= 0:
            continue
        moved = x.clone()
        moved[:, i] = x[order, i]
        growth, steps = f(moved)[:, 0] / base, (moved[:, i] / x[:, i]).log()
        rows = (base.abs() > base.abs().median()) & (steps.abs() > 0.1) & torch.isfinite(growth) & (growth > 0)
        if int(rows.sum()) < 10:
            continue
        ratio = growth[rows].log() / steps[rows]
        p = float(ratio.median())
        nearest = round(2 * p) / 2
        if nearest and abs(p - nearest) < NEAR and float((ratio - p).abs().quantile(0.9)) < NEAR:
            found[i] = nearest
    return found


def with_last(model: KAN, function: str, a: float, b: float, c: float, d: float) -> KAN:
    """The network of one output with one more layer, an edge c * f(a * y + b) + d."""
    longer = KAN([*model.width, 1], grid=1, dtype=model.layers[0].coef.dtype).to(model.layers[0].coef.device)
    longer.layers = nn.ModuleList([*model.clone().layers, longer.layers[-1]])
    longer.fix(len(model.layers), 0, 0, function, a, b, c, d)
    return longer


def with_powers(rest: KAN, inputs: list[int], powers: dict[int, float], n: int) -> KAN:
    """The symbolic network `rest`, of the `inputs` alone, times the product of x_i^p over `powers`: of n inputs.

    The product is carried past the layers as a sum of logarithms, and multiplied in the last node.
    """
    if rest.layers[-1].n_mult or len(rest.layers) == 1:
        rest = with_last(rest, "x", 1.0, 0.0, 1.0, 0.0)
    sizes = [(layer.n_sum + 1, layer.n_mult) for layer in rest.layers[:-1]]
    width: list[int | list[int]] = [n, *([s, m] if m else s for s, m in sizes), [0, 1]]
    model = KAN(width, grid=1, dtype=rest.layers[0].coef.dtype).to(rest.layers[0].coef.device)
    below = dict(enumerate(inputs))
    carried = -1
    for depth, (old, new) in enumerate(zip(rest.layers, model.layers, strict=True)):
        new.alive.zero_()
        new.library = old.library
        last = depth == len(rest.layers) - 1
        subs = {s: s if last or s < old.n_sum else s + 1 for s in range(old.n_sub)}
        new.bias = nn.Parameter(torch.zeros_like(new.bias))
        for s, target in subs.items():
            new.bias.data[target] = old.bias.data[s]
        for (s, i), name in old.functions.items():
            if bool(old.alive[s, i]):
                a, b, c = old.affine[s, i].tolist()
                new.fix(subs[s], below[i], name, (a, b, c), 0.0, True)
        if depth == 0:
            for i, p in powers.items():
                new.fix(old.n_sum, i, "log", (1.0, 0.0, p), 0.0, True)
        else:
            new.fix(1 if last else old.n_sum, carried, "exp" if last else "x", (1.0, 0.0, 1.0), 0.0, True)
        carried = old.n_sum
        below = {node: node if node < old.n_sum else node + 1 for node in range(old.n_out)}
    return model
