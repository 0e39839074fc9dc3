"""Derivatives of any order of the basis functions, and of the function beside them."""

from __future__ import annotations

import torch
from torch import Tensor

from kanrun.model.spline import Beside, Knots, Place, Spread, differentiated, polynomials, spread


def features_derivative(x: Tensor, known: Spread, knots: Knots, beside: Beside | None, order: int) -> Tensor:
    """The derivatives by `x` [rows, inputs], of an `order` from 1 on, of what `spread_out` gave: in the same shape."""
    powers = knots.values
    for _ in range(order):
        powers = differentiated(powers)
    dense = torch.zeros_like(known.values)
    for rows, place in known.places:
        spread(place, local_derivatives(x[rows], powers, place, knots, order), dense[rows])
    if beside is not None:
        dense[..., -1] = beside.derivative(x, order)
    return dense


def local_derivatives(x: Tensor, powers: list[Tensor], place: Place, knots: Knots, order: int) -> Tensor:
    """Those of the k+1 basis functions that are not zero, from their polynomials' by u: [k+1, values].

    At a knot they are those of the interval to its right. Beyond the grid, where the functions go on straight, the
    slope stays that of the border and all that is higher is 0.
    """
    scale = (place.scale**order).expand(x.shape).flatten() if place.column is None else place.scale**order
    result = polynomials(powers, place).mul_(scale)
    if order > 1 and place.beyond is not None:
        # At the border itself `beyond` may differ from 0 by rounding.
        outside = (x < knots.grid[:, 0]) | (x > knots.grid[:, -1])
        result.masked_fill_(outside.flatten(), 0.0)
    return result
