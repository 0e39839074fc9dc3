"""A run in memory, of rows of one's own."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from kanrun import fit
from kanrun.context import Budget, Context, Meter
from kanrun.errors import ConfigError
from kanrun.model.network import KAN
from kanrun.pipeline import reading
from kanrun.pipeline.fit import Everybody, FitResult, carried_out, judged, metrics_of, peak_memory
from kanrun.report.status import state_of
from kanrun.state import Stage, State
from tests.helpers import uniform_rows
from tests.report.test_outputs import result

X = uniform_rows(60, 2)
Y = torch.sin(3 * X[:, :1]) + X[:, 1:] ** 2 + 0.1 * torch.sin(40 * X[:, :1])


def test_a_width_that_does_not_fit_the_rows_is_told_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^model.width=\[3,1\]: the dataset has 2 inputs, so it begins with that"):
        fit(X, Y, {"model": {"width": [3, 1]}})
    with pytest.raises(ConfigError, match=r"^model.width=\[2,2\]: the dataset has 1 output, so it ends with that"):
        fit(X, Y, {"model": {"width": [2, 2]}})


def test_reading_with_little_work_gives_a_formula_all_the_same() -> None:
    config = {"model": {"width": [2, 1]}, "prune": {"enabled": False}, "symbolic": {"work": 1.0, "discover": False}}
    result = fit(X, Y, config)
    assert result.formulas
    assert ("symbolic", "reading was ended before all functions were tried on all edges") in result.state.notes


QUICK = {"model": {"width": [2, 1]}, "optimizer": {"steps": 2, "refit_steps": 2}, "symbolic": {"enabled": False}}


def test_without_a_part_for_the_test_all_rows_train() -> None:
    result = fit(X, Y, {**QUICK, "dataset": {"test": 0}})
    assert result.problem.data.test is None and len(result.problem.data.train.x) == len(X)
    assert {stage["test"] for stage in result.metrics["stages"]} == {None}
    classes = fit(X, (X[:, 0] > 0).long(), {**QUICK, "model": {}, "dataset": {"test": 0}})
    assert classes.metrics["final_of"] == "train" and len(classes.problem.data.outputs) == 2


def test_formulas_that_could_not_be_validated_have_no_score_and_say_so() -> None:
    config = {**QUICK, "dataset": {"test": 0}, "symbolic": {"discover": False, "library": ["x"], "work": 5.0}}
    done = fit(X, Y, config)
    assert done.metrics["final_of"] == "cross_validation" and done.metrics["final"]["rmse"] is not None
    unknown = replace(done.state, formulas=[replace(f, cross_validation=None) for f in done.formulas])
    metrics = metrics_of(done.problem, unknown, 1.0)
    assert metrics["final"] == metrics["cross_validation"] == {"rmse": None, "r2": None, "folds": "leave-one-out"}
    aside = fit(X, Y, {**config, "dataset": {"test": 0.2}})
    assert "cross_validation" not in aside.metrics and aside.metrics["final_of"] == "test"


def test_units_of_rows_are_those_of_the_dataset() -> None:
    units = {"x_1": "K", "y": "m"}
    assert fit(X, Y, QUICK, units=units).problem.data.units == units
    with pytest.raises(ConfigError, match=r"^units\.z=m: unknown column"):
        fit(X, Y, QUICK, units={"z": "m"})
    with pytest.raises(ConfigError, match=r"^units\.y=metr: no unit that is known; did you mean "):
        fit(X, Y, QUICK, units={"y": "metr"})


# ---- what is made of what a run has reached ------------------------------------------------------------------------


def test_a_listener_from_elsewhere_need_not_know_of_budgets() -> None:
    heard = list[Budget]()
    knowing = SimpleNamespace(allowed=heard.append)
    budget = Budget(Meter())
    Everybody([SimpleNamespace(), knowing]).allowed(budget)  # type: ignore[list-item]
    assert heard == [budget]


@pytest.mark.fails_within
@pytest.mark.parametrize(("there", "kept"), [(True, True), (False, False)])
def test_a_stage_that_fails_costs_only_itself_once_there_is_something_to_keep(there: bool, kept: bool) -> None:
    def broken(*_: Any) -> State:
        raise ZeroDivisionError("of our own doing")

    found = result(*["train"] * there)
    stage = Stage("prune", lambda *_: True, broken)
    if kept:
        state = carried_out(stage, found.problem, found.state, Context())
        assert state.entries == found.state.entries and state.warnings[0].startswith("prune failed, what was reached")
    else:
        with pytest.raises(ZeroDivisionError):
            carried_out(stage, found.problem, found.state, Context())


def test_a_disk_that_is_full_ends_a_run_whatever_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> State:
        raise OSError(28, "No space left on device")

    found = result("train")
    with pytest.raises(OSError, match="No space left"):
        carried_out(Stage("prune", lambda *_: True, full), found.problem, found.state, Context())
    monkeypatch.setattr(reading, "by_search", full)
    with pytest.raises(OSError, match="No space left"):
        reading.read_formulas(found.problem, found.state, KAN([2, 1], grid=3), Context())


@pytest.mark.fails_within
def test_formulas_that_cannot_be_judged_cost_no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("of our own doing")

    monkeypatch.setattr("kanrun.pipeline.fit.left_over", broken)
    found = result("train")
    metrics = judged(found).metrics
    assert metrics["stages"] == found.metrics["stages"] and "residuals" not in metrics


def test_where_the_system_does_not_say_how_much_memory_was_held_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (peak_memory() or 0.0) > 1.0  # MiB: Python alone holds more
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory() is None


def test_what_could_not_be_made_of_a_result_is_in_the_log_of_its_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("kanrun.pipeline.fit.write_outputs", lambda *_: ["my picture could not be made"])
    found = result("train")
    FitResult(found.problem, found.state, found.metrics).save(tmp_path / "run")
    assert "WARNING my picture could not be made" in (tmp_path / "run" / "kanrun.log").read_text(encoding="utf-8")
    assert state_of(tmp_path / "run") == "completed"
