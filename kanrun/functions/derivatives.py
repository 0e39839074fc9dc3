"""Derivatives of any order of a function of the library, built-in or a user's."""

from __future__ import annotations

import torch
from torch import Tensor

from kanrun.functions.builtin import Function


def derivatives(function: Function, z: Tensor, order: int) -> list[Tensor]:
    """The function at `z` and its derivatives up to `order`, each in the shape of `z`; of what jumps they are 0.

    Those beyond the slope are the slope differentiated element by element: as exact as formulas, which grow without
    end from order to order (of a product of 60 sines, the third derivative takes SymPy minutes).
    """
    if order < 2:
        return [function.value(z), function.slope(z)][: order + 1]
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        found = [function.value(z), function.slope(z)]
        while len(found) <= order:
            last = found[-1]
            # A constant one has no gradient at all.
            more = torch.autograd.grad(last.sum(), z, create_graph=True) if last.requires_grad else None
            found.append(torch.zeros_like(z) if more is None else more[0])
    return [part.detach() for part in found]
