"""The optimizers, each as something that takes one step on the training rows."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from kanrun.config import AdamConfig, LbfgsConfig, LmConfig, OptimizerConfig
from kanrun.model.protocol import Network
from kanrun.training.least_squares import LevenbergMarquardt
from kanrun.training.objective import Objective, prepared

CLASS_RIDGE = 1e-5  # classes that can be told apart would drive the coefficients to infinity


def spare_dynamo() -> None:
    """Keeps torch's optimizers from importing its compiler, which takes a second and is not used here.

    They import it to mark three of their methods as not to be compiled; marked beforehand they leave it alone. Without
    effect where torch does this differently.
    """
    for name in ("add_param_group", "zero_grad", "load_state_dict"):
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None and not hasattr(method, "__dynamo_disable"):
            setattr(method, "__dynamo_disable", method)


class Stepper(Protocol):
    """Takes one step; a fresh one is made whenever the network was changed from outside."""

    @property
    def finished(self) -> bool:
        """Whether further steps would change nothing."""

    def step(self, objective: Objective) -> None: ...


class Lbfgs:
    """Limited-memory BFGS on all rows with a strong Wolfe line search; a step is up to 20 iterations."""

    finished = False

    def __init__(self, model: Network, x: Tensor, y: Tensor, config: LbfgsConfig) -> None:
        self.model, self.x, self.y = model, x, y
        self.first = prepared(model, x)
        self.optimizer = torch.optim.LBFGS(
            model.parameters(), lr=1.0, max_iter=config.iterations, history_size=config.history,
            line_search_fn="strong_wolfe", tolerance_grad=1e-14, tolerance_change=1e-16,
        )  # fmt: skip

    def step(self, objective: Objective) -> None:
        def closure() -> Tensor:
            self.optimizer.zero_grad()
            loss, penalty = objective.parts(self.model, self.x, self.y, first=self.first)
            total = loss + penalty
            total.backward()
            return total

        self.optimizer.step(closure)


class Adam:
    """Adam over mini-batches; a step is one epoch: every row once, in a new order."""

    finished = False

    def __init__(self, model: Network, x: Tensor, y: Tensor, config: AdamConfig, generator: torch.Generator) -> None:
        self.model, self.x, self.y = model, x, y
        self.batch_size, self.generator = config.batch_size, generator
        self.optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)

    def step(self, objective: Objective) -> None:
        order = torch.randperm(len(self.x), generator=self.generator).to(self.x.device)
        for rows in order.split(self.batch_size):
            self.optimizer.zero_grad()
            loss, penalty = objective.parts(self.model, self.x[rows], self.y[rows])
            (loss + penalty).backward()
            self.optimizer.step()


def make_stepper(model: Network, x: Tensor, y: Tensor, config: OptimizerConfig, generator: torch.Generator) -> Stepper:
    """The optimizer that `config` names, ready for its first step."""
    spare_dynamo()
    if isinstance(config, LbfgsConfig):
        return Lbfgs(model, x, y, config)
    if isinstance(config, LmConfig):
        return LevenbergMarquardt(model, x, y, ridge=0.0 if y.is_floating_point() else CLASS_RIDGE)
    if isinstance(config, AdamConfig):
        return Adam(model, x, y, config, generator)
    raise TypeError(f"no optimizer for {type(config).__name__}")
