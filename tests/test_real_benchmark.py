"""The benchmark of few and noisy rows judges by the law, and not by how close a formula comes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

from benchmarks import answers, own_judge, real, real_parts
from benchmarks.forms import free, is_law
from benchmarks.peers import Fitted
from kanrun.functions.evaluate import evaluate
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
    arguments = ["real.py", "noise", str(tmp_path / "laws.json"), "--work", "500", "--only", "0.05 1000"]
    arguments += ["--beside", "gplearn", "curve_fit", "pyoperon"]
    monkeypatch.setitem(answers.PEERS, "gplearn", lambda *_: Fitted(lambda x: x, 5, "mul(2.37, mul(X0, X0))"))
    monkeypatch.setitem(answers.PACKAGES, "gplearn", "json")
    monkeypatch.setattr(answers, "find_spec", lambda name: None if name == "pyoperon" else name)
    monkeypatch.setattr(sys, "argv", arguments)
    real.main()
    out = capsys.readouterr().out
    assert "square 0.05 1000" in out and "CRASH" not in out
    assert "Left out: pyoperon (not installed)." in out and "pyoperon:" not in out
    for system in ("kanrun", "gplearn", "curve_fit"):
        assert f"\n{system}: 1 of 1 right, 1 chosen or listed" in out


def test_constants_are_counted_where_the_form_is_the_laws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "judge.py").write_text(JUDGE)
    given = argparse.Namespace(file=tmp_path / "laws.json", system="kanrun", seconds=None, work=None)
    case = {"name": "square 0", "law": {"domain": [[1.0, 2.0]]}, "draw": 0}

    def told(text: str, error: float) -> dict[str, Any]:
        constants = [{"value": float(text.split("*")[0]), "standard_error": error}]
        answer = answers.Answer(text, text, 0.0, constants)
        monkeypatch.setattr(real_parts, "answered", lambda *_: answer)
        found = real_parts.of_constants(case, given)
        return {key: found[key] for key in ("form", "within", "of")}

    assert told("2.38*x_1**2", 0.01) == {"form": True, "within": 1, "of": 1}
    assert told("2.38*x_1**2", 0.001) == {"form": True, "within": 0, "of": 1}  # ten errors from 2.37
    assert told("2.38*x_1**3", 0.01) == {"form": False, "within": 0, "of": 0}


def test_scipy_fits_every_constant_of_a_law_and_says_how_well() -> None:
    law = answers.expression_of("3*exp(-2*x_1) + 1.5*exp(-1.5)", 1)  # 2 is a rate here, but names a scale: it stays
    x = np.linspace(0.0, 2.0, 200)[:, None]
    clean = 3.2 * np.exp(-2 * x[:, 0]) + 0.4
    answer = answers.fitted(x, clean + 0.01 * np.random.default_rng(0).standard_normal(200), law)
    assert answer.constants is not None and len(answer.constants) == free(law)
    found = answers.expression_of(answer.text, 1)
    columns = answers.columns_of(x)
    assert is_law(found, answer.constants, answers.expression_of("3.2*exp(-2*x_1) + 0.4", 1), columns)
    assert all(0 < c["standard_error"] < 0.01 * abs(c["value"]) for c in answer.constants)


def test_what_peers_write_has_the_values_that_they_mean() -> None:
    x = np.random.default_rng(0).uniform(-2, -1, (5, 2))
    columns = answers.columns_of(x)
    for system, text, values in [
        ("gplearn", "sub(sqrt(X0), div(inv(X1), log(0.5)))", np.sqrt(-x[:, 0]) + 1 / x[:, 1] / np.log(2)),
        ("pyoperon", "(square(X2) - ((-1.5) * exp(X1)))", x[:, 1] ** 2 + 1.5 * np.exp(x[:, 0])),
    ]:
        read = answers.expression_of(answers.in_sympy(system, text, 2), 2)
        np.testing.assert_allclose(evaluate(read, columns), values, rtol=1e-12)


@pytest.mark.parametrize(
    ("found", "fits", "form"),
    [("x_1*(x_1 + 1.5)", True, True), ("x_1**2 + 1.5*x_1 + 1e-9", True, False), ("x_1**2 + 1.6*x_1", False, False)],
)
def test_laws_without_a_judge_are_judged_here(found: str, fits: bool, form: bool) -> None:
    law = {"formula": "x_1**2 + 1.5*x_1", "domain": [[1.0, 2.0]]}
    assert own_judge.verdict(found, law) == {"fits": fits, "form": form}
