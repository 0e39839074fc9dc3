"""Linear least squares for columns that may be of any kind."""

from __future__ import annotations

import torch
from torch import Tensor


def least_squares(design: Tensor, target: Tensor) -> Tensor | None:
    """Factors [columns] of the columns of `design` [rows, columns] by which they come nearest to `target` [rows].

    The smallest ones where several do. None where a number is not finite, which LAPACK does not survive.
    """
    if not (bool(torch.isfinite(design).all()) and bool(torch.isfinite(target).all())):
        return None
    driver = "gelsd" if design.device.type == "cpu" else None  # gelsy rounds by where in memory it works
    return torch.linalg.lstsq(design, target[:, None], driver=driver).solution[:, 0]


def missed(design: Tensor, target: Tensor) -> float:
    """The norm of what the columns leave of the target, infinite where a number is not finite."""
    factors = least_squares(design, target)
    return float("inf") if factors is None else float((target - (design @ factors[:, None])[:, 0]).norm())
