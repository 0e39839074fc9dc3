"""Training a network: one explicit state, one step after the other, and a way back from steps that fail."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import torch

from kanrun.context import Context
from kanrun.data.dataset import Rows, null_value
from kanrun.model.prepared import Prepared
from kanrun.model.protocol import Network
from kanrun.training import optimizers
from kanrun.training.history import Record
from kanrun.training.objective import Objective, prepared
from kanrun.training.stopping import RULES, first_that_holds
from kanrun.training.train_state import Plan, Snapshot, TrainState

TURNED = 1.1  # times the best loss of the validation rows, by which they show that it went too far
CLEAN = 1e-3  # part of the loss of the best constant below which there is hardly any noise to follow
GAIN = 1e-3  # part of the objective that a step must win


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
    attempt: int = 0  # which restart it comes from
    choice: str = ""  # what it was chosen from, in words
    overfits: bool = False  # whether validation rows lost again what they had gained, and more than next to nothing
    smooth: bool = False  # whether it was smoothed, since the rows have noise

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


class Trainer:
    """Takes the steps of a plan: what a state needs beside itself, all of which follows from it."""

    def __init__(self, plan: Plan, state: TrainState, context: Context) -> None:
        self.plan, self.state, self.context = plan, state, context
        self.generator = torch.Generator().manual_seed(plan.seed)
        self.begin = time.perf_counter() - state.seconds
        self.optimizer: optimizers.Optimizer | None = None
        self.features: list[Prepared | None] = []
        if state.random is not None:
            self.generator.set_state(state.random)
        if state.optimizer_state is not None:
            self.start_optimizer().resume(state.optimizer_state)

    def saved(self) -> TrainState:
        """The state with what the optimizer and the random numbers have come to."""
        known = None if self.optimizer is None else self.optimizer.state()
        return replace(
            self.state, random=self.generator.get_state(), optimizer_state=known,
            seconds=time.perf_counter() - self.begin,
        )  # fmt: skip

    def start_optimizer(self) -> optimizers.Optimizer:
        """A fresh optimizer for the network as it is."""
        model, data = self.state.model, self.plan.data
        rows = optimizers.Rows(
            model, data.train.x, data.train.y, self.generator, self.cancelled, data.train.weights,
            self.plan.objective.loss,
        )  # fmt: skip
        self.optimizer = optimizers.make_optimizer(rows, self.plan.optimizer)
        parts = (data.test, data.validation)
        self.features = [None if rows is None else prepared(model, rows.x) for rows in parts]
        return self.optimizer

    def cancelled(self) -> bool:
        """Whether everything has to end now."""
        return self.context.budget.meter.cancelled() is not None

    def parts(self, at: Objective) -> tuple[float, float]:
        """Loss and penalty of the network on the training rows."""
        rows = self.plan.data.train
        with torch.no_grad():
            loss, penalty = at.parts(self.state.model, rows.x, rows.y, weights=rows.weights)
        return float(loss), float(penalty)

    def loss_on(self, rows: Rows | None, first: Prepared | None) -> float | None:
        """The loss on other rows, without regularization; None where there are none."""
        if rows is None:
            return None
        with torch.no_grad():
            return float(self.plan.objective.parts(
                self.state.model, rows.x, rows.y, penalized=False, first=first, weights=rows.weights
            )[0])  # fmt: skip

    def step(self) -> None:
        """One step: new knots if it is time, the optimizer's step, its undoing if it failed, and its record."""
        state, now = self.state, self.plan.weighted(self.state.step)
        self.update_grids(now)
        optimizer = self.optimizer or self.start_optimizer()
        loss, penalty = optimizer.step(now) or self.parts(now)
        if self.cancelled():
            return
        if math.isfinite(loss + penalty):
            state.good, state.undone = Snapshot(state.good.network, state.model.get_vector()), 0
        else:
            loss, penalty = self.undo(now)
        self.record(loss, penalty)
        finished = self.optimizer is not None and self.optimizer.finished
        state.finished_steps = state.finished_steps + 1 if finished else 0
        state.step += 1

    def update_grids(self, now: Objective) -> None:
        """Lets the knots follow the activations every few steps, and when the optimizer has arrived."""
        state, config = self.state, self.plan.optimizer
        arrived = self.optimizer is not None and self.optimizer.finished
        if state.step > config.grid_update_until or (state.step % config.grid_update_every and not arrived):
            return
        state.model.fit_grids(self.plan.data.train.x)
        if math.isfinite(sum(self.parts(now))):
            state.good = Snapshot.of(state.model)
        else:
            state.good.restore(state.model)
            state.messages.append(
                f"{self.plan.stage}: the grid update at step {state.step} was not finite and was undone"
            )
        self.optimizer = None

    def undo(self, now: Objective) -> tuple[float, float]:
        """Goes back to the last network that was finite, with a fresh optimizer; gives its loss and penalty."""
        state = self.state
        state.good.restore(state.model)
        self.optimizer, state.undone = None, state.undone + 1
        state.messages.append(f"{self.plan.stage}: step {state.step} was not finite and was undone")
        return self.parts(now)

    def record(self, loss: float, penalty: float) -> None:
        """Adds the row of the history, and remembers the best network; what it is best by may have changed."""
        plan, state, data = self.plan, self.state, self.plan.data
        if state.step == 0 or plan.grows_after(state.step - 1):
            state.best_score = math.inf  # another objective: what was reached before does not count
        test, judged = (self.loss_on(r, f) for r, f in zip((data.test, data.validation), self.features, strict=True))
        seconds, grid = time.perf_counter() - self.begin, state.model.grid
        state.history.append(Record(plan.stage, state.step, loss, test, penalty, seconds, judged, grid, plan.attempt))
        known = judged is not None and optimizers.kind_of(plan.optimizer).expects
        score = (loss if judged is None else judged) + (0.0 if known else penalty)
        state.idle = 0 if score < (1 - GAIN) * state.best_score else state.idle + 1
        if score <= state.best_score:
            state.best_score, state.best = score, state.good
        state.scores.append(state.best_score)
        state.learned = state.learned or loss < 0.95 * null_value(self.plan.data)


def train(model: Network, plan: Plan, context: Context | None = None) -> Training:
    """Trains `model` in place for up to `plan.steps` steps on the training rows.

    Every `optimizer.grid_update_every` steps the knots follow the activations. A step or a grid update whose loss is
    not finite is undone and the optimizer starts afresh. The network ends as it was at its best step, on the validation
    rows where the data has some. It ends early where one of `plan.rules` holds. The test rows are only looked at for
    the record. A training that was interrupted goes on from the state that the journal has of it.
    """
    context = context or Context()
    state = context.journal.unfinished() or first_state(model, plan)
    trainer, rules = Trainer(plan, state, context), RULES if plan.rules is None else plan.rules
    while state.step < plan.steps:
        if context.over():
            if trainer.cancelled():
                context.journal.progress(trainer.saved, last=True)
            break
        trainer.step()
        if trainer.cancelled():
            break
        context.events.step(state.history[-1], plan.steps)
        rule = first_that_holds(rules, plan, state)
        if rule:
            state.messages += rule.told(plan, state)
            break
        context.journal.progress(trainer.saved)
    return finished(plan, state, model)


def first_state(model: Network, plan: Plan) -> TrainState:
    """The state before the first step."""
    start = Snapshot.of(model)
    return TrainState(model, start, start, learned=null_value(plan.data) == 0)


def finished(plan: Plan, state: TrainState, model: Network) -> Training:
    """The result, with `model` as it was at its best step."""
    state.best.restore(model)
    result = Training(model, state.history, state.messages, state.learned, state.scores, plan.attempt)
    held = [r.validation_loss for r in state.history if r.validation_loss is not None]
    null = null_value(plan.data)
    overfits = bool(held) and held[-1] > TURNED * result.loss and result.loss > CLEAN * null
    return replace(result, overfits=overfits)
