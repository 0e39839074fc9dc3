"""A look at the rows before there is a formula: how large the errors of their targets are."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace

from kanrun.context import Context
from kanrun.data.dataset import REGRESSION
from kanrun.data.noise import noise_levels
from kanrun.errors import failure
from kanrun.state import Problem, Stage, State

log = logging.getLogger("kanrun")


def look_at_noise(problem: Problem, state: State, context: Context) -> State:
    """The state with the noise of each output, which is told where the rows show some."""
    try:
        levels = noise_levels(problem.data)
    except Exception as error:  # nothing is lost without it
        log.exception("the noise was not estimated")
        return state.warned(f"the noise was not estimated ({failure(error)})", context)
    for name, level in levels.items():
        if level is not None:
            context.events.note(level.sentence(name if len(levels) > 1 else "the target"))
    return replace(state, noise={name: None if one is None else asdict(one) for name, one in levels.items()})


def has_values(problem: Problem, state: State) -> bool:  # noqa: ARG001
    """Only values have errors of measurement."""
    return problem.data.task == REGRESSION and not problem.data.relations


NOISE = Stage("noise", has_values, look_at_noise)
