"""Removing edges and nodes: by attribution, then one by one as long as the refitted loss stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from kanrun.context import Over, never
from kanrun.model.attribution import attribution
from kanrun.model.layer import FACTORS, KANLayer
from kanrun.model.network import KAN
from kanrun.model.spline import span_polynomials

Refit = Callable[[KAN], float]


@dataclass(frozen=True)
class Removal:
    """One thing that could go: all edges of a hidden node, or one edge ([layer, subnode, input])."""

    score: float
    edges: tuple[tuple[int, int, int], ...]


def remove_edges(model: KAN, edges: tuple[tuple[int, int, int], ...], x: Tensor) -> KAN:
    """A copy without these edges, whose means over the rows `x` stay as constants, nor what then hangs loose."""
    pruned = model.clone()
    traces = model.trace(x)
    for layer, sub, i in edges:
        if bool(pruned.layers[layer].alive[sub, i]):
            pruned.layers[layer].remove(sub, i, float(traces[layer].edges[:, sub, i].mean()))
    return drop_loose(pruned, x)


def drop_loose(model: KAN, x: Tensor) -> KAN:
    """Takes out hidden nodes that nothing enters or that lead nowhere; each hidden layer keeps at least one node."""
    model = model.clone()
    changed = True
    while changed:
        changed = False
        traces = model.trace(x)
        for depth, (below, above) in enumerate(zip(model.layers[:-1], model.layers[1:], strict=True)):
            for node in range(below.n_out):
                subs = subnodes_of(below, node)
                leads = bool(above.alive[:, node].any())
                # A product with an empty factor is a constant times the others, so only all of them empty is dead.
                enters = any(bool(below.alive[s].any()) for s in subs)
                if enters and not leads:
                    for s in subs:
                        below.alive[s] = False
                    changed = True
                elif leads and not enters:
                    for sub in above.alive[:, node].nonzero().flatten().tolist():
                        above.remove(sub, node, float(traces[depth + 1].edges[:, sub, node].mean()))
                    changed = True
    keep = []
    for below, above in zip(model.layers[:-1], model.layers[1:], strict=True):
        used = [n for n in range(below.n_out) if bool(above.alive[:, n].any())]
        keep.append(used or [0])
    keep.append(list(range(model.n_out)))
    return keep_nodes(model, keep)


def subnodes_of(layer: KANLayer, node: int) -> list[int]:
    """The sums that make up a node: itself, or the factors of a product."""
    if node < layer.n_sum:
        return [node]
    first = layer.n_sum + FACTORS * (node - layer.n_sum)
    return list(range(first, first + FACTORS))


def keep_nodes(model: KAN, keep: list[list[int]]) -> KAN:
    """The network with only these nodes in each layer after the inputs, as one of smaller width."""
    small = model.clone()
    inputs = list(range(model.n_in))
    for layer, nodes in zip(small.layers, keep, strict=True):
        subs = [s for node in nodes for s in subnodes_of(layer, node)]
        layer.functions = {
            (subs.index(s), inputs.index(i)): name
            for (s, i), name in layer.functions.items()
            if s in subs and i in inputs
        }
        for name in ("coef", "base_scale", "affine"):
            setattr(layer, name, nn.Parameter(getattr(layer, name).data[subs][:, inputs].clone()))
        for name in ("alive", "is_fixed", "is_trainable"):
            setattr(layer, name, getattr(layer, name)[subs][:, inputs].clone())
        layer.bias = nn.Parameter(layer.bias.data[subs].clone())
        if len(inputs) < layer.n_in:
            layer.grid = layer.grid[inputs].clone()
            layer.table = span_polynomials(layer.grid, layer.k)
        layer.n_mult = sum(node >= layer.n_sum for node in nodes)
        layer.n_in, layer.n_sum = len(inputs), len(nodes) - layer.n_mult
        inputs = nodes
    return small


def prune_by_score(model: KAN, x: Tensor, node_threshold: float, edge_threshold: float) -> KAN:
    """Drops hidden nodes, then edges, whose attribution is at most the threshold: maybe all of them."""
    scores = attribution(model, x)
    doomed = []
    for layer in range(len(model.layers)):
        alive = model.layers[layer].alive
        for sub, i in alive.nonzero().tolist():
            weak_node = layer > 0 and float(scores.nodes[layer][i]) <= node_threshold
            if weak_node or float(scores.edges[layer][sub, i]) <= edge_threshold:
                doomed.append((layer, sub, i))
    return remove_edges(model, tuple(doomed), x)


def prune_to_count(model: KAN, x: Tensor, most: int) -> KAN:
    """The network with about `most` edges: the first layer keeps those of the largest attribution, at least one."""
    scores = attribution(model, x).edges[0]
    first = model.layers[0].alive.nonzero().tolist()
    ranked = sorted(first, key=lambda edge: -float(scores[edge[0], edge[1]]))
    later = model.active_edges() - len(first)
    return remove_edges(model, tuple((0, sub, i) for sub, i in ranked[max(1, most - later) :]), x)


def removals(model: KAN, x: Tensor) -> tuple[list[Removal], list[Removal]]:
    """All single removals, the weakest first: hidden nodes, and edges that are not a node's only way on."""
    scores = attribution(model, x)
    found = []
    for depth, layer in enumerate(model.layers[:-1]):
        if layer.n_out > 1:
            for node in range(layer.n_out):
                outgoing = [
                    (depth + 1, s, node) for s in model.layers[depth + 1].alive[:, node].nonzero().flatten().tolist()
                ]
                found.append(Removal(float(scores.nodes[depth + 1][node]), tuple(outgoing)))
    whole_nodes = {removal.edges for removal in found}
    edges = [
        Removal(float(scores.edges[depth][sub, i]), ((depth, sub, i),))
        for depth, layer in enumerate(model.layers)
        for sub, i in layer.alive.nonzero().tolist()
        if ((depth, sub, i),) not in whole_nodes
    ]
    return sorted(found, key=lambda r: r.score), sorted(edges, key=lambda r: r.score)


def simplify(model: KAN, x: Tensor, refit: Refit, limit: float, patience: int = 8, over: Over = never) -> KAN:
    """Takes out nodes and edges one by one, weakest first, as long as the refitted loss stays at or below `limit`.

    `refit` trains a network briefly in place and gives its loss on the training rows. When none of the
    `patience` weakest nodes and edges can go, or time is `over`, nothing more is tried.
    """
    simpler: KAN | None = model
    while simpler:
        model, simpler = simpler, None
        for kind in removals(model, x):
            for removal in kind[:patience] if not over() else ():
                smaller = remove_edges(model, removal.edges, x)
                if refit(smaller) <= limit:
                    simpler = smaller
                    break
            if simpler:
                break
    return model
