"""Linear least squares for columns that may be of any kind, rounded the same wherever they lie in memory."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def least_squares(design: Tensor, target: Tensor, independent: bool = False) -> Tensor | None:
    """Factors [columns] of the columns of `design` [rows, columns] by which they come nearest to `target` [rows].

    The smallest ones where several do, unless the columns are said to be `independent`, which is several times faster.
    None where a number is not finite, which LAPACK does not survive, or where that was not true.
    """
    if not (bool(torch.isfinite(design).all()) and bool(torch.isfinite(target).all())):
        return None
    # By the singular values or by QR; the pivoted QR of torch's default depends on where its memory begins.
    driver = "gels" if independent or design.device.type != "cpu" else "gelsd"
    try:
        return torch.linalg.lstsq(design, target[:, None], driver=driver).solution[:, 0]
    except RuntimeError:  # LinAlgError, which torch does not export
        return None


def missed(design: Tensor, target: Tensor) -> float:
    """The norm of what independent columns leave of the target, infinite where a number is not finite."""
    factors = least_squares(design, target, independent=True)
    return math.inf if factors is None else float((target - (design @ factors[:, None])[:, 0]).norm())
