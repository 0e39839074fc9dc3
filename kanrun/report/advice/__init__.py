"""What a finished run says of its own result: what was measured, and what to try next."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TypeVar

from kanrun.report.advice.of_formulas import (
    beyond_noise,
    decided_alone,
    lost_rows,
    nothing_short,
    undetermined,
    worse_than_network,
)
from kanrun.report.advice.of_rows import decades, far_from_neighbours, few_rows, irrelevant, noise, unbalanced
from kanrun.report.advice.of_training import cut_short, explains_little, noise_free_test, overfits, still_learning
from kanrun.report.advice.values import Advice
from kanrun.state import Result

__all__ = ["Advice", "advice_on", "with_advice"]

log = logging.getLogger("kanrun")
R = TypeVar("R", bound=Result)
Case = Callable[[Result], list[Advice]]

CASES: tuple[Case, ...] = (  # what matters most first
    lost_rows, worse_than_network, explains_little, nothing_short, cut_short, still_learning, overfits, beyond_noise,
    far_from_neighbours, decided_alone, few_rows, undetermined, decades, unbalanced, irrelevant, noise, noise_free_test,
)  # fmt: skip


def advice_on(result: Result) -> tuple[Advice, ...]:
    """What there is to say of a finished run, each from a measurement; nothing where all is well, or it was cut off."""
    found: list[Advice] = []
    if result.interrupted is not None or not result.state.entries:
        return ()
    for case in CASES:
        try:
            found += case(result)
        except Exception:  # a result without advice is better than none
            log.exception("the advice of %s failed", case.__name__)
    return tuple(found)


def with_advice(result: R) -> R:
    """The result with `advice` in its metrics."""
    return replace(result, metrics={**result.metrics, "advice": [asdict(one) for one in advice_on(result)]})
