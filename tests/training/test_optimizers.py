from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from kanrun.config.schema import AdamConfig, LbfgsConfig, OptimizerConfig
from kanrun.data.losses import CROSS_ENTROPY, MSE, Loss
from kanrun.model.layer import Prepared
from kanrun.model.network import KAN
from kanrun.training.objective import Objective, Penalty
from kanrun.training.steppers import Adam, Lbfgs, make_stepper
from tests.helpers import tangled_network, uniform_rows

X = uniform_rows(50, 2, seed=1)
Y = torch.sin(torch.pi * X[:, :1]) + X[:, 1:] ** 2
CLASSES = (Y[:, 0] > 0.3).long()
OPTIMIZERS = [LbfgsConfig(), AdamConfig(batch_size=20, learning_rate=0.02)]


@dataclass
class Watched:
    """An objective that keeps the first column of every batch it is asked about."""

    inner: Objective
    batches: list[Tensor] = field(default_factory=list)

    def parts(
        self, model: KAN, x: Tensor, y: Tensor, penalized: bool = True, first: Prepared | None = None
    ) -> tuple[Tensor, Tensor]:
        self.batches.append(x[:, 0].clone())
        return self.inner.parts(model, x, y, penalized, first)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def total(objective: Objective, model: KAN, y: Tensor = Y) -> float:
    with torch.no_grad():
        loss, penalty = objective.parts(model, X, y)
    return float(loss + penalty)


@pytest.mark.parametrize("config", OPTIMIZERS, ids=lambda c: c.name)
@pytest.mark.parametrize("penalty", [Penalty(), Penalty(lamb=0.01)], ids=["plain", "penalized"])
@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_every_step_lowers_what_is_trained(config: OptimizerConfig, penalty: Penalty, loss: Loss) -> None:
    y = Y if loss == MSE else CLASSES
    model = KAN([2, 2, 1 if loss == MSE else 2], grid=3)
    objective = Objective(loss, penalty)
    stepper = make_stepper(model, X, y, config, generator())
    values = [total(objective, model, y)]
    for _ in range(8):
        stepper.step(objective)
        values.append(total(objective, model, y))
    assert values[-1] < 0.85 * values[0]
    if config.name == "lbfgs":
        assert all(after <= before for before, after in pairwise(values))


@pytest.mark.parametrize("config", OPTIMIZERS, ids=lambda c: c.name)
def test_the_penalty_is_trained_too(config: OptimizerConfig) -> None:
    penalties = []
    for lamb in (0.0, 1.0):
        model = KAN([2, 2, 1], grid=3)
        stepper = make_stepper(model, X, Y, config, generator())
        for _ in range(5):
            stepper.step(Objective(MSE, Penalty(lamb=lamb)))
        with torch.no_grad():
            penalties.append(float(Objective(MSE, Penalty(lamb=1.0)).parts(model, X, Y)[1]))
    assert penalties[1] < 0.5 * penalties[0]


@pytest.mark.parametrize("batch_size", [50, 16, 7, 1, 1000])
def test_adam_sees_every_row_once_an_epoch_in_batches_of_the_size_asked_for(batch_size: int) -> None:
    watched = Watched(Objective(MSE))
    stepper = Adam(KAN([2, 1], grid=3), X, Y, AdamConfig(batch_size=batch_size), generator())
    stepper.step(watched)  # type: ignore[arg-type]
    sizes = [len(b) for b in watched.batches]
    full, rest = divmod(50, batch_size)
    assert sizes == [batch_size] * full + ([rest] if rest else [])
    assert torch.equal(torch.cat(watched.batches).sort().values, X[:, 0].sort().values)


def test_adam_takes_the_rows_in_a_new_order_every_epoch_and_the_order_comes_from_its_generator() -> None:
    orders = []
    for seed in (3, 3, 4):
        watched = Watched(Objective(MSE))
        stepper = Adam(KAN([2, 1], grid=3), X, Y, AdamConfig(batch_size=16), generator(seed))
        stepper.step(watched)  # type: ignore[arg-type]
        stepper.step(watched)  # type: ignore[arg-type]
        orders.append(torch.cat(watched.batches).reshape(2, 50))
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0][0], orders[0][1])


def test_adam_keeps_targets_beside_their_rows() -> None:
    pairs: list[tuple[float, float]] = []

    class Pairs(Watched):
        def parts(
            self, model: KAN, x: Tensor, y: Tensor, penalized: bool = True, first: Prepared | None = None
        ) -> tuple[Tensor, Tensor]:
            pairs.extend(zip(x[:, 0].tolist(), y[:, 0].tolist(), strict=True))
            return self.inner.parts(model, x, y, penalized, first)

    Adam(KAN([2, 1], grid=3), X, Y, AdamConfig(batch_size=7), generator()).step(Pairs(Objective(MSE)))  # type: ignore[arg-type]
    assert sorted(pairs) == sorted(zip(X[:, 0].tolist(), Y[:, 0].tolist(), strict=True))


def test_adam_moves_as_far_as_its_learning_rate_says() -> None:
    moved = []
    for rate in (0.001, 0.1):
        model = KAN([2, 1], grid=3)
        before = model.get_vector()
        Adam(model, X, Y, AdamConfig(learning_rate=rate, batch_size=50), generator()).step(Objective(MSE))
        moved.append(float((model.get_vector() - before).abs().max()))
    assert moved == pytest.approx([0.001, 0.1], rel=1e-3)  # the first step of Adam is the rate itself


@pytest.mark.parametrize("iterations", [1, 4])
def test_lbfgs_uses_all_rows_and_at_most_the_iterations_asked_for(iterations: int) -> None:
    watched = Watched(Objective(MSE))
    stepper = Lbfgs(KAN([2, 2, 1], grid=3), X, Y, LbfgsConfig(iterations=iterations, history=3))
    stepper.step(watched)  # type: ignore[arg-type]
    assert all(torch.equal(b, X[:, 0]) for b in watched.batches)
    [state] = stepper.optimizer.state.values()
    assert state["n_iter"] == iterations
    stepper.step(watched)  # type: ignore[arg-type]
    assert state["n_iter"] == 2 * iterations
    assert len(state["old_dirs"]) <= 3


@pytest.mark.parametrize("config", OPTIMIZERS, ids=lambda c: c.name)
def test_locked_fixed_and_removed_entries_never_move_and_all_others_may(config: OptimizerConfig) -> None:
    model = tangled_network(width=(2, (2, 1), 1))
    before = [(p.detach().clone(), mask.clone()) for p, mask in model.trained()]
    stepper = make_stepper(model, X, Y, config, generator())
    for _ in range(3):
        stepper.step(Objective(MSE, Penalty(lamb=0.01)))
    moved = 0
    for (old, mask), (new, _) in zip(before, model.trained(), strict=True):
        assert torch.equal(old[~mask], new.detach()[~mask])
        moved += int((old[mask] != new.detach()[mask]).sum())
    assert moved > 0.8 * model.parameter_count()


def test_the_optimizer_is_the_one_that_the_config_names() -> None:
    model = KAN([2, 1], grid=3)
    assert isinstance(make_stepper(model, X, Y, LbfgsConfig(), generator()), Lbfgs)
    assert isinstance(make_stepper(model, X, Y, AdamConfig(), generator()), Adam)
    with pytest.raises(TypeError, match="OptimizerConfig"):
        make_stepper(model, X, Y, OptimizerConfig(), generator())
