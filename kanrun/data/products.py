"""Jacobians of many outputs, and the products that gradients and the matrices of Gauss and Newton are made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kanrun.data.blas import one_thread

FEW = 4  # outputs, with fewer of which little of a Jacobian is 0
WORTH_IT = 0.5  # part of the multiplications that must go for single products to be faster than one


@dataclass(frozen=True)
class Dense:
    """A Jacobian [rows, outputs, P] with all its entries."""

    values: Tensor

    def pulled(self, slopes: Tensor) -> Tensor:
        """J^T s summed over the rows, [P], of `slopes` s [rows, outputs]."""
        return self.values.flatten(0, 1).T @ slopes.flatten()

    def square(self) -> Tensor:
        """J^T J over rows and outputs: [P, P]."""
        return square(self.values)

    def spread(self, chances: Tensor) -> Tensor:
        """J^T (diag(p) - p p^T) J for `chances` p [rows, outputs]: [P, P]; it uses the Jacobian up."""
        # J^T diag(p) J less the square of the means, as taking these off first would leave no zeros in J.
        mean = (chances[:, None] @ self.values)[:, 0]
        return square(self.values.mul_(chances.sqrt()[..., None])) - mean.T @ mean


@dataclass(frozen=True)
class Blocks:
    """A Jacobian most of which follows from little: each entry reaches the outputs through one sum alone.

    Its derivatives are those of the outputs by that sum, times its own. Sums of the last layer are outputs: an entry
    there belongs to one of them, so that with many outputs the whole would be mostly zeros.
    """

    slopes: Tensor  # of the outputs by the sums of the layers before the last: [rows, outputs, K]
    inner: Tensor  # of these sums by the first entries, of the sum that each belongs to: [rows, S]
    sums: Tensor  # that sum: [S]
    own: Tensor  # by the last entries, of the output that each belongs to: [rows, L]
    owners: Tensor  # that output: [L]

    def pulled(self, slopes: Tensor) -> Tensor:
        """J^T s summed over the rows, [P], of `slopes` s [rows, outputs]."""
        inner = (slopes[:, None] @ self.slopes)[:, 0]
        return torch.cat([(self.inner * inner[:, self.sums]).sum(0), (self.own * slopes[:, self.owners]).sum(0)])

    def square(self) -> Tensor:
        """J^T J over rows and outputs: [P, P]."""
        return self.joined(self.slopes.transpose(1, 2) @ self.slopes, self.slopes, None)

    def spread(self, chances: Tensor) -> Tensor:
        """J^T (diag(p) - p p^T) J for `chances` p [rows, outputs]: [P, P]."""
        across = self.slopes * chances[..., None]
        mean = across.sum(1)
        across -= chances[..., None] * mean[:, None]
        return self.joined(self.slopes.transpose(1, 2) @ across, across, chances)

    def joined(self, between: Tensor, across: Tensor, chances: Tensor | None) -> Tensor:
        """The whole, of what lies `between` sums [rows, K, K] and `across` from outputs to sums [rows, outputs, K]."""
        first, size = len(self.sums), len(self.owners)
        matrix = self.own.new_zeros(first + size, first + size)
        order = torch.argsort(self.sums, stable=True)
        inner, sums, start = self.inner[:, order], self.sums[order], 0
        # A product with ones among zeros gives each entry what is of its sum, several times faster than indices do.
        to_sums, to_owners = ones_of(sums, between), ones_of(self.owners, self.slopes)
        for k, count in enumerate(to_sums.sum(1).int().tolist()):
            here, after = order[start : start + count], order[start:]
            own = inner[:, start : start + count].T
            part = own @ (inner[:, start:] * (between[:, k] @ to_sums[:, start:]))
            matrix[here[:, None], after], matrix[after[:, None], here] = part, part.T
            matrix[here, first:] = own @ (self.own * (across[:, :, k] @ to_owners))
            start += count
        matrix[first:, :first] = matrix[:first, first:].T
        if chances is not None:
            matrix[first:, first:] = symmetric_square(self.own * (chances @ to_owners)).neg_()
        for output in range(across.shape[1]):
            places = (self.owners == output).nonzero().flatten()
            part, at = self.own[:, places], first + places
            matrix[at[:, None], at] += part.T @ (part if chances is None else part * chances[:, output, None])
        return matrix


def ones_of(numbers: Tensor, among: Tensor) -> Tensor:
    """1 where an entry has this number, else 0: [numbers that `among` [rows, numbers, ...] has, entries]."""
    return (numbers == torch.arange(among.shape[1], device=numbers.device)[:, None]).to(among.dtype)


Products = Dense | Blocks


def symmetric_square(values: Tensor) -> Tensor:
    """V^T V of values [rows, P] that no derivatives are taken of: [P, P].

    On a processor by NumPy, which sees that the product is symmetric and computes half of it; torch does not.
    """
    if values.device.type != "cpu":
        return values.T @ values
    plain = values.numpy()
    with one_thread():
        return torch.from_numpy(plain.T @ plain)


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
