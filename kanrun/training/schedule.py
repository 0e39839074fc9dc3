"""A whole training: the best of several restarts, on finer and finer grids, judged on validation rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from kanrun.config.schema import OptimizerConfig
from kanrun.context import Context
from kanrun.data.dataset import VALIDATION_PART, Dataset, hold_back, null_value
from kanrun.model.network import KAN
from kanrun.model.protocol import Network, has_splines
from kanrun.training.history import Record
from kanrun.training.knots import place_knots
from kanrun.training.least_squares import levenberg_marquardt
from kanrun.training.loop import CLEAN, Training, train
from kanrun.training.objective import Objective
from kanrun.training.optimizers import Kind, SmoothConfig, can_smooth, kind_of
from kanrun.training.stopping import IDLE, RULES, SMOOTH
from kanrun.training.train_state import Plan

ATTEMPTS = 4  # restarts that are tried before a network that learns nothing is accepted
PROBE, PROBE_STEPS = 4, 20  # how much finer the grid is that shows where knots are needed, and its steps
MOST_FOR_PROBE = 3000  # parameters of that network
GAIN = 0.98  # a finer grid must bring the score below this part of what it was
MOST_ANEW = 500  # parameters of a pruned network that is begun anew; larger ones find a way from anywhere
ANEW, MUCH = 5, 0.05  # other restarts of a pruned network, while so much of the constant's loss is left
SMOOTHING_STEPS = 30
LEARNING = 0.8  # part of the loss halfway that a training which still learns has left at its last step
FEW = 3  # targets a parameter, with fewer of which some rows become validation rows that say when to stop


@dataclass(frozen=True)
class Schedule:
    """What a whole training is made of.

    `build(attempt)` gives another random network on the first of `grids`, which has the grids to train on, coarse to
    fine; `placed` knots go where they are needed. `parameters` is how many the network trains. One that has `begun`
    before is not put on a coarse grid first, on which it would forget.
    """

    build: Callable[[int], Network]
    objective: Objective
    optimizer: OptimizerConfig
    grids: list[int] = field(default_factory=list)
    placed: bool = False
    restarts: int = 1
    warmup: float = 0.0
    seed: int = 0
    parameters: int = 0
    begun: bool = False

    @property
    def chooses(self) -> bool:
        """Whether there are networks to choose from, by rows that they were not trained on."""
        return self.restarts > 1 or self.placed

    @property
    def kind(self) -> Kind:
        """What the optimizer can do."""
        return kind_of(self.optimizer)

    def plan(self, data: Dataset, attempt: int) -> Plan:
        """A training on one grid of a network that has learned something already."""
        return Plan(
            data, self.objective, self.optimizer, "train", self.optimizer.steps, self.seed, rules=(*RULES, IDLE),
            attempt=attempt,
        )  # fmt: skip


@dataclass
class Log:
    """The records and messages of all trainings so far, each a piece of work of its own in the context."""

    context: Context
    history: list[Record] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def train(self, model: Network, plan: Plan) -> Training:
        """One training."""
        result = self.context.once(lambda: train(model, plan, self.context))
        self.history += result.history
        self.messages += result.messages
        return result


def train_by_schedule(schedule: Schedule, data: Dataset, context: Context | None = None) -> Training:
    """Trains the best of the restarts on the coarsest grid, then refines it as long as the validation rows gain.

    Of many restarts the better half goes on, and half of these from there: a coarse grid says little about a fine one.
    With one restart, one grid and many rows there is nothing to choose, and all rows train. Where something is to be
    chosen and the data has no validation rows, some are held back for as long; they train the chosen network at the
    end, unless they have shown that it would go too far.
    """
    rows = with_validation(data, schedule.parameters, schedule.seed, schedule.chooses)
    log = Log(context or Context())
    leaders = better_half(all_restarts(schedule, rows, log), alone=len(schedule.grids) < 2)
    if schedule.grids and leaders[0].model.grid < schedule.grids[0]:
        leaders = refined(schedule, leaders, schedule.grids[0], rows, log)
    if schedule.placed:
        leaders = [better_knots(schedule, t, rows, log) for t in leaders]
    best = finest_that_gains(schedule, leaders, rows, log)
    if not log.context.over() and to_be_smoothed(schedule, best, rows):
        best = at_its_smoothest(schedule, best, rows if judges_smoothing(rows) else data, log)
    elif rows is not data and not best.overfits and not log.context.over():
        # No row is left to say when to stop, so this goes no further than the validation rows had allowed.
        whole = replace(schedule.plan(data, best.attempt), steps=best.best_step + 1)
        best = log.train(best.model.clone(), whole)
    chosen = choice(schedule, best, data, len(data.train.y) - len(rows.train.y)) if schedule.chooses else ""
    return replace(best, history=log.history, messages=log.messages, choice=chosen)


def to_be_smoothed(schedule: Schedule, trained: Training, data: Dataset) -> bool:
    """Whether exact steps have left more than next to nothing, so that the network may follow noise.

    A regularization that was asked for has its own say, and one that ran out of steps while it still learned has not
    come to the noise. Classes that could be told apart to the end show none: there validation rows say when to stop.
    """
    losses = [record.train_loss for record in trained.history]
    if data.loss.tells_apart(losses[-1], len(data.train.y)):
        return False
    if len(losses) >= schedule.optimizer.steps and losses[-1] < LEARNING * losses[len(losses) // 2]:
        return False
    free, null = not schedule.objective.penalizes(trained.model), null_value(data)
    return free and can_smooth(trained.model, schedule.optimizer) and trained.loss > CLEAN * null > 0


def judges_smoothing(data: Dataset) -> bool:
    """Whether rows held back say how far a smoothing goes.

    Where rows are few, probabilities near 0 and 1 tell so little of a network's entries that it seems to have hardly
    any, and what other rows are expected to cost (Akaike's criterion) falls while it rises.
    """
    return data.loss.nats and data.validation is not None


def at_its_smoothest(schedule: Schedule, best: Training, data: Dataset, log: Log) -> Training:
    """The network smoothed, as it is at its best."""
    plan = schedule.plan(data, best.attempt)
    found = smoothed(best.model.clone(), plan, log)
    if judges_smoothing(data):
        return min(best, found, key=lambda training: training.loss)
    # Weights that were too large at first may have taken what those that suit the network bring back.
    again = smoothed(found.model.clone(), plan, log, smooth=True)
    return again if again.score < found.score else found


def smoothed(model: Network, plan: Plan, log: Log, smooth: bool = False) -> Training:
    """The network trained on in place under penalties on its edges, whose weights all training rows choose.

    Whether it is `smooth` says where these weights begin. Who asked for fewer steps is given no more.
    """
    own = SmoothConfig(steps=min(SMOOTHING_STEPS, plan.steps), grid_update_until=0, smooth=smooth)
    training = log.train(model, replace(plan, optimizer=own, steps=own.steps, rules=SMOOTH))
    return replace(training, smooth=True)


def finest_that_gains(schedule: Schedule, leaders: list[Training], rows: Dataset, log: Log) -> Training:
    """The best network on the finest grid by which the validation rows gain."""
    for grid in schedule.grids[1:]:
        best = min(leaders, key=lambda t: t.score)
        if log.context.over():
            break
        if reason := too_fine(schedule, best.model, grid, rows):
            log.messages.append(f"train: grid {grid} {reason}")
            break
        finer = refined(schedule, leaders, grid, rows, log)
        if not min(t.loss for t in finer) < GAIN * best.loss:
            log.messages.append(f"train: grid {grid} is no better than {best.model.grid} on validation rows")
            break
        leaders = [better_knots(schedule, t, rows, log) for t in better_half(finer)]
    return min(leaders, key=lambda t: t.score)


def refined(schedule: Schedule, trainings: list[Training], grid: int, rows: Dataset, log: Log) -> list[Training]:
    """The networks on another grid, trained on."""
    finer = [(t.model.refine(grid), t.attempt) for t in trainings]
    return [log.train(model, schedule.plan(rows, attempt)) for model, attempt in finer]


def choice(schedule: Schedule, best: Training, data: Dataset, held: int) -> str:
    """What was chosen, and by which rows."""
    chosen = []
    if len(schedule.grids) > 1:
        chosen.append(f"grid {best.model.grid} of {', '.join(map(str, schedule.grids))}")
    if schedule.restarts > 1:
        chosen.append(f"restart {best.attempt + 1} of {schedule.restarts}")
    if not chosen:
        chosen.append("knots")
    by = f"{held} of {len(data.train.y)} rows, held back for that" if held else "the validation rows"
    return f"{' and '.join(chosen)}, chosen by {by}"


def with_validation(data: Dataset, parameters: int, seed: int, chooses: bool = False) -> Dataset:
    """The data with some of its training rows held back, where it has no validation rows and some are needed.

    They are where something is to be chosen, or where a network of so many parameters could follow noise.
    """
    few = data.train.y.numel() < FEW * parameters
    return hold_back(data, VALIDATION_PART, seed) if data.validation is None and (chooses or few) else data


def too_fine(schedule: Schedule, model: Network, grid: int, data: Dataset) -> str:
    """Why the network cannot go to a finer grid; empty where it can."""
    count, targets = model.parameter_count_on(grid), data.train.y.numel()
    if count > targets:
        return f"would have {count} parameters, more than the {targets} numbers it is trained on"
    if not schedule.kind.takes(count):
        return f"would have {count} parameters, {schedule.optimizer.name} takes up to {schedule.kind.max_parameters}"
    return ""


def better_half(trainings: list[Training], alone: bool = False) -> list[Training]:
    """The better half, best first, at least one, and with `alone` no more; none that learned less than the best."""
    ranked = sorted(trainings, key=lambda t: (not t.learned, t.score))
    return [t for t in ranked[: 1 if alone else max(1, len(ranked) // 2)] if t.learned == ranked[0].learned]


def all_restarts(schedule: Schedule, data: Dataset, log: Log) -> list[Training]:
    """All `restarts`, each against the best so far; one more is tried, up to ATTEMPTS, while none learns."""
    tried: list[Training] = []
    best: Training | None = None
    for attempt in range(max(schedule.restarts, ATTEMPTS)):
        if best is not None and (log.context.over() or (attempt >= schedule.restarts and best.learned)):
            break
        rival = best.scores if best is not None and best.learned else []
        model, coarse = schedule.build(attempt), schedule.kind.coarse_grid
        if coarse is not None and model.grid > coarse and not (schedule.begun and attempt == 0):
            model = model.refine(coarse)
        plan = replace(schedule.plan(data, attempt), warmup=schedule.warmup, rules=RULES, rival=rival)
        tried.append(log.train(model, plan))
        best = better_half(tried)[0]
    return tried


def train_pruned(
    model: KAN, data: Dataset, optimizer: OptimizerConfig, *, seed: int, noise_scale: float,
    context: Context | None = None, smooth: bool = False,
) -> Training:  # fmt: skip
    """Trains a pruned network on, without regularization; `smooth` as the rows ask for it, where they have noise.

    Exact steps end where the nearest valley does. Where they leave much unexplained, the same edges are trained from a
    few other restarts too, and the best is kept.
    """
    log = Log(context or Context())
    plan = Plan(data, Objective(data.loss), optimizer, "refit", optimizer.refit_steps, seed, rules=(*RULES, IDLE))
    if smooth and can_smooth(model, optimizer):
        found, held = smoothed(model.clone(), plan, log, smooth=not judges_smoothing(data)), data.validation
        if held is not None and judges_smoothing(data):
            with torch.no_grad():
                before = float(data.loss.weighted_value(model(held.x), held.y, held.weights))
            found = found if found.score < before else replace(found, model=model.clone())
        return replace(found, history=log.history)
    best = log.train(model.clone(), plan)
    null = null_value(data)
    for attempt in range(1, 1 + ANEW) if model.parameter_count() <= MOST_ANEW else ():
        if not kind_of(optimizer).finds_valleys or not best.score > MUCH * null or log.context.over():
            break
        other = log.train(model.begun_anew(seed + attempt, noise_scale), replace(plan, attempt=attempt))
        best = other if other.score < best.score else best
    return replace(best, history=log.history)


def better_knots(schedule: Schedule, best: Training, data: Dataset, log: Log) -> Training:
    """The network with its knots where a finer one bends, trained on, if the validation rows gain by it."""
    x, y = data.train.x, data.train.y
    model, grid = best.model, PROBE * best.model.grid
    too_large = model.parameter_count_on(grid) > min(MOST_FOR_PROBE, y.numel())
    if not has_splines(model) or too_large or log.context.over():
        return best
    fine = model.refine(grid)
    fine.fit_grids(x)
    levenberg_marquardt(fine, x, y, data.loss, PROBE_STEPS, weights=data.train.weights)
    place_knots(fine, x, best.model.grid)
    moved = log.train(fine, schedule.plan(data, best.attempt))
    return moved if moved.score < best.score else best
