from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import discovery
from benchmarks.forms import constants_fit, same_form
from kanrun.functions.parser import parse_formula


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        ("1.002*exp(0.99*x_2**2 + 1.01*sin(3.139*x_1 + 6.28))", "exp(sin(pi*x_1)+x_2**2)"),
        ("0.997*sin(2.01*log(x_1*x_2))", "sin(2*(log(x_1)+log(x_2)))"),
        ("sin(0.999*x_1**2 + 1.002*x_2 + 1.571)", "cos(x_1**2+x_2)"),
        ("0.399*exp(-0.501*x_1**2/x_2**2)/x_2", "exp(-x_1**2/(2*x_2**2))/sqrt(2*pi*x_2**2)"),
        ("1.001*x_1*x_3/sqrt(x_3**2 - 1.003*x_2**2)", "x_1/sqrt(1-x_2**2/x_3**2)"),
        ("-1.01*x_1*x_3/(0.99*x_2 - x_1)", "x_3/(1-x_2/x_1)"),
        ("tanh(1.001*atanh(x_1) + 0.999*atanh(x_2))", "(x_1+x_2)/(1+x_1*x_2)"),
        ("0.1194*x_2*sin(2.001*x_3)/(x_1*x_4**3)", "3*x_2*cos(x_3)*sin(x_3)/(4*pi*x_1*x_4**3)"),
        ("0.999*x_1*log(1.0004*x_2)", "x_1*log(x_2)"),
        ("1.99/(1 + 0.0000455*exp(9.9*x_1**4 + 10.1*x_2**4)) - 0.99", "tanh(5*(x_1**4+x_2**4-1))"),
        ("0.25*(x_1 + 1.001*x_2)**2 - 0.2498*(x_1 - x_2)**2", "x_1*x_2"),
    ],
)
def test_the_same_form_with_other_constants(found: str, truth: str) -> None:
    positive = ["x_1", "x_2", "x_3", "x_4"] if "x_1**4" not in truth and "pi*x_1)" not in truth else []
    assert same_form(parse_formula(found), parse_formula(truth), positive)


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        ("x_1*x_2 + 0.01*x_1", "x_1*x_2"),
        ("x_1*x_2 + 0.01", "x_1*x_2"),
        ("sin(0.01*x_1)", "x_1"),
        ("x_1**2.5", "x_1**2"),
        ("tanh(x_1)", "exp(x_1)"),
        ("sqrt(x_1**2 + 1.01*x_2**2 + 0.2)", "sqrt(x_1**2+x_2**2)"),
    ],
)
def test_another_form(found: str, truth: str) -> None:
    assert not same_form(parse_formula(found), parse_formula(truth), ["x_1", "x_2"])


def test_constants_within_three_standard_errors() -> None:
    draw = np.random.default_rng(0)
    columns = {"x_1": draw.uniform(-1, 1, 200), "x_2": draw.uniform(-1, 1, 200)}
    truth = 2 * np.exp(np.sin(np.pi * columns["x_1"])) - columns["x_2"]
    found = parse_formula("2.01*exp(sin(3.139*x_1)) - 1.002*x_2")
    errors = [{"value": v, "standard_error": e} for v, e in ((2.01, 0.004), (3.139, 0.001), (1.002, 0.001))]
    assert constants_fit(found, errors, columns, truth)
    assert not constants_fit(found, errors[:2], columns, truth)  # the last one stays where it is
    assert not constants_fit(found, [{"value": e["value"], "standard_error": 5e-4} for e in errors], columns, truth)
    assert constants_fit(parse_formula("2*exp(sin(pi*x_1)) - x_2"), [], columns, truth)


def a_run(**values: Any) -> dict[str, Any]:
    return {"nmse": 1e-30, "exact": True, "seconds": 2.0, "mib": 300.0, "complexity": 9, "spline_rmse": 1e-4} | values


def test_the_table_counts_formulas_found_by_most_seeds() -> None:
    results = {("kanrun", name, seed): a_run(seconds=2.0 + seed) for name in ("a", "b") for seed in range(3)}
    for seed in (1, 2):
        results["kanrun", "b", seed] = {"error": "ended after 81 s", "seconds": 81.0, "mib": 900.0}
    for name in ("a", "b"):
        results |= {("gplearn", name, s): a_run(exact=False, nmse=1e-3, seconds=60.0) for s in range(3)}
    lines = discovery.table(results, ["a", "b"], [0, 1, 2], 0.0).splitlines()
    assert lines[2] == "| `a` | 3 of 3 | 1.0e-30 | 1.0e-04 | 9 | 3.0 | 300 | 0 of 3 | 1.0e-03 | 60.0 |"
    assert lines[3].startswith("| `b` | 1 of 3 | - | 1.0e-04 | 9 | 81.0 | 900 |")
    assert "kanrun: **1 of 2** exact in at least 2 of 3 seeds (4 of 6 runs)" in lines[5]
    assert "an exact formula 2.5; slowest run 81 s, most memory 900 MiB, 2 failed" in lines[5]
    assert lines[6].startswith("- gplearn: **0 of 2**")
    assert "  - kanrun b 1: ended after 81 s" in lines


@pytest.mark.slow
def test_one_formula_from_its_rows_to_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "table.md"
    options = "--names mul --seeds 0 --experiment smoke --seconds 20 --no-peers"
    little = ["optimizer.steps=2", "dataset.n_train=100", "dataset.n_test=50", "model.width=[2,1]"]
    overrides = [word for one in little for word in ("--override", one)]
    discovery.main([*options.split(), *overrides, "--out", str(file)])
    captured = capsys.readouterr()
    assert "[1/1] kanrun mul 0: " in captured.err
    assert "exact, NMSE " in captured.err
    assert "| `mul` | " in captured.out
    assert ", 0 failed" in captured.out
    assert file.read_text() == captured.out
