"""What a training is to do at which step, what is told of its end, and networks that are put back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from kanrun.config.schema import LmConfig
from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.model.network import KAN
from kanrun.training.objective import Objective, Penalty
from kanrun.training.train_state import Plan, Snapshot, StopRule, TrainState
from tests.helpers import tangled_network, uniform_rows

X = uniform_rows(20, 1)
ROWS = Rows(X, X**2)
DATA = Dataset("square", ROWS, ROWS, ["x_1"], ["y"], REGRESSION, MSE)
PENALTY = Penalty(lamb=0.3, l1=1.5, entropy=0.5, coef=0.1, coefdiff=0.2)


def plan(steps: int = 10, **others: Any) -> Plan:
    settings: dict[str, Any] = {"data": DATA, "objective": Objective(MSE, PENALTY)} | others
    return Plan(optimizer=LmConfig(), stage="refit", steps=steps, seed=0, **settings)


def begun(model: KAN) -> TrainState:
    now = Snapshot.of(model)
    return TrainState(model, now, now)


# ---- the plan ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("warmup", "steps", "grows"), [(0.5, 10, 5), (1.0, 10, 10), (0.1, 10, 1), (0.25, 8, 2)])
def test_the_regularization_grows_evenly_over_its_part_of_the_steps(warmup: float, steps: int, grows: int) -> None:
    one = plan(steps, warmup=warmup)
    strengths = [one.weighted(step).penalty.lamb for step in range(2 * steps)]
    assert strengths == pytest.approx([0.3 * min(1.0, (step + 1) / grows) for step in range(2 * steps)], rel=1e-14)
    assert [one.grows_after(step) for step in range(2 * steps)] == [step + 1 < grows for step in range(2 * steps)]


def test_without_a_warm_up_the_regularization_has_its_full_strength_at_once() -> None:
    assert plan().warmup == 0
    assert plan().weighted(0) == plan().objective
    assert not plan().grows_after(0)


def test_a_warm_up_shorter_than_a_step_is_none() -> None:
    assert plan(warmup=1e-3).weighted(0) == plan().objective
    assert plan(steps=4, warmup=1e-9).weighted(0) == plan().objective


def test_nothing_but_the_strength_of_the_whole_changes() -> None:
    weighted = plan(warmup=1.0).weighted(1)
    assert weighted.loss is MSE
    assert weighted.penalty == replace(PENALTY, lamb=weighted.penalty.lamb)
    assert weighted.penalty.lamb == pytest.approx(0.06, rel=1e-14)
    assert plan().objective.penalty == PENALTY


def test_without_regularization_there_is_none_that_grows() -> None:
    one = plan(objective=Objective(MSE), warmup=0.5)
    assert [one.weighted(step).penalty.lamb for step in range(4)] == [0.0] * 4
    assert not any(one.grows_after(step) for step in range(4))


def test_validation_rows_judge_where_there_are_some() -> None:
    assert plan().validates is False
    assert plan(data=replace(DATA, validation=ROWS)).validates is True


def test_a_plan_is_a_first_attempt_without_a_rival_unless_it_says_otherwise() -> None:
    one = plan()
    assert (one.rules, tuple(one.rival), one.attempt) == (None, (), 0)


# ---- rules ---------------------------------------------------------------------------------------------------------


def test_what_a_rule_tells_has_stage_and_numbers() -> None:
    rule = StopRule("lost", lambda *_: True, "{stage} ended at {step} after {undone} failures")
    state = begun(KAN([1, 1], grid=3))
    state.step, state.undone = 12, 5
    assert rule.told(plan(), state) == ["refit ended at 12 after 5 failures"]


def test_a_rule_that_is_not_worth_telling_tells_nothing() -> None:
    assert StopRule("arrived", lambda *_: True).told(plan(), begun(KAN([1, 1], grid=3))) == []


# ---- snapshots -----------------------------------------------------------------------------------------------------


def test_a_snapshot_puts_back_entries_grids_and_removed_edges() -> None:
    model = tangled_network()
    x = uniform_rows(50, 3, 4)
    before, vector = model(x).detach(), model.get_vector()
    snapshot = Snapshot.of(model)
    model.fit_grids(2 * x)
    model.set_vector(model.get_vector() + 0.5)
    model.layers[0].remove(1, 1)
    assert not torch.allclose(model(x), before)
    for _ in range(2):  # as often as it is asked
        snapshot.restore(model)
        assert torch.equal(model(x).detach(), before)
        assert torch.equal(model.get_vector(), vector)
        model.set_vector(vector + 1.0)


def test_a_snapshot_has_the_entries_that_were_trained_since_the_grids_changed() -> None:
    """Only these are taken anew at every step; the network is the one from before."""
    model = KAN([1, 2, 1], grid=3, seed=1)
    snapshot = Snapshot.of(model)
    model.set_vector(model.get_vector() * 2)
    trained, expected = replace(snapshot, vector=model.get_vector()), model(X).detach()
    model.set_vector(0 * model.get_vector())
    trained.restore(model)
    assert torch.equal(model(X).detach(), expected)
    assert model is not trained.network
    model.set_vector(0 * model.get_vector())
    assert torch.equal(trained.vector, snapshot.vector * 2)  # nothing is shared


# ---- the state -----------------------------------------------------------------------------------------------------


def test_a_training_begins_with_nothing_done_and_the_worst_score() -> None:
    state, other = begun(KAN([1, 1], grid=3)), begun(KAN([1, 1], grid=3))
    assert state.best_score == math.inf
    assert (state.step, state.undone, state.idle, state.finished_steps, state.seconds) == (0, 0, 0, 0, 0.0)
    assert state.learned is False
    assert (state.random, state.optimizer_state) == (None, None)
    state.scores.append(1.0)
    state.messages.append("one")
    assert (other.scores, other.messages, other.history) == ([], [], [])
