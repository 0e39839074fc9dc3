"""Which inputs interact in a function, and which can be taken apart."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from kanrun.discovery.links import Link


def without(link: Link, f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """`f`, a function of rows, with a link function undone."""
    return lambda x: link.undo(f(x))


def interacting(f: Callable[[Tensor], Tensor], x: Tensor, threshold: float) -> list[list[int]]:
    """The inputs in groups, such that inputs of different groups do not interact in `f`, a function of rows.

    Two inputs interact where the mixed difference f(x) - f(x with i moved) - f(x with j moved) + f(x with both moved)
    is not zero on average (functional ANOVA, Hooker 2004), here more than `threshold` times the variance of f.
    """
    n = x.shape[1]
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).to(x.device)
    group = list(range(n))

    def moved(columns: set[int]) -> Tensor:
        z = x.clone()
        for c in columns:
            z[:, c] = x[order, c]
        return f(z)

    base, single = f(x), [moved({i}) for i in range(n)]
    for i in range(n):
        for j in range(i):
            mixed = base - single[i] - single[j] + moved({i, j})
            fine = torch.isfinite(mixed)
            if not float((mixed[fine] ** 2).mean()) < threshold * float(base[torch.isfinite(base)].var()):
                low, high = sorted((group[i], group[j]))
                group = [low if g == high else g for g in group]
    return [[i for i in range(n) if group[i] == g] for g in sorted(set(group))]
