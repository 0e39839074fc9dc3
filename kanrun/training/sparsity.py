"""The regularization as a quadratic: what second-order training needs of it."""

from __future__ import annotations

import torch
from torch import Tensor

from kanrun.model.bases import BASES
from kanrun.model.layer import KANLayer
from kanrun.model.network import KAN
from kanrun.model.prepared import Prepared
from kanrun.training.objective import Penalty, regularization

FLOOR = 1e-4  # strength below which an edge is held as if it had this much, so that no curvature is infinite


def penalty_derivatives(
    model: KAN, x: Tensor, penalty: Penalty, first: Prepared | None = None
) -> tuple[Tensor, Tensor]:
    """Gradient [P] and a curvature [P, P] of lamb * regularization by the trained entries, at the rows `x`.

    The gradient is exact. The curvature is that of weighted squares which touch the penalty from above (majorize and
    minimize, Hunter and Lange 2004): a strength v counts as weight * v^2 / (2 v_now), with v^2 = w^T C w / scale^2 for
    the edge's coefficients w and the covariance C of its features.
    """
    size = model.parameter_count()
    matrix = torch.zeros(size, size, dtype=x.dtype, device=x.device)
    with torch.enable_grad():
        model.zero_grad()
        _, strengths = model.forward_with_strengths(x, first)
        value = penalty.lamb * regularization(model, strengths, penalty)
        if value.requires_grad:  # it depends on nothing where no part of it has a weight
            value.backward()
        gradient = model.gradient_vector()
        now = [s.detach().requires_grad_() for s in strengths]
        of_edges = penalty.lamb * regularization(model, now, Penalty(penalty.lamb, penalty.l1, penalty.entropy))
        weights = torch.autograd.grad(of_edges, now) if of_edges.requires_grad else [None] * len(now)
    start = 0
    with torch.no_grad():
        x = model.scaled(x)
        for layer, strength, weight in zip(model.layers, now, weights, strict=True):
            if weight is not None and bool(layer.is_spline.any()):
                prepared = layer.prepare(x) if first is None else first
                add_layer(matrix, start, layer, prepared, weight.clamp(min=0) / strength.detach().clamp(min=FLOOR))
            add_coefficients(matrix, start, layer, penalty)
            start += layer.parameter_count()
            x, first = layer(x), None
    model.zero_grad()
    return gradient, matrix


def add_layer(matrix: Tensor, start: int, layer: KANLayer, prepared: Prepared, weight: Tensor) -> None:
    """Adds weight * C / scale^2 of every spline edge (`weight` [n_sub, n_in]) to its own rows and columns."""
    scale = prepared.spread + 0.1
    subs, inputs = layer.is_spline.nonzero(as_tuple=True)
    edges, size = len(subs), layer.coef.shape[2]
    own = start + torch.arange(edges * size, device=weight.device).view(edges, size)
    if BASES[layer.base]:
        base = start + edges * size + torch.arange(edges, device=weight.device)
        own = torch.cat([own, base[:, None]], dim=1)
    blocks = prepared.covariance[inputs] * (weight[subs, inputs] / scale[inputs] ** 2)[:, None, None]
    matrix[own[:, :, None], own[:, None, :]] += blocks


def add_coefficients(matrix: Tensor, start: int, layer: KANLayer, penalty: Penalty) -> None:
    """Adds the curvature of the coefficients' mean size, in the same form."""
    coef = layer.coef[layer.is_spline].flatten()
    if penalty.coef and len(coef):
        own = start + torch.arange(len(coef), device=coef.device)
        matrix[own, own] += penalty.lamb * penalty.coef / layer.coef.shape[2] / coef.abs().clamp(min=FLOOR)
