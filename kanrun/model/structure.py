"""What the edges of a layer are, counted once for many steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Places = tuple[Tensor, ...] | None  # indices along the first dimensions of a parameter; None: all of it


@dataclass(frozen=True)
class Structure:
    """The kinds of a layer's edges: splines, which biases are trained (None: none), and the fixed edges."""

    splines: int
    edges: Places  # of the splines
    trains_bias: Tensor | None  # [n_sub]
    groups: list[tuple[str, Tensor, Tensor]]  # function, its subnodes [E] and inputs [E]
    entries: list[tuple[str, Places]]  # the parameters of which something is trained, in the order of `trained`


def places_of(mask: Tensor) -> Places:
    """Where a mask is true."""
    return None if bool(mask.all()) else mask.nonzero(as_tuple=True)


def shape_of(p: Tensor, places: Places) -> tuple[int, ...]:
    """The shape of what the parameter holds in these places."""
    return tuple(p.shape) if places is None else (len(places[0]), *p.shape[len(places) :])


def structure_of(
    is_spline: Tensor, trains_bias: Tensor, alive: Tensor, functions: Mapping[tuple[int, int], str],
    masks: Mapping[str, Tensor],
) -> Structure:  # fmt: skip
    """The kinds of edges by the layer's masks: `is_spline` and `alive` [n_sub, n_in], `trains_bias` [n_sub]."""
    groups: dict[str, list[tuple[int, int]]] = {}
    for (sub, i), name in functions.items():
        if alive[sub, i]:
            groups.setdefault(name, []).append((sub, i))
    index = {name: torch.tensor(edges, device=alive.device).T for name, edges in groups.items()}
    return Structure(
        int(is_spline.sum()),
        places_of(is_spline),
        trains_bias if bool(trains_bias.any()) else None,
        [(name, subs, inputs) for name, (subs, inputs) in index.items()],
        [(name, places_of(mask)) for name, mask in masks.items() if bool(mask.any())],
    )
