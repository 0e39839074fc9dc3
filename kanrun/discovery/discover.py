"""From rows to a formula without a given width: small things first, until one is exact or the budget is used up."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from kanrun.context import UNLIMITED, Context
from kanrun.discovery.moves.schedule import schedule
from kanrun.discovery.problem import Problem
from kanrun.discovery.scales import Scales
from kanrun.discovery.screening import inputs_to_look_at, telling_inputs
from kanrun.discovery.search import Search, WithoutLandmarks
from kanrun.discovery.state import SearchState
from kanrun.model.joining import among_inputs

UNLIKELY = 0.2  # part of the budget for many inputs of which none tells anything


def discover(problem: Problem, seed: int = 0, context: Context = UNLIMITED) -> SearchState:
    """The formula of a problem, in the `result` of the state in which its search ends.

    A part of the budget is left for writing it. The search begins at the last landmark of the journal, where there is
    one; everything of a later decision is in the state that is kept there. Of many inputs it looks at those that tell
    something, which the state then names; what it gives is for all of them. Where none does it soon ends.
    """
    inputs = inputs_to_look_at(problem)
    if inputs is None:
        return in_own_units(problem, seed, context)
    if not inputs:
        return in_own_units(problem, seed, replace(context, budget=context.budget.share(UNLIKELY)))
    state = among_others(problem, inputs, seed, context)
    more = inputs_left_out(problem, inputs, state)
    if not more or context.over():
        return state
    own = replace(context, journal=WithoutLandmarks(context.journal))  # those are of the search before
    return state.followed_by(among_others(problem, sorted({*inputs, *more}), seed, own))


def among_others(problem: Problem, inputs: list[int], seed: int, context: Context) -> SearchState:
    """The same in these inputs alone; what it gives is for all of them."""
    state = in_own_units(problem.of_inputs(inputs), seed, context)
    return replace(state.changed(partial(among_inputs, inputs=inputs, count=problem.n)), looked_at=inputs)


def inputs_left_out(problem: Problem, inputs: list[int], state: SearchState) -> list[int]:
    """Other inputs that tell something about what the formula leaves, which may be small beside what it explains."""
    if state.result is None or state.is_empty or state.result.symbolic.loss <= problem.exact:
        return []
    with torch.no_grad():
        left = (problem.y - state.result.symbolic.model(problem.x))[:, 0].double().cpu().numpy()
    found = telling_inputs(problem.x.double().cpu().numpy(), left, problem.factors)
    return [i for i in found or () if i not in inputs]


def in_own_units(problem: Problem, seed: int, context: Context) -> SearchState:
    """The same in units in which inputs and targets are of a size around one; what it gives is for the rows."""
    scales = Scales.of(problem.x, problem.y)
    if scales.plain:
        return Search.begun(problem, seed, context, schedule).run()
    own = scales.problem(problem.x, problem.y, problem)
    return scales.restored_state(Search.begun(own, seed, context, schedule).run(), own)
