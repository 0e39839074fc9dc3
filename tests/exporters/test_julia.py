from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kanrun.exporters.julia import julia
from kanrun.exporters.source import CannotExportError
from tests.exporters.laws import EVIL, TEXTS, X, agree, run, source, tool


def test_every_formula_has_the_same_values_in_julia(tmp_path: Path) -> None:
    program = tool("julia")
    rows = "; ".join(" ".join(map(repr, row)) for row in X.tolist())
    text = julia(source(*TEXTS)) + f"\nforeach(v -> print(v, ' '), permutedims(predict([{rows}])))\n"
    (tmp_path / "law.jl").write_text(text, encoding="utf-8")
    agree(np.array(run(program, tmp_path / "law.jl").split(), dtype=float).reshape(len(X), -1), *TEXTS)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("-x_1**2/3", "y(x_1, x_2) = -x_1^2/3.0"),
        ("sqrt(x_1)*x_2**(-1.5)", "y(x_1, x_2) = real_only(sqrt, x_1)/real_power(x_2, 1.5)"),
        ("exp(-x_1) - log(x_2)", "y(x_1, x_2) = -real_only(log, x_2) + exp(-x_1)"),
    ],
)
def test_a_formula_is_a_function(text: str, written: str) -> None:
    assert written in julia(source(text)).splitlines()


def test_classes_and_special_functions_have_what_they_need() -> None:
    text = julia(source("x_1", "erf(x_2)", test="cross_entropy"))
    assert "using SpecialFunctions" in text.splitlines()
    assert "classify(x) = [argmax(row) - 1 for row in eachrow(predict(x))]" in text.splitlines()


@pytest.mark.parametrize("name", EVIL)
def test_a_column_name_is_only_ever_a_comment(name: str) -> None:
    lines = julia(source("x_1", symbols={"x_1": name}, units={"x_1": name})).splitlines()
    assert json.dumps(name)[1:4] not in "".join(line for line in lines if not line.startswith("# "))


def test_what_julia_has_not_is_said() -> None:
    with pytest.raises(CannotExportError, match="Julia has no besselj"):
        julia(source("besselj(0, x_1)"))
