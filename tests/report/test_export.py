from __future__ import annotations

import keyword
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.functions.library import FUNCTIONS
from kanrun.relations.relation import Relation
from kanrun.report.export import as_entries, as_latex, as_python, as_text, latex_name, python_name
from kanrun.symbolic.forms import evaluate_texts
from kanrun.symbolic.formula import Alternative, Decision, Formula

X = np.random.default_rng(0).uniform(0.1, 0.9, (30, 2))


def formula(expression: str, output: str = "y", latex: str = "x_{1}") -> Formula:
    return Formula(output, expression, expression, latex, 1, {"mse": 0.0}, None, [])


def predict(code: str, x: object = X) -> np.ndarray:
    names: dict[str, object] = {}
    exec(compile(code, "formula.py", "exec"), names)
    return names["predict"](x)  # type: ignore[operator]


# ---- data and text -------------------------------------------------------------------------------------------------


def known(output: str = "y") -> Formula:
    return Formula(output, "x_1**2", "x_1**2", "x_{1}^{2}", 3, {"mse": 0.0}, True, [Alternative(3, None, "x_1**2")])


def test_every_output_has_its_entry_and_its_line() -> None:
    entries = as_entries([known("y_1"), known("y_2")])
    assert [e["output"] for e in entries] == ["y_1", "y_2"]
    point = {"complexity": 3, "error": None, "expression": "x_1**2", "rounded": "", "chosen": False}
    assert entries[0]["front"] == [point]
    assert "relation" not in entries[0]
    assert as_text([known("y_1"), known("y_2")]).splitlines()[::3] == ["y_1 = x_1**2", "y_2 = x_1**2"]


def test_relations_stand_beside_the_formula() -> None:
    relation = Relation(["x_1", "x_2"], "x_1 - 2.0*x_2 = 0", "x_1 - 2*x_2 = 0", {"x_1": "2.0*x_2"}, 1e-9)
    [entry] = as_entries([known("real")], [relation])
    assert entry["relation"] == [asdict(relation)]
    assert [
        line for line in as_text([known("real")], [relation]).splitlines() if "exact:" not in line and "MSE" not in line
    ] == [
        "real = x_1**2",
        "relation: x_1 - 2*x_2 = 0",
        "  x_1 = 2*x_2",
    ]


# ---- Python --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n != "0"])
def test_every_function_of_the_library_has_the_same_values_in_python(name: str) -> None:
    inner = "(0.5*x_1 + 0.25*x_2 + 0.1)"  # from 0.1 to 0.8, where every function has values
    edge = re.sub(r"\bx\b", inner, FUNCTIONS[name].text)
    text = f"1.5*({edge}) - 0.3*x_2"
    expected = evaluate_texts([text], torch.as_tensor(X), ["x_1", "x_2"]).numpy()
    assert np.isfinite(expected).all()
    assert predict(as_python([formula(text)], ["x_1", "x_2"])) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    "text",
    [
        "pi*x_1 + E", "sqrt(x_1)/3", "x_1**x_2", "2/7", "-x_2**3/(x_1 + 1)",
        "3.141592653589793*x_1 - 1.2345678901234567e-8", "exp(-(x_1 - 2*sin(pi*x_2))**2)", "sign(x_1 - 1/2)*Abs(x_2)",
    ],
)  # fmt: skip
def test_a_formula_has_the_same_values_in_python(text: str) -> None:
    expected = evaluate_texts([text], torch.as_tensor(X), ["x_1", "x_2"]).numpy()
    assert predict(as_python([formula(text)], ["x_1", "x_2"])) == pytest.approx(expected, rel=1e-14)


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


# ---- text and LaTeX ------------------------------------------------------------------------------------------------


def test_the_text_has_one_line_an_output() -> None:
    lines = as_text([formula("x_1", "y_1"), formula("sin(x_2)", "y_2")]).splitlines()
    assert lines == ["y_1 = x_1", "  test MSE 0", "y_2 = sin(x_2)", "  test MSE 0"]


def test_two_classes_have_their_decision_in_latex_and_python_too() -> None:
    test = {"cross_entropy": 0.1, "accuracy": 1.0}
    decision = Decision("x_2 - x_1", "x_2 - x_1", "x_{2} - x_{1}", 3, {}, [])
    first = replace(formula("x_1", "logit_cat"), test=test, decision=decision)
    second = replace(formula("x_2", "logit_dog"), test=test)
    assert as_latex([first, second]).splitlines()[-1] == (
        r"\[ \text{class } \mathrm{dog} \text{ where } x_{2} - x_{1} > 0 \]"
    )
    names: dict[str, Any] = {}
    exec(as_python([first, second], ["x_1", "x_2"]), names)
    assert names["decision"](1.0, 3.0) == 2.0
    assert names["classify"](X).tolist() == (X[:, 1] > X[:, 0]).astype(int).tolist()
    assert as_text([first, second]).count("test accuracy 1") == 1


def is_balanced(text: str) -> bool:
    depth = 0
    for mark in re.findall(r"\\[{}%\\]|[{}%]", text):
        depth += {"{": 1, "}": -1}.get(mark, 0)
        if depth < 0 or mark == "%":  # what follows a bare percent sign is a comment
            return False
    return depth == 0 and text.count(r"\left") == text.count(r"\right")


def test_the_balance_is_seen() -> None:
    assert is_balanced(r"\frac{a}{b} \{ 50\%")
    assert not is_balanced(r"\frac{a}{b")
    assert not is_balanced(r"\mathrm{50%}")


def test_latex_has_a_displayed_equation_an_output() -> None:
    shown = as_latex([formula("x", "y_1", r"\sin{\left(\pi x_{1} \right)}"), formula("x", "logit_0", "x_{2}^{2}")])
    assert shown.splitlines() == [
        r"\[ y_{1} = \sin{\left(\pi x_{1} \right)} \]",
        r"\[ \mathrm{logit\_0} = x_{2}^{2} \]",
    ]
    assert is_balanced(shown)


@pytest.mark.parametrize("name", ["x_1", "x_12", "y", "class", "logit_0", "a_b_c", "x_", "_1"])
def test_a_name_in_latex_has_its_underscores_as_an_index_or_escaped(name: str) -> None:
    shown = latex_name(name)
    assert is_balanced(shown)
    assert not re.search(r"(?<!\\)_(?!\{)", shown)


@pytest.mark.parametrize("name", ["50%", "a&b", "#1", "a$b", "a{b", "a}b", "a^b", "a~b"])
def test_a_name_in_latex_has_its_special_characters_escaped(name: str) -> None:
    inside = latex_name(name).removeprefix("\\mathrm{").removesuffix("}")
    assert not re.search(r"(?<!\\)[%&#$^~]", inside)
    assert is_balanced(latex_name(name))
