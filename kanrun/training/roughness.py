"""How rough splines are, so that steps can stay smooth where no row says how a spline goes on."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kanrun.model.protocol import Trainable, has_splines
from kanrun.model.structure import shape_of

ORDER = 2  # of the differences: straight lines are not rough


def roughness(model: Trainable) -> list[Tensor]:
    """The squared differences of each spline's coefficients as a matrix of the trained entries, by its bands.

    The matrix is D^T D with the differences D of neighbours (Eilers and Marx 1996, Statistical Science 11(2), sec. 2)
    and the largest number 1. Band n has the [P - n] numbers n places below the diagonal; no bands where nothing is
    rough.
    """
    if not has_splines(model):
        return []
    bands = model.get_vector().new_zeros(ORDER + 1, model.parameter_count())
    start = 0
    for layer in model.layers:
        size = layer.coef.shape[2]
        for p, places in layer.entries():
            count = math.prod(shape_of(p, places))
            if p is layer.coef and size > ORDER:
                differences = torch.eye(size, dtype=bands.dtype, device=bands.device).diff(ORDER, dim=0)
                square = differences.T @ differences
                for offset in range(ORDER + 1):
                    own = bands[offset, start : start + count].view(-1, size)
                    own[:, : size - offset] = square.diagonal(offset) / square.max()
            start += count
    return [band[: len(band) - offset] for offset, band in enumerate(bands)] if bool(bands.any()) else []
