"""Several networks of the same inputs as one network that has the outputs of all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch

from kanrun.model.layer import FACTORS, KANLayer
from kanrun.model.network import KAN
from kanrun.model.spline import span_polynomials


def side_by_side(networks: Sequence[KAN]) -> KAN:
    """One network whose outputs are those of `networks` one after the other; no edge leads from one to another.

    Lines pass on what a network with fewer layers gives. Where there are splines each network has its inputs passed on
    to nodes of its own, as knots belong to a node. A grid that is coarser than another one beside it is refined.
    """
    if len(networks) == 1:
        return networks[0]
    first = networks[0]
    grid = max(network.grid for network in networks)
    parts = [network if network.is_symbolic() or network.grid == grid else network.refine(grid) for network in networks]
    plain = all(bool((p.shift == 0).all()) and bool((p.scale == 1).all()) for p in parts)
    apart = not (plain and all(part.is_symbolic() for part in parts))
    depth = max(len(part.layers) for part in parts)
    ends = [part.layers[-1] for part in parts if len(part.layers) == depth]
    if any(layer.n_mult for layer in ends) and (any(layer.n_sum for layer in ends) or len(ends) < len(parts)):
        depth += 1  # sums come before products in a layer, whatever networks they are of
    stacks = [[*part.layers, *[None] * (depth - len(part.layers))] for part in parts]
    sizes = [[(layer.n_sum, layer.n_mult) if layer else (part.n_out, 0) for layer in stack]
             for part, stack in zip(parts, stacks, strict=True)]  # fmt: skip
    layers = [(sum(s for s, _ in row), sum(m for _, m in row)) for row in zip(*sizes, strict=True)]
    width: list[int | list[int]] = [[s, m] if m else s for s, m in layers]
    passed: list[int | list[int]] = [first.n_in * len(parts)] if apart else []
    whole = KAN([first.n_in, *passed, *width], grid, first.k, first.base, dtype=first.shift.dtype).to(
        first.shift.device
    )
    for layer in whole.layers:
        layer.alive.zero_()
        for part in parts:
            layer.library = layer.library.joined(part.library.values())
    entered = [[i + (first.n_in * n if apart else 0) for i in range(first.n_in)] for n in range(len(parts))]
    if apart:
        for n, part in enumerate(parts):
            for i, (shift, scale) in enumerate(zip(part.shift.tolist(), part.scale.tolist(), strict=True)):
                whole.layers[0].fix(entered[n][i], i, "x", (1 / scale, -shift / scale, 1.0), 0.0, False)
    for l, row in enumerate(zip(*stacks, strict=True)):
        layer = whole.layers[l + apart]
        entered = placed(layer, row, [size[l] for size in sizes], entered)
        layer.table = span_polynomials(layer.grid, layer.k)
    return whole


def placed(
    target: KANLayer, row: Sequence[KANLayer | None], sizes: Sequence[tuple[int, int]], entered: list[list[int]]
) -> list[list[int]]:
    """Puts layers, lines for one that is None, side by side into `target`.

    `entered` are the nodes before it that belong to each; gives those behind it.
    """
    sums = [0, *accumulate(s for s, _ in sizes)]
    products = [0, *accumulate(m for _, m in sizes)]
    left = []
    for n, (layer, nodes) in enumerate(zip(row, entered, strict=True)):
        subnodes = [sums[n] + s for s in range(sizes[n][0])]
        factors = range(FACTORS * products[n], FACTORS * products[n + 1])
        if layer is None:
            for node, sub in zip(nodes, subnodes, strict=True):
                target.fix(sub, node, "x", (1.0, 0.0, 1.0), 0.0, False)
        else:
            fill(target, layer, [*subnodes, *(target.n_sum + f for f in factors)], nodes)
        left.append([*subnodes, *(target.n_sum + products[n] + m for m in range(sizes[n][1]))])
    return left


def fill(target: KANLayer, layer: KANLayer, subnodes: list[int], nodes: list[int]) -> None:
    """Copies a layer to these subnodes and nodes of a larger one."""
    rows, columns = torch.tensor(subnodes)[:, None], torch.tensor(nodes)[None, :]
    with torch.no_grad():
        for name in ("alive", "is_fixed", "is_trainable"):
            getattr(target, name)[rows, columns] = getattr(layer, name)
        for name in ("base_scale", "affine"):
            getattr(target, name)[rows, columns] = getattr(layer, name).detach()
        target.bias[torch.tensor(subnodes)] = layer.bias.detach()
        if layer.coef.shape[2] == target.coef.shape[2]:
            target.coef[rows, columns] = layer.coef.detach()
            target.grid[torch.tensor(nodes)] = layer.grid
    for (sub, i), name in layer.functions.items():
        target.functions[subnodes[sub], nodes[i]] = name
