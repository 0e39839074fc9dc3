"""The optimizers, each as something that takes one step on the training rows, and what each of them can do."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from kanrun.config.schema import AdamConfig, AutoConfig, LbfgsConfig, LmConfig, OptimizerConfig
from kanrun.context import Over
from kanrun.data.losses import MSE, Loss
from kanrun.errors import ConfigError, wrong
from kanrun.model.mlp import MLP
from kanrun.model.protocol import Network, has_splines
from kanrun.training.least_squares import MOST_FOR_LM, LevenbergMarquardt
from kanrun.training.objective import Objective, prepared
from kanrun.training.smoothing import Smoothing

MLP_STEPS = 5  # times as many steps as a KAN: each costs less and gains less
COARSE = 5  # intervals on which exact steps begin: on fine grids they follow single rows before they see the whole


def spare_dynamo() -> None:
    """Keeps torch's optimizers from importing its compiler, which takes a second and is not used here.

    They import it to mark some of their methods as not to be compiled; marked beforehand they leave it alone. Without
    effect where torch does this differently.
    """
    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None and not hasattr(method, "__dynamo_disable"):
            setattr(method, "__dynamo_disable", method)


spare_dynamo()


class PlainAdam(torch.optim.Adam):
    """Takes the step itself, without what torch has wrapped around it, which imports the compiler too."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class Optimizer(Protocol):
    """Takes one step; a fresh one is made whenever the network was changed from outside."""

    @property
    def finished(self) -> bool:
        """Whether further steps would change nothing."""

    def step(self, objective: Objective) -> tuple[float, float] | None:
        """Loss and penalty as the step leaves them, where it knows them."""

    def state(self) -> dict[str, Any]:
        """What it remembers beside the network, as plain values and tensors."""

    def resume(self, state: dict[str, Any]) -> None:
        """Takes up what `state` gave, for the same network and rows."""


@dataclass(frozen=True)
class Rows:
    """What an optimizer of a network has to work with: rows `x` [rows, inputs], targets `y`, and random numbers.

    Rows count by their `weights` where there are some, and `loss` says how far outputs are off. `cancelled` is asked
    within long steps: one that is cut short leaves the network as it comes.
    """

    model: Network
    x: Tensor
    y: Tensor
    generator: torch.Generator
    cancelled: Over
    weights: Tensor | None = None
    loss: Loss = MSE


class CancelledError(Exception):
    """A step is cut short."""


class Lbfgs:
    """Limited-memory BFGS on all rows with a strong Wolfe line search; a step is up to 20 iterations."""

    finished = False

    def __init__(self, rows: Rows, config: LbfgsConfig) -> None:
        self.rows = rows
        self.first = prepared(rows.model, rows.x)
        self.optimizer = torch.optim.LBFGS(
            rows.model.parameters(), lr=1.0, max_iter=config.iterations, history_size=config.history,
            line_search_fn="strong_wolfe", tolerance_grad=1e-14, tolerance_change=1e-16,
        )  # fmt: skip

    def step(self, objective: Objective) -> None:
        """Up to `iterations` iterations."""

        def closure() -> Tensor:
            if self.rows.cancelled():
                raise CancelledError
            self.optimizer.zero_grad()
            loss, penalty = objective.parts(
                self.rows.model, self.rows.x, self.rows.y, first=self.first, weights=self.rows.weights
            )
            total = loss + penalty
            total.backward()
            return total

        try:
            self.optimizer.step(closure)
        except CancelledError:
            return

    def state(self) -> dict[str, Any]:
        """The pairs of gradients."""
        return self.optimizer.state_dict()

    def resume(self, state: dict[str, Any]) -> None:
        """Takes up the pairs of gradients."""
        self.optimizer.load_state_dict(state)


class Adam:
    """Adam over mini-batches; a step is one epoch: every row once, in a new order."""

    finished = False

    def __init__(self, rows: Rows, config: AdamConfig) -> None:
        self.rows, self.batch_size = rows, config.batch_size
        self.optimizer = PlainAdam(rows.model.parameters(), lr=config.learning_rate)

    def step(self, objective: Objective) -> None:
        """One epoch."""
        x, y, weights = self.rows.x, self.rows.y, self.rows.weights
        order = torch.randperm(len(x), generator=self.rows.generator).to(x.device)
        for batch in order.split(self.batch_size):
            if self.rows.cancelled():
                return
            self.optimizer.zero_grad()
            loss, penalty = objective.parts(
                self.rows.model, x[batch], y[batch], weights=None if weights is None else weights[batch]
            )
            (loss + penalty).backward()
            self.optimizer.step()

    def state(self) -> dict[str, Any]:
        """The moments."""
        return self.optimizer.state_dict()

    def resume(self, state: dict[str, Any]) -> None:
        """Takes up the moments."""
        self.optimizer.load_state_dict(state)


@dataclass(frozen=True)
class Kind:
    """What there is to know about an optimizer: how it is made, and what it can do.

    It takes networks of up to `max_parameters`; it begins on at most `coarse_grid` intervals; `finds_valleys` where its
    steps end in the nearest valley, so that other restarts of a small network are worth their time; `expects` where the
    penalty that a step gives is what other rows are expected to cost more, which rows held back show themselves.
    """

    make: Callable[[Rows, Any], Optimizer]
    max_parameters: int | None = None
    coarse_grid: int | None = None
    finds_valleys: bool = False
    expects: bool = False

    def takes(self, parameters: int) -> bool:
        """Whether it takes a network of so many parameters."""
        return self.max_parameters is None or parameters <= self.max_parameters


MOST_SMOOTHED = 2000  # parameters; a step costs about as much as ten of Levenberg and Marquardt's


@dataclass
class SmoothConfig(LmConfig):
    """Training that smooths: what follows where rows have noise, and nothing to choose by name."""

    smooth: bool = False  # whether the network is already


def smoothing(rows: Rows, config: SmoothConfig) -> Smoothing:
    """The optimizer that smooths. Raises ValueError for a network without splines."""
    if not has_splines(rows.model):
        raise ValueError("a network without splines cannot be smoothed")
    return Smoothing(rows.model, rows.x, rows.y, rows.loss, rows.cancelled, rows.weights, config.smooth)


def can_smooth(model: Network, config: OptimizerConfig) -> bool:
    """Whether the network has splines, and is trained by exact steps, and is not too large for that."""
    return isinstance(config, LmConfig) and has_splines(model) and model.parameter_count() <= MOST_SMOOTHED


OPTIMIZERS: dict[type[OptimizerConfig], Kind] = {
    LmConfig: Kind(
        lambda rows, _: LevenbergMarquardt(rows.model, rows.x, rows.y, cancelled=rows.cancelled, weights=rows.weights),
        max_parameters=MOST_FOR_LM, coarse_grid=COARSE, finds_valleys=True,
    ),
    SmoothConfig: Kind(smoothing, max_parameters=MOST_SMOOTHED, expects=True),
    LbfgsConfig: Kind(Lbfgs),
    AdamConfig: Kind(Adam),
}  # fmt: skip


def kind_of(config: OptimizerConfig) -> Kind:
    """What there is to know about the optimizer that `config` names."""
    return OPTIMIZERS[type(config)]


def make_optimizer(rows: Rows, config: OptimizerConfig) -> Optimizer:
    """The optimizer that `config` names, ready for its first step."""
    return kind_of(config).make(rows, config)


def chosen_optimizer(config: OptimizerConfig, model: Network) -> OptimizerConfig:
    """`auto` as the optimizer that suits the network. Raises ConfigError where one is asked for too large a network."""
    is_mlp = isinstance(model, MLP)
    if is_mlp:
        config = replace(config, grid_update_until=-1)  # without knots there is nothing for which to start afresh
    if not isinstance(config, AutoConfig):
        finest, kind = model.parameter_count_on(max(config.grids, default=model.grid)), kind_of(config)
        if not kind.takes(finest):
            reason = f"the network has {finest} parameters, {config.name} takes up to {kind.max_parameters}; "
            raise ConfigError(wrong("optimizer", config.name, f"{reason}use optimizer=lbfgs"))
        return config
    suits_lm = OPTIMIZERS[LmConfig].takes(model.parameter_count()) and model.get_vector().dtype == torch.float64
    given = {key: value for key, value in asdict(config).items() if key != "name" and value is not None}
    chosen = LmConfig(**given) if suits_lm else LbfgsConfig(**given)
    return replace(chosen, steps=MLP_STEPS * chosen.steps) if is_mlp and config.steps is None else chosen
