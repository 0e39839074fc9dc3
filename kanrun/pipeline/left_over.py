"""What formulas leave of the targets: nothing but noise, or more, as far as the inputs can tell."""

from __future__ import annotations

import torch

from kanrun.data.dataset import REGRESSION
from kanrun.discovery.atoms import MOST_JOINED, argument_values, arguments_of
from kanrun.discovery.whiteness import MOST_TESTED, is_noise
from kanrun.functions.library import FUNCTIONS
from kanrun.state import Problem, State
from kanrun.symbolic.judging import EXACT_REASON
from kanrun.symbolic.values import evaluate_texts

FEWEST = 30  # rows below which a pattern would hardly be seen
NOISE, MORE = "noise", "more than noise"


def left_over(problem: Problem, state: State) -> dict[str, str]:
    """`noise` or `more than noise` for each output with a formula, by discovery.whiteness over the training rows.

    Nothing of classes, of formulas that are exact to rounding, and where rows are few or the formula has no value.
    """
    data, found = problem.data, dict[str, str]()
    judged = [(j, f) for j, f in enumerate(state.formulas) if not f.exact and f.reason != EXACT_REASON]
    x = data.train.x[:MOST_TESTED].double().cpu()
    if data.task != REGRESSION or len(x) < FEWEST or not judged:
        return found
    y, weights = data.train.y[:MOST_TESTED].double().cpu(), data.train.weights
    ours = evaluate_texts([f.expression for _, f in judged], x, data.inputs).double().cpu()
    few = x.shape[1] <= MOST_JOINED
    joined = argument_values(arguments_of(x), x, FUNCTIONS) if few else x[:, :0]
    for place, (j, formula) in enumerate(judged):
        rest = ours[:, place] - y[:, j]
        rest = rest if weights is None else rest * weights[:MOST_TESTED].double().cpu().sqrt()
        if bool(torch.isfinite(rest).all()):
            found[formula.output] = NOISE if is_noise(rest, x, joined) else MORE
    return found
