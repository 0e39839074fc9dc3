"""When a training ends before its last step: named rules, each a question to its plan and state."""

from __future__ import annotations

from kanrun.training.train_state import Plan, StopRule, TrainState

MAX_UNDONE = 5  # steps undone in a row before a stage gives up
HOPELESS = 10.0  # a restart whose objective is this many times that of a better one is given up
PATIENCE = 10  # steps without a gain, on the best constant or on the best step, before a stage ends
SOON = 3  # the same of rows held back, before a smoothing ends: each of its steps is several
UNLEARNED = 0.1  # part of the steps, if that is more, that a network may take to get better than a constant


def arrived(plan: Plan, state: TrainState) -> bool:
    """The optimizer has nothing left to do, and neither new knots nor more regularization would change that."""
    stays = state.step - 1 > plan.optimizer.grid_update_until or state.finished_steps > 1
    return state.finished_steps > 0 and stays and not plan.grows_after(state.step - 1)


def learns_nothing(plan: Plan, state: TrainState) -> bool:
    """The loss was never below that of the best constant, and should have been."""
    return not state.learned and (arrived(plan, state) or state.step >= max(PATIENCE, UNLEARNED * plan.steps))


def idles(plan: Plan, state: TrainState) -> bool:
    """For a while no step has gained anything."""
    return state.idle >= PATIENCE and not plan.grows_after(state.step - 1)


def gains_no_more(plan: Plan, state: TrainState) -> bool:
    """For a few steps the rows held back have gained nothing."""
    return plan.validates and state.idle >= SOON


def tells_all_apart(plan: Plan, state: TrainState) -> bool:
    """The classes are told apart as far as so many rows can tell; a penalty may still have edges to take away."""
    told = plan.objective.loss.tells_apart(state.history[-1].train_loss, len(plan.data.train.y))
    return told and not plan.objective.penalizes(state.model)


def falls_behind(plan: Plan, state: TrainState) -> bool:
    """Another training was far better after as many steps."""
    behind = bool(plan.rival) and state.best_score > HOPELESS * plan.rival[min(state.step, len(plan.rival)) - 1]
    return behind and state.step >= PATIENCE and not plan.grows_after(state.step - 1)


IDLE = StopRule("idle", idles)
ARRIVED = StopRule("arrived", arrived)
NOT_FINITE = StopRule(
    "not finite",
    lambda _, state: state.undone >= MAX_UNDONE,
    "{stage}: stopped after {undone} steps in a row that were not finite",
)
RULES = (
    StopRule("nothing learned", learns_nothing, "{stage}: after {step} steps the network is no better than a constant"),
    StopRule("validation rows gain nothing", lambda plan, state: plan.validates and idles(plan, state)),
    ARRIVED,
    StopRule("told apart", tells_all_apart),
    StopRule("behind", falls_behind),
    NOT_FINITE,
)
# Of a training that goes on from another one and has no knots to move.
SMOOTH = (ARRIVED, NOT_FINITE, IDLE, StopRule("validation rows gain no more", gains_no_more))


def first_that_holds(rules: tuple[StopRule, ...], plan: Plan, state: TrainState) -> StopRule | None:
    """The first of the rules by which the training ends now."""
    return next((rule for rule in rules if rule.holds(plan, state)), None)
