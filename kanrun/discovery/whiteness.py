"""Whether residuals are nothing but noise, as far as the inputs can tell."""

from __future__ import annotations

import math

import torch
from scipy.special import chdtri
from torch import Tensor

MOST_TESTED = 4000  # rows
WAVES, MIXED = 8, 3  # waves over the ranks of one column, and of each of two columns together
CHANCE = 1e-3  # of taking noise for more
NEAR, MOST_NEAR = 4, 2000  # neighbours of a row, and rows that are looked at for their neighbours
NEIGHBOURLY = 3.3  # standard errors
FEWEST = 0.01  # part of the rows that must have a say in the squares of residuals


def is_noise(rest: Tensor, x: Tensor, joined: Tensor) -> bool:
    """Whether `rest` [rows] has nothing to do with the inputs `x` [rows, inputs] and the columns `joined` of them.

    Smooth tests over the ranks of every column and of every two inputs (Neyman 1937, Skandinavisk Aktuarietidskrift
    20, with cosines), each allowed its part of CHANCE, and one for rows that lie near each other; all of them for the
    signs of the residuals too, as a few large residuals hide what the others are. Where hardly a row has a residual
    beside the largest ones, nothing can be said, and it is not noise.
    """
    rest, x, joined = rest[:MOST_TESTED], x[:MOST_TESTED], joined[:MOST_TESTED]
    if not bool(torch.isfinite(rest).all()):
        return False
    largest = rest.abs().amax()
    if not float(largest) > 0:
        return True
    rest = rest / largest
    rest = rest - rest.mean()
    size = rest.norm()
    if not float(size) > 0:
        return True
    if float(size**4 / (rest**4).sum()) < FEWEST * len(rest):
        return False
    waved = waves(torch.cat([x, joined], dim=1))  # [rows, columns, WAVES]
    signs = (rest - rest.median()).sign()
    return all(is_white(part / part.norm() * math.sqrt(len(part)), x, waved) for part in (rest, signs - signs.mean()))


def is_white(rest: Tensor, x: Tensor, waved: Tensor) -> bool:
    """The same for residuals with mean 0 and mean square 1, and the waves over all columns [rows, columns, WAVES]."""
    of_columns = (torch.einsum("r,rcw->cw", rest, waved) ** 2).sum(1) / len(rest)
    count = x.shape[1]
    few = waved[:, :count, :MIXED].flatten(1)
    products = ((rest[:, None] * few).T @ few).reshape(count, MIXED, count, MIXED)
    of_pairs = (products**2).sum((1, 3)).triu(1) / len(rest)
    chance = CHANCE / (len(of_columns) + math.comb(count, 2))
    return (
        float(of_columns.max()) < chi_square(WAVES, chance)
        and float(of_pairs.max()) < chi_square(MIXED**2, chance)
        and not is_neighbourly(rest, x)
    )


def work_of_test(rows: int, columns: int) -> float:
    """Units of work of `is_noise` for so many rows and columns, those that are joined among them."""
    return 1 + 2e-4 * min(rows, MOST_TESTED) * columns + 8e-6 * min(rows, MOST_NEAR) ** 2


def waves(columns: Tensor) -> Tensor:
    """Cosines of 1 to WAVES half periods over the ranks of each column, with mean square 1: [rows, columns, WAVES]."""
    rank = columns.argsort(0).argsort(0).to(columns.dtype)
    u = (rank + 0.5) / len(columns)
    k = torch.arange(1, WAVES + 1, dtype=columns.dtype, device=columns.device)
    return math.sqrt(2) * torch.cos(math.pi * u[..., None] * k)


def chi_square(degrees: int, chance: float) -> float:
    """The value that chi square exceeds with this chance."""
    return float(chdtri(degrees, chance))  # that of scipy.stats, which takes a second to import


def is_neighbourly(rest: Tensor, x: Tensor) -> bool:
    """Whether residuals are like those of the rows next to them (Moran 1950, Biometrika 37)."""
    x, rest = x[:MOST_NEAR], rest[:MOST_NEAR]
    if len(x) <= NEAR:
        return False
    scaled = (x - x.mean(0)) / x.std(0).clamp(min=1e-300)
    near = torch.cdist(scaled, scaled).topk(NEAR + 1, dim=1, largest=False).indices[:, 1:]
    products = rest * rest[near].mean(1)
    return bool(products.mean() > NEIGHBOURLY * products.std() / math.sqrt(len(rest)))
