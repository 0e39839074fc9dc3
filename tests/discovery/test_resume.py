"""A search that is killed and goes on ends as one that was not, and does little of its work twice."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from kanrun.config.datasets import SymbolicConfig
from kanrun.config.schema import Config
from kanrun.context import Budget, Context, Entry, Journal, Meter
from kanrun.data.build import build_dataset
from kanrun.discovery.discover import discover
from kanrun.discovery.moves.curves import Curves
from kanrun.discovery.moves.fractions import Fractions
from kanrun.discovery.moves.sums import Sums
from kanrun.discovery.problem import Problem
from kanrun.discovery.state import SearchState
from kanrun.functions.library import FUNCTIONS, library
from kanrun.pipeline.codec import Unpacker, packed
from kanrun.pipeline.saved_types import SAVED_TYPES
from kanrun.symbolic.expression import network_expressions
from kanrun.training.least_squares import LevenbergMarquardt
from tests.helpers import uniform_rows


class KilledError(BaseException):
    """The process is gone."""


def thawed(value: Any) -> Any:
    return Unpacker(value[1], SAVED_TYPES.values(), FUNCTIONS).unpack(json.loads(value[0]))


@dataclass
class Disk:
    """What survives a process: saved as often as it is due, until it is killed at its last save."""

    saves: int = 10**9
    every: int = 1  # so many times that it is asked
    base: Any = None
    entries: list[Entry] = field(default_factory=list)
    work: float = 0.0
    asked: int = 0

    def journal(self) -> Journal:
        journal = Journal(
            lambda: self.save(journal), self.due, packed, thawed, self.base, list(self.entries), work=self.work
        )
        return journal

    def due(self) -> bool:
        self.asked += 1
        return self.asked % self.every == 0

    def save(self, journal: Journal) -> None:
        self.base, self.entries, self.work = journal.base, list(journal.entries), journal.work
        self.saves -= 1
        if not self.saves:
            raise KilledError


# A search among terms, and one by networks that looks for what is left of the targets without a factor.
CASES = {
    "terms": ("x_1*(2+sin(3*x_2))+x_2*exp(x_1)", [0.5, 2], 250.0, ["x", "x^2", "1/x", "exp", "sin"]),
    "networks": ("x_1*(sin(2*x_2)+x_2**2)", [[1, 3], [-1, 1]], 1000.0, ["x", "x^2", "sin"]),
}


def searched(case: str, journal: Journal | None = None) -> SearchState:
    formula, domain, work, names = CASES[case]
    dataset = SymbolicConfig(formula=formula, domain=domain, n_train=60, n_test=10)
    rows = build_dataset(Config(dataset=dataset), torch.float64, torch.device("cpu")).train
    context = Context(Budget.of(Meter(work=journal.work if journal else 0.0), work=work))
    context = replace(context, journal=journal) if journal else context
    with pytest.MonkeyPatch.context() as patch:
        for kind in (Curves, Sums, Fractions) if case == "networks" else ():
            patch.setattr(kind, "wanted", lambda *_: False)
        return discover(Problem(rows.x, rows.y, library(names)), 0, context)


def outcome(state: SearchState) -> dict[str, Any]:
    """All that a search has found and decided, but for when."""
    assert state.result
    return {
        "texts": [str(network_expressions(f.symbolic.model, ["x_1", "x_2"])) for f in state.findings.all],
        "bits": [f.bits for f in state.findings.all],
        "tried": [(t.name, t.unexplained, t.read, t.within) for t in state.tried],
        "ended": (state.stopped, state.ended, state.work, state.seed, state.divided, state.grouped),
        "front": [str(network_expressions(m, ["x_1", "x_2"])) for m in state.result.symbolic.front],
    }


@pytest.fixture(scope="module")
def whole() -> dict[str, dict[str, Any]]:
    return {case: outcome(searched(case)) for case in CASES}


@pytest.mark.slow
def test_a_search_by_work_ends_the_same_every_time(
    whole: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever clocks say."""
    now = iter(range(0, 10**12, 10**6))
    for name in ("perf_counter", "time", "monotonic", "process_time"):
        monkeypatch.setattr(time, name, lambda: float(next(now)))
    assert outcome(searched("terms")) == whole["terms"]
    assert [w["ended"][0] for w in whole.values()] == ["work", "work"]
    assert all(len(w["tried"]) > 5 for w in whole.values())
    assert any(within for _, _, _, within in whole["networks"]["tried"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "saves", "every"),
    [
        ("terms", 1, 1), ("terms", 13, 1), ("networks", 40, 1),
        ("terms", 2, 37), ("networks", 1, 45),  # between landmarks
    ],
)  # fmt: skip
def test_what_was_killed_goes_on_to_the_same_end(
    case: str, saves: int, every: int, whole: dict[str, dict[str, Any]]
) -> None:
    disk = Disk(saves, every)
    with pytest.raises(KilledError):
        searched(case, disk.journal())
    assert outcome(searched(case, replace(disk, saves=10**9, every=10**9).journal())) == whole[case]


@pytest.mark.slow
def test_it_may_be_killed_again_and_again(whole: dict[str, dict[str, Any]]) -> None:
    disk, deaths = Disk(2, 17), 0
    while deaths < 100:
        try:
            assert outcome(searched("terms", disk.journal())) == whole["terms"]
            break
        except KilledError:
            deaths += 1
            disk.saves = 2
    assert 3 <= deaths < 100


def test_a_search_that_finds_more_inputs_on_its_way_goes_on_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second search, in those inputs as well, has no landmarks."""
    monkeypatch.setattr(Curves, "wanted", lambda *_: False)
    x = uniform_rows(60, 13, low=0.5, high=2.0)
    problem = Problem(x, (50 * x[:, 2] * x[:, 5] + 0.5 * x[:, 9])[:, None], library(["x", "x^2"]))

    def found(disk: Disk) -> tuple[Any, ...]:
        journal = disk.journal()
        context = Context(Budget.of(Meter(work=journal.work), work=3000.0))
        state = discover(problem, 0, replace(context, journal=journal))
        assert state.result
        return state.looked_at, state.stopped, state.work, state.tried, state.result.bits

    free = Disk(every=25)
    undisturbed = found(free)
    assert undisturbed[0] == [2, 5, 9]
    disk = Disk(math.ceil(0.9 * (10**9 - free.saves)), every=25)
    with pytest.raises(KilledError):
        found(disk)
    assert found(replace(disk, saves=10**9, every=10**9))[:3] == undisturbed[:3]


def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The steps of least squares from now on."""
    steps: list[int] = []
    plain = LevenbergMarquardt.step

    def noted(self: LevenbergMarquardt, objective: Any) -> Any:
        steps.append(1)
        return plain(self, objective)

    monkeypatch.setattr(LevenbergMarquardt, "step", noted)
    return lambda: len(steps)


def test_finished_fits_are_not_done_again(whole: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a landmark, so that all goes on from the journal alone."""
    journal = Journal(lambda: None, lambda: False, packed, thawed)
    steps = counted(monkeypatch)
    assert outcome(searched("networks", journal)) == whole["networks"]
    done = steps()
    assert done > 300
    again = Journal(lambda: None, lambda: False, packed, thawed, entries=list(journal.entries))
    assert outcome(searched("networks", again)) == whole["networks"]
    assert steps() == done
    assert again.position == len(journal.entries)
