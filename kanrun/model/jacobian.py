"""The derivatives of a network's outputs by its trained entries, layer by layer, without autograd."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kanrun.functions.builtin import Function
from kanrun.model.layer import BASES, FACTORS, KANLayer
from kanrun.model.spline import Spread, pulled_back, spread_out
from kanrun.model.structure import shape_of


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
        nodes = torch.eye(outputs, dtype=result.dtype, device=result.device).expand(rows, -1, -1)
        parts = result.split(counts, dim=2)
        for depth in range(len(self.layers) - 1, -1, -1):
            layer, x, features = self.layers[depth], self.inputs[depth], self.features[depth]
            sums = by_sums(layer, x, features, nodes)
            by_entries(layer, x, features, sums, parts[depth])
            if depth:
                nodes = by_inputs(layer, x, features, sums)
        return result


def by_sums(layer: KANLayer, x: Tensor, features: Spread | None, nodes: Tensor) -> Tensor:
    """The derivatives by a layer's sums, [rows, outputs, n_sub], from those by its nodes, [rows, outputs, n_out]."""
    if not layer.n_mult:
        return nodes
    subnodes = layer.subnodes(x, features and features.values)
    factors = subnodes[:, layer.n_sum :].unflatten(1, (layer.n_mult, FACTORS))
    others = torch.stack(
        [torch.cat([factors[..., :f], factors[..., f + 1 :]], dim=2).prod(2) for f in range(FACTORS)], dim=2
    )
    products = nodes[:, :, layer.n_sum :, None] * others[:, None]
    return torch.cat([nodes[:, :, : layer.n_sum], products.flatten(2)], dim=2)


def by_entries(layer: KANLayer, x: Tensor, features: Spread | None, sums: Tensor, into: Tensor) -> None:
    """Writes the derivatives by a layer's trained entries `into` [rows, outputs, entries], from those by its sums."""
    entries, size = layer.entries(), layer.coef.shape[2]
    parts = into.split([math.prod(shape_of(p, places)) for p, places in entries], dim=2)
    for (p, places), part in zip(entries, parts, strict=True):
        if p is layer.affine:
            part.copy_(by_affine(layer, x, sums)[:, :, layer.trains_affine].flatten(2))
        elif p is layer.bias:
            part.copy_(sums if places is None else sums[:, :, places[0]])
        else:
            assert features is not None
            if places is None:
                edges, own = sums[..., None], features.values[:, None, None]
            else:
                edges, own = sums[:, :, places[0]], features.values[:, None, places[1]]
            target = part.unflatten(2, shape_of(p, places))
            if p is layer.coef:
                torch.mul(edges[..., None], own[..., :size], out=target)
            else:
                torch.mul(edges, own[..., size], out=target)


def by_affine(layer: KANLayer, x: Tensor, sums: Tensor) -> Tensor:
    """The derivatives by a, b, c of the fixed edges, [rows, outputs, n_sub, n_in, 3], zero for others."""
    affine = sums.new_zeros(*sums.shape, layer.n_in, 3)
    for name, subs, inputs, z, _, c in layer.fixed_edges(x):
        function = layer.library[name]
        slope = c * finite_slope(function, z)
        parts = torch.stack([slope * x[:, inputs], slope, function.value(z)], dim=2)  # by a, b, c
        affine[:, :, subs, inputs] = sums[:, :, subs, None] * parts[:, None]
    return affine


def finite_slope(function: Function, z: Tensor) -> Tensor:
    """An infinite slope, such as that of a root at 0, tells least squares nothing."""
    return function.slope(z).nan_to_num(0.0, 0.0, 0.0)


def by_inputs(layer: KANLayer, x: Tensor, features: Spread | None, sums: Tensor) -> Tensor:
    """The derivatives by a layer's inputs, [rows, outputs, n_in], from those by its sums."""
    if features is None:
        inputs = sums.new_zeros(*sums.shape[:2], layer.n_in)
    else:
        weights, knots, base = layer.weights().flatten(1), layer.knots(), BASES[layer.base]
        by_features = [(part @ weights).view_as(features.values) for part in sums.unbind(1)]
        inputs = torch.stack([pulled_back(x, features.places, knots, base, part) for part in by_features], dim=1)
    for name, subs, own, z, a, c in layer.fixed_edges(x):
        slope = c * finite_slope(layer.library[name], z)
        inputs = inputs.index_add(2, own, sums[:, :, subs] * (slope * a)[:, None])
    return inputs
