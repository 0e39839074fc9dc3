"""From rows to a formula without a given width: small things first, until one is exact or the budget is used up."""

from __future__ import annotations

from kanrun.context import UNLIMITED, Context
from kanrun.discovery.moves.schedule import schedule
from kanrun.discovery.problem import Problem
from kanrun.discovery.scales import Scales
from kanrun.discovery.search import Search
from kanrun.discovery.state import SearchState


def discover(problem: Problem, seed: int = 0, context: Context = UNLIMITED) -> SearchState:
    """The formula of a problem, in the `result` of the state in which its search ends.

    A part of the budget is left for writing it. The search begins at the last landmark of the journal, where there is
    one; everything of a later decision is in the state that is kept there. It works in units in which inputs and
    targets are of a size around one; what it gives is for the rows as they are.
    """
    scales = Scales.of(problem.x, problem.y)
    if scales.plain:
        return Search.begun(problem, seed, context, schedule).run()
    own = scales.problem(problem.x, problem.y, problem)
    return scales.restored_state(Search.begun(own, seed, context, schedule).run(), own)
