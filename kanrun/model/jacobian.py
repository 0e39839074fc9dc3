"""The derivatives of a network's outputs by its trained entries, layer by layer, without autograd."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from kanrun.data.products import FEW, Blocks
from kanrun.functions.builtin import Function
from kanrun.functions.derivatives import derivatives
from kanrun.model.bases import BASES
from kanrun.model.jets import VALUE, Index, Jet, times
from kanrun.model.layer import FACTORS, KANLayer
from kanrun.model.spline import Spread, pulled_back, spread_out
from kanrun.model.structure import shape_of

ALONE = 50  # multiplications in a product of matrices that take as long as one of a number alone


@dataclass(frozen=True)
class KanPass:
    """What a pass through the layers leaves behind for the derivatives, which hold until the entries change."""

    layers: Sequence[KANLayer]
    inputs: list[Tensor]  # of every layer: [rows, n_in]
    features: list[Spread | None]  # of its inputs, None where it has no splines
    outputs: Tensor  # [rows, n_out]

    @staticmethod
    @torch.no_grad()
    def through(layers: Sequence[KANLayer], x: Tensor, first: Tensor | None = None) -> KanPass:
        """A pass of the rows `x`; `first` are their features for the first layer, where they are known."""
        inputs: list[Tensor] = []
        features: list[Spread | None] = []
        for layer in layers:
            inputs.append(x)
            if first is not None:
                features.append(Spread(first, []))  # of the inputs no derivatives are needed
            else:
                splines = layer.structure().splines
                features.append(spread_out(x, layer.knots(), BASES[layer.base]) if splines else None)
            x, first = layer(x, features[-1] and features[-1].values), None
        return KanPass(layers, inputs, features, x)

    @torch.no_grad()
    def jacobian(self, into: Tensor | None = None) -> Tensor:
        """The derivatives of the outputs by the trained entries, [rows, n_out, parameters], written `into` a tensor."""
        rows, outputs = self.outputs.shape
        counts = [layer.parameter_count() for layer in self.layers]
        result = self.outputs.new_empty(rows, outputs, sum(counts)) if into is None else into
        for depth, (sums, part) in enumerate(zip(self.by_sums(), result.split(counts, dim=2), strict=True)):
            features = self.features[depth]
            values = [features.values] if features else []
            by_entries(self.layers[depth], self.inputs[depth], values, {0: sums[..., None]}, part)
        return result

    @torch.no_grad()
    def blocks(self) -> Blocks | None:
        """The same by the sums of the layers; None where outputs are few, or products of the last layer's sums."""
        *layers, last = self.layers
        if last.n_mult or self.outputs.shape[1] < FEW:
            return None
        *slopes, nodes = self.by_sums()
        starts = [sum(layer.n_sub for layer in layers[:depth]) for depth in range(len(layers))]
        sums = [owners_of(layer) + start for layer, start in zip(layers, starts, strict=True)]
        inner = [self.by_own_entries(depth) for depth in range(len(layers))]
        own, owners = self.by_own_entries(len(layers)), owners_of(last)
        return Blocks(
            torch.cat([nodes[:, :, :0], *slopes], dim=2), torch.cat([own[:, :0], *inner], dim=1),
            torch.cat([owners[:0], *sums]), own, owners,
        )  # fmt: skip

    def by_own_entries(self, depth: int) -> Tensor:
        """The derivatives of a layer's sums by its trained entries, each of the sum it belongs to: [rows, entries]."""
        layer, x, features = self.layers[depth], self.inputs[depth], self.features[depth]
        result = x.new_empty(len(x), 1, layer.parameter_count())
        ones = x.new_ones(len(x), 1, layer.n_sub, 1)
        by_entries(layer, x, [features.values] if features else [], {0: ones}, result)
        return result[:, 0]

    def by_sums(self) -> list[Tensor]:
        """The derivatives of the outputs by the sums of every layer, [rows, n_out, n_sub] each."""
        nodes, found = by_themselves(self.outputs), list[Tensor]()
        for depth in range(len(self.layers) - 1, -1, -1):
            layer, x, features = self.layers[depth], self.inputs[depth], self.features[depth]
            values = [features.values] if features else []
            subnodes = {VALUE: layer.subnodes(x, *values)} if layer.n_mult else {}
            found.append(by_sums(layer, subnodes, {VALUE: nodes}, [VALUE])[VALUE])
            if depth:
                nodes = by_inputs(layer, x, features, found[-1])
        return found[::-1]


def by_themselves(values: Tensor) -> Tensor:
    """The derivatives of `values` [rows, n] by themselves: [rows, n, n]."""
    rows, n = values.shape
    return torch.eye(n, dtype=values.dtype, device=values.device).expand(rows, -1, -1)


@dataclass(frozen=True)
class Extent:
    """What a Jacobian takes: numbers that it is held by, multiplications of its products, and sums it is made by."""

    numbers: int
    products: int
    sums: int = 0  # 0 where it is held with all its entries

    def times(self, rows: int) -> Extent:
        """That of so many rows, of one of them."""
        return Extent(rows * self.numbers, rows * self.products, self.sums)


def extent_of(layers: Sequence[KANLayer]) -> Extent:
    """What the Jacobian of a row takes."""
    last, size, outputs = layers[-1], sum(layer.parameter_count() for layer in layers), layers[-1].n_out
    if last.n_mult or outputs < FEW:
        return Extent(outputs * size, outputs * size**2)
    sums = sum(layer.n_sub for layer in layers[:-1])
    return Extent(outputs * sums + size, size**2 + ALONE * sums * (outputs + size), sums + outputs)


def owners_of(layer: KANLayer) -> Tensor:
    """The sum that each trained entry of a layer belongs to: [entries]."""
    subs, found = torch.arange(layer.n_sub, device=layer.bias.device), [layer.bias.new_zeros(0, dtype=torch.long)]
    for p, places in layer.entries():
        own = subs if places is None else places[0]
        found.append(own.repeat_interleave(math.prod(shape_of(p, places)) // len(own)))
    return torch.cat(found)


def by_sums(layer: KANLayer, subnodes: Jet, nodes: Jet, indices: Iterable[Index]) -> Jet:
    """The derivatives by a layer's sums, [rows, outputs, n_sub], from those by its nodes, [rows, outputs, n_out].

    All are jets, as far as `indices` say, as are the sums themselves, `subnodes` [rows, n_sub].
    """
    if not layer.n_mult:
        return nodes
    factors = factor_jets(layer, subnodes)
    products = {index: part[:, :, layer.n_sum :] for index, part in nodes.items()}
    by_factors = []
    for f in range(FACTORS):
        by_factor = products
        for other in factors[:f] + factors[f + 1 :]:
            by_factor = times(by_factor, {index: part[:, None] for index, part in other.items()}, indices)
        by_factors.append(by_factor)
    result = {}
    for index in by_factors[0]:
        by_subnodes = torch.stack([part[index] for part in by_factors], dim=3).flatten(2)
        sums = nodes[index] if index in nodes else by_subnodes.new_zeros(*by_subnodes.shape[:2], layer.n_sum)
        result[index] = torch.cat([sums[:, :, : layer.n_sum], by_subnodes], dim=2)
    return result


def factor_jets(layer: KANLayer, subnodes: Jet) -> list[Jet]:
    """The first, second, ... factors of all products, [rows, n_mult] each, from the sums [rows, n_sub]."""
    size = (layer.n_mult, FACTORS)
    return [
        {index: part[:, layer.n_sum :].unflatten(1, size)[..., f] for index, part in subnodes.items()}
        for f in range(FACTORS)
    ]


def by_entries(
    layer: KANLayer, x: Tensor, features: Sequence[Tensor], edges: Mapping[int, Tensor], into: Tensor
) -> None:
    """Writes the derivatives by a layer's trained entries `into` [rows, outputs, entries].

    `edges` are those by the edges, and by the derivatives of the edges by their own inputs: by order, from 0 on,
    [rows, outputs, n_sub, n_in or 1]. `features` are what spline edges are linear in, with its derivatives by order.
    """
    entries, size = layer.entries(), layer.coef.shape[2]
    parts = into.split([math.prod(shape_of(p, places)) for p, places in entries], dim=2)
    for (p, places), part in zip(entries, parts, strict=True):
        if p is layer.affine:
            part.copy_(by_affine(layer, x, edges)[:, :, layer.trains_affine].flatten(2))
        elif p is layer.bias:
            sums = edges[0][..., 0]
            part.copy_(sums if places is None else sums[:, :, places[0]])
        else:
            target = part.unflatten(2, shape_of(p, places))
            for order, by_edges in edges.items():
                if places is None:
                    edge, own = by_edges, features[order][:, None, None]
                else:
                    edge, own = at_edges(by_edges, *places), features[order][:, None, places[1]]
                factors = (edge[..., None], own[..., :size]) if p is layer.coef else (edge, own[..., size])
                if order == 0:
                    torch.mul(*factors, out=target)
                else:
                    target.addcmul_(*factors)


def at_edges(by_edges: Tensor, subs: Tensor, inputs: Tensor) -> Tensor:
    """Of [rows, outputs, n_sub, n_in or 1] some edges: [rows, outputs, E]."""
    return by_edges[..., 0][:, :, subs] if by_edges.shape[3] == 1 else by_edges[:, :, subs, inputs]


def by_affine(layer: KANLayer, x: Tensor, edges: Mapping[int, Tensor]) -> Tensor:
    """The derivatives by a, b, c of the fixed edges, [rows, outputs, n_sub, n_in, 3], zero for others."""
    affine = edges[0].new_zeros(*edges[0].shape[:3], layer.n_in, 3)
    for name, subs, inputs, z, a, c in layer.fixed_edges(x):
        f = finite_derivatives(layer.library[name], z, max(edges) + 1)
        terms = []
        for n, by_edges in edges.items():  # the n-th derivatives by x of c x f'(z), c f'(z) and f(z)
            by_b, by_c = c * f[n + 1], f[n]
            by_a = by_b * x[:, inputs]
            if n:
                by_a, by_b, by_c = a**n * by_a + n * a ** (n - 1) * c * by_c, a**n * by_b, a**n * by_c
            parts = torch.stack([by_a, by_b, by_c], dim=2)
            terms.append(at_edges(by_edges, subs, inputs)[..., None] * parts[:, None])
        affine[:, :, subs, inputs] = reduce(torch.add, terms)
    return affine


def finite_derivatives(function: Function, z: Tensor, order: int) -> list[Tensor]:
    """The function and its derivatives. An infinite one, such as that of a root at 0, tells least squares nothing."""
    value, *others = derivatives(function, z, order)
    return [value, *(part.nan_to_num(0.0, 0.0, 0.0) for part in others)]


def by_inputs(layer: KANLayer, x: Tensor, features: Spread | None, sums: Tensor) -> Tensor:
    """The derivatives by a layer's inputs, [rows, outputs, n_in], from those by its sums."""
    if features is None:
        inputs = sums.new_zeros(*sums.shape[:2], layer.n_in)
    else:
        weights, knots, base = layer.weights().flatten(1), layer.knots(), BASES[layer.base]
        by_features = [(part @ weights).view_as(features.values) for part in sums.unbind(1)]
        inputs = torch.stack([pulled_back(x, features.places, knots, base, part) for part in by_features], dim=1)
    for name, subs, own, z, a, c in layer.fixed_edges(x):
        slope = c * finite_derivatives(layer.library[name], z, 1)[1]
        inputs = inputs.index_add(2, own, sums[:, :, subs] * (slope * a)[:, None])
    return inputs
