from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from kanrun.pipeline.interruption import interruptible


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """The signals that somebody hears who was there before the run."""
    heard = list[int]()
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    yield heard
    signal.signal(signal.SIGTERM, before)


def test_a_signal_that_ended_nothing_is_passed_on(heard: list[int]) -> None:
    with interruptible() as interruption:
        signal.raise_signal(signal.SIGTERM)
        assert interruption.cancelled() == "SIGTERM" and heard == []
    assert heard == [signal.SIGTERM]


def test_one_that_ended_a_run_is_not(heard: list[int]) -> None:
    def ended() -> None:
        with interruptible():
            signal.raise_signal(signal.SIGTERM)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ended()
    assert heard == []


def test_one_that_nobody_handled_before_is_only_noted() -> None:
    with interruptible() as interruption:
        signal.raise_signal(signal.SIGINT)
    assert interruption.cancelled() == "SIGINT"
