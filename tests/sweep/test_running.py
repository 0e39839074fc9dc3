from __future__ import annotations

import signal
import threading

import pytest

from kanrun.report.status import InterruptedRun
from kanrun.sweep.running import signals_raised

HANDLED = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize("number", HANDLED)
def test_a_signal_is_raised_by_its_name_and_handled_as_before_afterwards(number: signal.Signals) -> None:
    before = [signal.getsignal(one) for one in HANDLED]
    with pytest.raises(InterruptedRun) as error, signals_raised():
        signal.raise_signal(number)
    assert error.value.signal == number.name
    assert [signal.getsignal(one) for one in HANDLED] == before


def test_in_another_thread_signals_are_left_as_they_are() -> None:
    before, within = [signal.getsignal(one) for one in HANDLED], []

    def elsewhere() -> None:
        with signals_raised():
            within.extend(signal.getsignal(one) for one in HANDLED)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert within == before
