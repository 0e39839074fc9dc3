from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from kanrun.report.closing import in_short, say_advice, say_end
from kanrun.state import Result
from kanrun.symbolic.decision import Decision
from kanrun.symbolic.front import Alternative
from kanrun.symbolic.uncertainty import Constant
from tests.report.test_outputs import FORMULA, result

SCORES: dict[str, Any] = {"mse": 1e-4, "rmse": 0.01, "r2": 0.99996}
STAGE = {"name": "symbolic", "seconds": 1.0, "parameters": 3, "train": SCORES, "test": SCORES}


def told(found: Result, width: int = 120) -> list[str]:
    text = io.StringIO()
    say_end(Console(file=text, width=width, highlight=False), found, Path("/runs/[one]"))
    return [line.rstrip() for line in text.getvalue().splitlines()]


def finished(**formula: Any) -> Result:
    front = [Alternative(1, 0.25, "1.0"), Alternative(3, 1e-4, "x_1**2", chosen=True)]
    one = replace(FORMULA, test=SCORES, exact=False, reason="shortest", front=front, **formula)
    return replace(result("train", formulas=(one,)), metrics={"stages": [STAGE], "final": SCORES})


@pytest.mark.parametrize("width", [120, 60])
def test_the_answer_comes_first_and_what_to_do_next_last(width: int) -> None:
    lines = told(finished(constants=[Constant(2.0, 0.1)]), width)
    assert lines[:3] == ["y = x_1**2", "  test RMSE 0.01, R2 0.99996; shortest", "  constants of y: 2.00 ± 0.10"]
    assert lines[3].split()[0] == "stage" and "symbolic" in lines[4]
    front = next(n for n, line in enumerate(lines) if line.startswith("front of y"))
    assert lines[front + 1].split() == ["complexity", "test", "RMSE", "formula"]
    assert [line.split()[-2] for line in lines[front + 2 : front + 4]] == ["0.5", "0.01"]  # roots, as all errors here
    assert lines[-5:-3] == ["folder /runs/[one]", "next"]
    assert lines[-3].strip() == "'/runs/[one]/report.html' in a browser"
    assert [line.split()[:2] for line in lines[-2:]] == [["kanrun", "predict"], ["kanrun", "refine"]]
    assert not any("MSE" in line.replace("RMSE", "") for line in lines)


def test_that_the_answer_is_none_is_said_before_its_constants_and_other_advice_behind_them() -> None:
    found = finished(constants=[Constant(2.0, 0.1)])
    advice = [{"kind": kind, "finding": kind} for kind in ("noise", "worse", "clearly worse")]
    lines = told(replace(found, metrics={**found.metrics, "advice": advice}))
    assert lines[0] == "note: clearly worse"
    assert lines[1].startswith("y = ")
    assert lines[3:6] == ["note: worse", "  constants of y: 2.00 ± 0.10", "note: noise"]


def test_without_a_formula_the_network_is_the_answer() -> None:
    found = replace(result("train", formulas=()), metrics={"stages": [STAGE], "final": SCORES, "final_of": "test"})
    assert told(found)[0] == "network: test RMSE 0.01, R2 0.99996"


def test_where_nothing_was_reached_that_is_said() -> None:
    found = replace(result(formulas=()), metrics={"stages": []}, interrupted="SIGINT")
    first, folder, *_ = told(found)
    assert (first, folder) == ("nothing was found before that", "folder /runs/[one]")


def test_classes_have_one_score_together_and_the_class_where_the_odds_turn() -> None:
    scores = {"cross_entropy": 0.1, "accuracy": 0.97}
    decision = Decision("1.5*x_1", "1.5*x_1", "1.5 x_{1}", 3, scores, [Constant(1.5, 0.2)])
    first, second = (replace(FORMULA, output=f"logit_{name}", test=scores, exact=None) for name in ("[cat]", "dog"))
    formulas = (replace(first, decision=decision), second)
    found = replace(result("train", formulas=formulas), metrics={"stages": [STAGE], "final": scores})
    assert told(found)[:5] == [
        "logit_[cat] = x_1**2", "  test accuracy 0.97, entropy 0.1", "logit_dog = x_1**2",
        "class dog where 1.5*x_1 > 0", "constants of the decision: 1.5 ± 0.2",
    ]  # fmt: skip


@pytest.mark.parametrize(("folds", "said"), [(5, "5 parts"), ("leave-one-out", "leave-one-out")])
def test_scores_on_rows_that_were_left_out_are_told(folds: int | str, said: str) -> None:
    found = finished()
    left_out = {"rmse": 0.25, "r2": 0.5, "folds": folds}
    lines = told(replace(found, metrics={**found.metrics, "cross_validation": left_out}))
    expected = f"cross-validated ({said}): RMSE 0.25, R2 0.5 on rows that the constants have not seen"
    assert expected in lines
    unknown = {"rmse": None, "r2": None, "folds": folds}
    lines = told(replace(found, metrics={**found.metrics, "cross_validation": unknown}))
    assert any(line.startswith(f"cross-validated ({said}): no score, as without some of the rows") for line in lines)


def test_a_long_formula_is_cut_with_where_it_stands_in_full() -> None:
    long = "x_1 + " * 400 + "x_2"
    first = told(finished(rounded=long))[0]
    assert first.endswith(f"... (all {len(long)} characters are in formula.txt)") and len(first) < 600
    assert in_short(long[:500]) == long[:500]


def test_of_much_advice_the_first_is_told() -> None:
    text = io.StringIO()
    advice = [{"finding": f"[{n}] " + "word " * 20, "suggestion": f"seed={n}"} for n in range(6)]
    say_advice(Console(file=text, width=60, highlight=False), advice)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    assert lines[0].startswith("note: [0] word ") and lines[1].startswith("      word")
    assert [line.strip() for line in lines if "try" in line] == [f"try seed={n}" for n in range(4)]
    assert lines[-1] == "      and 2 more, see metrics.json"
    assert max(map(len, lines)) <= 60
