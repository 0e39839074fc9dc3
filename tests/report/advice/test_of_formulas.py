from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from kanrun.pipeline.fit import FitResult
from kanrun.report.advice.of_formulas import (
    beyond_noise,
    decided_alone,
    lost_rows,
    nothing_short,
    score_in_words,
    undetermined,
    worse_than_network,
)
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.front import Alternative
from kanrun.symbolic.uncertainty import Constant
from tests.report.advice.made_up import PLAIN, advice_in, drawn, normal, result_of


@pytest.fixture(scope="module")
def poor() -> FitResult:
    """A wave with growing height, of which only a parabola may be read."""
    x = drawn(200, 1, 0, 3)
    config = {**PLAIN, "model": {"hidden": [], "grid": 8}, "symbolic": {"discover": False, "library": ["x", "x^2"]}}
    return result_of(x, np.sin(3 * x[:, 0]) * np.exp(x[:, 0]) + 0.01 * normal(200), config)


def with_test(result: FitResult, stage: int, **scores: float | None) -> FitResult:
    """The same with other scores of one of its stages."""
    stages = [dict(entry) for entry in result.metrics["stages"]]
    stages[stage]["test"] = {**stages[stage]["test"], **scores}
    return replace(result, metrics={**result.metrics, "stages": stages})


def test_a_formula_that_is_worse_than_its_network_is_told_with_both_errors(poor: FitResult) -> None:
    before, after = (entry["test"]["rmse"] for entry in poor.metrics["stages"][-2:])
    worse = advice_in(poor)["clearly worse"]
    assert worse.finding == (
        f"the formula's test RMSE is {after / before:.3g} times the network's ({after:.3g} against {before:.3g})"
    )
    assert worse.suggestion.split(", or ") == [
        "symbolic.discover=true", "search=discover", "symbolic.library=null", "kanrun predict RUN FILE --network",
    ]  # fmt: skip


@pytest.mark.parametrize(("r2", "kind"), [(0.9989, "clearly worse"), (0.9991, "worse")])
def test_a_thousandth_of_the_variance_is_clearly_worse(poor: FitResult, r2: float, kind: str) -> None:
    [told] = worse_than_network(with_test(with_test(poor, -2, rmse=0.5, r2=1.0), -1, rmse=0.6, r2=r2))
    assert told.kind == kind


@pytest.mark.parametrize(("after", "told"), [(0.4, False), (0.52, False), (0.53, True), (None, False)])
def test_what_is_no_worse_is_not_told(poor: FitResult, after: float | None, told: bool) -> None:
    assert bool(worse_than_network(with_test(with_test(poor, -2, rmse=0.5), -1, rmse=after))) == told


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(0.9, 0.95, None), (0.95, 0.9, None), (0.95, 0.5, "lower than the network's by 0.45 (0.5 against 0.95)")],
)
def test_accuracies_differ_by_more_than_chance(
    poor: FitResult, before: float, after: float, told: str | None
) -> None:  # of 40 rows
    found = worse_than_network(with_test(with_test(poor, -2, accuracy=before), -1, accuracy=after))
    assert [told in one.finding for one in found if told] == ([True] if told else [])
    assert bool(found) == bool(told)


@pytest.mark.parametrize(("r2", "told"), [(1 - 1e-7, False), (0.999, True), (None, True)])
def test_where_hardly_anything_is_left_the_network_is_no_better(poor: FitResult, r2: float | None, told: bool) -> None:
    result = with_test(with_test(poor, -2, rmse=1e-9, r2=1.0), -1, rmse=1e-7, r2=r2)
    assert bool(worse_than_network(result)) == told


def test_on_rows_that_a_network_can_learn_by_heart_nothing_is_compared(poor: FitResult) -> None:
    stages = [{**entry, "test": None} for entry in poor.metrics["stages"]]
    alone = replace(poor, metrics={**poor.metrics, "stages": stages})
    assert bool(worse_than_network(alone))
    stages[-2]["parameters"] = 100
    assert worse_than_network(alone) == []


def test_a_point_of_the_front_that_is_as_good_as_the_network_is_named(poor: FitResult) -> None:
    [formula] = poor.formulas
    good = poor.metrics["stages"][-2]["test"]["rmse"] ** 2
    front = [Alternative(1, 9.0, "1.0"), Alternative(3, 8.0, "x_1", chosen=True), Alternative(9, good, "x_1**3")]
    found = replace(poor, state=replace(poor.state, formulas=(replace(formula, front=front),)))
    [one] = worse_than_network(found)
    assert one.suggestion.startswith("kanrun predict RUN FILE --formula 3, or ")


def test_rows_without_a_value_are_told(poor: FitResult) -> None:
    assert lost_rows(poor) == []
    [one] = lost_rows(with_test(poor, -1, nonfinite_rows=3))
    assert one.finding == "the formula is not finite on 3 of 40 test rows"


def test_a_search_without_an_end_says_what_was_tried() -> None:
    x = drawn(150, 3)
    y = np.tanh(3 * x[:, 0] * x[:, 1]) + np.abs(x[:, 2] - x[:, 0] ** 3) + np.sin(5 * x[:, 1] * x[:, 2])
    result = result_of(x, y, {"search": {"name": "discover", "work": 300}, "plots": {"enabled": False}})
    found, search = advice_in(result)["nothing"], result.metrics["search"]
    assert f"{search['structures']} structures and {search['networks']} networks were tried in " in found.finding
    assert "the 300 units of work are done" in found.finding
    assert f"the best formula has a test RMSE of {result.metrics['final']['rmse']:.3g}" in found.finding
    assert found.suggestion.startswith("search.work=1200, or ")
    ended = replace(result, state=replace(result.state, search={**search, "stopped": "noise"}))
    assert nothing_short(ended) == []


def test_long_formulas_constants_and_none_at_all_are_told(poor: FitResult) -> None:
    [formula] = poor.formulas

    def told(**changed: object) -> str:
        formulas = (replace(formula, **changed),) if changed else ()  # type: ignore[arg-type]
        [one] = nothing_short(replace(poor, state=replace(poor.state, formulas=formulas)))
        return one.finding

    assert nothing_short(poor) == []
    long = told(complexity=88, constants=[Constant(1.5, 0.1)] * 32)
    assert long == "the formula of y has 88 nodes and 32 constants"
    assert told(complexity=1, expression="2.0").startswith("y was found to be a constant; the best formula has a test ")
    rmse = poor.metrics["stages"][-2]["test"]["rmse"]
    assert told() == f"no formula could be kept; the network has a test RMSE of {rmse:.3g}"


def test_more_than_the_noise_is_told_with_both(poor: FitResult) -> None:
    left, sigma = poor.formulas[0].train["rmse"], poor.metrics["noise"]["y"]["sigma"]
    assert left > 3 * sigma
    found = advice_in(poor)["beyond noise"]
    assert f"leaves a training RMSE of {left:.3g}, {left / sigma:.3g} times the noise ({sigma:.2g} ± " in found.finding
    [formula] = poor.formulas
    good = replace(formula, train={**formula.train, "rmse": 1.2 * sigma})
    assert beyond_noise(replace(poor, state=replace(poor.state, formulas=(good,)))) == []
    [bad] = poor.state.formulas
    for model, told in (("constant", 1), ("proportional", 0)):  # of errors of different sizes the largest are told
        other = replace(bad, errors={"model": model})
        assert len(beyond_noise(replace(poor, state=replace(poor.state, formulas=(other,))))) == told


def test_constants_that_the_rows_do_not_determine_are_counted() -> None:
    x = drawn(60, 1)
    result = result_of(x, 2 * x[:, 0] + 0.3 * normal(60))
    assert undetermined(result) == []
    [formula] = result.formulas
    constants = [Constant(2.0, 0.1), Constant(1.0, None), Constant(0.1, 3.0), Constant(0.2, 3.0)]
    front = [Alternative(1, 0.5, "1.0"), Alternative(3, 0.1, "2*x_1", chosen=True)]
    vague = replace(formula, constants=constants, front=front)
    [one] = undetermined(replace(result, state=replace(result.state, formulas=(vague,))))
    assert one.finding == "of 4 constants of y 1 are not determined and 2 may be 0"
    assert one.suggestion == "kanrun predict RUN FILE --formula 1, or more rows"


def test_a_straight_line_of_a_wave_has_such_constants() -> None:
    x = torch.linspace(-1, 1, 80, dtype=torch.float64)[:, None]
    y = x[:, 0] + 0.05 * torch.as_tensor(normal(80))
    config = {**PLAIN, "symbolic": {"discover": False, "library": ["arctan", "exp"]}}
    result = result_of(x, y, config)
    lost = [c for c in result.formulas[0].constants if c.standard_error is None or c.standard_error * 2 > abs(c.value)]
    assert ("undetermined" in advice_in(result)) == bool(lost)
    assert all(math.isfinite(c.value) for c in lost)


def test_a_score_is_told_in_the_words_of_its_kind() -> None:
    assert score_in_words("test", {"rmse": 0.12345, "r2": 0.5}) == "a test RMSE of 0.123"
    assert score_in_words("training", {"rmse": None, "accuracy": 0.97}) == "a training accuracy of 0.97"
    assert score_in_words("test", {"rmse": None, "mse": None}) == "no test score"


@pytest.mark.parametrize(("text", "rows"), [("7.5*exp(-1000000.0*(x_1 - 2.0)**2)", "row 21"), ("7.5 - 1.25*x_1", "")])
def test_rows_that_alone_decide_constants_are_told(text: str, rows: str) -> None:
    plain = result_of(np.linspace(0.0, 4.0, 41)[:, None], np.eye(41)[20], {**PLAIN, "symbolic": {"enabled": False}})
    formula = Formula("y", text, text, "", 3, None, None, [])
    found = decided_alone(replace(plain, state=replace(plain.state, formulas=[formula])))
    assert [one.finding.split(" alone")[0] for one in found] == [rows] * bool(rows)
