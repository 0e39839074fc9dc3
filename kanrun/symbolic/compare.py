"""Whether a formula is the truth: by algebra, or by agreement on fresh points over a wider domain."""

from __future__ import annotations

import numpy as np
import sympy as sp

from kanrun.functions.algebra import is_zero
from kanrun.functions.evaluate import evaluate

POINTS, WIDER, AGREEMENT = 4000, 1.5, 1e-9


def is_exact(found: sp.Expr, truth: sp.Expr, inputs: list[str], domain: list[tuple[float, float]]) -> bool:
    """True where `found` equals `truth` symbolically, or to 1e-9 on fresh points over 1.5 times the domain.

    Points where either is not finite do not count, but at least a tenth must be left, and on the domain itself the two
    must be finite together.
    """
    if found == truth or is_zero(found - truth):
        return True
    draw = np.random.default_rng(12345)
    middle = np.array([(low + high) / 2 for low, high in domain])
    half = np.array([(high - low) / 2 for low, high in domain])
    unit = draw.uniform(-1, 1, (POINTS, len(domain)))
    for factor in (1.0, WIDER):
        points = middle + factor * half * unit
        columns = {name: points[:, i] for i, name in enumerate(inputs)}
        ours, theirs = evaluate(found, columns), evaluate(truth, columns)
        both = np.isfinite(ours) & np.isfinite(theirs)
        if both.mean() < 0.1 or (factor == 1.0 and (np.isfinite(ours) != np.isfinite(theirs)).any()):
            return False
        scale = max(float(np.std(theirs[both])), float(np.mean(np.abs(theirs[both]))), 1e-300)
        size = np.maximum(np.abs(theirs[both]), scale)
        if float(np.max(np.abs(ours[both] - theirs[both]) / size)) > AGREEMENT:
            return False
    return True
