"""Columns of numbers that say what another one says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LEAST_ALIKE = 4  # rows in which columns are alike by more than chance


def copies(inputs: Sequence[Any], target: Any) -> dict[int, str]:
    """Inputs [rows] that say what the target or an input before them says, up to a factor and a shift: by their number.

    What is told is `the target` or the number of that input.
    """
    import numpy as np

    found: dict[int, str] = {}
    seen: dict[bytes, list[tuple[int, Any]]] = {}
    for i, one in enumerate(inputs):
        if target is not None and len(one) and np.array_equal(one, target, equal_nan=True):
            found[i] = "the target"
            continue
        if len(one) < LEAST_ALIKE or not np.isfinite(one).all():
            continue
        scaled = one / (abs(one).max() or 1.0)
        spread = scaled - scaled.mean()
        if not spread.any():
            continue
        spread = spread / abs(spread).max()
        spread = spread if spread[abs(spread).argmax()] > 0 else -spread
        # Only those that are alike in a few rows are held against each other: there may be ten thousand.
        keys = {np.floor(abs(spread[:8]) * 1000 + half).tobytes() for half in (0.137, 0.471, 0.813)}
        others = [pair for key in keys for pair in seen.get(key, [])]
        twin = next((j for j, other in sorted(others, key=lambda pair: pair[0])
                     if min(abs(spread - other).max(), abs(spread + other).max()) < 1e-9), None)  # fmt: skip
        if twin is not None:
            found[i] = str(twin)
            continue
        for key in keys:
            seen.setdefault(key, []).append((i, spread))
    return found
