"""Limits of time."""

from __future__ import annotations

import time

from kanrun.clock import at, never


def test_a_moment_that_has_passed_is_over_and_one_to_come_is_not() -> None:
    assert at(time.perf_counter() - 1)()
    assert not at(time.perf_counter() + 1000)()
    assert not never()
