from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from kanrun.config.schema import AdamConfig, AutoConfig, LbfgsConfig, LmConfig, OptimizerConfig
from kanrun.context import Over, never
from kanrun.data.losses import CROSS_ENTROPY, MSE, Loss
from kanrun.errors import ConfigError
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.model.prepared import Prepared
from kanrun.training.least_squares import LevenbergMarquardt
from kanrun.training.objective import Objective, Penalty
from kanrun.training.optimizers import (
    OPTIMIZERS,
    Adam,
    Lbfgs,
    Rows,
    SmoothConfig,
    can_smooth,
    chosen_optimizer,
    kind_of,
    make_optimizer,
    smoothing,
    spare_dynamo,
)
from tests.helpers import tangled_network, uniform_rows

X = uniform_rows(50, 2, seed=1)
Y = torch.sin(torch.pi * X[:, :1]) + X[:, 1:] ** 2
CLASSES = (Y[:, 0] > 0.3).long()
STEPPING = [LbfgsConfig(), AdamConfig(batch_size=20, learning_rate=0.02)]


@dataclass
class Watched:
    """An objective that keeps the first column of every batch it is asked about."""

    inner: Objective
    batches: list[Tensor] = field(default_factory=list)

    def parts(
        self, model: KAN, x: Tensor, y: Tensor, penalized: bool = True, first: Prepared | None = None,
        weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        self.batches.append(x[:, 0].clone())
        return self.inner.parts(model, x, y, penalized, first, weights)


def rows(model: KAN, y: Tensor = Y, seed: int = 0, cancelled: Over = never) -> Rows:
    return Rows(model, X, y, torch.Generator().manual_seed(seed), cancelled)


def total(objective: Objective, model: KAN, y: Tensor = Y) -> float:
    with torch.no_grad():
        loss, penalty = objective.parts(model, X, y)
    return float(loss + penalty)


@pytest.mark.parametrize("config", STEPPING, ids=lambda c: c.name)
@pytest.mark.parametrize("penalty", [Penalty(), Penalty(lamb=0.01)], ids=["plain", "penalized"])
@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_every_step_lowers_what_is_trained(config: OptimizerConfig, penalty: Penalty, loss: Loss) -> None:
    y = Y if loss == MSE else CLASSES
    model = KAN([2, 2, 1 if loss == MSE else 2], grid=3)
    objective = Objective(loss, penalty)
    optimizer = make_optimizer(rows(model, y), config)
    values = [total(objective, model, y)]
    for _ in range(8):
        optimizer.step(objective)
        values.append(total(objective, model, y))
    assert values[-1] < 0.85 * values[0]
    if config.name == "lbfgs":
        assert all(after <= before for before, after in pairwise(values))


@pytest.mark.parametrize("config", STEPPING, ids=lambda c: c.name)
def test_the_penalty_is_trained_too(config: OptimizerConfig) -> None:
    penalties = []
    for lamb in (0.0, 1.0):
        model = KAN([2, 2, 1], grid=3)
        optimizer = make_optimizer(rows(model), config)
        for _ in range(5):
            optimizer.step(Objective(MSE, Penalty(lamb=lamb)))
        with torch.no_grad():
            penalties.append(float(Objective(MSE, Penalty(lamb=1.0)).parts(model, X, Y)[1]))
    assert penalties[1] < 0.5 * penalties[0]


@pytest.mark.parametrize("batch_size", [50, 16, 7, 1, 1000])
def test_adam_sees_every_row_once_an_epoch_in_batches_of_the_size_asked_for(batch_size: int) -> None:
    watched = Watched(Objective(MSE))
    optimizer = Adam(rows(KAN([2, 1], grid=3)), AdamConfig(batch_size=batch_size))
    optimizer.step(watched)  # type: ignore[arg-type]
    sizes = [len(b) for b in watched.batches]
    full, rest = divmod(50, batch_size)
    assert sizes == [batch_size] * full + ([rest] if rest else [])
    assert torch.equal(torch.cat(watched.batches).sort().values, X[:, 0].sort().values)


def test_adam_takes_the_rows_in_a_new_order_every_epoch_and_the_order_comes_from_its_generator() -> None:
    orders = []
    for seed in (3, 3, 4):
        watched = Watched(Objective(MSE))
        optimizer = Adam(rows(KAN([2, 1], grid=3), seed=seed), AdamConfig(batch_size=16))
        optimizer.step(watched)  # type: ignore[arg-type]
        optimizer.step(watched)  # type: ignore[arg-type]
        orders.append(torch.cat(watched.batches).reshape(2, 50))
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0][0], orders[0][1])


def test_adam_keeps_targets_beside_their_rows() -> None:
    pairs: list[tuple[float, float]] = []

    class Pairs(Watched):
        def parts(
            self, model: KAN, x: Tensor, y: Tensor, penalized: bool = True, first: Prepared | None = None,
            weights: Tensor | None = None,
        ) -> tuple[Tensor, Tensor]:  # fmt: skip
            pairs.extend(zip(x[:, 0].tolist(), y[:, 0].tolist(), strict=True))
            return self.inner.parts(model, x, y, penalized, first, weights)

    Adam(rows(KAN([2, 1], grid=3)), AdamConfig(batch_size=7)).step(Pairs(Objective(MSE)))  # type: ignore[arg-type]
    assert sorted(pairs) == sorted(zip(X[:, 0].tolist(), Y[:, 0].tolist(), strict=True))


def test_adam_moves_as_far_as_its_learning_rate_says() -> None:
    moved = []
    for rate in (0.001, 0.1):
        model = KAN([2, 1], grid=3)
        before = model.get_vector()
        Adam(rows(model), AdamConfig(learning_rate=rate, batch_size=50)).step(Objective(MSE))
        moved.append(float((model.get_vector() - before).abs().max()))
    assert moved == pytest.approx([0.001, 0.1], rel=1e-3)  # the first step of Adam is the rate itself


@pytest.mark.parametrize("iterations", [1, 4])
def test_lbfgs_uses_all_rows_and_at_most_the_iterations_asked_for(iterations: int) -> None:
    watched = Watched(Objective(MSE))
    optimizer = Lbfgs(rows(KAN([2, 2, 1], grid=3)), LbfgsConfig(iterations=iterations, history=3))
    optimizer.step(watched)  # type: ignore[arg-type]
    assert all(torch.equal(b, X[:, 0]) for b in watched.batches)
    [state] = optimizer.optimizer.state.values()
    assert state["n_iter"] == iterations
    optimizer.step(watched)  # type: ignore[arg-type]
    assert state["n_iter"] == 2 * iterations
    assert len(state["old_dirs"]) <= 3


@pytest.mark.parametrize("config", STEPPING, ids=lambda c: c.name)
def test_locked_fixed_and_removed_entries_never_move_and_all_others_may(config: OptimizerConfig) -> None:
    model = tangled_network(width=(2, (2, 1), 1))
    before = [(p.detach().clone(), mask.clone()) for p, mask in model.trained()]
    optimizer = make_optimizer(rows(model), config)
    for _ in range(3):
        optimizer.step(Objective(MSE, Penalty(lamb=0.01)))
    moved = 0
    for (old, mask), (new, _) in zip(before, model.trained(), strict=True):
        assert torch.equal(old[~mask], new.detach()[~mask])
        moved += int((old[mask] != new.detach()[mask]).sum())
    assert moved > 0.8 * model.parameter_count()


def test_the_optimizer_is_the_one_that_the_config_names() -> None:
    model = KAN([2, 1], grid=3)
    assert isinstance(make_optimizer(rows(model), LbfgsConfig()), Lbfgs)
    assert isinstance(make_optimizer(rows(model), AdamConfig()), Adam)
    assert isinstance(make_optimizer(rows(model), LmConfig()), LevenbergMarquardt)
    with pytest.raises(KeyError, match="AutoConfig"):
        make_optimizer(rows(model), AutoConfig())


# ---- the choice of one ------------------------------------------------------------------------------------------

SMALL = KAN([3, 4, 1], grid=5)
LARGE = KAN([3, 90, 1], grid=5)  # 360 edges of 9 numbers each
HALF = KAN([3, 4, 1], grid=5, dtype=torch.float32)


def test_auto_is_lm_where_the_network_is_small_and_precise_and_lbfgs_elsewhere() -> None:
    assert SMALL.parameter_count() < 3000 < LARGE.parameter_count()
    assert chosen_optimizer(AutoConfig(), SMALL) == LmConfig()
    assert chosen_optimizer(AutoConfig(), LARGE) == LbfgsConfig()
    assert chosen_optimizer(AutoConfig(), HALF) == LbfgsConfig()


def test_lm_takes_as_many_parameters_as_its_kind_says_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kind_of(LmConfig()).max_parameters == 3000
    monkeypatch.setitem(OPTIMIZERS, LmConfig, replace(kind_of(LmConfig()), max_parameters=30))
    base = KAN([1, 1], grid=1, k=0, base="zero")
    at, beyond = (base.refine(grid) for grid in (30, 31))
    assert (at.parameter_count(), beyond.parameter_count()) == (30, 31)
    assert isinstance(chosen_optimizer(AutoConfig(), at), LmConfig)
    assert chosen_optimizer(LmConfig(steps=7), at) == LmConfig(steps=7)
    assert isinstance(chosen_optimizer(AutoConfig(), beyond), LbfgsConfig)
    with pytest.raises(ConfigError, match="31 parameters"):
        chosen_optimizer(LmConfig(), beyond)


def test_lm_is_refused_for_a_grid_that_is_too_fine_and_auto_goes_as_far_as_it_can() -> None:
    grids = [5, 500]
    assert chosen_optimizer(AutoConfig(grids=grids), SMALL) == LmConfig(grids=grids)
    with pytest.raises(ConfigError, match="optimizer=lbfgs"):
        chosen_optimizer(LmConfig(grids=grids), SMALL)
    assert chosen_optimizer(AutoConfig(grids=[5, 10]), SMALL) == LmConfig(grids=[5, 10])
    assert SMALL.grid == 5  # what was given is left alone


@pytest.mark.parametrize(("model", "kind"), [(SMALL, LmConfig), (LARGE, LbfgsConfig)], ids=["lm", "lbfgs"])
def test_what_was_given_to_auto_goes_to_what_it_chooses(model: KAN, kind: type[OptimizerConfig]) -> None:
    given = {
        "steps": 7, "refit_steps": 0, "grid_update_every": 3, "grid_update_until": -1, "grids": [5, 6], "restarts": 2
    }  # fmt: skip
    assert chosen_optimizer(AutoConfig(**given), model) == kind(**given)
    for key, value in given.items():
        assert chosen_optimizer(AutoConfig(**{key: value}), model) == kind(**{key: value})


@pytest.mark.parametrize("model", [SMALL, LARGE, HALF], ids=["small", "large", "float32"])
def test_an_optimizer_that_was_named_is_taken(model: KAN) -> None:
    for config in (LbfgsConfig(steps=3, history=4), AdamConfig(batch_size=7, restarts=2)):
        assert chosen_optimizer(config, model) == config


def test_lm_can_be_asked_for_in_single_precision() -> None:
    assert chosen_optimizer(LmConfig(), HALF) == LmConfig()


def test_a_network_too_large_for_lm_is_refused_in_one_line_that_names_another_optimizer() -> None:
    with pytest.raises(ConfigError) as caught:
        chosen_optimizer(LmConfig(), LARGE)
    [problem] = caught.value.problems
    assert problem.startswith("optimizer=lm: ")
    assert str(LARGE.parameter_count()) in problem
    assert "3000" in problem
    assert "optimizer=lbfgs" in problem


def test_entries_that_do_not_train_do_not_count() -> None:
    model = LARGE.clone()
    for layer in model.layers:
        for s in range(layer.n_sub):
            for i in range(layer.n_in):
                if s or i:
                    layer.remove(s, i)
    assert isinstance(chosen_optimizer(LmConfig(), model), LmConfig)


@pytest.mark.parametrize("make", [lambda r: Lbfgs(r, LbfgsConfig()), lambda r: Adam(r, AdamConfig(batch_size=1000))])
def test_optimizers_see_rows_by_their_weights(make: Callable[[Rows], Lbfgs | Adam]) -> None:
    times = torch.arange(len(X)) % 2 + 1
    networks = KAN([2, 1], grid=3), KAN([2, 1], grid=3)
    many = X.repeat_interleave(times, 0), Y.repeat_interleave(times, 0)
    weights = times / times.double().mean()
    weighted = replace(rows(networks[0]), weights=weights)
    repeated = replace(rows(networks[1]), x=many[0], y=many[1])
    for each in (weighted, repeated):
        make(each).step(Objective(MSE))
    torch.testing.assert_close(networks[0].get_vector(), networks[1].get_vector(), rtol=1e-6, atol=1e-8)


def test_only_splines_that_are_not_too_large_are_smoothed_and_only_by_exact_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = KAN([2, 3, 1])
    assert can_smooth(model, LmConfig())
    assert not can_smooth(model, AdamConfig())
    assert not can_smooth(MLP([2, 3, 1]), LmConfig())
    monkeypatch.setattr("kanrun.training.optimizers.MOST_SMOOTHED", model.parameter_count() - 1)
    assert not can_smooth(model, LmConfig())


def test_an_epoch_that_is_cancelled_ends_before_its_next_batch() -> None:
    model, asked = KAN([2, 1], grid=3), iter([False, False, True])
    watched = Watched(Objective(MSE))
    Adam(rows(model, cancelled=lambda: next(asked)), AdamConfig(batch_size=10)).step(watched)  # type: ignore[arg-type]
    assert [len(batch) for batch in watched.batches] == [10, 10]


def test_a_network_without_splines_cannot_be_smoothed() -> None:
    with pytest.raises(ValueError, match="without splines"):
        smoothing(replace(rows(KAN([2, 1])), model=MLP([2, 3, 1])), SmoothConfig())


@pytest.mark.parametrize("config", STEPPING, ids=lambda c: c.name)
def test_no_step_nor_state_needs_the_compiler_of_torch_whose_import_takes_a_second(
    config: OptimizerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in vars(torch.optim.Optimizer).values():  # as in a process that has trained nothing yet
        monkeypatch.delattr(getattr(method, "__wrapped__", method), "__dynamo_disable", raising=False)
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    spare_dynamo()
    optimizer = make_optimizer(rows(KAN([2, 1], grid=3)), config)
    optimizer.step(Objective(MSE))
    optimizer.resume(optimizer.state())
    optimizer.step(Objective(MSE))
