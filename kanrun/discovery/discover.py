"""From rows to a formula without a given width: small things first, until one is exact or the budget is used up."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from kanrun.context import UNLIMITED, Context
from kanrun.discovery.moves.schedule import schedule
from kanrun.discovery.problem import Problem
from kanrun.discovery.scales import Scales
from kanrun.discovery.screening import inputs_to_look_at
from kanrun.discovery.search import Search
from kanrun.discovery.state import SearchState
from kanrun.model.joining import among_inputs


def discover(problem: Problem, seed: int = 0, context: Context = UNLIMITED) -> SearchState:
    """The formula of a problem, in the `result` of the state in which its search ends.

    A part of the budget is left for writing it. The search begins at the last landmark of the journal, where there is
    one; everything of a later decision is in the state that is kept there. Of many inputs it looks at those that tell
    something, which the state then names; what it gives is for all of them.
    """
    inputs = inputs_to_look_at(problem)
    if not inputs:
        return in_own_units(problem, seed, context)
    state = in_own_units(problem.of_inputs(inputs), seed, context)
    found = state.changed(partial(among_inputs, inputs=inputs, count=problem.n))
    return replace(found, looked_at=inputs)


def in_own_units(problem: Problem, seed: int, context: Context) -> SearchState:
    """The same in units in which inputs and targets are of a size around one; what it gives is for the rows."""
    scales = Scales.of(problem.x, problem.y)
    if scales.plain:
        return Search.begun(problem, seed, context, schedule).run()
    own = scales.problem(problem.x, problem.y, problem)
    return scales.restored_state(Search.begun(own, seed, context, schedule).run(), own)
