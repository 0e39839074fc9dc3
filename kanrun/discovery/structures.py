"""Small networks to begin with, simple ones first: sums, products, and functions of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import torch

from kanrun.model.network import KAN

GRID = 5
MANY = 16  # restarts where most of them lead nowhere and each is quick


@dataclass(frozen=True)
class Structure:
    """A family of networks from n inputs to one output; `build(seed)` gives one to start from.

    A `plain` one ends in a function of its own choice, so that no link function needs to be undone for it.
    """

    name: str
    build: Callable[[int], KAN]
    restarts: int = 2
    plain: bool = False


def with_linear_output(model: KAN, nodes: list[int] | None = None) -> KAN:
    """The network with plain lines instead of splines from these nodes (None: all) of the last layer but one."""
    last = len(model.layers) - 1
    for i in range(model.layers[last].n_in) if nodes is None else nodes:
        model.fix(last, i, 0, "x")
    return model


def only(model: KAN, subnode: int, inputs: set[int]) -> KAN:
    """The network with edges from these inputs alone into a subnode of the first layer."""
    for i in range(model.n_in):
        if i not in inputs:
            model.layers[0].remove(subnode, i)
    return model


def structures(n: int, dtype: torch.dtype, width: list[int | list[int]] | None = None) -> Iterator[Structure]:
    """From a sum of functions to functions of several sums and products; of `width` alone where it is given."""

    def kan(width: list[int | list[int]], seed: int) -> KAN:
        return KAN(width, grid=GRID, seed=seed, dtype=dtype)

    if width:
        yield Structure("the given width", lambda seed: kan(width, seed), 8)
        return

    yield Structure("sum", lambda seed: kan([n, 1], seed), 1)
    if n < 2:
        yield Structure("product", lambda seed: with_linear_output(kan([n, [0, 1], 1], seed)))
        yield Structure("function of a function", lambda seed: kan([n, 1, 1], seed), MANY, True)
        yield Structure("two functions of functions", lambda seed: kan([n, 2, 1], seed), 4)
        return
    yield Structure("product", lambda seed: with_linear_output(kan([n, [0, 1], 1], seed)))
    if n <= 3:
        for first in sorted({frozenset(c) for size in range(1, n) for c in combinations(range(n), size)}, key=sorted):
            if 0 in first:
                rest = set(range(n)) - first
                yield Structure(
                    f"sum and product of {sorted(first)} and {sorted(rest)}",
                    partial(sum_and_factors, lambda seed: kan([n, [1, 1], 1], seed), set(first), rest),
                )
    yield Structure("sum and product", lambda seed: with_linear_output(kan([n, [1, 1], 1], seed)))
    yield Structure("sum and function of a sum", lambda seed: with_linear_output(kan([n, 2, 1], seed), [0]))
    yield Structure("function of a sum", lambda seed: kan([n, 1, 1], seed), MANY, True)
    yield Structure("function of a product", lambda seed: kan([n, [0, 1], 1], seed), MANY, True)
    yield Structure("two products", lambda seed: with_linear_output(kan([n, [0, 2], 1], seed)))
    yield Structure("functions of two sums", lambda seed: kan([n, 2, 1], seed), 4)
    yield Structure("product of products", lambda seed: with_linear_output(kan([n, [0, 2], [0, 1], 1], seed)))
    yield Structure("sum and two products", lambda seed: with_linear_output(kan([n, [1, 2], 1], seed)))
    yield Structure("sum and product of three", lambda seed: sum_and_triple(kan([n, [2, 1], [1, 1], 1], seed)), 4)
    yield Structure("functions of three sums", lambda seed: kan([n, 3, 1], seed), 4)


def sum_and_factors(build: Callable[[int], KAN], first: set[int], second: set[int], seed: int) -> KAN:
    """A sum, plus a product whose factors have inputs of their own."""
    return only(only(with_linear_output(build(seed)), 1, first), 2, second)


def sum_and_triple(model: KAN) -> KAN:
    """A sum, plus the product of another sum and a product: layers [2 sums, 1 product], [1 sum, 1 product], 1."""
    for sub, node in ((0, 0), (1, 1), (2, 2)):
        for i in range(3):
            if i == node:
                model.fix(1, i, sub, "x")
            else:
                model.layers[1].remove(sub, i)
    return with_linear_output(model)


KINDS = ("functions of sums", "products", "functions of products")


def grouped(n: int, groups: list[list[int]], dtype: torch.dtype, kind: str) -> Structure:
    """A sum over groups of inputs: single inputs by a function, larger ones as `kind`, one of KINDS, says."""
    product = kind != KINDS[0]
    single = [i for g in groups if len(g) == 1 for i in g]
    larger = [g for g in groups if len(g) > 1]
    sums, products = (bool(single), len(larger)) if product else (bool(single) + len(larger), 0)

    def build(seed: int) -> KAN:
        width: list[int | list[int]] = [n, [int(sums), products], 1] if products else [n, int(sums), 1]
        model = KAN(width, grid=GRID, seed=seed, dtype=dtype)
        first = 1 if single else 0
        if single:
            only(model, 0, set(single))
        for number, group in enumerate(larger):
            for factor in range(2) if product else (0,):
                sub = first + (2 * number + factor if product else number)
                only(model, sub, set(group))
        return with_linear_output(model, None if kind == "products" else list(range(first)))

    return Structure(f"{kind} over groups {larger}", build, 6)
