"""The benchmark of few and noisy rows judges by the law, and not by how close a formula comes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

from benchmarks import real
from benchmarks.forms import free, is_law
from kanrun.functions.parser import parse_formula

JUDGE = """
import numpy as np

def rows(law, n, seed):
    x = np.random.default_rng(seed).uniform(*law["domain"][0], (n, 1))
    return x, 2.37 * x[:, 0] ** 2
"""
LAW = parse_formula("2.37*x_1**2", ["x_1"])
X = {"x_1": np.linspace(1.0, 2.0, 20)}


@pytest.mark.parametrize(
    ("found", "errors", "right"),
    [
        ("2.39*x_1**2", [0.01], True),
        ("2.39*x_1**2", [0.001], False),  # twenty errors away
        ("2.39*x_1**1.99", [0.01, 0.01], False),  # a constant that the law has not
        ("0.01+2.37*x_1**2", [0.01, 0.01], False),
        ("2.4*x_1**2", [None], False),
    ],
)
def test_a_formula_is_the_law_only_with_its_form_and_its_constants(
    found: str, errors: list[float | None], right: bool
) -> None:
    expression = parse_formula(found, ["x_1"])
    values = sorted((abs(float(f)) for f in expression.atoms(sp.Float)), reverse=found.startswith("2"))
    constants = [{"value": v, "standard_error": e} for v, e in zip(values, errors, strict=True)]
    assert is_law(expression, constants, LAW, X) is right


def test_whole_exponents_and_plain_numbers_are_no_constants() -> None:
    assert free(parse_formula("2*x_1**3 + 1/2", ["x_1"])) == 0
    assert free(parse_formula("8.4/(1 + 50.1*exp(-1.3*x_1))", ["x_1"])) == 3


def test_noisy_laws_are_searched_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "judge.py").write_text(JUDGE)
    law = {"name": "square", "formula": "2.37*x_1**2", "domain": [[1.0, 2.0]]}
    (tmp_path / "laws.json").write_text(json.dumps([law]))
    arguments = ["real.py", "noise", str(tmp_path / "laws.json"), "--work", "3000", "--only", "0.05 1000"]
    monkeypatch.setattr(sys, "argv", arguments)
    real.main()
    out = capsys.readouterr().out
    assert "square 0.05 1000" in out and "CRASH" not in out
    assert "1 chosen or listed" in out
