"""Rows as a network takes them: what comes from elsewhere is converted, or refused in a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def as_rows(given: Any, columns: int, like: Tensor) -> Tensor:
    """Rows [rows, columns] in the precision and on the device of `like`; the gradient of a tensor is passed on.

    Raises TypeError for what is no array of real numbers, and ValueError for another shape.
    """
    x = given if isinstance(given, Tensor) else from_array(given, like)
    if x.dtype != like.dtype or x.device != like.device:
        if x.is_complex():
            raise TypeError("rows of complex numbers: the network takes real ones")
        x = x.to(like)
    if x.ndim != 2 or x.shape[1] != columns:
        raise ValueError(f"rows of shape {list(x.shape)}: the network takes [rows, {columns}]")
    return x


def from_array(given: Any, like: Tensor) -> Tensor:
    """A tensor of an array or nested lists."""
    try:
        values = np.asarray(given)
    except ValueError:  # lists of different lengths
        values = np.asarray(None)
    if values.dtype.kind not in "fiub":
        raise TypeError(f"rows given as {type(given).__name__}: the network takes numbers [rows, inputs]")
    return torch.as_tensor(values.astype(np.float64)).to(like)
