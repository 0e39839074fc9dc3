"""The benchmark of laws in natural units counts what was found, and what was claimed without being so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import laws

JUDGE = """
import numpy as np

def rows(law, n, seed):
    x = np.random.default_rng(seed).uniform(1e-9, 2e-9, (n, 2))
    return x, x[:, 0] * x[:, 1]

def verdict(expression, law):
    right = expression == law["formula"]
    return {"form": right, "fits": True}
"""


@pytest.mark.parametrize(("law", "false"), [("x_1*x_2", 0), ("x_1*sin(x_2)", 1)])
def test_it_tells_a_law_from_a_claim(law: str, false: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "judge.py").write_text(JUDGE)
    (tmp_path / "laws.json").write_text(json.dumps([{"name": "one", "formula": law}, {"name": "two", "formula": law}]))
    status = laws.main([str(tmp_path / "laws.json"), "--work", "300", "--rows", "100", "--only", "two"])
    out = capsys.readouterr().out
    assert status == false
    assert f"1 laws, 0 crashes, {1 - false} form, 1 fits, 1 claims of exact, {false} false claims" in out
    assert ("FALSE CLAIM" in out) == bool(false)
