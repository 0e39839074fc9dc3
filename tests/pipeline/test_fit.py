"""A run in memory, of rows of one's own."""

from __future__ import annotations

import pytest
import torch

from kanrun import fit
from kanrun.errors import ConfigError
from tests.helpers import uniform_rows

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


def test_units_of_rows_are_those_of_the_dataset() -> None:
    units = {"x_1": "K", "y": "m"}
    assert fit(X, Y, QUICK, units=units).problem.data.units == units
    with pytest.raises(ConfigError, match=r"^units\.z=m: unknown column"):
        fit(X, Y, QUICK, units={"z": "m"})
    with pytest.raises(ConfigError, match=r"^units\.y=metr: no unit that is known; did you mean "):
        fit(X, Y, QUICK, units={"y": "metr"})
