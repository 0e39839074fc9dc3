"""Inputs that count only together: a function of x_1 and x_2 that is one of their sum, product or sum of squares.

Udrescu and others (2020, arXiv:2006.10782), section 3.1, call this compositionality and generalized symmetry: with
u = a h(x_1) + b h(x_2) both derivatives are those of u times one number, so that their ratio is known everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn

from kanrun.model.network import KAN

STEP = 1e-3  # of an input's range, over which a derivative is taken
ALIGNED = 0.98  # correlation of the derivatives by two inputs from which they are taken for those of one argument
SIMPLE = 0.03  # how far a ratio of weights may lie from a multiple of 1/2

Inner = Callable[[Tensor], Tensor]
KINDS: dict[str, tuple[Inner, Inner]] = {  # the inner function, by name: itself and its derivative
    "x": (lambda x: x, torch.ones_like),
    "log": (torch.log, torch.reciprocal),
    "x^2": (torch.square, lambda x: 2 * x),
}


@dataclass(frozen=True)
class Composite:
    """An argument outer(sum of w_i inner(x_i)) with the weights w_i by the numbers of the inputs.

    A product of powers is exp of a sum of logarithms; a single input with the weight 1 and `x` is that input.
    """

    weights: dict[int, float]
    inner: str = "x"
    outer: str = "x"  # or exp

    @classmethod
    def product(cls, powers: dict[int, float]) -> Composite:
        """The product of these powers of inputs."""
        return cls(powers) if list(powers.values()) == [1.0] else cls(powers, "log", "exp")

    def of(self, x: Tensor) -> Tensor:
        """Its values at rows [rows, inputs]: [rows]."""
        inner, _ = KINDS[self.inner]
        total = sum((w * inner(x[:, i]) for i, w in self.weights.items()), torch.zeros_like(x[:, 0]))
        return total.exp() if self.outer == "exp" else total


def derivatives(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Those of a function of rows by each input, by central differences: [rows, inputs]."""
    columns = []
    for i in range(x.shape[1]):
        step = torch.zeros_like(x[:1])
        step[0, i] = STEP * float(x[:, i].max() - x[:, i].min())
        columns.append((f(x + step) - f(x - step))[:, 0] / (2 * step[0, i]))
    return torch.stack(columns, dim=1)


def composites(f: Callable[[Tensor], Tensor], x: Tensor) -> list[tuple[int, int, Composite]]:
    """Pairs of inputs that `f`, a function of rows, knows only together, those that are so most clearly first.

    A pair comes once, by the kind of sum that fits it best. Weights of logarithms are multiples of 1/2, those of others
    1 and -1 where they are near, as u and its multiples tell the same.
    """
    slopes, found = derivatives(f, x), list[tuple[float, int, int, Composite]]()
    for i, j in combinations(range(x.shape[1]), 2):
        kinds = [one for kind in KINDS if (one := together(slopes, x, i, j, kind)) is not None]
        if kinds:
            aligned, composite = max(kinds, key=lambda one: one[0])
            found.append((aligned, i, j, composite))
    return [(i, j, composite) for _, i, j, composite in sorted(found, key=lambda one: -one[0])]


def together(slopes: Tensor, x: Tensor, i: int, j: int, kind: str) -> tuple[float, Composite] | None:
    """How clearly two inputs are one argument of this kind, by the derivatives [rows, inputs]; None where not."""
    pair = x[:, [i, j]]
    if kind != "x" and not bool((pair > 0).all()):
        return None  # squares of inputs of both signs are told by their signs already, logarithms have no values
    by = slopes[:, [i, j]] / KINDS[kind][1](pair)
    by = by[by.isfinite().all(1)]
    sizes = by.square().mean(0).sqrt()
    if len(by) < 10 or not bool((sizes > 1e-6 * sizes.max()).all()):
        return None
    aligned = float((by[:, 0] * by[:, 1]).mean() / sizes.prod())
    ratio = float(sizes[1] / sizes[0]) * (1 if aligned > 0 else -1)
    weight = simple(ratio, kind)
    if abs(aligned) < ALIGNED or weight is None:
        return None
    return abs(aligned), Composite({i: 1.0, j: weight}, kind, "exp" if kind == "log" else "x")


def simple(ratio: float, kind: str) -> float | None:
    """The ratio of two weights as a formula would have it; None for one of powers that no formula would have."""
    nearest = round(2 * ratio) / 2
    near = nearest != 0 and abs(ratio - nearest) < SIMPLE * abs(nearest)
    if kind == "log":
        return nearest if near else None
    return nearest if near and abs(nearest) == 1 else ratio


def over_composites(rest: KAN, arguments: Sequence[Composite], n: int) -> KAN:
    """The network `rest` over arguments as one over the n inputs that these are made of."""
    like = rest.layers[0].coef
    longer = KAN([n, len(arguments), *rest.width], grid=1, dtype=like.dtype).to(like.device)
    first, second = longer.layers[:2]
    longer.layers = nn.ModuleList([first, second, *rest.clone().layers])
    for layer in (first, second):
        layer.alive.zero_()
    for number, composite in enumerate(arguments):
        for i, weight in composite.weights.items():
            first.fix(number, i, composite.inner, (1.0, 0.0, weight), 0.0, True)
        second.fix(number, number, composite.outer, (1.0, 0.0, 1.0), 0.0, True)
    return longer
