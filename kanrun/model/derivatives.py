"""A KAN's derivatives by its inputs, and the derivatives of these by its trained entries, without autograd.

For residuals of differential equations: the derivatives by inputs are carried through the layers together with the
values (jets, in Taylor mode; Griewank, Walther 2008, Evaluating Derivatives, ch. 13), and so are, on the way back, the
derivatives by the nodes. What is known of an edge g(x) are its own derivatives g', g'', ...; the rest is Leibniz' rule
and the chain rule for higher orders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from kanrun.functions.derivatives import derivatives
from kanrun.model.bases import BASES
from kanrun.model.jacobian import by_entries, by_sums, factor_jets
from kanrun.model.jets import VALUE, Index, Jet, add, chain, closure, splits, times
from kanrun.model.layer import KANLayer
from kanrun.model.network import KAN
from kanrun.model.spline import Spread, spread_out
from kanrun.model.spline_derivatives import features_derivative

CHUNK = 1024  # rows whose derivatives are held at once


@dataclass(frozen=True)
class LayerPass:
    """What a pass leaves behind of one layer."""

    layer: KANLayer
    x: Tensor  # [rows, n_in]
    spread: Spread | None  # None where there are no splines
    features: list[Tensor]  # what spline edges are linear in, and its derivatives by x, by order
    slopes: list[Tensor]  # of every edge, the first derivative and higher ones by x: [rows, n_sub, n_in] each
    chained: list[Jet]  # what these are multiplied by, as `chain` says
    subnodes: Jet  # [rows, n_sub]


@dataclass(frozen=True)
class DerivativePass:
    """A pass of rows through a network with derivatives by inputs, which holds until the entries change.

    `outputs` are those wanted, [rows, n_out] each, under the indices that they were asked for by.
    """

    layers: list[LayerPass]
    indices: list[Index]  # of all derivatives that were needed on the way
    outputs: dict[Index, Tensor]

    @staticmethod
    @torch.no_grad()
    def through(model: KAN, x: Tensor, wanted: Sequence[Index]) -> DerivativePass:
        """A pass of the rows `x` [rows, n_in] with the `wanted` derivatives, of any order.

        An index names the inputs by which is differentiated, counted from 0: () are the outputs themselves, (0,) their
        slopes along x_0, (1, 1) their second derivatives by x_1, (0, 1) the mixed ones. Only what these need is
        computed. Where a function of the library has no finite derivative, as a root at 0 has none, they are not finite
        either. Raises ValueError for rows of another width and for inputs that there are not.
        """
        if x.ndim != 2 or x.shape[1] != model.n_in:
            raise ValueError(f"rows of shape {list(x.shape)}: the network takes [rows, {model.n_in}]")
        wrong = [index for index in wanted if not all(0 <= i < model.n_in for i in index)]
        if wrong:
            raise ValueError(f"no derivative {wrong[0]} of a network whose inputs are 0 to {model.n_in - 1}")
        indices, layers = closure(wanted), []
        slopes = torch.diag(1 / model.scale)[:, None]
        nodes: Jet = {VALUE: model.scaled(x), **{index: slopes[index[0]] for index in indices if len(index) == 1}}
        for layer in model.layers:
            layers.append(layer_pass(layer, nodes, indices))
            nodes = multiplied(layer, layers[-1].subnodes, indices)
        return DerivativePass(layers, indices, {index: nodes[ordered(index)] for index in wanted})

    @torch.no_grad()
    def jacobian(self) -> dict[Index, Tensor]:
        """Derivatives of all `outputs` by the trained entries, in their order: [rows, n_out, parameters] each."""
        result = {index: self.empty(self.n_out) for index in self.outputs}
        for kept, own, sums in self.backwards():
            for index, into in result.items():
                shares = {other: count * sums[by] for by, other, count in splits(ordered(index)) if by in sums}
                write_entries(kept, shares, into[..., own])
        return result

    @torch.no_grad()
    def combined(self, weights: Mapping[Index, Tensor], into: Tensor | None = None) -> Tensor:
        """Derivatives by the trained entries of sums over indices and outputs: [rows, residuals, parameters].

        `weights` [rows, residuals, n_out] are the derivatives of the residuals by what is wanted at an index. Much
        cheaper than the sum of what `jacobian` gives. Raises ValueError for an index that the pass does not have.
        """
        unknown = [index for index in weights if ordered(index) not in self.indices]
        if unknown or not weights:
            raise ValueError(f"weights of {unknown or 'nothing'}: the pass has {self.indices}")
        result = self.empty(next(iter(weights.values())).shape[1]) if into is None else into
        for kept, own, sums in self.backwards():
            shares: Jet = {}
            for index, weight in weights.items():
                for by, other, count in splits(ordered(index)):
                    if by in sums:
                        add(shares, other, count * (weight @ sums[by]))
            write_entries(kept, shares, result[..., own])
        return result

    @property
    def n_out(self) -> int:
        return self.layers[-1].layer.n_out

    def empty(self, residuals: int) -> Tensor:
        """Room for derivatives by the trained entries: [rows, residuals, parameters]."""
        x = self.layers[0].x
        return x.new_empty(len(x), residuals, sum(kept.layer.parameter_count() for kept in self.layers))

    def backwards(self) -> Iterator[tuple[LayerPass, slice, Jet]]:
        """From the last layer on: where its entries are, and the derivatives by its sums [rows, n_out, n_sub] as jets.

        As jets, since the derivatives of outputs by sums have derivatives by the inputs themselves.
        """
        x, end = self.layers[0].x, sum(kept.layer.parameter_count() for kept in self.layers)
        nodes = {VALUE: torch.eye(self.n_out, dtype=x.dtype, device=x.device).expand(len(x), -1, -1)}
        for kept in reversed(self.layers):
            start = end - kept.layer.parameter_count()
            sums = by_sums(kept.layer, kept.subnodes, nodes, self.indices)
            yield kept, slice(start, end), sums
            if kept is not self.layers[0]:
                nodes = by_nodes_before(kept, sums, self.indices)
            end = start


def chunks(model: KAN, x: Tensor, wanted: Sequence[Index], rows: int = CHUNK) -> Iterator[tuple[slice, DerivativePass]]:
    """Passes of so many `rows` of `x` [rows, n_in] at a time with the `wanted` derivatives, and which rows they are."""
    for start in range(0, len(x), rows):
        own = slice(start, start + rows)
        yield own, DerivativePass.through(model, x[own], wanted)


def ordered(index: Index) -> Index:
    """The same derivative as jets have it."""
    return tuple(sorted(index))


def layer_pass(layer: KANLayer, nodes: Jet, indices: Sequence[Index]) -> LayerPass:
    """The sums of a layer from the nodes before it, [rows or 1, n_in], both as jets, and what both have to do."""
    x, orders = nodes[VALUE], range(1, 1 + len(indices[-1]))
    splines = layer.knots(), BASES[layer.base]
    spread = spread_out(x, *splines) if layer.structure().splines else None
    features = []
    if spread is not None:
        features = [spread.values, *(features_derivative(x, spread, *splines, order) for order in orders)]
    slopes, chained = edge_slopes(layer, x, features[1:], orders), chain(nodes, indices)
    subnodes = {VALUE: layer.subnodes(x, spread and spread.values)}
    for index in indices[1:]:
        along = [along_edges(slope, jet[index]) for slope, jet in zip(slopes, chained[1:], strict=True) if index in jet]
        subnodes[index] = reduce(torch.add, along)
    return LayerPass(layer, x, spread, features, slopes, chained, subnodes)


def edge_slopes(layer: KANLayer, x: Tensor, features: Sequence[Tensor], orders: range) -> list[Tensor]:
    """The derivatives of all edges by their inputs of some orders, [rows, n_sub, n_in] each, from those of features."""
    if layer.structure().splines:
        result = [torch.einsum("rim,sim->rsi", part, layer.weights()) for part in features]
    else:
        result = [x.new_zeros(len(x), layer.n_sub, layer.n_in) for _ in orders]
    for name, subs, inputs, z, a, c in layer.fixed_edges(x):
        f = derivatives(layer.library[name], z, max(orders, default=0))
        for order, slope in zip(orders, result, strict=True):
            slope[:, subs, inputs] = c * a**order * f[order]
    return result


def along_edges(slope: Tensor, direction: Tensor) -> Tensor:
    """The sums over inputs of slopes [rows, n_sub, n_in] times `direction` [rows or 1, n_in].

    An infinite slope has no part where the direction is 0.
    """
    return torch.where(direction[:, None] == 0, 0.0, slope * direction[:, None]).sum(2)


def multiplied(layer: KANLayer, subnodes: Jet, indices: Sequence[Index]) -> Jet:
    """Nodes from subnodes, both as jets: sums pass, products are taken: [rows, n_out]."""
    if not layer.n_mult:
        return subnodes
    products = reduce(lambda first, second: times(first, second, indices), factor_jets(layer, subnodes))
    return {index: torch.cat([part[:, : layer.n_sum], products[index]], dim=1) for index, part in subnodes.items()}


def write_entries(kept: LayerPass, shares: Jet, into: Tensor) -> None:
    """Writes the derivatives by a layer's trained entries `into` [rows, residuals, entries].

    `shares` [rows, residuals, n_sub] are those by the layer's sums and by the sums' derivatives by inputs.
    """
    some = next(iter(shares.values()))
    edges = {0: shares.get(VALUE, torch.zeros_like(some))[..., None]}
    for order, jet in enumerate(kept.chained[1:], 1):
        terms = [shares[index][..., None] * part[:, None, None] for index, part in jet.items() if index in shares]
        if terms:
            edges[order] = reduce(torch.add, terms)
    by_entries(kept.layer, kept.x, kept.features, edges, into)


def by_nodes_before(kept: LayerPass, sums: Jet, indices: Sequence[Index]) -> Jet:
    """The derivatives by the nodes before a layer, [rows, n_out, n_in], from those by its sums, both as jets."""
    layer, x, highest = kept.layer, kept.x, len(indices[-1])
    features, orders = [], range(highest + 1, highest + 2)
    if kept.spread is not None:
        features = [features_derivative(x, kept.spread, layer.knots(), BASES[layer.base], orders[0])]
    slopes = [*kept.slopes, *edge_slopes(layer, x, features, orders)]
    if layer.structure().groups:
        slopes = [slope.nan_to_num(0.0, 0.0, 0.0) for slope in slopes]  # as `finite_derivatives` has it
    nodes: Jet = {}
    for order, (slope, jet) in enumerate(zip(slopes, kept.chained, strict=True)):
        by_slopes = {index: part @ slope for index, part in sums.items() if len(index) + order <= highest}
        for index, part in times(by_slopes, {i: p[:, None] for i, p in jet.items()}, indices).items():
            add(nodes, index, part)
    return nodes
