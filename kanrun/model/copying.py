"""Copies of networks: many are made in every search."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)
PLAIN = (bool, int, float, str, type(None))  # nothing that could be changed


def copied(module: M) -> M:
    """A copy that shares nothing, as `copy.deepcopy` makes it, which takes tables of hooks apart that are empty."""
    other = module.__new__(type(module))
    state: Any = module.__getstate__()
    other.__dict__.update({name: value_of(value) for name, value in state.items()})
    return other


def value_of(value: Any) -> Any:
    """A copy of an attribute: of tables, among them those of parameters, buffers and modules, entry by entry."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, dict) and not hasattr(value, "__deepcopy__"):
        other = value.copy()
        other.update((name, value_of(part)) for name, part in value.items())
        return other
    if isinstance(value, Tensor):
        own = value.detach().clone()
        return nn.Parameter(own, value.requires_grad) if isinstance(value, nn.Parameter) else own
    if isinstance(value, nn.Module):
        return copied(value)
    if isinstance(value, set):
        return {value_of(part) for part in value}
    return copy.deepcopy(value)
