from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from rich.console import Console
from scipy.optimize import minimize_scalar
from torch import Tensor

from kanrun.config.schema import AdamConfig, LbfgsConfig, LmConfig, OptimizerConfig, PruneConfig
from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import LOSSES, MSE, Loss, loss_of, register_loss
from kanrun.data.scores import scores
from kanrun.functions.library import library
from kanrun.model.network import KAN
from kanrun.report.scores import score_table
from kanrun.symbolic.formula import write_formulas
from kanrun.symbolic.reading import find_formula
from kanrun.training.least_squares import levenberg_marquardt, normal_equations
from kanrun.training.loop import train
from kanrun.training.objective import Objective
from kanrun.training.pruning import prune_and_refit
from kanrun.training.target_scaling import Unscaled, scaling_of
from kanrun.training.train_state import Plan
from tests.helpers import tangled_network, trained_gradient, uniform_rows


@dataclass(frozen=True)
class PseudoHuber(Loss):
    """delta^2 (sqrt(1 + (r / delta)^2) - 1), which large residuals pull at no more than with the strength delta."""

    delta: float = 0.1

    name = "pseudo_huber"
    title = "pseudo-Huber loss"
    short = "Huber"

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (self.delta**2 * (torch.sqrt(1 + ((outputs - targets) / self.delta) ** 2) - 1)).mean()

    def gauss_newton(self, outputs: Tensor, targets: Tensor, jacobian: Tensor, count: int) -> tuple[Tensor, Tensor]:
        residual, flat = (outputs - targets).flatten(), jacobian.flatten(0, 1)
        weighted = flat / torch.sqrt(1 + (residual / self.delta) ** 2)[:, None]
        return weighted.T @ residual / count, weighted.T @ flat / count

    def null_value(self, targets: Tensor) -> float:
        columns = targets.double().T[..., None]
        least = [minimize_scalar(lambda c, y=y: float(self.value(torch.full_like(y, c), y))).fun for y in columns]
        return sum(least) / len(least)


HUBER = PseudoHuber()


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    """The loss by its name, for as long as a test lasts."""
    register_loss(HUBER)
    yield
    del LOSSES[HUBER.name]


def planted(loss: Loss = HUBER) -> Dataset:
    """sin(2 x) with gross errors in every tenth training row, and without them in the test rows."""
    x, x_test = uniform_rows(200, 1, seed=1), uniform_rows(100, 1, seed=2)
    y = torch.sin(2 * x)
    y[::10] += 3.0
    return Dataset("d", Rows(x, y), Rows(x_test, torch.sin(2 * x_test)), ["x_1"], ["y"], REGRESSION, loss)


def test_its_derivatives_are_those_of_its_value() -> None:
    model, x, y = tangled_network(seed=4), uniform_rows(12, 3, seed=1), uniform_rows(12, 2, seed=2)
    gradient, _ = normal_equations(model, x, y, HUBER)
    torch.testing.assert_close(gradient, trained_gradient(model, HUBER.value(model(x), y)), rtol=1e-10, atol=1e-12)


def test_exact_steps_find_the_curve_below_gross_errors() -> None:
    errors = {}
    for loss in (HUBER, MSE):
        data, model = planted(loss), KAN([1, 1], grid=5)
        fit = levenberg_marquardt(model, data.train.x, data.train.y, loss, steps=100)
        assert fit.loss == pytest.approx(float(loss.value(model(data.train.x), data.train.y).detach()), rel=1e-12)
        errors[loss.name] = scores(data, model(data.test.x).detach(), data.test.y)["rmse"]
    assert errors["pseudo_huber"] < 0.02
    assert errors["mse"] > 0.2


@pytest.mark.parametrize(
    "optimizer", [LmConfig(), LbfgsConfig(), AdamConfig(learning_rate=0.05, batch_size=50)], ids=lambda o: o.name
)
def test_every_optimizer_trains_with_it(optimizer: OptimizerConfig) -> None:
    data = planted()
    result = train(KAN([1, 1], grid=5), Plan(data, Objective(data.loss), optimizer, "train", 20, 0))
    assert result.learned
    assert result.messages == []
    found = scores(data, result.model(data.test.x).detach(), data.test.y)
    assert list(found) == ["pseudo_huber", "rmse", "r2"]
    assert found["pseudo_huber"] in [pytest.approx(r.test_loss, rel=1e-9) for r in result.history]
    assert found["rmse"] is not None
    assert found["rmse"] < 0.1


def test_the_network_is_pruned_read_and_reported_with_it() -> None:
    data, model = planted(), KAN([1, 1], grid=5)
    assert scaling_of(data, model) == Unscaled()  # with scaled targets it is another loss
    levenberg_marquardt(model, data.train.x, data.train.y, data.loss, steps=100)
    pruned = prune_and_refit(model, data, PruneConfig())
    [formula] = write_formulas(find_formula(pruned, data, library(["x", "x^2", "sin"])), data)
    assert "sin" in formula.rounded
    assert formula.test["pseudo_huber"] < 1e-4  # type: ignore[operator]
    assert any(p.chosen and p.error == formula.test["pseudo_huber"] for p in formula.front)
    assert loss_of(formula.test) == HUBER
    entry = {"name": "train", "train": formula.test, "test": formula.test, "parameters": 9, "seconds": 1.0}
    titles = [str(c.header) for c in score_table([entry], Console(width=120)).columns]
    assert titles[1:5] == ["train Huber", "test Huber", "train RMSE", "test RMSE"]
