"""Formulas whose values every language must agree about, and what compares them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kanrun.exporters.source import Source, source_of
from kanrun.functions.library import FUNCTIONS
from kanrun.symbolic.values import evaluate_texts
from tests.helpers import Array

INPUTS = ["x_1", "x_2"]
X = np.concatenate([
    np.random.default_rng(0).uniform(0.1, 0.9, (12, 2)), np.random.default_rng(1).uniform(-3, 3, (12, 2)),
])  # fmt: skip

PLAIN = [
    "pi*x_1 + E", "sqrt(x_1)/3", "x_1**x_2", "2/7", "-x_2**3/(x_1 + 1)", "-x_1**2", "(-x_1)**2", "x_1 - (x_2 - 1)",
    "3.141592653589793*x_1 - 1.2345678901234567e-8", "exp(-(x_1 - 2*sin(pi*x_2))**2)", "-(-x_1 - 2)*(x_2 - 3)",
    "sign(x_1 - 1/2)*Abs(x_2)", "x_1**(1/3) - x_2**(-1.5)", "2**x_1/3**(-x_2)", "-2.5*exp(-x_2)/(x_1 + 1)**2",
    "81812.058804511093*exp(sin(pi*x_1) - 11.309888035535042*cos(0.42348937268222647*x_2))", "1/(1/x_1 + 1/x_2)",
    "floor(3*x_1)", "atan2(x_1, -x_2)", "Min(x_1, x_2, 0.3) - Max(x_1, 2*x_2)",
    "123456789012345678*x_1", "-1", "-x_1", "x_1/(2*x_2**2*(x_1 + 4))", "sinh(x_1) - cosh(x_2)*asinh(x_1)",
    "acosh(x_1 + 1)", "log(x_1)/2 - log(x_2)", "(x_1 + 1)**2.5", "exp(exp(-x_1)) - exp(-1)", "(x_1 - x_2)**(-3)",
]  # fmt: skip
LIBRARY = [re.sub(r"\bx\b", "x_1", f.text) for f in FUNCTIONS.values() if f.name != "0"]
TEXTS = [*PLAIN, *LIBRARY]
SPECIAL = ["erf(x_1)*erfc(x_2)", "gamma(x_1 + 4)/loggamma(x_2 + 5)"]


def source(*texts: str, inputs: list[str] | None = None, test: str = "mse", output: str = "y", **more: Any) -> Source:
    """That of these formulas for y_1, y_2, ..., or for one output."""
    names = [output] if len(texts) == 1 else [f"y_{j + 1}" for j in range(len(texts))]
    entries = [
        {"output": name, "expression": text, "test": {test: 0.0}, **more}
        for name, text in zip(names, texts, strict=True)
    ]
    return source_of(entries, inputs or INPUTS)


def values(*texts: str) -> Array:
    """What kanrun itself makes of them: [rows, formulas]."""
    return evaluate_texts(list(texts), torch.as_tensor(X), INPUTS).numpy()


def agree(found: Array, *texts: str, tolerance: float = 1e-12) -> None:
    """The same values where there are any, and none where there are none."""
    expected = values(*texts)
    assert found.shape == expected.shape
    for j, text in enumerate(texts):
        assert np.array_equal(np.isfinite(found[:, j]), np.isfinite(expected[:, j])), text
        known = np.isfinite(expected[:, j])
        assert known.any(), text
        assert found[known, j] == pytest.approx(expected[known, j], rel=tolerance, abs=tolerance), text


def tool(*names: str) -> str:
    """The first of these programs that is installed; the test is skipped, and says so, where none is."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"{' or '.join(names)} is not installed, so that nothing shows whether what is written for it runs")
    return found


def run(*command: str | Path, **more: Any) -> str:
    """What a program prints."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(text: str) -> Array:
    """Numbers that a program has printed as JSON-like lists."""
    return np.array(json.loads(text.replace("NaN", "null").replace("nan", "null")), dtype=float)


# Names from elsewhere that must be nothing but names.
EVIL = [
    "Temp (K) */ exit(1); /*",
    "a\nimport os",
    '""" + 1',
    "50% of {x}_$y$ & ~z\\",
    "</mi><script>",
    "=cmd|' /C calc'!A0",
]
