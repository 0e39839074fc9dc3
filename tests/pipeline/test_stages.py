from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from kanrun.context import Context
from kanrun.data.losses import CROSS_ENTROPY, MSE, Loss
from kanrun.model.network import KAN
from kanrun.pipeline import stages
from kanrun.state import State
from tests.helpers import used_up
from tests.report.test_outputs import result


@pytest.mark.parametrize(
    ("loss", "context", "trainings"),
    [("", Context(), 1), ("huber", Context(), 1 + stages.ROBUST_ROUNDS), ("huber", used_up(), 1)],
)
def test_by_a_robust_loss_a_network_is_trained_again_as_long_as_there_is_time(
    monkeypatch: pytest.MonkeyPatch, loss: str, context: Context, trainings: int
) -> None:
    plain = result().problem
    problem = replace(plain, rows=replace(plain.rows, robust=loss))
    weighed = list[bool]()

    def trained(_: Any, rows: Any, *__: Any) -> Any:
        weighed.append(rows.train.weights is not None)
        return SimpleNamespace(model=plain.model, overfits=False, smooth=False)

    monkeypatch.setattr(stages, "trained_on", trained)
    monkeypatch.setattr(stages, "recorded", lambda _, state, *__: state)
    monkeypatch.setattr(stages, "reached", lambda _, state, __, model, ___: replace(state, current=model))
    assert stages.train(problem, State(), context).current is plain.model
    assert weighed == [bool(loss)] * trainings


def refitted(monkeypatch: pytest.MonkeyPatch, loss: Loss, state: State, smooth: bool) -> tuple[State, list[Any]]:
    """A refit of such a state whose trainings leave networks as they are, and the rows that each of them was given."""
    plain, given = result().problem, list[Any]()

    def train_pruned(kan: KAN, rows: Any, *_: Any, **__: Any) -> Any:
        given.append(rows)
        return SimpleNamespace(model=kan)

    monkeypatch.setattr(stages, "train_pruned", train_pruned)
    monkeypatch.setattr(stages, "can_smooth", lambda *_: smooth)
    monkeypatch.setattr(stages, "recorded", lambda _, state, *__: state)
    monkeypatch.setattr(stages, "reached", lambda _, state, __, model, ___: replace(state, current=model))
    return stages.refit(replace(plain, rows=replace(plain.rows, loss=loss)), state, Context()), given


@pytest.mark.parametrize(("loss", "follows", "held"), [(CROSS_ENTROPY, True, True), (CROSS_ENTROPY, False, False),
                                                       (MSE, True, False)])  # fmt: skip
def test_a_refit_of_classes_that_follow_noise_listens_to_rows_held_back(
    monkeypatch: pytest.MonkeyPatch, loss: Loss, follows: bool, held: bool
) -> None:
    _, given = refitted(monkeypatch, loss, State(current=KAN([2, 30, 1]), follows_noise=follows), smooth=True)
    assert [rows.validation is not None for rows in given] == [held]


@pytest.mark.parametrize(("smooth", "changed", "trained"), [(False, False, 0), (False, True, 1), (True, False, 1)])
def test_classes_whose_network_pruning_left_as_it_was_are_not_trained_by_the_same_rows_again(
    monkeypatch: pytest.MonkeyPatch, smooth: bool, changed: bool, trained: int
) -> None:
    kan = KAN([2, 30, 1])
    after = kan.clone()
    if changed:
        after.set_vector(2 * after.get_vector())
    state = State(current=after, networks={"train": kan, "prune": after}, follows_noise=True)
    found, given = refitted(monkeypatch, CROSS_ENTROPY, state, smooth)
    assert found.current is after
    assert len(given) == trained
