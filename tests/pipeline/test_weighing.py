from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kanrun import fit, run
from kanrun.config.schema import Config
from kanrun.context import Context, Silent
from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.pipeline.fit import FitResult
from kanrun.pipeline.weighing import as_counted, expression_of, weighed
from kanrun.state import Problem
from kanrun.symbolic.search import Symbolic
from kanrun.training.target_scaling import Unscaled
from tests.contract import read_json
from tests.helpers import additive_network, uniform_rows

Array = np.ndarray[Any, np.dtype[np.float64]]
ROWS = 60  # of which none are set aside
SEARCH = {"search": {"name": "discover", "work": 300.0}}
LONGER = {"search": {"name": "discover", "work": 600.0}}  # which finds exponentials
LAWS: dict[str, tuple[Any, tuple[float, float], list[float]]] = {
    "exponential with offset": (lambda x: 2.3 * np.exp(-0.7 * x) + 0.41, (0, 5), [2.3, -0.7, 0.41]),
    "line": (lambda x: 1.37 * x - 0.62, (-2, 3), [1.37, -0.62]),
    "power": (lambda x: 1.73 * x**1.62, (0.2, 4), [1.73, 1.62]),
    "parabola": (lambda x: 0.83 * x**2 - 2.71, (0, 3), [0.83, -2.71]),
}


class Heard(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def spoilt(name: str) -> tuple[Array, Array, list[int]]:
    """Rows of a law with a little noise, a tenth of which are grossly wrong; and the numbers of these, from 1."""
    law, ends, _ = LAWS[name]
    draw = np.random.default_rng(3)
    x = draw.uniform(*ends, ROWS)
    y = law(x)
    wrong = np.sort(draw.choice(ROWS, ROWS // 10, replace=False))
    y = y + 0.01 * y.std() * draw.normal(size=ROWS)
    y[wrong] += y.std() * draw.uniform(1, 4, ROWS // 10)
    return x, y, (wrong + 1).tolist()


def has_constants(found: FitResult, wanted: list[float]) -> bool:
    """Whether each of these is that of the formula within three standard errors, and no other is there."""
    constants = found.formulas[0].constants
    if len(constants) != len(wanted):
        return False
    return all(
        any(c.standard_error and abs(c.value - value) <= 3 * c.standard_error for c in constants) for value in wanted
    )


def off(ours: Array, truth: Array) -> float:
    """The root mean square of what they differ by, as part of the spread of the truth."""
    return float(np.sqrt(np.mean((ours - truth) ** 2)) / truth.std())


def values_of(found: FitResult, x: Array) -> Array:
    """The values of the formula at the inputs."""
    return evaluate(parse_formula(found.formulas[0].expression, ["x_1"]), {"x_1": x})


@pytest.mark.slow
@pytest.mark.parametrize("name", LAWS)
def test_gross_outliers_do_not_decide_with_a_robust_loss(name: str) -> None:
    x, y, wrong = spoilt(name)
    law, _, wanted = LAWS[name]
    robust = fit(x, y, LONGER if "exponential" in name else SEARCH, loss="student")
    assert has_constants(robust, wanted), robust.formulas[0].rounded
    assert robust.formulas[0].outliers == wrong
    assert not any("far from" in w for w in robust.metrics.get("warnings", []))
    assert off(values_of(robust, x), law(x)) < 0.01
    # Scores stay those of squared errors of all rows, which least squares makes least.
    assert robust.metrics["stages"][-1]["train"]["rmse"] == pytest.approx(
        float(np.sqrt(np.mean((values_of(robust, x) - y) ** 2)))
    )


def test_without_a_robust_loss_gross_outliers_decide() -> None:
    x, y, _ = spoilt("line")
    assert off(values_of(fit(x, y, SEARCH), x), LAWS["line"][0](x)) > 0.1


@pytest.mark.parametrize("loss", ["huber", "student"])
def test_a_network_is_not_drawn_to_outliers(loss: str) -> None:
    x, y, _ = spoilt("exponential with offset")
    config = {"model": {"width": [1, 1]}, "prune": {"enabled": False}, "symbolic": {"enabled": False}}
    truth, off = LAWS["exponential with offset"][0](x), {}
    for one in ("auto", loss):
        with torch.no_grad():
            network = fit(x, y, config, loss=one).state.networks["train"]
            off[one] = float(np.sqrt(np.mean((network(torch.as_tensor(x)[:, None])[:, 0].numpy() - truth) ** 2)))
    assert off[loss] < 0.3 * off["auto"]
    assert off[loss] < 0.1 * truth.std()


def test_without_a_robust_loss_outliers_are_named_in_a_warning() -> None:
    x, y, _ = spoilt("line")
    y = LAWS["line"][0](x) + 0.05 * np.random.default_rng(0).normal(size=ROWS)
    y[[3, 16, 22]] += [5, -4, 6]
    heard = Heard()
    found = fit(x, y, SEARCH, events=heard)
    assert found.formulas[0].outliers == [4, 17, 23]
    told = "3 rows lie far from the formula of y (rows 4, 17, 23): dataset.loss=student bears them"
    assert told in found.metrics["warnings"]
    noise = found.metrics["noise"]["y"]
    assert abs(noise["sigma"] - 0.05) < 3 * noise["error"]
    assert any(note.startswith("noise about") and "of the spread of the target" in note for note in heard.notes)


def test_errors_in_proportion_are_recognized_and_weigh_the_rows() -> None:
    draw = np.random.default_rng(2)
    x = draw.uniform(0, 4, 120)
    truth = 43.0 * np.exp(-1.13 * x)
    y = truth * (1 + 0.05 * draw.normal(size=120))
    found = fit(x, y, LONGER)
    (formula,) = found.formulas
    assert formula.errors is not None and formula.errors["model"] == "proportional" and formula.errors["bits"] > 20
    assert formula.errors["size"] == pytest.approx(0.05, rel=0.2)
    assert has_constants(found, [43.0, -1.13])
    rate = next(c for c in formula.constants if c.value < 0)
    # The slope of a line through logarithms, which have errors of one size: nothing knows the rate better.
    assert rate.standard_error == pytest.approx(0.05 / (np.sqrt(120) * x.std()), rel=0.2)


def test_errors_of_one_size_and_none_change_nothing() -> None:
    draw = np.random.default_rng(2)
    x = draw.uniform(0, 4, 120)
    truth = 43.0 * np.exp(-1.13 * x)
    even = fit(x, truth + 0.5 * draw.normal(size=120), SEARCH).formulas[0]
    assert even.errors is not None and even.errors["model"] == "constant"
    exact = fit(x, truth, SEARCH)
    assert exact.formulas[0].errors is None and exact.formulas[0].outliers == []
    assert exact.metrics["noise"] == {"y": None}
    given = fit(x, truth * (1 + 0.05 * draw.normal(size=120)), SEARCH, sigma=np.full(120, 0.1))
    assert given.formulas[0].errors is None
    assert given.formulas[0].reduced_chi_square is not None


@pytest.mark.slow
def test_a_table_in_the_plain_way_names_rows_as_the_file_counts_them(tmp_path: Path) -> None:
    x, y, wrong = spoilt("exponential with offset")
    rows = [f"{a:.6f},{b:.6f}" for a, b in zip(x, y, strict=True)]
    rows.insert(0, "1.5,")  # a row that is left out counts all the same
    (tmp_path / "rows.csv").write_text("t,level\n" + "\n".join(rows) + "\n")
    table = {"name": "table", "path": str(tmp_path / "rows.csv"), "target": "level", "loss": "student", "test": 0.0}
    few = {"model": {"width": [1, 1]}, "symbolic": {"work": 300.0}}
    run({"dataset": table, "plots": {"enabled": False}, **few}, tmp_path / "run", quiet=True)
    [entry] = read_json(tmp_path / "run" / "formula.json")
    assert entry["outliers"] == [number + 1 for number in wrong]
    assert entry["errors"]["model"] == "student"
    text = (tmp_path / "run" / "formula.txt").read_text(encoding="utf-8")
    assert f"far from the formula of level: rows {', '.join(str(n + 1) for n in wrong)}" in text


# ---- pieces of it --------------------------------------------------------------------------------------------------


def planted(inputs: int = 1) -> Dataset:
    x = uniform_rows(40, inputs)
    return Dataset("d", Rows(x, x[:, :1] ** 2), None, [f"x_{i + 1}" for i in range(inputs)], ["y"], REGRESSION, MSE)


WITHOUT_VALUES = additive_network([("log", 1.0, 0.0, 1.0)])  # of half of the rows


def test_a_formula_says_what_errors_are_only_where_it_is_short_and_has_values() -> None:
    assert str(expression_of(additive_network([("x^2", 1.0, 0.0, 1.0)]), planted())) == "x_1**2"
    assert expression_of(WITHOUT_VALUES, planted()) is None
    assert expression_of(additive_network([("sin", 1.5, 0.25, 2.5)] * 12), planted(12)) is None


@pytest.mark.parametrize("loss", ["", "student"])
def test_without_a_formula_rows_count_as_they_did(loss: str) -> None:
    data = replace(planted(), robust=loss)
    found = weighed(data, Symbolic(WITHOUT_VALUES, 0.0, 0.0), Context())
    assert found.train.weights is None and found.recognized == {}
    assert torch.equal(found.train.y, data.train.y)


@pytest.mark.parametrize("held", [True, False])
def test_rows_held_back_count_by_a_robust_loss_too_once_there_is_a_network(held: bool) -> None:
    data = replace(planted(), robust="student")
    y = data.train.y.clone()
    y[3] += 50.0
    rows = replace(data.train, y=y)
    data = replace(data, train=rows, validation=rows if held else None)
    network = additive_network([("x^2", 1.0, 0.0, 1.0)])
    problem = Problem(Config(), data, network, Unscaled(), data)
    found = as_counted(data, problem, additive_network([("x^2", 1.0, 0.01, 1.0)]))
    assert found.train.weights is not None and int(found.train.weights.argmin()) == 3
    assert found.recognized == {"model": "student"}
    if held:
        assert found.validation is not None
        torch.testing.assert_close(found.validation.weights, found.train.weights)
    else:
        assert found.validation is None
    assert as_counted(replace(data, robust=""), problem).train.weights is None
