from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanrun.sweep.pruning import FIRST, LEAST, MedianStop, bounds_of, curve_of
from kanrun.training.history import Record


def record(loss: float | None, stage: str = "train") -> Record:
    return Record(stage, 0, 1.0, None, 0.0, 0.0, loss)


def steps_until_ended(bounds: list[float], losses: list[float | None]) -> int | None:
    stop = MedianStop(bounds)
    for number, loss in enumerate(losses):
        stop.step(record(loss), len(losses))
        if stop.cancelled():
            return number
    return None


def test_the_bounds_are_medians_as_far_as_enough_curves_go() -> None:
    curves = [[float(n), 10.0 * n] for n in range(LEAST)] + [[100.0]]
    assert bounds_of(curves) == [2.5, 20.0]
    assert bounds_of(curves[: LEAST - 1]) == []


def test_a_run_that_stays_behind_is_ended_once_it_is_judged() -> None:
    assert steps_until_ended([1.0] * 20, [2.0] * 20) == FIRST
    assert steps_until_ended([1.0] * 20, [0.5, *[2.0] * 19]) is None  # it has been as good
    assert steps_until_ended([1.0] * 3, [2.0] * 20) is None  # where nothing is known it goes on
    assert steps_until_ended([1.0] * 20, [None] * 20) is None


def test_only_the_training_counts() -> None:
    stop = MedianStop([1.0] * 20)
    for _ in range(20):
        stop.step(record(5.0, "refit"), 20)
    assert stop.cancelled() is None


@given(st.lists(st.floats(0.1, 10), min_size=30, max_size=30))
def test_the_best_of_a_search_is_never_ended(curve: list[float]) -> None:
    least = [min(curve[: n + 1]) for n in range(30)]
    worse = [[2 * value for value in least] for _ in range(LEAST)]
    assert steps_until_ended(bounds_of(worse), list(curve)) is None


def test_a_curve_is_read_from_the_history(tmp_path: Path) -> None:
    head = "stage,step,train_loss,test_loss,regularization,seconds,validation_loss\n"
    rows = "train,0,1,1,0,0,3\ntrain,1,1,1,0,0,5\ntrain,2,1,1,0,0,2\nrefit,0,1,1,0,0,0.5\n"
    (tmp_path / "history.csv").write_text(head + rows)
    assert curve_of(tmp_path) == [3, 3, 2]
    (tmp_path / "history.csv").write_text(head + "train,0,1,1,0,0,\n")
    assert curve_of(tmp_path) == []
    assert curve_of(tmp_path / "nowhere") == []


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_behind(loss: float) -> None:
    assert steps_until_ended([1.0] * 20, [loss] * 20) == FIRST
