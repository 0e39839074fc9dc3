from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from kanrun.config.datasets import SymbolicConfig
from kanrun.config.schema import Config
from kanrun.context import UNLIMITED, Budget, Context, Meter, Silent
from kanrun.data.build import build_dataset
from kanrun.data.dataset import Dataset
from kanrun.discovery.discover import discover
from kanrun.discovery.moves import factors, schedule
from kanrun.discovery.moves.composites import Composites
from kanrun.discovery.moves.curves import Curves
from kanrun.discovery.moves.fractions import Fractions
from kanrun.discovery.moves.sums import SimplerSums, Sums
from kanrun.discovery.problem import Problem
from kanrun.discovery.screening import inputs_to_look_at
from kanrun.discovery.search import Move, Search
from kanrun.discovery.state import SearchState, Tried
from kanrun.functions.library import library
from kanrun.symbolic.formula import Formula, write_formulas
from tests.helpers import formula_values, uniform_rows

FEW = ["x", "x^2", "exp", "sin"]

TERMS = ["x", "x^2", "x^3", "x^4", "1/x", "sqrt", "exp", "log", "sin", "cos", "tanh"]
WAVES = ["x", "x^2", "exp", "sin", "cos"]
PEELED = ["x", "x^2", "1/x^2", "1/sqrt(x)"]


def data_of(formula: str, domain: list[Any], rows: int = 80, noise: float = 0.0) -> Dataset:
    dataset = SymbolicConfig(formula=formula, domain=domain, n_train=rows, n_test=100, noise=noise)
    return build_dataset(Config(dataset=dataset), torch.float64, torch.device("cpu"))


def problem_of(data: Dataset, names: list[str] = FEW, width: list[int | list[int]] | None = None) -> Problem:
    return Problem(data.train.x, data.train.y, library(names), width)


def within(work: float, seconds: float = 0.0) -> Context:
    return Context(Budget.of(Meter(), seconds, None if seconds else work))


def found(
    data: Dataset, names: list[str] = FEW, work: float = 30_000.0, seconds: float = 0.0, **more: Any
) -> tuple[Formula, SearchState]:
    state = discover(problem_of(data, names, **more), 0, within(work, seconds))
    assert state.result
    (formula,) = write_formulas(replace(state.result.symbolic, front=[]), data)
    return formula, state


def read(state: SearchState) -> list[Tried]:
    return [t for t in state.tried if t.read and not t.within]


@pytest.fixture
def only_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that looks for no curves, sums and fractions of terms, and puts no inputs together."""
    for kind in (Composites, Curves, Sums, SimplerSums, Fractions):
        monkeypatch.setattr(kind, "wanted", lambda *_: False)


# ---- formulas ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("sin(3*x_1)+x_2**2", [-1, 1]),  # a sum
        ("sqrt(x_1**2+x_2**2)", [1, 3]),  # a link function undone
        ("1/(x_1+x_2)", [1, 3]),
        ("x_1*sin(x_2)", [-1, 2]),  # a product
        ("x_1*(sin(2*x_2)+x_3**2)", [[1, 3], [-1, 1], [-1, 1]]),  # a power peeled off
        ("x_1*x_2+x_3**2", [-1, 2]),  # groups of inputs
        ("exp(-x_1**2)", [-1, 1]),  # a single input
    ],
)
@pytest.mark.usefixtures("only_networks")
def test_a_planted_formula_is_found_exactly_by_networks(text: str, domain: list[Any]) -> None:
    formula, state = found(data_of(text, domain))
    assert formula.exact is True, formula.expression
    assert formula.reason == "exact to rounding"
    assert state.stopped == "exact"
    assert any(t.read for t in state.tried)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "domain", "names"),
    [
        ("x_1**4+x_1**3+x_1**2+x_1", [-1, 1], ["x", "x^2", "x^3", "x^4", "exp", "sin"]),
        ("2.5*sin(3*x_1+0.7)+0.3*x_1", [-3, 3], WAVES),
        ("exp(-x_1)*cos(5*x_1)", [0, 3], WAVES),
        ("sin(x_1)+cos(x_2*x_3)", [-2, 2], TERMS),
        ("x_1*tanh(x_1*x_2)", [0.5, 2], TERMS),
        ("(x_1*x_2+x_3)/(x_1+x_3)", [1, 5], ["x", "x^2", "1/x"]),
        ("log(x_1**2+exp(x_2))", [-2, 2], ["x", "x^2", "exp", "log"]),
    ],
)
def test_a_planted_formula_is_found_exactly_among_terms(text: str, domain: list[Any], names: list[str]) -> None:
    formula, state = found(data_of(text, domain, rows=100), names)
    assert formula.exact is True, formula.expression
    assert not any(t.read for t in state.tried)  # no network of splines had to be read


@pytest.mark.slow
def test_a_formula_that_leaves_only_noise_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Curves, "wanted", lambda *_: False)  # of which the law is none
    data = data_of("x_1*x_2/(x_1+1)", [1, 5], rows=150, noise=0.02)
    formula, state = found(data, ["x", "x^2", "1/x", "exp"])
    assert state.findings.explained
    assert (state.stopped, state.ended) == ("noise", "what the formula leaves looks like noise")
    assert state.result
    assert state.result.symbolic.loss == pytest.approx(0.02**2 * float(data.train.y.var()), rel=0.15)
    assert formula.complexity <= 9  # 1.00*x_1*x_2/(x_1 + 1.00), and no exponential that looks like it


@pytest.mark.usefixtures("only_networks")
def test_a_link_function_is_undone_before_anything_wider_is_tried() -> None:
    _, state = found(data_of("sqrt(x_1**2+x_2**2)", [1, 3]))
    assert {t.structure for t in state.tried if not t.within} == {"sum"}
    assert read(state)[-1].name == "sum under sqrt"


@pytest.mark.usefixtures("only_networks")
def test_powers_are_peeled_off_with_the_rest_explained_by_fewer_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[tuple[list[int], dict[int, float]]] = []
    plain = factors.with_powers

    def noted(rest: Any, inputs: list[int], powers: dict[int, float], n: int) -> Any:
        rests.append((inputs, powers))
        return plain(rest, inputs, powers, n)

    monkeypatch.setattr(factors, "with_powers", noted)
    told: list[Tried] = []
    data = data_of("x_1/sqrt(1-x_2**2/x_3**2)", [[1, 5], [1, 2], [3, 10]], rows=80)
    state = discover(problem_of(data, PEELED), 0, Context(within(30_000.0).budget, Listener(told.append)))
    assert state.stopped == "exact"
    assert rests == [([1, 2], {0: 1.0})]
    inner = [t for t in told if t.within]
    assert inner  # the networks of the search for the rest are told of as well
    assert told == state.tried
    assert min(t.unexplained for t in inner) < told[-1].least  # but what they leave is not of the targets


@pytest.mark.usefixtures("only_networks")
def test_inputs_that_do_not_interact_are_put_in_groups() -> None:
    formula, state = found(data_of("x_1*x_2+x_3*x_4", [1, 3], rows=300), ["x", "x^2", "exp", "log"])
    assert formula.exact is True
    assert "[[0, 1], [2, 3]]" in read(state)[-1].structure


def test_noise_hides_the_constants_but_not_the_form() -> None:
    data = data_of("x_1**2+sin(2*x_2)", [-1, 1], rows=400, noise=0.05)
    formula, _ = found(data, ["x", "x^2", "sin"], work=1500.0)
    assert formula.exact is not None
    x = uniform_rows(300, 2, 9).numpy()
    values, truth = (formula_values(t, x) for t in (formula.expression, "x_1**2+sin(2*x_2)"))
    assert float(((values - truth) ** 2).mean()) < 1e-3 * float(truth.var())
    assert "sin(" in formula.expression
    assert "x_1**2" in formula.expression
    assert formula.complexity <= 14


def test_what_is_found_has_a_front_from_simple_to_exact() -> None:
    data = data_of("x_1*sin(x_2)", [-1, 2])
    state = discover(problem_of(data))
    result, variance = state.result, float(data.train.y.var(correction=0))
    assert result is not None
    assert result.symbolic.loss <= state.findings.enough
    assert result.symbolic.front
    assert result.bits == min(f.bits for f in state.findings.all)
    for model in (result.spline, result.pruned, result.symbolic.model):
        off = model(data.train.x).detach() - data.train.y
        assert float((off**2).mean()) < 1e-3 * variance
    assert result.symbolic.model.is_symbolic()
    assert result.pruned.active_edges() <= result.spline.active_edges()


def test_the_same_seed_finds_the_same() -> None:
    """Also after others have drawn random numbers."""
    data, outcomes = data_of("x_1*sin(x_2)", [-1, 2]), []
    for _ in range(2):
        torch.rand(7)
        formula, state = found(data)
        outcomes.append((formula.expression, [(t.name, t.unexplained) for t in state.tried], state.work))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("text", ["3", "0", "0*x_1+2.5"])
def test_targets_that_are_all_the_same_are_a_formula_too(text: str) -> None:
    formula, state = found(data_of(text, [-1, 1], rows=50))
    assert formula.exact is True
    assert (state.stopped, state.tried) == ("alike", [])


def test_an_input_that_is_zero_in_one_row_does_not_end_the_search() -> None:
    x = torch.cat([1 + uniform_rows(100, 1, 1, 0.0, 1.0), uniform_rows(100, 1, 2, 0.01, 1.0)], dim=1)
    x[0, 1] = 0.0
    state = discover(Problem(x, x[:, 1:] * torch.sin(3 * x[:, :1]), library(FEW)))
    assert state.result
    assert state.result.symbolic.loss <= state.findings.enough


@pytest.mark.parametrize("kind", ["huge", "tiny", "constant", "zero", "twice the same", "two values", "few", "single"])
def test_rows_of_any_kind_have_a_formula(kind: str) -> None:
    x, y = uniform_rows(60, 2, 1, 0.5, 2.0), uniform_rows(60, 1, 2, 0.5, 2.0)
    x, y = {
        "huge": (1e150 * x, y),
        "tiny": (1e-150 * x, 1e-80 * y),
        "constant": (torch.ones_like(x), y),
        "zero": (torch.zeros_like(x), y),
        "twice the same": (x[:, :1].repeat(1, 2), y),
        "two values": (x, (y > 1).double()),
        "few": (x[:3], y[:3]),
        "single": ((x / 3).float(), y.float()),
    }[kind]
    state = discover(Problem(x, y, library(FEW)), 0, within(100.0))
    assert state.result
    assert state.result.symbolic.loss <= 1.01 * float(y.var(correction=0))


# ---- the budget ----------------------------------------------------------------------------------------------------


def test_a_budget_that_is_used_up_leaves_the_first_formula() -> None:
    data = data_of("sin(x_1*x_2)+exp(x_1)", [-1, 2], rows=60)
    formula, state = found(data, ["x", "x^2"], seconds=1e-9)
    assert (state.stopped, state.ended) == ("seconds", "the 1e-09 s are over")
    assert {t.structure for t in state.tried} == {"sum", "straight line"}  # which takes no time
    assert len(state.findings.all) == 1
    assert formula.test["rmse"] is not None


@pytest.mark.usefixtures("only_networks")
def test_a_formula_is_found_even_where_nothing_could_be_looked_at_twice() -> None:
    """The first network explains all, but there is no time to put it on a finer grid."""
    formula, state = found(data_of("x_1+x_2", [-1, 1], rows=60), ["x", "x^2"], seconds=1e-9)
    assert formula.exact is True
    assert state.stopped == "exact"


def test_no_structure_is_begun_when_the_budget_is_used_up() -> None:
    data, begun = data_of("sin(x_1*x_2)+exp(x_1)*x_2", [-1, 2], rows=60), {}
    for work in (100.0, 600.0):
        state = discover(problem_of(data, ["x", "x^2"]), 0, within(work))
        assert state.stopped == "work"
        assert state.ended == f"the {work:g} units of work are done"
        begun[work] = state.structures
    assert 1 <= begun[100.0] < begun[600.0]


def test_what_is_cancelled_ends_with_what_it_has() -> None:
    data, reasons = data_of("sin(x_1*x_2)+exp(x_1)", [-1, 2], rows=60), []

    class Impatient(Silent):
        def trial(self, trial: Tried) -> None:
            if trial.structures > 1:
                reasons.append("nobody waits for it")

    meter = Meter(cancelled=lambda: reasons[0] if reasons else None)
    state = discover(problem_of(data, ["x", "x^2"]), 0, Context(Budget(meter), Impatient()))
    assert (state.stopped, state.ended) == ("cancelled", "cancelled: nobody waits for it")
    assert state.structures == 2
    assert state.result


# ---- what is searched ----------------------------------------------------------------------------------------------


def test_a_given_width_is_used_and_no_other() -> None:
    formula, state = found(data_of("sin(3*x_1)+x_2**2", [-1, 1]), width=[2, 1, 1])
    assert formula.exact is True
    assert {t.structure for t in state.tried} == {"the given width"}
    assert all(t.trial.model.width == [2, 1, 1] for t in read(state) if t.trial)


class Guess:
    """A move from elsewhere: the formula that it was told."""

    name = "a guess"
    despite: frozenset[str] = frozenset()

    def __init__(self, make: Callable[[Search], None]) -> None:
        self.make = make

    def wanted(self, search: Search) -> bool:
        return search.problem.n == 2

    def run(self, search: Search) -> bool:
        turns = int(search.state.own.setdefault("guesses", 0)) + 1  # type: ignore[call-overload]
        search.state.own["guesses"] = turns
        if turns == 3:
            self.make(search)
        return turns < 3


def test_a_move_from_elsewhere_takes_its_turns_where_it_was_put(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "REGISTERED", [])
    data = data_of("x_1*sin(x_2)", [-1, 2])
    truth = discover(problem_of(data)).result
    assert truth is not None
    guess: Move = Guess(lambda search: search.keep(truth))
    schedule.register(lambda problem: [guess] if problem.width is None else [], before="sums of up to 2 terms")
    schedule.register(lambda _: [Guess(lambda _: None)], before="no such move")
    state = discover(problem_of(data))
    assert state.result
    assert state.findings.all[-1] is truth
    assert (state.stopped, state.own) == ("exact", {"guesses": 3})
    assert state.result.spline is truth.spline
    names = [move.name for move in schedule.schedule(problem_of(data))]
    assert names[0] == names[-1] == "a guess"


class Listener(Silent):
    """Passes on what is told of trials."""

    def __init__(self, hear: Callable[[Tried], None]) -> None:
        self.trial = hear  # type: ignore[method-assign]


def test_networks_are_told_of_as_they_come() -> None:
    told: list[Tried] = []
    state = discover(problem_of(data_of("1/(x_1+x_2)", [1, 3], rows=100)), 0, Context(events=Listener(told.append)))
    assert told == state.tried
    assert [t.structures for t in told] == sorted(t.structures for t in told)
    assert told[-1].least == min(t.unexplained for t in told if not t.within)
    assert state.networks == sum(not t.read for t in told)
    assert UNLIMITED.budget.over() is False


# ---- many inputs ---------------------------------------------------------------------------------------------------


def test_an_input_that_is_nothing_beside_the_others_is_found_in_what_these_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Curves, "wanted", lambda *_: False)
    x = uniform_rows(60, 14, low=0.5, high=2.0)
    y = 50 * x[:, 2] * x[:, 5] + 0.5 * x[:, 9]
    problem = Problem(x, y[:, None], library(["x", "x^2"]))
    assert inputs_to_look_at(problem) == [2, 5]
    state = discover(problem, 0, within(3000.0))
    assert state.result
    assert state.looked_at == [2, 5, 9]
    assert (state.stopped, state.result.symbolic.model.active_inputs()) == ("exact", [2, 5, 9])
    for model in (state.result.spline, state.result.pruned, *state.result.symbolic.front):
        assert model(x).shape == (60, 1)
