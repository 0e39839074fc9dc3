from __future__ import annotations

import keyword
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.exporters.python import python, python_name
from kanrun.exporters.source import CannotExportError, source_of
from kanrun.functions.library import FUNCTIONS
from kanrun.symbolic.values import evaluate_texts
from tests.exporters import laws
from tests.exporters.laws import EVIL, SPECIAL, TEXTS, agree, source

X = np.random.default_rng(0).uniform(0.1, 0.9, (30, 2))


def formula(expression: str, output: str = "y", **more: Any) -> dict[str, Any]:
    return {"output": output, "expression": expression, "test": {"mse": 0.0}, **more}


def as_python(entries: list[dict[str, Any]], inputs: list[str]) -> str:
    return python(source_of(entries, inputs))


def predict(code: str, x: object = X) -> np.ndarray:
    names: dict[str, object] = {}
    exec(compile(code, "formula.py", "exec"), names)
    with np.errstate(all="ignore"):
        return names["predict"](x)  # type: ignore[operator]


@pytest.mark.parametrize("text", [*TEXTS, *SPECIAL])
def test_a_formula_has_the_same_values_in_python(text: str) -> None:
    agree(predict(python(source(text)), laws.X), text, tolerance=1e-13)


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n != "0"])
def test_every_function_of_the_library_has_the_same_values_in_python(name: str) -> None:
    inner = "(0.5*x_1 + 0.25*x_2 + 0.1)"  # from 0.1 to 0.8, where every function has values
    edge = re.sub(r"\bx\b", inner, FUNCTIONS[name].text)
    text = f"1.5*({edge}) - 0.3*x_2"
    expected = evaluate_texts([text], torch.as_tensor(X), ["x_1", "x_2"]).numpy()
    assert np.isfinite(expected).all()
    assert predict(as_python([formula(text)], ["x_1", "x_2"])) == pytest.approx(expected, rel=1e-13)


def test_several_outputs_and_constants_come_in_columns() -> None:
    code = as_python([formula("x_1 + x_2", "y_1"), formula("5/2", "y_2"), formula("x_2**2", "y_3")], ["x_1", "x_2"])
    values = predict(code)
    assert values == pytest.approx(np.stack([X.sum(1), np.full(30, 2.5), X[:, 1] ** 2], axis=1), rel=1e-15)
    assert predict(code, X.tolist()) == pytest.approx(values)  # lists of rows are fine too
    assert predict(code, X[:1]).shape == (1, 3)


def test_the_module_has_a_function_an_output_over_the_inputs_by_name() -> None:
    names: dict[str, object] = {}
    exec(as_python([formula("x_1 - x_2", "y_1"), formula("x_2", "y_2")], ["x_1", "x_2"]), names)
    assert names["y_1"](x_2=1.0, x_1=3.0) == 2.0  # type: ignore[operator]
    assert names["y_2"](1.0, 3.0) == 3.0  # type: ignore[operator]


def test_inputs_that_the_formula_does_not_use_keep_their_place() -> None:
    values = predict(as_python([formula("x_3")], ["x_1", "x_2", "x_3"]), [[1.0, 2.0, 3.0]])
    assert values.tolist() == [[3.0]]


def test_the_module_runs_with_numpy_alone(tmp_path: Path) -> None:
    (tmp_path / "formula.py").write_text(as_python([formula("exp(sin(pi*x_1))", "class")], ["x_1"]), encoding="utf-8")
    code = "import sys, formula; print(formula.predict([[0.5]])[0, 0], {'sympy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(done.stdout.split()[0]) == pytest.approx(np.e)
    assert done.stdout.split()[1] == "set()"


@pytest.mark.parametrize("name", ["class", "lambda", "None", "y 1", "a-b", "1a", "", "5", "x²", "é", "logit_0", "y.z"])
def test_every_name_becomes_one_that_python_accepts(name: str) -> None:
    clean = python_name(name)
    assert clean.isidentifier(), clean
    assert not keyword.iskeyword(clean), clean


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.text(max_size=8))
def test_any_text_becomes_a_name_that_python_accepts(name: str) -> None:
    clean = python_name(name)
    assert clean.isidentifier()
    assert not keyword.iskeyword(clean)


@pytest.mark.parametrize("name", ["y", "x_1", "logit_0", "real", "_private", "é"])
def test_good_names_stay_as_they_are(name: str) -> None:
    assert python_name(name) == name


@pytest.mark.parametrize("output", ["class", "real", "a b", "2nd", "predict", "numpy", "x_1", "columns", "x"])
def test_the_module_works_whatever_the_output_is_called(output: str) -> None:
    code = as_python([formula("sin(x_1)*2", output), formula("x_1", "y")], ["x_1"])
    assert predict(code, X[:, :1]) == pytest.approx(np.stack([2 * np.sin(X[:, 0]), X[:, 0]], axis=1))


def test_classes_have_their_number_and_two_of_them_a_decision() -> None:
    entries = [formula("x_1", "logit_cat", test={"cross_entropy": 0.1}), formula("x_2", "logit_dog")]
    for decision in ({}, {"decision": {"expression": "x_2 - x_1"}}):
        names: dict[str, Any] = {}
        exec(as_python([entries[0] | decision, entries[1]], ["x_1", "x_2"]), names)
        assert names["decision"](1.0, 3.0) == 2.0
        assert names["classify"](X).tolist() == (X[:, 1] > X[:, 0]).astype(int).tolist()


@pytest.mark.parametrize("name", EVIL)
def test_a_column_name_is_only_ever_a_comment(name: str) -> None:
    code = python(source("x_1 - x_2", output=name, symbols={"x_1": name}, units={"x_1": name}))
    assert sum(line.startswith("# ") for line in code.splitlines()) == 2
    agree(predict(code, laws.X), "x_1 - x_2")


def test_names_that_python_would_take_for_one_stay_two() -> None:
    entries = [formula("x + x_", "a b"), formula("x - x_", "a_b")]
    agree(predict(as_python(entries, ["x", "x_"]), laws.X), "x_1 + x_2", "x_1 - x_2")


def test_what_numpy_has_not_is_said() -> None:
    with pytest.raises(CannotExportError, match="no function for a part of besselj"):
        python(source("besselj(0, x_1)"))
