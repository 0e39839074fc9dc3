from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from kanrun import fit
from kanrun.context import Context
from kanrun.errors import ConfigError
from kanrun.functions.builtin import Function
from kanrun.functions.library import FUNCTIONS
from kanrun.model.network import KAN
from kanrun.pipeline import reading
from kanrun.pipeline.fit import FitResult
from kanrun.pipeline.reading import BY_EDGES, BY_SEARCH, MOST_INPUTS, Reading, of_each_output, strongest_inputs
from tests.helpers import additive_network, uniform_rows
from tests.planted import classification, regression
from tests.report.test_outputs import result

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


MIDDLES = np.array([[0, 0], [2, 0], [0, 2]])


def many_classes() -> tuple[Any, Any]:
    """Three clouds that overlap."""
    labels = np.arange(150) % 3
    return MIDDLES[labels] + np.random.default_rng(0).normal(size=(150, 2)), labels


OF_CLASSES = {"model": {"width": [2, 3]}, "optimizer": {"steps": 3}, "symbolic": {**FEW, "work": 300.0}}


def test_edges_of_many_classes_are_not_read_where_sums_of_terms_are_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("edges are read")

    monkeypatch.setattr(reading, "find_formula", never)
    found = fit(*many_classes(), OF_CLASSES)
    assert [f.expression == "0" for f in found.formulas] == [True, False, False]
    x, labels = many_classes()
    nearest = ((x[:, None] - MIDDLES) ** 2).sum(2).argmin(1)  # Bayes' rule
    told = found.network(torch.as_tensor(x)).argmax(1).numpy()
    assert np.mean(told == labels) > np.mean(nearest == labels) - 0.05


def test_sums_of_terms_look_at_inputs_that_pruning_has_taken_from_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = result("train"), list[list[int]]()

    def by_shared_terms(problem: Any, network: Any, inputs: list[int], context: Any) -> None:  # noqa: ARG001
        asked.append(inputs)

    begun = KAN([3, 2], grid=3)
    begun.layers[0].alive[:, 1] = False  # an input that was taken out on purpose
    monkeypatch.setattr(reading, "by_shared_terms", by_shared_terms)
    small = KAN([3, 2], grid=3)
    small.layers[0].alive[:, :2] = False
    reading.by_terms(replace(found.problem, model=begun), found.state, small, Context())
    assert asked == [[0, 2]]


@pytest.mark.parametrize("shorter", [True, False])
def test_of_sums_of_terms_and_edges_the_shorter_description_is_taken(
    monkeypatch: pytest.MonkeyPatch, shorter: bool
) -> None:
    sums = list[str]()

    def by_shared_terms(*given: Any) -> Any:
        found = original(*given)
        sums.extend(f.expression for f in found.formulas)
        return replace(found, shorter=False)

    def bits(formulas: Any, data: Any) -> float:  # noqa: ARG001
        return float(([f.expression for f in formulas] == sums) != shorter)

    original = reading.by_shared_terms
    monkeypatch.setattr(reading, "by_shared_terms", by_shared_terms)
    monkeypatch.setattr(reading, "bits_of_logits", bits)
    found = fit(*many_classes(), OF_CLASSES)
    assert ([f.expression for f in found.formulas] == sums) is shorter


@pytest.mark.fails_within
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, []),
        (ZeroDivisionError("of our own"), ["the search for sums of terms failed (ZeroDivisionError: of our own)"]),
    ],
)
def test_where_no_sums_of_terms_are_found_edges_are_read(
    monkeypatch: pytest.MonkeyPatch, given: Exception | None, said: list[str]
) -> None:
    def by_shared_terms(*_: Any) -> None:
        if given:
            raise given

    read = list[KAN]()
    original = reading.find_formula

    def find_formula(model: KAN, *given: Any) -> Any:
        read.append(model)
        return original(model, *given)

    monkeypatch.setattr(reading, "by_shared_terms", by_shared_terms)
    monkeypatch.setattr(reading, "find_formula", find_formula)
    found = fit(*many_classes(), OF_CLASSES)
    assert found.formulas and len(read) == 1
    assert found.metrics.get("warnings", []) == said


def test_edges_are_read_alone_where_that_is_asked_for() -> None:
    found = fit(*rows(), {**SMALL, "symbolic": {**FEW, "work": 50.0, "discover": False}})
    assert not any(text in (BY_SEARCH, BY_EDGES) for text in notes(found))


# ---- pieces of it --------------------------------------------------------------------------------------------------


@pytest.mark.fails_within
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, ()),
        (
            ZeroDivisionError("of our own doing"),
            ("the search for log-odds failed (ZeroDivisionError: of our own doing)",),
        ),
    ],
)
def test_where_no_log_odds_are_found_what_was_read_stays(
    monkeypatch: pytest.MonkeyPatch, given: Exception | None, said: tuple[str, ...]
) -> None:
    def by_log_odds(*_: Any) -> None:
        if given:
            raise given

    monkeypatch.setattr(reading, "by_log_odds", by_log_odds)
    found = result("train")
    read = [Reading(KAN([2, 1], grid=3), found.formulas, BY_EDGES, (found.problem.data,))]
    state, kept = reading.by_classes(found.problem, found.state, KAN([2, 1], grid=3), read, Context())
    assert kept is read and state.warnings == said


def refused(*_: Any) -> None:
    raise ConfigError("search.work=1: in a search targets need finite squares; use search=none")


@pytest.mark.parametrize(
    ("name", "given"),
    [("search_problem", refused), ("discover", lambda *_: SimpleNamespace(is_empty=True))],
)
def test_a_search_that_cannot_be_or_finds_nothing_gives_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, given: Any
) -> None:
    monkeypatch.setattr(reading, name, given)
    found = result("train")
    network = KAN([2, 1], grid=3)
    assert reading.by_search(found.problem, found.state, network, Context()) == (found.state, None)


def test_values_are_judged_by_their_outputs_and_classes_together() -> None:
    data = regression(3)
    assert [(part.outputs, part.train.y.tolist()) for part in of_each_output(data)] == [
        ([f"y_{j}"], data.train.y[:, j : j + 1].tolist()) for j in range(3)
    ]
    classes = classification(2, 3)
    assert [part.outputs for part in of_each_output(classes)] == [classes.outputs] * 3


def test_of_many_inputs_the_strongest_are_looked_at_in_their_order() -> None:
    count = MOST_INPUTS + 3
    weak = {0, 5, 14}
    model = additive_network([("x", 1.0, 0.0, 0.01 if i in weak else 1.0 + i) for i in range(count)])
    assert strongest_inputs(model, uniform_rows(50, count)) == [i for i in range(count) if i not in weak]
    few = additive_network([("x", 1.0, 0.0, 1.0)] * 3)
    few.layers[0].remove(0, 1)
    assert strongest_inputs(few, uniform_rows(50, 3)) == [0, 2]
    for i in (0, 2):
        few.layers[0].remove(0, i)
    assert strongest_inputs(few, uniform_rows(50, 3)) == [0, 1, 2]
