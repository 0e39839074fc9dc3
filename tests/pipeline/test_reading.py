from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kanrun import fit
from kanrun.functions.builtin import Function
from kanrun.functions.library import FUNCTIONS
from kanrun.pipeline import reading
from kanrun.pipeline.fit import FitResult
from kanrun.pipeline.reading import BY_EDGES, BY_SEARCH

FEW: dict[str, Any] = {"library": ["x", "x^2", "1/x", "exp", "log", "sin"]}
SMALL = {"model": {"width": [2, 1]}, "optimizer": {"steps": 10}, "symbolic": {**FEW, "work": 600.0}}
LITTLE = {**SMALL, "symbolic": {**FEW, "work": 50.0}}  # for what is no matter of which formula is found


def rows(noise: float = 0.0, inputs: int = 2, count: int = 100) -> tuple[Any, Any]:
    """x_1 * x_2, which no sum of curves is."""
    generator = np.random.default_rng(0)
    x = generator.uniform(0.5, 2, (count, inputs))
    return x, x[:, 0] * x[:, 1] + noise * generator.normal(size=count)


def notes(found: FitResult) -> list[str]:
    return [text for stage, text in found.state.notes if stage == "symbolic"]


def test_a_formula_that_no_edge_could_say_is_found_by_the_search() -> None:
    found = fit(*rows(), SMALL)
    assert found.formulas[0].expression == "x_1*x_2" and notes(found) == [BY_SEARCH]
    final = found.metrics["stages"][-1]
    assert final["name"] == "symbolic" and final["test"]["r2"] == pytest.approx(1.0)
    x = torch.rand(5, 2, dtype=torch.float64) + 0.5
    torch.testing.assert_close(found.network(x)[:, 0].detach(), x[:, 0] * x[:, 1])


def test_where_the_search_leaves_noise_no_edge_is_read() -> None:
    found = fit(*rows(0.05, count=200), {**SMALL, "symbolic": {**FEW, "work": 1500.0}})
    (formula,) = found.formulas
    assert notes(found) == [BY_SEARCH]
    assert formula.expression.count("x_") == 2 and len(formula.constants) <= 1


def test_of_two_readings_the_shorter_description_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = rows()
    y = np.sin(3 * x[:, 0]) + x[:, 1] + 0.01 * np.random.default_rng(1).normal(size=100)
    narrow = [f for f in FUNCTIONS.values() if f.name == "x"]

    def for_search(config: Any, data: Any, functions: list[Function], inputs: Any) -> Any:  # noqa: ARG001
        return original(config, data, narrow, inputs)

    original = reading.search_problem
    monkeypatch.setattr(reading, "search_problem", for_search)
    found = fit(x, y, {**SMALL, "symbolic": {**FEW, "work": 800.0}})
    assert notes(found)[-1] == BY_EDGES and "sin" in found.formulas[0].expression
    front = found.formulas[0].front
    assert len(front) > 1 and [p.chosen for p in front].count(True) == 1  # the other one stands there


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_every_output_is_searched_in_its_own_units(scale: float) -> None:
    x, y = rows()
    targets = np.stack([scale * y, x[:, 0] / x[:, 1] + 3], axis=1)
    found = fit(x, targets, {**SMALL, "model": {"width": [2, 2]}, "symbolic": {**FEW, "work": 800.0}})
    assert [f.exact is None and f.reason.startswith("exact") for f in found.formulas] == [True, True]
    with torch.no_grad():
        np.testing.assert_allclose(found.network(torch.as_tensor(x)).numpy(), targets, rtol=1e-7)


def test_inputs_that_the_network_has_given_up_are_not_searched() -> None:
    x, y = rows(inputs=4)
    found = fit(x, y, {**SMALL, "model": {"width": [4, 1]}, "optimizer": {"steps": 30}})
    assert found.formulas[0].expression == "x_1*x_2"
    assert found.network.active_inputs() == [0, 1]


@pytest.mark.parametrize(
    "config",
    [
        {**LITTLE, "model": {"width": [2, 1], "fix": [{"function": "x^2"}]}},
        {**LITTLE, "model": {"width": [2, 2]}},
    ],
)
def test_what_the_user_has_fixed_and_classes_are_only_read(config: dict[str, Any]) -> None:
    x, y = (part[:60] for part in rows())
    found = fit(x, y if "fix" in config["model"] else (y > 1.2).astype(int), config)
    assert not any(BY_SEARCH in text for text in notes(found))


@pytest.mark.fails_within
def test_a_search_that_fails_leaves_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("of our own doing")

    monkeypatch.setattr(reading, "discover", broken)
    found = fit(*rows(), LITTLE)
    assert found.formulas and found.metrics["warnings"] == [
        "the search for the formula failed (ZeroDivisionError: of our own doing)"
    ]


def test_edges_are_read_alone_where_that_is_asked_for() -> None:
    found = fit(*rows(), {**SMALL, "symbolic": {**FEW, "work": 50.0, "discover": False}})
    assert not any(text in (BY_SEARCH, BY_EDGES) for text in notes(found))
