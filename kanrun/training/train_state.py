"""What a training is to do, where it stands, and what may end it: the plain values that its steps pass on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from kanrun.config.schema import OptimizerConfig
from kanrun.data.dataset import Dataset
from kanrun.model.protocol import Network
from kanrun.training.history import Record
from kanrun.training.objective import Objective


@dataclass(frozen=True)
class StopRule:
    """A reason to stop, which `holds` or not after every step; `message` is worth telling, of {stage} and {step}."""

    name: str
    holds: Callable[[Plan, TrainState], bool]
    message: str = ""

    def told(self, plan: Plan, state: TrainState) -> list[str]:
        """The message, if there is one."""
        return [self.message.format(stage=plan.stage, step=state.step, undone=state.undone)] if self.message else []


@dataclass(frozen=True)
class Plan:
    """What a training is to do, whatever it has reached.

    The regularization grows evenly over the first `warmup` part of the steps: full strength from the start can remove
    every edge before anything was learned. `rival` has the scores of a better training, step by step.
    """

    data: Dataset
    objective: Objective
    optimizer: OptimizerConfig
    stage: str
    steps: int
    seed: int
    warmup: float = 0.0
    rules: tuple[StopRule, ...] | None = None  # None: RULES of stopping.py
    rival: Sequence[float] = ()
    attempt: int = 0

    @property
    def validates(self) -> bool:
        """Whether validation rows judge."""
        return self.data.validation is not None

    def weighted(self, step: int) -> Objective:
        """The objective at a step, with as much regularization as it has by then."""
        grown = min(1.0, (step + 1) / (self.warmup * self.steps)) if self.warmup > 0 else 1.0
        return replace(
            self.objective, penalty=replace(self.objective.penalty, lamb=self.objective.penalty.lamb * grown)
        )

    def grows_after(self, step: int) -> bool:
        """Whether the next step has more regularization."""
        return self.weighted(step).penalty.lamb != self.weighted(step + 1).penalty.lamb


@dataclass(frozen=True)
class Snapshot:
    """A network as it was when its grids were last changed, and the entries trained since."""

    network: Network
    vector: Tensor

    @classmethod
    def of(cls, model: Network) -> Snapshot:
        """The network as it is now."""
        return cls(model.clone(), model.get_vector())

    def restore(self, model: Network) -> None:
        """Makes `model` what it was."""
        model.become(self.network)
        model.set_vector(self.vector)


@dataclass
class TrainState:
    """Where a training stands, whole: from here it goes on as if it had never stopped.

    `optimizer_state` is what the optimizer remembers, filled in when the state is saved, None where it starts afresh.
    """

    model: Network
    good: Snapshot  # the last that was finite
    best: Snapshot
    best_score: float = math.inf
    step: int = 0
    undone: int = 0  # steps in a row
    idle: int = 0
    finished_steps: int = 0  # steps in a row after which the optimizer had nothing left to do
    learned: bool = False
    seconds: float = 0.0
    history: list[Record] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    random: Tensor | None = None  # state of the generator
    optimizer_state: dict[str, Any] | None = None
