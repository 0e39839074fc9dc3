from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kanrun.config.schema import LmConfig
from kanrun.data.dataset import REGRESSION, Dataset, Rows, hold_back
from kanrun.data.losses import CROSS_ENTROPY, MSE, Loss
from kanrun.model.network import KAN
from kanrun.training.history import Record
from kanrun.training.loop import first_state
from kanrun.training.objective import Objective, Penalty
from kanrun.training.stopping import (
    HOPELESS,
    IDLE,
    MAX_UNDONE,
    PATIENCE,
    RULES,
    SMOOTH,
    SOON,
    StopRule,
    first_that_holds,
)
from kanrun.training.train_state import Plan, TrainState
from tests.helpers import uniform_rows

X = uniform_rows(40, 1)
ROWS = Rows(X, X**2)
DATA = Dataset("d", ROWS, ROWS, ["x_1"], ["y"], REGRESSION, MSE)


def plan(steps: int = 50, loss: Loss = MSE, lamb: float = 0.1, **others: Any) -> Plan:
    settings: dict[str, Any] = {"data": DATA, "optimizer": LmConfig(grid_update_until=9)} | others
    return Plan(objective=Objective(loss, Penalty(lamb)), stage="train", steps=steps, seed=0, **settings)


def state(step: int = 30, loss: float = 1.0, **others: Any) -> TrainState:
    """After `step` steps, of a network that has learned something and gains on."""
    start = first_state(KAN([1, 1], grid=3), plan())
    history = [Record("train", step - 1, loss, None, 0.0, 1.0)]
    return replace(start, step=step, history=history, **{"learned": True, "best_score": 1.0, "idle": 0} | others)


def held(p: Plan, s: TrainState) -> str | None:
    rule = first_that_holds(RULES if p.rules is None else p.rules, p, s)
    return rule.name if rule else None


def test_a_training_that_gains_goes_on() -> None:
    assert held(plan(rules=(*RULES, IDLE)), state()) is None


@pytest.mark.parametrize(("steps", "last"), [(50, PATIENCE), (100, PATIENCE), (400, 40)])
def test_who_learns_nothing_has_ten_steps_or_a_tenth_of_them(steps: int, last: int) -> None:
    assert held(plan(steps), state(last - 1, learned=False)) is None
    assert held(plan(steps), state(last, learned=False)) == "nothing learned"
    assert held(plan(steps), state(last, learned=True)) is None
    # The optimizer has nothing left to do: nothing will be learned any more.
    assert held(plan(steps), state(5, learned=False, finished_steps=2)) == "nothing learned"


@pytest.mark.parametrize("validates", [True, False])
def test_rows_held_back_end_a_training_and_others_only_where_it_is_asked_for(validates: bool) -> None:
    data = hold_back(DATA, 0.2, seed=0) if validates else DATA
    for idle, expected in ((PATIENCE - 1, None), (PATIENCE, "validation rows gain nothing")):
        assert held(plan(data=data), state(idle=idle)) == (expected if validates else None)
    assert held(plan(data=DATA, rules=(*RULES, IDLE)), state(idle=PATIENCE)) == "idle"


def test_a_smoothing_is_ended_sooner_by_rows_held_back() -> None:
    data = hold_back(DATA, 0.2, seed=0)
    assert held(plan(data=data, rules=SMOOTH), state(idle=SOON - 1)) is None
    assert held(plan(data=data, rules=SMOOTH), state(idle=SOON)) == "validation rows gain no more"
    assert held(plan(data=DATA, rules=SMOOTH), state(idle=SOON)) is None


def test_an_optimizer_that_has_arrived_ends_it_when_no_new_knots_help_it() -> None:
    assert held(plan(), state(11, finished_steps=1)) == "arrived"  # the last knots came at step 9
    assert held(plan(), state(10, finished_steps=1)) is None
    assert held(plan(), state(10, finished_steps=2)) == "arrived"
    assert held(plan(), state(30, finished_steps=0)) is None


def test_classes_are_told_apart_as_far_as_their_number_tells() -> None:
    free = plan(loss=CROSS_ENTROPY, lamb=0.0)
    assert held(free, state(5, loss=0.9 / len(X))) == "told apart"  # the next row is wrong with a chance of 1 in 41
    assert held(free, state(5, loss=1.1 / len(X))) is None
    assert held(plan(loss=MSE, lamb=0.0), state(5, loss=0.9 / len(X))) is None  # values have no such end
    assert held(plan(loss=CROSS_ENTROPY, lamb=0.1), state(5, loss=0.9 / len(X))) is None  # edges still go


def test_who_is_far_behind_another_one_after_as_many_steps_is_given_up() -> None:
    rival = [1.0] * 20 + [0.01] * 20
    near, far = 0.9 * HOPELESS, 1.1 * HOPELESS
    assert held(plan(rival=rival), state(20, best_score=near)) is None
    assert held(plan(rival=rival), state(20, best_score=far)) == "behind"
    assert held(plan(rival=rival), state(PATIENCE - 1, best_score=far)) is None
    assert held(plan(rival=rival), state(21, best_score=1.0)) == "behind"
    assert held(plan(rival=rival), state(45, best_score=0.09)) is None  # the rival took fewer steps
    assert held(plan(), state(20, best_score=far)) is None


@pytest.mark.parametrize(
    ("name", "others"),
    [("idle", {"idle": PATIENCE}), ("arrived", {"finished_steps": 2}), ("behind", {"best_score": 2 * HOPELESS})],
)
def test_as_long_as_the_regularization_grows_no_training_ends(name: str, others: dict[str, Any]) -> None:
    growing = plan(warmup=0.8, rival=[1.0], rules=(*RULES, IDLE))  # over 40 steps
    assert held(growing, state(39, **others)) is None
    assert held(growing, state(40, **others)) == name


def test_steps_that_fail_in_a_row_end_it() -> None:
    assert held(plan(), state(undone=MAX_UNDONE - 1)) is None
    assert held(plan(), state(undone=MAX_UNDONE)) == "not finite"


def test_what_is_worth_telling_has_stage_and_numbers() -> None:
    told = {rule.name: rule.told(plan(), state(12, undone=5)) for rule in RULES}
    assert told["nothing learned"] == ["train: after 12 steps the network is no better than a constant"]
    assert told["not finite"] == ["train: stopped after 5 steps in a row that were not finite"]
    assert told["arrived"] == told["behind"] == []


def test_the_first_rule_that_holds_counts() -> None:
    rules = tuple(StopRule(name, lambda _, s, n=n: s.step >= n) for name, n in (("a", 5), ("b", 3), ("c", 3)))
    assert [held(plan(rules=rules), state(step)) for step in (2, 3, 5)] == [None, "b", "a"]
