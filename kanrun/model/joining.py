"""Each output of a network as a network of its own, several such networks as one, and one of some inputs among all."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kanrun.model.layer import FACTORS, KANLayer
from kanrun.model.network import KAN
from kanrun.model.pruning import drop_loose, keep_nodes
from kanrun.model.spline import span_polynomials

PARAMETERS, MASKS = ("coef", "base_scale", "affine"), ("alive", "is_fixed", "is_trainable")


def alone(model: KAN, output: int, x: Tensor) -> KAN:
    """The part of the network that leads to this output; constants of what goes are taken at the rows `x`."""
    keep = [list(range(layer.n_out)) for layer in model.layers[:-1]]
    return drop_loose(keep_nodes(model, [*keep, [output]]), x)


def beside(models: Sequence[KAN]) -> KAN:
    """Networks of the same inputs and depth as one, whose outputs are theirs in order.

    In the first layer all get the knots of the first one. Raises ValueError where they differ in depth, units of the
    inputs or number of intervals, and for products among the outputs that sums come after: they would change places.
    """
    first = models[0]
    models = [with_first_knots(model, first.layers[0].grid) for model in models]
    kinds = [m.layers[-1].n_mult > 0 for m in models]
    if sorted(kinds) != kinds:
        raise ValueError("an output that is a sum after one that is a product")
    for other in models[1:]:
        same = torch.equal(first.shift, other.shift) and torch.equal(first.scale, other.scale)
        if len(other.layers) != len(first.layers) or other.grid != first.grid or not same:
            raise ValueError("networks that differ in their depth, their intervals or the units of their inputs")
    whole = first.clone()
    inputs = [list(range(first.n_in))] * len(models)
    for depth, layer in enumerate(whole.layers):
        parts = [model.layers[depth] for model in models]
        fill(layer, parts, inputs)
        inputs = nodes_of(parts)
    return whole


def side_by_side(networks: Sequence[KAN]) -> KAN:
    """Networks of the same inputs, of any depths and grids, as one whose outputs are theirs in order.

    Lines pass on what a network with fewer layers gives. Where there are splines or units each network has its inputs
    passed on to nodes of its own, as knots belong to a node. A grid that is coarser than another one is refined.
    """
    if len(networks) == 1:
        return networks[0]
    grid = max(layer.grid.shape[1] - 1 for n in networks for layer in n.layers)
    depth = max(len(n.layers) for n in networks)
    apart = any(not n.is_symbolic() or bool((n.shift != 0).any() or (n.scale != 1).any()) for n in networks)
    # Sums come before products in a layer, whatever networks they are of.
    depth += any(n.layers[-1].n_mult > 0 for n in networks)
    return beside([padded(n, depth, grid, apart) for n in networks])


def among_inputs(model: KAN, inputs: Sequence[int], count: int) -> KAN:
    """The network of these `inputs` alone as one of `count` inputs, which has no edges from the others."""
    whole = model.clone()
    fill(whole.layers[0], [model.layers[0]], [list(inputs)], count)
    shift, scale = model.shift.new_zeros(count), model.scale.new_ones(count)
    shift[list(inputs)], scale[list(inputs)] = model.shift, model.scale
    whole.shift, whole.scale = shift, scale
    return whole


def padded(network: KAN, depth: int, grid: int, apart: bool) -> KAN:
    """The network with lines behind it up to this depth and, where it is to stand `apart`, one before it too."""
    even = all(layer.grid.shape[1] - 1 == grid for layer in network.layers)
    own = network.clone() if even else network.refine(grid)
    shift, scale = own.shift.tolist(), own.scale.tolist()
    before = [lines(own, own.n_in, [(1 / s, -m / s) for m, s in zip(shift, scale, strict=True)])] if apart else []
    behind = [lines(own, own.n_out, [(1.0, 0.0)] * own.n_out) for _ in range(depth - len(own.layers))]
    own.layers = nn.ModuleList([*before, *own.layers, *behind])
    if apart:
        own.shift, own.scale = torch.zeros_like(own.shift), torch.ones_like(own.scale)
    return own


def lines(like: KAN, nodes: int, factors: Sequence[tuple[float, float]]) -> KANLayer:
    """A layer that gives each node times a factor plus a shift, and that is not trained."""
    layer: KANLayer = KAN([nodes, nodes], like.grid, like.k, like.base, dtype=like.shift.dtype).layers[0]
    layer.to(like.shift.device).alive.zero_()
    for i, (factor, shift) in enumerate(factors):
        layer.fix(i, i, "x", (factor, shift, 1.0), 0.0, False)
    return layer


def with_first_knots(model: KAN, grid: Tensor) -> KAN:
    """The network with this grid in its first layer."""
    if torch.equal(model.layers[0].grid, grid) or model.layers[0].grid.shape != grid.shape:
        return model
    moved = model.clone()
    moved.layers[0].set_grid(grid)
    return moved


def places(counts: Sequence[tuple[int, int]], size: int) -> list[list[int]]:
    """Where the sums, then the products of `size` entries each, of every part lie when sums of all parts come first."""
    at_sum, at_product = 0, sum(sums for sums, _ in counts)
    found = []
    for sums, products in counts:
        found.append([*range(at_sum, at_sum + sums), *range(at_product, at_product + size * products)])
        at_sum, at_product = at_sum + sums, at_product + size * products
    return found


def nodes_of(parts: Sequence[KANLayer]) -> list[list[int]]:
    """Where the nodes of every part lie."""
    return places([(p.n_sum, p.n_mult) for p in parts], 1)


def fill(layer: KANLayer, parts: Sequence[KANLayer], inputs: Sequence[list[int]], count: int | None = None) -> None:
    """Makes `layer`, in place, all the `parts` at once; `inputs` says which of its inputs are those of each part.

    It has `count` inputs; None: as many as are named.
    """
    subs = places([(p.n_sum, p.n_mult) for p in parts], FACTORS)
    n_sub, n_in = sum(map(len, subs)), count or 1 + max(i for own in inputs for i in own)
    blocks = [(torch.tensor(s)[:, None], torch.tensor(i)[None]) for s, i in zip(subs, inputs, strict=True)]
    with torch.no_grad():
        for name in (*PARAMETERS, *MASKS):
            own = getattr(parts[0], name)
            content = own.new_zeros(n_sub, n_in, *own.shape[2:])
            for part, (at_sub, at_input) in zip(parts, blocks, strict=True):
                content[at_sub, at_input] = getattr(part, name)
            setattr(layer, name, nn.Parameter(content) if name in PARAMETERS else content)
        bias, grid = layer.bias.new_zeros(n_sub), parts[0].grid[:1].repeat(n_in, 1)
        for part, sub, own_inputs in zip(parts, subs, inputs, strict=True):
            bias[sub], grid[own_inputs] = part.bias, part.grid
        layer.bias = nn.Parameter(bias)
        layer.grid, layer.table = grid, span_polynomials(grid, layer.k)
    for part in parts:
        layer.library = layer.library.joined(part.library.values())
    layer.functions = {
        (sub[s], own[i]): name
        for part, sub, own in zip(parts, subs, inputs, strict=True)
        for (s, i), name in part.functions.items()
    }
    layer.n_in, layer.n_sum, layer.n_mult = n_in, sum(p.n_sum for p in parts), sum(p.n_mult for p in parts)
