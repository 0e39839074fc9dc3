"""A look at the rows before there is a formula: how large the errors of their targets are."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace

from kanrun.context import Context
from kanrun.data.dataset import REGRESSION
from kanrun.data.noise import NoiseLevel, noise_levels
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
            context.events.note(sentence_of(name if len(levels) > 1 else "the target", level))
    return replace(state, noise={name: None if one is None else asdict(one) for name, one in levels.items()})


def sentence_of(what: str, level: NoiseLevel) -> str:
    """What the console says of it."""
    part = f"{100 * level.relative:.2g} % of the spread of {what}"
    return f"noise about {part} ({level.sigma:.2g} ± {level.error:.1g}, by {level.source})"


def has_values(problem: Problem, state: State) -> bool:  # noqa: ARG001
    """Only values have errors of measurement."""
    return problem.data.task == REGRESSION and not problem.data.relations


NOISE = Stage("noise", has_values, look_at_noise)
