from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kanrun.sweep.pruning import PRUNING
from kanrun.sweep.rows import by_stage, relations_of, row_of
from tests.sweep.folders import finished, write_run


@pytest.mark.parametrize(("reason", "state"), [(PRUNING, "pruned"), ("SIGTERM", "interrupted")])
def test_a_job_that_its_search_has_ended_is_not_one_that_a_signal_has(tmp_path: Path, reason: str, state: str) -> None:
    run = write_run(tmp_path / "0", {}, "interrupted", f"interrupted by {reason} in stage train; kanrun resume")
    assert row_of(run, {}).state == state


def test_scores_on_rows_that_were_left_out_stand_beside_those_of_the_last_stage(tmp_path: Path) -> None:
    run = finished(tmp_path / "0", {}, 0.5, cross_validation={"rmse": 0.75, "r2": 0.25, "folds": 5})
    scores = row_of(run, {}).scores
    assert {key: value for key, value in scores.items() if key.startswith("cross_validation")} == {
        "cross_validation_rmse": 0.75, "cross_validation_r2": 0.25,
    }  # fmt: skip
    assert scores["test_rmse"] == 0.5


def test_of_a_stage_the_score_is_told_that_people_look_at_and_nothing_where_there_is_none() -> None:
    stages = [
        {"name": "train", "test": {"cross_entropy": 0.5, "accuracy": 0.75}, "validation": {"seconds": 3.0}},
        {"name": "prune", "test": {"cross_entropy": 0.25}},
    ]
    assert by_stage(stages) == {"train_test_accuracy": 0.75, "prune_test_cross_entropy": 0.25}


EXACT = {"rounded": "x_1 = x_2**2", "inputs": ["x_1", "x_2"], "exact": True}
BETWEEN = {"rounded": "x_1 = 1.03*x_3", "inputs": ["x_1", "x_3"], "exact": False}


@pytest.mark.parametrize(
    ("formulas", "told"),
    [
        ([{"relation": EXACT}], ["x_1 = x_2**2"]),
        ([{"relation": [EXACT, BETWEEN]}], ["x_1 = x_2**2", "between x_1, x_3, not exact"]),
        ([{"relation": "x_1 = x_2"}, {"relation": None}, "x_1"], ["between x_1, x_2"]),
        ([], ["between x_1, x_2"]),
    ],
)
def test_relations_are_told_by_their_equations_or_by_the_inputs_that_they_tie(
    formulas: list[Any], told: list[str]
) -> None:
    assert relations_of(formulas, {"related_inputs": [["x_1", "x_2"]]}) == told


def test_a_job_has_the_relations_of_its_file(tmp_path: Path) -> None:
    run = finished(tmp_path / "0", {}, 0.5)
    (run / "formula.json").write_text(json.dumps([{"output": "y", "relation": BETWEEN}]))
    assert row_of(run, {}).relations == ["between x_1, x_3, not exact"]
