"""The matrix of Gauss and Newton from a Jacobian, output by output where most outputs depend on few entries."""

from __future__ import annotations

from torch import Tensor

FEW = 4  # outputs, with fewer of which little of it is 0
WORTH_IT = 0.5  # part of the multiplications that must go for single products to be faster than one


def square(jacobian: Tensor) -> Tensor:
    """J^T J of a `jacobian` [rows, outputs, P] over rows and outputs: [P, P].

    In a last layer an entry belongs to one output, so that with many outputs most of the Jacobian is 0.
    """
    outputs, size = jacobian.shape[1:]
    if outputs >= FEW and len(jacobian):
        used = [own.nonzero().flatten() for own in (jacobian != 0).any(0)]
        if sum(len(own) ** 2 for own in used) < WORTH_IT * outputs * size**2:
            matrix = jacobian.new_zeros(size, size)
            for output, own in enumerate(used):
                part = jacobian[:, output, own]
                matrix[own[:, None], own] += part.T @ part
            return matrix
    flat = jacobian.flatten(0, 1)
    return flat.T @ flat
