"""Rows of a law and a judgement of a formula for it, where no judge.py lies beside a file of laws.

It is made of this project's own code, so another's is to be preferred where there is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from benchmarks.forms import same_form
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula

EXACT = 1e-10  # NMSE
LONGEST = 10_000_000  # letters


def expression_of(text: str, law: dict[str, Any]) -> sp.Expr:
    """A text over the inputs of a law."""
    return parse_formula(text, [f"x_{i + 1}" for i in range(len(law["domain"]))], "expression", LONGEST)


def rows(law: dict[str, Any], n: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs [n, d], uniform on the domain of a law, and its values [n]."""
    low, high = np.array(law["domain"], dtype=float).T
    x = np.random.default_rng(seed).uniform(low, high, (n, len(low)))
    columns = {f"x_{i + 1}": x[:, i] for i in range(len(low))}
    return x, evaluate(expression_of(law["formula"], law), columns)


def verdict(text: str, law: dict[str, Any]) -> dict[str, Any]:
    """Whether a formula `fits` other rows of a law to rounding, and whether it has its `form` too."""
    x, y = rows(law, 4000, 11)
    found, truth = expression_of(text, law), expression_of(law["formula"], law)
    off = evaluate(found, {f"x_{i + 1}": x[:, i] for i in range(x.shape[1])}) - y
    nmse = float(np.mean(off**2) / np.var(y)) if np.isfinite(off).all() else float("inf")
    positive = [f"x_{i + 1}" for i, (low, _) in enumerate(law["domain"]) if low >= 0]
    return {"fits": nmse <= EXACT, "form": nmse <= EXACT and same_form(found, truth, positive)}
