from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np

from kanrun.relations.relation import Relation
from kanrun.report.export import as_entries, as_text
from kanrun.symbolic.decision import Decision
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.front import Alternative
from kanrun.symbolic.judging import EXACT_REASON, UNDECIDED_REASON

X = np.random.default_rng(0).uniform(0.1, 0.9, (30, 2))


def formula(expression: str, output: str = "y", latex: str = "x_{1}") -> Formula:
    return Formula(output, expression, expression, latex, 1, {"mse": 0.0}, None, [])


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


# ---- text -----------------------------------------------------------------------------------------------------------


def test_the_text_has_one_line_an_output() -> None:
    lines = as_text([formula("x_1", "y_1"), formula("sin(x_2)", "y_2")]).splitlines()
    assert lines == ["y_1 = x_1", "  test MSE 0", "y_2 = sin(x_2)", "  test MSE 0"]


def test_two_classes_have_one_score() -> None:
    test = {"cross_entropy": 0.1, "accuracy": 1.0}
    decision = Decision("x_2 - x_1", "x_2 - x_1", "x_{2} - x_{1}", 3, {}, [])
    first = replace(formula("x_1", "logit_cat"), test=test, decision=decision)
    second = replace(formula("x_2", "logit_dog"), test=test)
    assert as_text([first, second]).count("test accuracy 1") == 1


def test_the_text_says_where_the_data_cannot_decide() -> None:
    assert "the data cannot decide" in as_text([replace(known(), exact=None, reason=UNDECIDED_REASON)])
    assert "decide" not in as_text([replace(known(), reason=EXACT_REASON)])
