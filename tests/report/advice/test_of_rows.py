from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kanrun.config.datasets import SymbolicConfig, TableConfig
from kanrun.pipeline.fit import FitResult
from kanrun.report.advice.of_rows import (
    decades,
    far_from_neighbours,
    few_rows,
    irrelevant,
    log_of_target,
    noise,
    unbalanced,
    without,
)
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.uncertainty import Constant
from tests.report.advice.made_up import PLAIN, UNREAD, advice_in, drawn, follow, normal, result_of


@pytest.fixture(scope="module")
def noisy() -> FitResult:
    """2*x_1 with noise, and two inputs more that have no part in it."""
    x = drawn(150, 3)
    return result_of(x, 2 * x[:, 0] + 0.14 * normal(150), names=["a", "b", "gas"])


def test_the_noise_is_told_beside_what_the_formula_leaves(noisy: FitResult) -> None:
    level, left = noisy.metrics["noise"]["y"], noisy.formulas[0].train["rmse"]
    assert 0.08 < level["relative"] < 0.16  # 0.14 of a spread of 2/sqrt(3)
    found = advice_in(noisy)["noise"]
    assert found.finding == (
        f"noise about {100 * level['relative']:.2g} % of the spread of the target ({level['sigma']:.2g} ± "
        f"{level['error']:.1g}, by {level['source']}); what the formula leaves of the training rows is "
        f"{left / level['sigma']:.2g} times that"
    )
    small = {"y": {**level, "relative": 0.009}}
    assert noise(replace(noisy, state=replace(noisy.state, noise=small))) == []


def test_inputs_without_influence_are_named_as_the_user_calls_them(noisy: FitResult) -> None:
    found = advice_in(noisy)["irrelevant"]
    assert found.finding.startswith("b, gas look irrelevant: in no formula, with ")
    symbols = noisy.problem.data.inputs
    assert found.suggestion == f"kanrun refine RUN 'model.without=[{symbols[1]},{symbols[2]}]'"
    config = replace(noisy.problem.config, dataset=TableConfig())
    [of_table] = irrelevant(replace(noisy, problem=replace(noisy.problem, config=config)))
    assert of_table.suggestion == "'dataset.inputs=[a]'"  # the shorter way
    follow(of_table.suggestion)


@pytest.mark.parametrize(
    ("texts", "unused", "way"),
    [
        ([1, 2], [1, 2], "'dataset.ignore=[colour]'"),
        ([0, 1], [1, 2], "'dataset.ignore=[gas]'"),
        ([0, 1], [1], "kanrun refine RUN 'model.without=[b]'"),
    ],
)
def test_a_column_of_texts_is_left_out_as_a_whole(
    noisy: FitResult, texts: list[int], unused: list[int], way: str
) -> None:
    data, config = noisy.problem.data, replace(noisy.problem.config, dataset=TableConfig())
    columns = [{"name": "colour", "symbol": data.inputs[i], "value": f"red {i}"} for i in texts]
    names = {data.inputs[i]: f"colour = red {i}" for i in texts}
    table = replace(data, names={**data.names, **names}, about={"columns": columns})
    assert without(replace(noisy, problem=replace(noisy.problem, config=config, data=table)), unused) == way
    follow(way)


def test_an_input_that_the_network_needs_is_not_told(noisy: FitResult) -> None:
    [formula] = noisy.formulas
    other = replace(formula, expression="1.5*b")
    [one] = irrelevant(replace(noisy, state=replace(noisy.state, formulas=(other,))))
    assert one.finding.startswith("gas looks irrelevant: ")  # not a, whatever formula there is


def test_small_targets_that_are_missed_among_large_ones_are_told() -> None:
    x = drawn(150, 1, 0, 12)
    config = {**PLAIN, "symbolic": {"discover": False, "library": ["x", "x^2", "x^3"]}}
    result = result_of(x, np.exp(x[:, 0]), config)
    found = advice_in(result)["decades"]
    assert found.finding.startswith("y spans 5.")
    assert found.suggestion == "a column with log10(y) as target"
    exact = replace(result.formulas[0], expression="exp(x_1)")
    assert decades(replace(result, state=replace(result.state, formulas=(exact,)))) == []


@pytest.mark.parametrize(
    ("dataset", "way"),
    [
        (SymbolicConfig(formula="exp(x_1)"), "the logarithm as the target: dataset.formula='log(exp(x_1))'"),
        (SymbolicConfig(formula=["exp(x_1)", "x_1"]), "a column with log10(y) as target"),
        (TableConfig(), "a column with log10(y) as target"),
    ],
)
def test_the_logarithm_is_taken_where_the_target_comes_from(
    noisy: FitResult, dataset: SymbolicConfig | TableConfig, way: str
) -> None:
    config = replace(noisy.problem.config, dataset=dataset)
    assert log_of_target(replace(noisy, problem=replace(noisy.problem, config=config)), noisy.formulas[0]) == way


def test_few_rows_for_the_constants_or_the_parameters() -> None:
    x = drawn(12, 2)
    result = result_of(x, normal(12), {**UNREAD, "prune": {"enabled": False}, "dataset": {"test": 0}})
    found = advice_in(result)["few rows"]
    parameters = result.metrics["stages"][-1]["parameters"]
    assert parameters > 12 and found.finding == f"{parameters} parameters are trained on 12 numbers"


def test_few_rows_for_many_constants(noisy: FitResult) -> None:
    [formula] = noisy.formulas
    rows = len(noisy.problem.data.train.x)
    many = replace(formula, constants=[Constant(1.0, 0.1)] * (rows // 4))
    [one] = few_rows(replace(noisy, state=replace(noisy.state, formulas=(many,))))
    assert one.finding == f"{rows} training rows are few for {rows // 4} constants of y"
    assert few_rows(noisy) == []


@pytest.mark.parametrize(("rows", "stopped", "told"), [(3, "noise", True), (4, "noise", False), (4, "undecided", True)])
def test_a_line_through_three_rows_is_one_of_many(noisy: FitResult, rows: int, stopped: str, told: bool) -> None:
    train, [formula] = noisy.problem.data.train, noisy.formulas
    data = replace(noisy.problem.data, train=replace(train, x=train.x[:rows], y=train.y[:rows]))
    line = replace(formula, expression="2*a + 1/3", constants=[], exact=None)
    state = replace(noisy.state, formulas=(line,), search={"stopped": stopped})
    found = few_rows(replace(noisy, problem=replace(noisy.problem, data=data), state=state))
    assert ["the data cannot decide" in one.finding for one in found] == [True] * told


def test_a_class_that_is_missed_is_told_with_its_rows() -> None:
    x = drawn(300, 2)
    y = (x[:, 0] + 0.6 * normal(300) > 1.3).astype(int)
    result = result_of(x, y, UNREAD)
    counts = np.bincount(result.problem.data.train.y.numpy())
    scores = result.metrics["final"]
    found = advice_in(result)["unbalanced"]
    assert f"has {counts[1]} training rows and the largest {counts[0]}" in found.finding
    assert f"{scores['balanced_accuracy']:.3g} beside an accuracy of {scores['accuracy']:.3g}" in found.finding
    even = result_of(x, (x[:, 0] + 0.6 * normal(300) > 0).astype(int), UNREAD)
    assert unbalanced(even) == []


def test_names_of_columns_are_typed_so_that_they_are_understood(tmp_path: Path) -> None:
    x = drawn(120, 4)
    lines = ['a,b,"it\'s, so",${x},y']
    lines += [",".join(f"{v:.17g}" for v in (*row, 2 * row[0] + row[1] + row[2] + 0.1 * e))
              for row, e in zip(x, normal(120), strict=True)]  # fmt: skip
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    from kanrun.pipeline.run import run

    dataset = {"name": "table", "path": str(tmp_path / "rows.csv"), "target": "y"}
    metrics = run({**PLAIN, "dataset": dataset}, tmp_path / "run", quiet=True)
    [found] = [one for one in metrics["advice"] if one["kind"] == "irrelevant"]
    assert found["finding"].startswith("${x} looks irrelevant: ")
    assert found["suggestion"] == "'dataset.ignore=[${x}]'"


@pytest.mark.parametrize("text", ["2.0*x_1", "2.0*x_1 + 50*exp(-1e9*(x_1 - 0.3)^2) - 50*exp(-1e9*(x_1 - 1.7)^2)"])
def test_rows_far_from_those_near_them_are_told_where_they_are_missed_or_met_alone(text: str) -> None:
    x = np.linspace(0.0, 4.0, 41)
    y = 2.0 * x + 0.01 * normal(41)
    y[[3, 17]] += [50.0, -50.0]
    config = {**UNREAD, "dataset": {"test": 0}}
    formula = Formula("y", text, text, "", 3, None, None, [])

    def found(targets: Any) -> list[str]:
        plain = result_of(x[:, None], targets, config)
        told = far_from_neighbours(replace(plain, state=replace(plain.state, formulas=[formula])))
        assert all(one.suggestion == "dataset.loss=student" for one in told)
        return [one.finding.split(" lie")[0] for one in told]

    assert found(y) == ["rows 4, 18"]
    assert found(2.0 * x + 0.01 * normal(41)) == []


def test_a_steep_place_that_the_formula_follows_is_no_outlier() -> None:
    x = np.linspace(0.02, 4.0, 41)
    plain = result_of(x[:, None], 1 / x**2, {**UNREAD, "dataset": {"test": 0}})
    steep = Formula("y", "1.0001*x_1**(-2.0)", "", "", 3, None, None, [])
    assert far_from_neighbours(replace(plain, state=replace(plain.state, formulas=[steep]))) == []
