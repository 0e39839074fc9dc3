"""Which rows of a table are for training and which for the test: at random, the last ones, or whole groups."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kanrun.errors import ConfigError, wrong

FEW = 100  # rows below which none are set aside: the form is chosen on all of them, and its constants cross-validated
TEST_PART = 0.2


def parts_of(
    rows: int, test: float | None, seed: int, ordered: bool = False, groups: Any | None = None, few: int = FEW
) -> tuple[Tensor, Tensor | None]:
    """Numbers of the training rows and of the test rows; None for these where there are none.

    `test` is the part of them, None for a fifth and, with fewer rows than `few`, for none. Rows of one of `groups`
    [rows] stay together. Raises ConfigError where there is only one group.
    """
    if test == 0 or (test is None and rows < few):
        return torch.arange(rows), None
    part = TEST_PART if test is None else test
    if groups is not None:
        return parts_of_groups(groups, part, None if ordered else torch.Generator().manual_seed(seed))
    return cut(torch.arange(rows).flip(0), part) if ordered else drawn(rows, part, seed)


def drawn(rows: int, part: float, seed: int) -> tuple[Tensor, Tensor]:
    """Numbers of the rows that are left and of those that are held back, a part of them drawn by the seed."""
    return cut(torch.randperm(rows, generator=torch.Generator().manual_seed(seed)), part)


def cut(order: Tensor, part: float) -> tuple[Tensor, Tensor]:
    """The same where the first ones of this order are held back: one at least, and not all."""
    count = min(max(1, round(part * len(order))), len(order) - 1)
    return order[count:].sort().values, order[:count].sort().values


def parts_of_groups(groups: Any, part: float, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """The same with groups that are not torn apart: drawn, or the last that begin where nothing draws."""
    numbers = {name: k for k, name in enumerate(dict.fromkeys(groups))}
    if len(numbers) < 2:
        raise ConfigError(wrong("dataset.group", next(iter(numbers)), "all rows are of this one group; two are needed"))
    own = torch.tensor([numbers[name] for name in groups])
    last = torch.arange(len(numbers)).flip(0)
    order = last if generator is None else torch.randperm(len(numbers), generator=generator)
    sizes = torch.bincount(own)[order].cumsum(0)
    count = min(max(1, int((sizes <= part * len(own)).sum())), len(numbers) - 1)
    held = torch.isin(own, order[:count])
    return (~held).nonzero().flatten(), held.nonzero().flatten()
