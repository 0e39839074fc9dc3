from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kanrun.discovery.findings import Findings
from kanrun.discovery.problem import Problem
from kanrun.discovery.trial import Discovered
from kanrun.model.network import KAN
from kanrun.symbolic.search import Symbolic
from tests.helpers import uniform_rows

X = uniform_rows(400, 1)
NOISE = torch.randn(400, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def formula(name: str, factor: float, y: Tensor, bits: float) -> Discovered:
    """factor * f(x_1)."""
    model = KAN([1, 1])
    model.fix(0, 0, 0, name, c=factor)
    with torch.no_grad():
        loss = float(((model(X) - y) ** 2).mean())
    return Discovered(model, model, Symbolic(model, loss, bits))


def first_value(model: KAN) -> float:
    with torch.no_grad():
        return float(model(X[:1]))


def problem(y: Tensor) -> Problem:
    return Problem(X, y, [])


def keep(found: Findings, discovered: Discovered, y: Tensor, longest: float = 0.0) -> None:
    found.keep(discovered, problem(y), problem(y).leaves_noise, longest=longest)


def test_an_exact_formula_that_is_short_settles_it() -> None:
    y = 2 * X**2
    found = Findings.of(problem(y))
    assert not found.settled
    keep(found, formula("x", 1.0, y, 30.0), y)
    assert not (found.exact or found.settled or found.explained)
    keep(found, formula("x^2", 2.0, y, 10.0), y)
    assert found.exact
    assert found.settled
    assert found.best is found.all[1]


@pytest.mark.parametrize(("name", "explained"), [("x^2", True), ("x", False)])
def test_a_formula_that_leaves_only_noise_settles_it(name: str, explained: bool) -> None:
    y = 2 * X**2 + 0.02 * NOISE
    found = Findings.of(problem(y))
    keep(found, formula(name, 2.0, y, 10.0), y)
    assert not found.exact
    assert found.explained is found.settled is explained


def test_the_front_holds_all_that_was_met_and_no_formula_is_a_constant() -> None:
    y = 2 * X**2
    found = Findings.of(problem(y))
    assert not problem(y).alike
    constant = found.result(problem(y))
    assert first_value(constant.symbolic.model) == pytest.approx(float(y.mean()))
    assert constant.symbolic.loss == pytest.approx(problem(y).variance)
    for name, bits in (("x", 30.0), ("x^2", 10.0)):
        keep(found, formula(name, 2.0, y, bits), y)
    result = found.result(problem(y))
    assert result.spline is found.all[1].spline
    assert first_value(result.symbolic.front[-1]) == pytest.approx(float(y[0]))


def test_a_form_through_few_rows_does_not_keep_the_likely_ones_from_the_front() -> None:
    few, y = X[:6] + 1.5, (2 * (X[:6] + 1.5) ** 2) + 0.05 * NOISE[:6]
    wanted = Problem(few, y, [])
    found = Findings.of(wanted)

    def met(name: str, a: float, c: float, bits: float) -> KAN:
        model = KAN([1, 1])
        model.fix(0, 0, 0, name, a, 0.0, c)
        with torch.no_grad():
            loss = float(((model(few) - y) ** 2).mean())
        found.keep(Discovered(model, model, Symbolic(model, loss, bits)), wanted, wanted.leaves_noise)
        return model

    followed = met("exp", 0.4, 2.0, -200.0)  # by the bits of networks far before all others
    right = met("x^2", 1.0, 2.0, 10.0)
    others = [met("x", 1.0, c, 20.0) for c in (1.0, 3.0)]
    front = found.result(wanted).symbolic.front
    assert any(model is right for model in front)
    assert any(model is followed for model in front)
    assert sum(any(model is other for model in front) for other in others) == 1  # each form once


def test_of_formulas_that_fit_to_rounding_those_that_the_rows_can_tell_from_others_come_first() -> None:
    y = 2 * X**2
    found = Findings.of(problem(y))
    model = KAN([1, 1])
    model.fix(0, 0, 0, "gaussian", 1e-4, 0.0, -2e8, 2e8)  # the square but for the last digits
    with torch.no_grad():
        loss = float(((model(X) - y) ** 2).mean())
    keep(found, Discovered(model, model, Symbolic(model, found.enough, 5.0)), y)
    assert loss < 1e-12
    assert not found.exact
    assert not found.settled
    keep(found, formula("x^2", 2.0, y, 10.0), y)
    assert found.exact
    assert not found.undecided
    assert found.best is found.all[1]


def test_targets_over_decades_are_described_relative_to_their_size() -> None:
    y = (8 * X).exp() * (1 + 0.01 * NOISE)
    other = formula("exp", 1.0, y, 100.0)
    model = KAN([1, 1])
    model.fix(0, 0, 0, "exp", 8.0)
    with torch.no_grad():
        loss = float(((model(X) - y) ** 2).mean())
    right = Discovered(model, model, Symbolic(model, loss, 100.0))
    assert problem(y).rated(right).bits < 100.0 - 400  # a bit a row at least
    assert problem(y).rated(right).bits < problem(y).rated(other).bits - 400
    assert problem(X + 3).rated(right) is right


def test_a_long_formula_that_leaves_only_noise_settles_nothing_before_a_shorter_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    y = 2 * X**2 + 0.02 * NOISE
    found = Findings.of(problem(y))
    monkeypatch.setattr("kanrun.discovery.problem.LONG", 0)
    keep(found, formula("x^2", 2.0, y, 30.0), y, longest=5.0)
    assert (found.explained, found.settled, found.longest) == (True, False, 5.0)
    keep(found, formula("x^2", 2.0, y, 20.0), y, longest=50.0)
    assert found.longest == 5.0  # the first one counts
    monkeypatch.undo()
    keep(found, formula("x^2", 2.0, y, 10.0), y, longest=60.0)
    assert found.settled
    monkeypatch.setattr("kanrun.discovery.problem.LONG", 0)
    keep(found, formula("x^2", 2.0, y, 5.0), y, longest=70.0)
    assert found.settled  # it was already


@pytest.mark.fails_within
def test_a_form_that_cannot_be_described_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    y = 2 * X**2 + 0.02 * NOISE
    found, wanted = Findings.of(problem(y)), problem(y)
    for bits in (30.0, 20.0):
        keep(found, formula("x^2", 2.0, y, bits), y)
    good = found.all[0]

    def described(one: Discovered) -> tuple[str, float]:
        if one is not good:
            raise TypeError("no way to evaluate ComplexInfinity")
        return "a*x^2", 1.0

    monkeypatch.setattr(Problem, "form_and_bits", lambda _, one: described(one))
    assert found.likeliest(wanted) == [good.symbolic]
    assert found.result(wanted).symbolic.front
