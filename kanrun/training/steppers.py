"""The optimizers, each as something that takes one step on the training rows."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from kanrun.config.schema import AdamConfig, LbfgsConfig, LmConfig, OptimizerConfig
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.model.spline import input_gradient
from kanrun.training.least_squares import LevenbergMarquardt
from kanrun.training.objective import Objective, prepared

log = logging.getLogger("kanrun")

WATCHED = 3  # steps that are timed before and after compiling
COMPILING = 40.0  # seconds that it takes
MOST_SAVED = 0.05  # part of a step that compiling was ever seen to save


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

    def step(self, objective: Objective) -> tuple[float, float] | None:
        """Loss and penalty as the step leaves them, where it knows them."""


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


class Compiler:
    """Compiles what a step spends most on beside matrix products, where `mode` is true, or auto and it can pay.

    That is the gradient by the inputs of the hidden layers: all else was measured to be faster as it is. In auto the
    first steps are timed, the time that can be saved in those that are left must be longer than compiling takes, and
    steps that are no faster then go on without it. Without effect for lm and an MLP, and without a C++ compiler.
    """

    mode = "auto"  # set once a process, as the number of threads is

    def __init__(self, model: Network, config: OptimizerConfig) -> None:
        self.model = model if isinstance(model, KAN) and isinstance(config, (LbfgsConfig, AdamConfig)) else None
        self.waits = self.model is not None and self.mode != "false" and has_compiler()
        self.note = ""  # why it does nothing though it was asked for
        if self.mode == "true" and not self.waits:
            why = "there is no C++ compiler" if self.model is not None else "only a KAN's lbfgs and adam have what pays"
            self.note = f"compile=true has no effect: {why}"
        self.plain: list[float] = []
        self.compiled: list[float] = []

    def step(self, stepper: Stepper, objective: Objective, left: int) -> tuple[float, float] | None:
        """One step of `stepper`, and what that gives; `left` is how many follow."""
        if self.waits and self.mode == "true":
            self.begin()
        begin = time.perf_counter()
        reached = stepper.step(objective)
        seconds = time.perf_counter() - begin
        if self.waits:
            self.plain.append(seconds)
            if len(self.plain) >= WATCHED and MOST_SAVED * min(self.plain) * left > COMPILING:
                self.begin()
        elif self.plain and len(self.compiled) <= WATCHED:
            self.compiled.append(seconds)  # the first of these compiles
            if len(self.compiled) > WATCHED and min(self.compiled[1:]) > min(self.plain):
                log.info("compile: steps were no faster, the training goes on without")
                self.end()
        return reached

    def begin(self) -> None:
        """Puts compiled functions into the layers of the network."""
        assert self.model is not None
        self.waits = False
        function = compiled(input_gradient)
        for layer in self.model.layers:
            layer.input_gradient = function

    def end(self) -> None:
        """Takes them out again."""
        if self.model is not None:
            for layer in self.model.layers:
                layer.__dict__.pop("input_gradient", None)


def has_compiler() -> bool:
    """Whether there is a C++ compiler, which torch.compile needs on a processor."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    return any(name and shutil.which(name) for name in names)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled at its first call; where that fails it stays as it is, and the log says so."""
    fast: Callable[..., Any] | None = None
    failed = False

    def call(*arguments: Any) -> Any:
        nonlocal fast, failed
        if not failed:
            try:
                fast = fast or torch.compile(function)
                return fast(*arguments)
            except Exception as error:
                failed = True
                reason = str(error).strip().partition("\n")[0]
                log.warning("compile: torch.compile failed and is left out (%s: %s)", type(error).__name__, reason)
        return function(*arguments)

    return call


def make_stepper(model: Network, x: Tensor, y: Tensor, config: OptimizerConfig, generator: torch.Generator) -> Stepper:
    """The optimizer that `config` names, ready for its first step."""
    spare_dynamo()
    if isinstance(config, LbfgsConfig):
        return Lbfgs(model, x, y, config)
    if isinstance(config, LmConfig):
        return LevenbergMarquardt(model, x, y)
    if isinstance(config, AdamConfig):
        return Adam(model, x, y, config, generator)
    raise TypeError(f"no optimizer for {type(config).__name__}")
