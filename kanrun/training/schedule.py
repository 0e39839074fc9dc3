"""A whole training: the best of several beginnings, on finer and finer grids, judged on rows that are held back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kanrun.config.schema import OptimizerConfig
from kanrun.data.dataset import Dataset, hold_back
from kanrun.model.network import KAN
from kanrun.model.protocol import Network, has_splines
from kanrun.training.history import Record
from kanrun.training.knots import place_knots
from kanrun.training.least_squares import MOST_FOR_LM, levenberg_marquardt
from kanrun.training.objective import Objective
from kanrun.training.train import Training, train

ATTEMPTS = 4  # beginnings that are tried before a network that learns nothing is accepted
PROBE, PROBE_STEPS = 4, 20  # how much finer the grid is that shows where knots are needed, and its steps
MOST_FOR_PROBE = 3000  # parameters of that network
COARSE = 5  # lm begins on at most this many intervals: on fine ones it follows single rows before it sees the whole
GAIN = 0.98  # a finer grid must bring the score below this part of what it was
ANEW, MUCH = 5, 0.05  # other beginnings of a pruned network, while so much of the constant's loss is left
HELD_BACK = 0.2  # part of the training rows that chooses between beginnings and grids
FEW = 3  # targets a parameter, with fewer of which some are held back to say when to stop


@dataclass(frozen=True)
class Schedule:
    """What a whole training is made of.

    `build(attempt)` gives a new beginning on the first of `grids`; `parameters` is how many it trains.
    """

    build: Callable[[int], Network]
    objective: Objective
    optimizer: OptimizerConfig
    grids: list[int]
    restarts: int = 1
    warmup: float = 0.0
    seed: int = 0
    parameters: int = 0
    on_record: Callable[[Record], None] | None = None

    @property
    def chooses(self) -> bool:
        """Whether there are networks to choose from, by rows that they were not trained on."""
        return self.restarts > 1 or self.places_knots

    @property
    def places_knots(self) -> bool:
        """Whether knots go where they are needed: who names grids wants the most of each."""
        return len(self.optimizer.grids) > 0

    def train(
        self, model: Network, data: Dataset, attempt: int, rival: list[float] | None = None, steps: int | None = None
    ) -> Training:
        """One training of one network on one grid: of a new beginning against a `rival`, else until it is idle."""
        new = rival is not None
        return train(
            model, data, self.objective, self.optimizer, stage="train", steps=steps or self.optimizer.steps,
            seed=self.seed, warmup=self.warmup if new else 0.0, until_idle=not new, rival=rival or [], attempt=attempt,
            on_record=self.on_record,
        )  # fmt: skip


@dataclass
class Log:
    """The records and messages of all trainings so far."""

    history: list[Record] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def add(self, result: Training) -> Training:
        self.history += result.history
        self.messages += result.messages
        return result


def train_by_schedule(schedule: Schedule, data: Dataset) -> Training:
    """Trains the best of the beginnings on the coarsest grid, then refines it as long as the validation rows gain.

    Of many beginnings the better half goes on, and half of these from there: a coarse grid says little about a fine
    one. With one beginning, one grid and many rows there is nothing to choose, and all rows train. Where something is
    to be chosen and the data has no validation rows, some are held back for as long; they train the chosen network at
    the end, unless they have shown that it would go too far.
    """
    rows = with_validation(data, schedule.parameters, schedule.seed, schedule.chooses)
    borrows = rows is not data
    log = Log()
    leaders = better_half(beginnings(schedule, rows, log), alone=len(schedule.grids) < 2)
    if schedule.grids and leaders[0].model.grid < schedule.grids[0]:
        leaders = [log.add(schedule.train(t.model.refine(schedule.grids[0]), rows, t.attempt)) for t in leaders]
    if schedule.places_knots:
        leaders = [better_knots(schedule, t, rows, log) for t in leaders]
    for grid in schedule.grids[1:]:
        best = min(leaders, key=lambda t: t.score)
        if reason := too_fine(schedule, best.model, grid, rows):
            log.messages.append(f"train: grid {grid} {reason}")
            break
        refined = [t.model.refine(grid) for t in leaders]
        finer = [log.add(schedule.train(m, rows, t.attempt)) for m, t in zip(refined, leaders, strict=True)]
        if not min(t.loss for t in finer) < GAIN * best.loss:
            log.messages.append(f"train: grid {grid} is no better than {best.model.grid} on rows held back")
            break
        leaders = [better_knots(schedule, t, rows, log) for t in better_half(finer)]
    best = min(leaders, key=lambda t: t.score)
    if borrows and not best.overfits:
        # No row is left to say when to stop, so this goes no further than the rows held back had allowed.
        best = log.add(schedule.train(best.model.clone(), data, best.attempt, steps=best.best_step + 1))
    chosen = choice(schedule, best, data, len(data.train.y) - len(rows.train.y)) if schedule.chooses else ""
    return replace(best, history=log.history, messages=log.messages, choice=chosen)


def choice(schedule: Schedule, best: Training, data: Dataset, held: int) -> str:
    """What was chosen, and by which rows."""
    chosen = []
    if len(schedule.grids) > 1:
        chosen.append(f"grid {best.model.grid} of {', '.join(map(str, schedule.grids))}")
    if schedule.restarts > 1:
        chosen.append(f"beginning {best.attempt + 1} of {schedule.restarts}")
    if not chosen:
        chosen.append("knots")
    by = f"{held} of {len(data.train.y)} rows, held back for that" if held else "the validation rows"
    return f"{' and '.join(chosen)}, chosen by {by}"


def with_validation(data: Dataset, parameters: int, seed: int, chooses: bool = False) -> Dataset:
    """The data with some of its training rows held back, where it has no validation rows and some are needed.

    They are where something is to be chosen, or where a network of so many parameters could follow noise.
    """
    few = data.train.y.numel() < FEW * parameters
    return hold_back(data, HELD_BACK, seed) if data.validation is None and (chooses or few) else data


def too_fine(schedule: Schedule, model: Network, grid: int, data: Dataset) -> str:
    """Why the network cannot go to a finer grid; empty where it can."""
    count, targets = model.parameter_count_on(grid), data.train.y.numel()
    if count > targets:
        return f"would have {count} parameters, more than the {targets} numbers it is trained on"
    if schedule.optimizer.name == "lm" and count > MOST_FOR_LM:
        return f"would have {count} parameters, lm takes up to {MOST_FOR_LM}"
    return ""


def better_half(trainings: list[Training], alone: bool = False) -> list[Training]:
    """The better half, best first, at least one, and with `alone` no more; none that learned less than the best."""
    ranked = sorted(trainings, key=lambda t: (not t.learned, t.score))
    return [t for t in ranked[: 1 if alone else max(1, len(ranked) // 2)] if t.learned == ranked[0].learned]


def beginnings(schedule: Schedule, data: Dataset, log: Log) -> list[Training]:
    """All `restarts` beginnings; one more is tried, up to ATTEMPTS, while none learns."""
    tried: list[Training] = []
    best: Training | None = None
    for attempt in range(max(schedule.restarts, ATTEMPTS)):
        if attempt >= schedule.restarts and best is not None and best.learned:
            break
        rival = best.scores if best is not None and best.learned else []
        model = schedule.build(attempt)
        if schedule.optimizer.name == "lm" and model.grid > COARSE:
            model = model.refine(COARSE)
        result = log.add(schedule.train(model, data, attempt, rival))
        tried.append(result)
        best = better_half(tried)[0]
    return tried


def train_pruned(
    model: KAN,
    data: Dataset,
    optimizer: OptimizerConfig,
    *,
    seed: int,
    noise_scale: float,
    careful: bool = False,
    on_record: Callable[[Record], None] | None = None,
) -> Training:
    """Trains a pruned network on without regularization; a `careful` one holds rows back where there are few.

    Exact steps end where the nearest valley does. Where lm leaves much unexplained, the same edges are trained from a
    few other beginnings too, and the best is kept.
    """
    rows = with_validation(data, model.parameter_count(), seed) if careful else data

    def once(network: KAN, attempt: int) -> Training:
        return train(
            network, rows, Objective(data.loss), optimizer, stage="refit", steps=optimizer.refit_steps, seed=seed,
            until_idle=True, attempt=attempt, on_record=on_record,
        )  # fmt: skip

    best = once(model.clone(), 0)
    history = best.history
    for attempt in range(1, 1 + ANEW):
        if optimizer.name != "lm" or not best.score > MUCH * data.loss.null_value(data.train.y):
            break
        other = once(model.begun_anew(seed + attempt, noise_scale), attempt)
        history = history + other.history
        best = other if other.score < best.score else best
    return replace(best, history=history)


def better_knots(schedule: Schedule, best: Training, data: Dataset, log: Log) -> Training:
    """The network with its knots where a finer one bends, trained on, if the validation rows gain by it."""
    x, y = data.train.x, data.train.y
    model, grid = best.model, PROBE * best.model.grid
    if not has_splines(model) or model.parameter_count_on(grid) > min(MOST_FOR_PROBE, y.numel()):
        return best
    fine = model.refine(grid)
    fine.fit_grids(x)
    levenberg_marquardt(fine, x, y, data.loss, PROBE_STEPS)
    place_knots(fine, x, best.model.grid)
    moved = log.add(schedule.train(fine, data, best.attempt))
    return moved if moved.score < best.score else best
