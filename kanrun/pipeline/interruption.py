"""Signals that end a run: the first one asks it to end with what it has, the second ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

GRACE = 0.9  # seconds in which a run may end by itself
LATEST = 1.5  # the same of one that has noticed the signal, and is writing what it has
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether a signal has come, and which."""

    def __init__(self, last_resort: Callable[[str], None] | None) -> None:
        self.signal: str | None = None
        self.last_resort = last_resort
        self.noticed = False
        self.timer: threading.Timer | None = None
        self.ended, self.deciding = False, threading.Lock()

    def cancelled(self) -> str | None:
        """Its name, None before it has come."""
        self.noticed = self.signal is not None
        return self.signal

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """What a signal does."""
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number).name
        if self.last_resort is not None:
            self.wait(GRACE, self.late)

    def wait(self, seconds: float, then: Callable[[], None]) -> None:
        """Does something in so many seconds, unless the run has ended by then."""
        self.timer = threading.Timer(seconds, then)
        self.timer.daemon = True
        self.timer.start()

    def late(self) -> None:
        """The run has not ended: it goes on a little where it is about to."""
        with self.deciding:
            if self.ended:
                return
            if self.noticed:
                self.wait(LATEST - GRACE, self.end)
                return
        self.end()

    def over(self) -> None:
        """The run has ended: nothing is waited for any more."""
        with self.deciding:
            self.ended = True
            if self.timer is not None:
                self.timer.cancel()

    def end(self) -> None:
        """The last resort."""
        assert self.last_resort is not None and self.signal is not None
        self.last_resort(self.signal)


@contextmanager
def interruptible(last_resort: Callable[[str], None] | None = None) -> Iterator[Interruption]:
    """Within the block signals are only noted, as long as it ends by itself soon; else `last_resort` is called.

    One that came when there was nothing left to end is passed on to whoever handled signals before, such as a sweep.
    Outside of a process' main thread, where signals cannot be caught, everything stays as it is.
    """
    interruption = Interruption(last_resort)
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption.handle) for number in SIGNALS}
    try:
        yield interruption
    finally:
        interruption.over()
        for number, handler in before.items():
            signal.signal(number, handler)
    if interruption.signal is not None:
        handler = before[signal.Signals[interruption.signal]]
        if callable(handler) and handler is not signal.default_int_handler:
            handler(signal.Signals[interruption.signal], None)
