"""Jacobians of many outputs, and the products that gradients and the matrices of Gauss and Newton are made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FEW = 4  # outputs, with fewer of which little of a Jacobian is 0
WORTH_IT = 0.5  # part of the multiplications that must go for single products to be faster than one


@dataclass(frozen=True)
class Dense:
    """A Jacobian [rows, outputs, P] with all its entries."""

    values: Tensor

    def pulled(self, slopes: Tensor) -> Tensor:
        """J^T s summed over the rows, [P], of `slopes` s [rows, outputs]."""
        return self.values.flatten(0, 1).T @ slopes.flatten()

    def mixed(self, weights: Tensor) -> Tensor:
        """Sums over the outputs by `weights` [rows, outputs]: [rows, P]."""
        return (weights[:, None] @ self.values)[:, 0]

    def scaled(self, factors: Tensor) -> Dense:
        """With every output times its `factors` [rows, outputs], in the same memory."""
        return Dense(self.values.mul_(factors[..., None]))

    def square(self) -> Tensor:
        """J^T J over rows and outputs: [P, P]."""
        return square(self.values)


@dataclass(frozen=True)
class Blocks:
    """A Jacobian most of which is 0: entries that all outputs share, then those of one output alone.

    In a last layer an entry belongs to one output, so that with many outputs the whole would be mostly zeros. The
    entries before it reach the outputs through its inputs alone: by the chain rule they are `slopes` times `inner`.
    """

    slopes: Tensor  # of the outputs by these inputs, or by themselves where they are fewer: [rows, outputs, K]
    inner: Tensor  # of these by the first entries: [rows, K, S]
    own: Tensor  # by the last entries, of the output that each belongs to: [rows, L]
    owners: Tensor  # that output: [L]

    def pulled(self, slopes: Tensor) -> Tensor:
        """J^T s summed over the rows, [P], of `slopes` s [rows, outputs]."""
        inner = (slopes[:, None] @ self.slopes).flatten()
        return torch.cat([self.inner.flatten(0, 1).T @ inner, (self.own * slopes[:, self.owners]).sum(0)])

    def mixed(self, weights: Tensor) -> Tensor:
        """Sums over the outputs by `weights` [rows, outputs]: [rows, P]."""
        shared = weights[:, None] @ self.slopes @ self.inner
        return torch.cat([shared[:, 0], self.own * weights[:, self.owners]], dim=1)

    def scaled(self, factors: Tensor) -> Blocks:
        """With every output times its `factors` [rows, outputs]."""
        slopes, own = self.slopes * factors[..., None], self.own * factors[:, self.owners]
        return Blocks(slopes, self.inner, own, self.owners)

    def square(self) -> Tensor:
        """J^T J over rows and outputs: [P, P]."""
        (_, outputs, inputs), first, size = self.slopes.shape, self.inner.shape[2], self.owners.shape[0]
        # With S = Q R, N^T S^T S N is (R N)^T R N, of fewer rows than there are outputs.
        slopes = torch.linalg.qr(self.slopes, mode="r").R if outputs > inputs else self.slopes
        flat, matrix = (slopes @ self.inner).flatten(0, 1), self.own.new_zeros(first + size, first + size)
        matrix[:first, :first] = flat.T @ flat
        for output in range(outputs):
            places = (self.owners == output).nonzero().flatten()
            own, place = self.own[:, places], first + places
            matrix[place[:, None], place] = own.T @ own
            across = (self.slopes[:, output, None] @ self.inner)[:, 0].T @ own
            matrix[:first, place], matrix[place, :first] = across, across.T
        return matrix


Products = Dense | Blocks


def square(jacobian: Tensor) -> Tensor:
    """J^T J over rows and outputs of a `jacobian` [rows, outputs, P]: [P, P], output by output where most is 0."""
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
