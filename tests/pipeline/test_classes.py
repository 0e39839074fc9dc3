"""Two classes get the log-odds that they were drawn by, with one form for the network and its formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit

from kanrun import fit
from kanrun.config.validation import read_config
from kanrun.context import Context
from kanrun.data.dataset import CLASSIFICATION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY
from kanrun.pipeline import classes
from kanrun.pipeline.classes import by_log_odds, has_log_odds
from kanrun.pipeline.problem import problem_of
from kanrun.report.export import as_entries
from kanrun.report.load import formula_of
from kanrun.state import Problem
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.values import evaluate_texts

X = np.random.default_rng(0).uniform(-3, 3, (300, 2))


def asked(z: np.ndarray, overlap: bool, units: dict[str, str] | None = None) -> Problem:
    """The problem of classes with these log-odds."""
    second = np.random.default_rng(1).random(len(X)) < expit(z) if overlap else z > 0
    rows = Rows(torch.as_tensor(X), torch.as_tensor(second.astype(int)))
    data = Dataset("d", rows, None, ["x_1", "x_2"], ["logit_a", "logit_b"], CLASSIFICATION, CROSS_ENTROPY,
                   units=units or {})  # fmt: skip
    problem = problem_of(read_config({"model": {"width": [2, 2]}}), data)
    assert has_log_odds(problem)
    return problem


def found(z: np.ndarray, overlap: bool, units: dict[str, str] | None = None) -> tuple[torch.nn.Module, list[Formula]]:
    """The network and the formulas of classes with these log-odds."""
    result = by_log_odds(asked(z, overlap, units), [], [0, 1], Context())
    assert result is not None
    return result


@pytest.mark.parametrize("overlap", [True, False])
def test_the_boundary_is_the_one_that_the_classes_were_drawn_by(overlap: bool) -> None:
    network, (first, second) = found(5 - X[:, 0] ** 2 * 5 / 4 - X[:, 1] ** 2 * 5, overlap)
    assert first.expression == "0" and first.decision is not None
    boundary = first.decision.boundary
    assert boundary is not None and boundary.separated is not overlap
    axes = sorted(boundary.constants, key=lambda c: c.value)
    for constant, truth in zip(axes, (1, 2), strict=True):
        assert constant.standard_error is not None and constant.standard_error < 0.2
        assert abs(constant.value - truth) < 3 * constant.standard_error
    assert all((c.standard_error is None) is not overlap for c in second.constants)
    x = torch.as_tensor(X)
    logits = network(x).detach()
    assert not logits[:, 0].any()
    torch.testing.assert_close(logits[:, 1], evaluate_texts([second.expression], x, ["x_1", "x_2"])[:, 0])


def test_a_circle_has_one_radius_unless_the_inputs_differ_in_their_units() -> None:
    z = 4 - X[:, 0] ** 2 - X[:, 1] ** 2
    for units, count in (({}, 1), ({"x_1": "cm", "x_2": "s"}, 2)):
        first, _ = found(z, True, units)[1]
        assert first.decision is not None and first.decision.boundary is not None
        assert len(first.decision.boundary.constants) == count


def test_other_forms_are_told_with_their_odds() -> None:
    _, (_, second) = found(3 * X[:, 0], True)
    assert second.alternatives
    assert all(0 < other.odds <= 1 and other.expression != second.expression for other in second.alternatives)


def test_a_boundary_is_read_back_from_a_file() -> None:
    first, _ = found(2 * X[:, 0] - X[:, 1], True)[1]
    assert formula_of(as_entries([first])[0]) == first


def test_a_network_of_the_users_own_is_read_as_it_is() -> None:
    options = {
        "model": {"width": [2, 2]},
        "optimizer": {"steps": 3},
        "symbolic": {"library": ["x", "x^2"], "work": 50.0, "discover": False},
    }
    result = fit(X, (X[:, 0] ** 2 + X[:, 1] > 1).astype(int), options)
    assert [f.output for f in result.formulas] == ["logit_0", "logit_1"]
    assert not result.formulas[1].alternatives


def read_as(text: str) -> list[Formula]:
    """What a network was read as: 0 for the first class."""
    return [Formula(f"logit_{name}", one, one, "", 3, {}, None, []) for name, one in (("a", "0.0"), ("b", text))]


def test_of_many_inputs_the_form_that_was_read_is_looked_at_and_that_without_what_has_no_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(classes, "MOST_INPUTS", 1)
    result = by_log_odds(asked(3 * X[:, 0], True), read_as("2.5*x_1 + 0.5*log(x_2)"), [0, 1], Context())
    assert result is not None
    _, (_, second) = result
    assert "x_1" in second.expression and "x_2" not in second.expression
    slope = max(second.constants, key=lambda constant: constant.value)
    assert slope.standard_error is not None and abs(slope.value - 3) < 3 * slope.standard_error


@pytest.mark.parametrize("read", [[], read_as("log(x_1) + log(x_2)")])
def test_where_no_form_has_values_there_are_no_log_odds(monkeypatch: pytest.MonkeyPatch, read: list[Formula]) -> None:
    monkeypatch.setattr(classes, "MOST_INPUTS", 1)
    assert by_log_odds(asked(3 * X[:, 0], True), read, [0, 1], Context()) is None
