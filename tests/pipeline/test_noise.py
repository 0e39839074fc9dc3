from __future__ import annotations

from typing import Any

import pytest

from kanrun.context import Context
from kanrun.pipeline import noise
from kanrun.pipeline.noise import look_at_noise
from kanrun.state import State
from tests.report.test_outputs import result


@pytest.mark.fails_within
def test_an_estimate_that_fails_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> None:
        raise ZeroDivisionError("of our own doing")

    monkeypatch.setattr(noise, "noise_levels", broken)
    found = look_at_noise(result().problem, State(search={"work": 1.0}), Context())
    assert found.warnings == ("the noise was not estimated (ZeroDivisionError: of our own doing)",)
    assert (found.noise, found.search) == ({}, {"work": 1.0})
