"""Classes get the logits that they were drawn by, with one form for the network and its formulas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax

from kanrun import fit
from kanrun.config.validation import read_config
from kanrun.context import Context
from kanrun.data.dataset import CLASSIFICATION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY
from kanrun.discovery.expression_network import network_of_sums
from kanrun.functions.library import FUNCTIONS
from kanrun.functions.parser import parse_formula
from kanrun.model.network import KAN
from kanrun.pipeline import classes
from kanrun.pipeline.classes import (
    SharedTerms,
    bits_of_edges,
    bits_of_logits,
    by_log_odds,
    by_shared_terms,
    has_classes,
    has_log_odds,
)
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


LOGITS = np.stack([np.zeros(len(X)), 2 * X[:, 0] - 1, 1.5 * X[:, 1] - X[:, 0], 1 - X[:, 1] ** 2], axis=1)


def problem_of_many(logits: np.ndarray = LOGITS) -> Problem:
    """Classes that are drawn by these logits."""
    chances = np.exp(log_softmax(logits, axis=1)).cumsum(1)
    labels = (np.random.default_rng(2).random(len(X))[:, None] > chances[:, :-1]).sum(1)
    names = [f"logit_{'abcdefgh'[k]}" for k in range(logits.shape[1])]
    rows = Rows(torch.as_tensor(X), torch.as_tensor(labels))
    data = Dataset("d", rows, None, ["x_1", "x_2"], names, CLASSIFICATION, CROSS_ENTROPY)
    problem = problem_of(read_config({"model": {"width": [2, logits.shape[1]]}}), data)
    assert has_classes(problem) and not has_log_odds(problem)
    return problem


def network_telling(factor: float, classes: int = 4) -> KAN:
    """A network that knows these logits, up to a factor."""
    terms, columns = ["x_1", "x_2", "x_2**2"], [[0, 0, 0, 0], [-1, 2, 0, 0], [0, -1, 1.5, 0], [1, 0, 0, -1]]
    expressions = [parse_formula(text, ["x_1", "x_2"]) for text in terms]
    scaled = [[factor * c for c in own] for own in columns[:classes]]
    return network_of_sums(expressions, scaled, ["x_1", "x_2"], FUNCTIONS, torch.as_tensor(X))


def shared(factor: float = 1.0, logits: np.ndarray = LOGITS) -> SharedTerms | None:
    """Sums of terms beside a network that knows the logits."""
    return by_shared_terms(problem_of_many(logits), network_telling(factor), [0, 1], Context())


def test_several_classes_have_the_logits_that_they_were_drawn_by() -> None:
    found = shared()
    assert found is not None
    assert found.formulas[0].expression == "0"
    logits = found.network(torch.as_tensor(X)).detach()
    texts = [formula.expression for formula in found.formulas]
    torch.testing.assert_close(logits, evaluate_texts(texts, torch.as_tensor(X), ["x_1", "x_2"]))
    near = log_softmax(logits.numpy(), axis=1)
    truth = log_softmax(LOGITS, axis=1)
    # Twice the nats lost are about a chi square of the twelve constants, which is below 33 with a chance of 0.999.
    assert 2 * (np.exp(truth) * (truth - near)).sum() < 33
    slope = next(c for c in found.formulas[1].constants if abs(c.value - 2) < 1)
    assert slope.standard_error is not None and abs(slope.value - 2) < 3 * slope.standard_error


def test_classes_that_are_told_apart_have_constants_without_errors() -> None:
    labels = np.arange(len(X)) % 4
    x = X / 3 + 8 * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])[labels]
    problem = problem_of_many()
    rows = Rows(torch.as_tensor(x), torch.as_tensor(labels))
    found = by_shared_terms(
        replace(problem, data=replace(problem.data, train=rows)), network_telling(1.0), [0, 1], Context()
    )
    assert found is not None
    assert (found.network(rows.x).argmax(1) == rows.y).all()
    assert all(c.standard_error is None for formula in found.formulas for c in formula.constants)


def test_sums_that_tell_far_less_than_the_network_are_none() -> None:
    logits = np.where(np.sin(4 * X[:, :1]) * np.sin(4 * X[:, 1:]) > 0, [[9.0, 0, 0]], [[0, 9.0, 0]])
    problem = problem_of_many(logits)
    wave = parse_formula("sin(4*x_1)*sin(4*x_2)", ["x_1", "x_2"])
    network = network_of_sums([wave], [[0, 9.0], [0, -9.0], [-20, 0]], ["x_1", "x_2"], FUNCTIONS, torch.as_tensor(X))
    assert by_shared_terms(problem, network, [0, 1], Context()) is None


def test_inputs_that_do_not_vary_have_no_sums_of_terms() -> None:
    problem = problem_of_many()
    rows = replace(problem.data.train, x=torch.ones_like(problem.data.train.x))
    flat = replace(problem, data=replace(problem.data, train=rows))
    assert by_shared_terms(flat, network_telling(1.0), [0, 1], Context()) is None


def test_a_function_and_its_constants_are_counted_for_every_edge() -> None:
    network, rows = network_telling(1.0), len(X)
    edges = network.active_edges() * (4 + 1.5 * np.log2(rows))
    assert bits_of_edges(network, 0.0, rows) == pytest.approx(edges)
    assert bits_of_edges(network, 0.5, rows) == pytest.approx(edges + 0.5 * rows / np.log(2))


@pytest.mark.parametrize("factor", [-1e9, 1e9])
def test_edges_could_be_shorter_where_they_are_few(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    monkeypatch.setattr(classes, "FUNCTION", factor)
    found = shared()
    assert found is not None and found.shorter == (factor > 1)


def test_logits_of_any_scale_take_as_many_bits_and_more_of_longer_forms() -> None:
    data = problem_of_many().data
    texts = ["0", "2.2*x_1 - 1.1", "1.5*x_2 - 1.1*x_1", "1.2 - x_2**2"]
    formulas = [Formula(f"logit_{k}", text, text, "", 3, {}, None, []) for k, text in enumerate(texts)]
    larger = [replace(f, expression=f"4.0*({f.expression})") for f in formulas]
    few = bits_of_logits(formulas, data)
    assert bits_of_logits(larger, data) > few  # four factors more
    nats = -log_softmax(LOGITS, axis=1)[np.arange(len(X)), data.train.y.numpy()].sum()
    assert few == pytest.approx(nats / np.log(2) + 5 * 0.5 * np.log2(len(X)), rel=0.15)
