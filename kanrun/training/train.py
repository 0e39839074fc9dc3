"""Training a network: steps, grid updates, a record of each step, and a way back from steps that fail."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kanrun.config.schema import OptimizerConfig
from kanrun.data.dataset import Dataset, Rows
from kanrun.model.layer import Prepared
from kanrun.model.protocol import Network
from kanrun.training.history import Record
from kanrun.training.objective import Objective, prepared
from kanrun.training.steppers import Compiler, make_stepper

MAX_UNDONE = 5  # steps undone in a row before a stage gives up
HOPELESS = 10.0  # a beginning whose objective is this many times that of a better one is given up
PATIENCE = 10  # steps without a gain, on the best constant or on the best step, before a stage ends
UNLEARNED = 0.1  # part of the steps, if that is more, that a network may take to get better than a constant
TURNED = 1.1  # times the best loss of the validation rows, by which they show that it went too far
CLEAN = 1e-3  # part of the loss of the best constant below which there is hardly any noise to follow


@dataclass(frozen=True)
class Training:
    """The trained network, a record for every step, and what went wrong on the way, in plain words.

    `learned` is false where the loss never fell below that of the best constant. `scores` has the best objective up to
    each step, on the validation rows where there are some, else on the training rows.
    """

    model: Network
    history: list[Record]
    messages: list[str]
    learned: bool
    scores: list[float]
    attempt: int = 0  # which beginning it comes from
    choice: str = ""  # what it was chosen from, in words
    overfits: bool = False  # whether validation rows lost again what they had gained, and more than next to nothing

    @property
    def score(self) -> float:
        """The objective of the network."""
        return self.scores[-1] if self.scores else math.inf

    @property
    def loss(self) -> float:
        """The loss at the best step, without regularization, on the validation rows where there are some."""
        best = self.history[self.best_step]
        return best.train_loss if best.validation_loss is None else best.validation_loss

    @property
    def best_step(self) -> int:
        """The step after which the network was at its best."""
        return self.scores.index(self.score)


def train(
    model: Network,
    data: Dataset,
    objective: Objective,
    optimizer: OptimizerConfig,
    *,
    stage: str,
    steps: int,
    seed: int,
    warmup: float = 0.0,
    until_idle: bool = False,
    rival: Sequence[float] = (),
    attempt: int = 0,
    on_record: Callable[[Record], None] | None = None,
) -> Training:
    """Trains `model` in place for `steps` steps on the training rows of `data`.

    The regularization grows evenly over the first `warmup` part of the steps: full strength from the start can remove
    every edge before anything was learned. Every `optimizer.grid_update_every` steps the knots follow the activations.
    A step or a grid update whose loss is not finite is undone and the optimizer starts afresh. The network ends as it
    was at its best step, on the validation rows where the data has some. It ends early where they, or with `until_idle`
    the training rows, gain nothing any more, where the optimizer has arrived, and where it stays far behind the scores
    of a `rival`. The test rows are only looked at for the record.
    """
    x, y = data.train.x, data.train.y
    generator = torch.Generator().manual_seed(seed)
    begin = time.perf_counter()
    history: list[Record] = []
    scores: list[float] = []
    messages: list[str] = []

    def parts(at: Objective) -> tuple[float, float]:
        with torch.no_grad():
            loss, penalty = at.parts(model, x, y)
        return float(loss), float(penalty)

    def restore(state: tuple[Network, Tensor]) -> None:
        model.become(state[0])
        model.set_vector(state[1])

    def loss_on(rows: Rows, first: Prepared | None) -> float:
        with torch.no_grad():
            return float(objective.parts(model, rows.x, rows.y, penalized=False, first=first)[0])

    def weighted(step: int) -> Objective:
        grown = min(1.0, (step + 1) / (warmup * steps)) if warmup > 0 else 1.0
        return replace(objective, penalty=replace(objective.penalty, lamb=objective.penalty.lamb * grown))

    constant = data.loss.null_value(data.train.y)
    learned = constant == 0
    # A state is the network as it was when its grids were last changed, and the entries trained since.
    good = (model.clone(), model.get_vector())
    best_state, best = good, math.inf
    stepper, undone, idle, arrived = None, 0, 0, False
    compiler = Compiler(model, optimizer)
    if compiler.note:
        messages.append(compiler.note)
    for step in range(steps):
        now = weighted(step)
        follows = step <= optimizer.grid_update_until
        if follows and (step % optimizer.grid_update_every == 0 or (stepper is not None and stepper.finished)):
            model.fit_grids(x)
            if math.isfinite(sum(parts(now))):
                good = (model.clone(), model.get_vector())
            else:
                restore(good)
                messages.append(f"{stage}: the grid update at step {step} was not finite and was undone")
            stepper = None
        if stepper is None:
            stepper = make_stepper(model, x, y, optimizer, generator)
            features = [None if rows is None else prepared(model, rows.x) for rows in (data.test, data.validation)]
        loss, penalty = compiler.step(stepper, now, steps - step - 1) or parts(now)
        if math.isfinite(loss + penalty):
            good, undone = (good[0], model.get_vector()), 0
        else:
            restore(good)
            stepper, undone = None, undone + 1
            messages.append(f"{stage}: step {step} was not finite and was undone")
            loss, penalty = parts(now)
        grows = now.penalty.lamb != weighted(step + 1).penalty.lamb
        if now.penalty.lamb != weighted(step - 1).penalty.lamb:
            best = math.inf  # another objective: what was reached before does not count
        test = loss_on(data.test, features[0])
        judged = None if data.validation is None else loss_on(data.validation, features[1])
        seconds = time.perf_counter() - begin
        history.append(Record(stage, step, loss, test, penalty, seconds, judged, model.grid, attempt))
        score = (loss if judged is None else judged) + penalty
        idle = 0 if score < (1 - 1e-3) * best else idle + 1
        if score <= best:
            best, best_state = score, good
        scores.append(best)
        if on_record:
            on_record(history[-1])
        learned = learned or loss < 0.95 * constant
        ended = stepper is not None and stepper.finished and not grows and (arrived or not follows)
        arrived = stepper is not None and stepper.finished
        if not learned and (ended or step + 1 >= max(PATIENCE, UNLEARNED * steps)):
            messages.append(f"{stage}: after {step + 1} steps the network is no better than a constant")
            break
        if (until_idle or data.validation is not None) and idle >= PATIENCE and not grows:
            break
        behind = bool(rival) and best > HOPELESS * rival[min(step, len(rival) - 1)]
        if ended or (behind and step + 1 >= PATIENCE and not grows):
            break
        if undone >= MAX_UNDONE:
            messages.append(f"{stage}: stopped after {undone} steps in a row that were not finite")
            break
    compiler.end()
    restore(best_state)
    result = Training(model, history, messages, learned, scores, attempt)
    held = [r.validation_loss for r in history if r.validation_loss is not None]
    overfits = bool(held) and held[-1] > TURNED * result.loss and result.loss > CLEAN * constant
    return replace(result, overfits=overfits)
