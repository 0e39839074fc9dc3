from __future__ import annotations

import math
from typing import Any

import pytest

from kanrun.sweep.adding_up import formulas_found, groups_of, ranked_by, ranking, relations_found
from kanrun.sweep.rows import Row


def row(job: int, state: str = "completed", **more: Any) -> Row:
    return Row(str(job), more.pop("values", {}), state, **more)


def formula(expression: str, *inputs: str, exact: bool | None = None, output: str = "y") -> dict[str, Any]:
    symbols = {name: name for name in inputs or ("x_1",)}
    return {"output": output, "expression": expression, "rounded": expression, "symbols": symbols, "exact": exact}


def test_jobs_are_ranked_by_validation_rows_and_never_by_test_rows_beside_them() -> None:
    rows = [
        row(0, scores={"validation_mse": 2.0, "test_mse": 1.0}),
        row(1, scores={"validation_mse": 1.0, "test_mse": 2.0}),
        row(2, "failed", error="no"),
        row(3, scores={"validation_mse": None}),
        row(4, scores={"validation_mse": math.nan}),
    ]
    assert ranked_by(rows) == "validation_mse"
    assert [one.job for one in ranking(rows, "validation_mse")] == ["1", "0", "3", "4"]


@pytest.mark.parametrize(
    ("scores", "key"),
    [
        ({"test_mse": 1.0, "test_rmse": 1.0}, "test_mse"),
        ({"test_cross_entropy": 0.1, "test_accuracy": 1.0}, "test_cross_entropy"),
        ({"cross_validation_rmse": 1.0, "cross_validation_r2": 0.5}, "cross_validation_rmse"),
        ({}, None),
    ],
)
def test_without_validation_rows_there_is_a_next_best(scores: dict[str, float], key: str | None) -> None:
    assert ranked_by([row(0, scores=scores)]) == key


def test_jobs_that_differ_in_their_seeds_are_taken_together() -> None:
    rows = [
        row(n, "completed" if r2 is not None else "failed", values={"model.grid": grid, "seed": seed},
            scores={} if r2 is None else {"test_r2": r2, "test_mse": 1 - r2})
        for n, (grid, seed, r2) in enumerate([(3, 0, 0.5), (3, 1, 0.7), (5, 0, 0.9), (5, 1, None)])
    ]  # fmt: skip
    first, second = groups_of(rows)
    assert (first.values, first.jobs, first.completed) == ({"model.grid": 3}, ["0", "1"], 2)
    spread = first.scores["test_r2"]
    assert spread == pytest.approx({"mean": 0.6, "std": math.sqrt(0.02), "n": 2, "best": 0.7})
    assert first.scores["test_mse"]["best"] == pytest.approx(0.3)  # of errors less is better
    assert (second.completed, second.scores["test_r2"]) == (1, {"mean": 0.9, "std": None, "n": 1, "best": 0.9})


def test_a_score_that_no_job_of_a_group_has_is_not_added_up() -> None:
    rows = [
        row(n, values={"seed": n}, scores={"test_mse": 0.5, "test_r2": r2}) for n, r2 in enumerate([None, math.nan])
    ]
    [group] = groups_of(rows)
    assert group.scores == {"test_mse": {"mean": 0.5, "std": 0.0, "n": 2, "best": 0.5}}


def test_without_seeds_there_are_no_groups() -> None:
    assert groups_of([row(0, values={"model.grid": 3}), row(1, values={"model.grid": 5})]) == []


def test_formulas_that_are_equal_by_algebra_count_as_one() -> None:
    texts = ["(x_1 + 1)**2", "x_1**2 + 2*x_1 + 1", "x_1**2 + 2*x_1 + 1.001", "(x_1 + 1)**2", "sqrt(x_1**2)", "x_1"]
    rows = [row(n, formulas=[formula(text, exact=n == 0)]) for n, text in enumerate(texts)]
    found = formulas_found(rows)
    assert [(one.text, sorted(one.jobs)) for one in found] == [
        ("(x_1 + 1)**2", ["0", "1", "3"]), ("x_1**2 + 2*x_1 + 1.001", ["2"]), ("sqrt(x_1**2)", ["4"]), ("x_1", ["5"]),
    ]  # fmt: skip


def test_formulas_of_other_inputs_or_outputs_are_others() -> None:
    rows = [
        row(0, formulas=[formula("x_1 + 1", "x_1", "x_2")]),
        row(1, formulas=[formula("x_1 + 1", "x_1")]),
        row(2, formulas=[formula("x_1 + 1", "x_1", output="z")]),
    ]
    assert [len(one.jobs) for one in formulas_found(rows)] == [3]  # one text, as it is read
    rows = [row(n, formulas=[formula(t, *i)]) for n, (t, i) in enumerate([("1 + T", ["T"]), ("1 + p", ["p"])])]
    assert len(formulas_found(rows)) == 2


@pytest.mark.parametrize("text", ["", "x_9 + 1", "__import__('os')", "x_1 +", "log(-1 - x_1**2)"])
def test_a_formula_that_cannot_be_read_is_counted_by_its_text(text: str) -> None:
    rows = [row(n, formulas=[formula(text)]) for n in range(2)] + [row(2, formulas=[formula("x_1")])]
    assert [len(one.jobs) for one in formulas_found(rows)] == [2, 1]


def test_relations_are_counted_by_jobs() -> None:
    rows = [row(0, relations=["a = b", "a = b"]), row(1, relations=["c = d", "a = b"]), row(2)]
    assert [(one.text, one.jobs) for one in relations_found(rows)] == [("a = b", ["0", "1"]), ("c = d", ["1"])]
