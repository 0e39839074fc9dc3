from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from kanrun.context import Context
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
