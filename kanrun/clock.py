"""A limit of time, as a function that says whether it is over."""

from __future__ import annotations

import time
from collections.abc import Callable

Over = Callable[[], bool]


def never() -> bool:
    """No limit."""
    return False


def at(moment: float) -> Over:
    """Over after this moment of `time.perf_counter`."""
    return lambda: time.perf_counter() > moment
