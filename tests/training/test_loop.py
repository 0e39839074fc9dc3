from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from kanrun.config.schema import AdamConfig, LbfgsConfig, LmConfig, OptimizerConfig
from kanrun.context import Budget, Context, Meter, Silent
from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.model.grids import likely_range
from kanrun.model.network import KAN
from kanrun.training import optimizers
from kanrun.training.history import Record
from kanrun.training.loop import Training, finished, first_state, train
from kanrun.training.objective import Objective, Penalty
from kanrun.training.optimizers import Optimizer
from kanrun.training.optimizers import Rows as OptimizerRows
from kanrun.training.stopping import IDLE, MAX_UNDONE, PATIENCE, RULES
from kanrun.training.train_state import Plan
from tests.helpers import Resumable, uniform_rows

LBFGS = LbfgsConfig(iterations=4)
STILL = LbfgsConfig(iterations=4, grid_update_until=-1)  # the knots stay where they are


def planted(rows: int = 60, test_rows: int = 30, stretch: float = 1.0) -> Dataset:
    """sin(pi x_1) + x_2^2; the test rows reach `stretch` times as far as the training rows."""

    def part(count: int, seed: int, far: float) -> Rows:
        x = uniform_rows(count, 2, seed, -far, far)
        return Rows(x, torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)

    return Dataset(
        "planted", part(rows, 1, 1.0), part(test_rows, 2, stretch), ["x_1", "x_2"], ["y"], REGRESSION, MSE
    )  # fmt: skip


def classes() -> Dataset:
    data = planted()
    train_rows, test_rows = (Rows(r.x, (r.y[:, 0] > 0.3).long()) for r in (data.train, data.test))
    return Dataset("classes", train_rows, test_rows, data.inputs, ["a", "b"], CLASSIFICATION, CROSS_ENTROPY)


def go(
    model: KAN | None = None,
    data: Dataset | None = None,
    objective: Objective | None = None,
    optimizer: OptimizerConfig = LBFGS,
    *,
    steps: int = 8,
    seed: int = 0,
    **others: Any,
) -> Training:
    plan = Plan(data or planted(), objective or Objective(MSE), optimizer, "train", steps, seed, **others)
    return train(model or KAN([2, 2, 1], grid=3), plan)


class Told(Silent):
    """Keeps what is told of steps."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.steps: list[int] = []

    def step(self, record: Record, steps: int) -> None:
        self.records.append(record)
        self.steps.append(steps)


def total(result: Training, data: Dataset, objective: Objective) -> float:
    with torch.no_grad():
        loss, penalty = objective.parts(result.model, data.train.x, data.train.y)
    return float(loss + penalty)


class Meddling:
    """The real optimizer, with `after(step, model)` called behind every step; steps are counted over restarts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: Callable[[int, KAN], None]) -> None:
        self.made, self.taken, self.after = 0, 0, after
        self.lambs: list[float] = []
        real = optimizers.make_optimizer

        def make(rows: OptimizerRows, config: OptimizerConfig) -> Optimizer:
            self.made += 1
            inner, outer, model = real(rows, config), self, rows.model
            assert isinstance(model, KAN)

            class Step:
                @property
                def finished(self) -> bool:
                    return inner.finished

                def step(self, objective: Objective) -> None:
                    outer.lambs.append(objective.penalty.lamb)
                    inner.step(objective)
                    outer.after(outer.taken, model)
                    outer.taken += 1

                def state(self) -> dict[str, Any]:
                    return inner.state()

                def resume(self, state: dict[str, Any]) -> None:
                    inner.resume(state)

            return Step()

        monkeypatch.setattr(optimizers, "make_optimizer", make)


def leave(step: int, model: KAN) -> None:
    """Nothing is meddled with."""


def poison(model: KAN, value: float = math.nan) -> None:
    with torch.no_grad():
        model.layers[0].coef[0, 0, 1] = value


def poisoned_at(*steps: int, value: float = math.nan) -> Callable[[int, KAN], None]:
    return lambda step, model: poison(model, value) if step in steps else None


def all_finite(model: KAN) -> bool:
    return all(bool(torch.isfinite(v).all()) for v in model.state_dict().values())


# ---- learning ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [LBFGS, AdamConfig(batch_size=16, learning_rate=0.03)], ids=lambda o: o.name)
@pytest.mark.parametrize("make", [planted, classes])
def test_training_learns(optimizer: OptimizerConfig, make: Callable[[], Dataset]) -> None:
    data = make()
    steps = 8 if optimizer.name == "lbfgs" else 40
    result = go(KAN([2, 2, len(data.outputs)], grid=3), data, Objective(data.loss), optimizer, steps=steps)
    assert result.learned
    assert result.messages == []
    assert result.history[-1].train_loss < 0.2 * data.loss.null_value(data.train.y)
    assert result.history[-1].test_loss < 0.5 * data.loss.null_value(data.train.y)


def test_the_history_has_a_record_a_step_with_the_losses_of_the_network_as_it_stood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, objective = planted(), Objective(MSE, Penalty(lamb=0.01))
    stood: list[KAN] = []
    Meddling(monkeypatch, lambda _, model: stood.append(model.clone()))
    told = Told()
    result = train(KAN([2, 2, 1], grid=3), Plan(data, objective, LBFGS, "refit", 7, 0), Context(events=told))
    assert told.records == result.history
    assert told.steps == [7] * 7
    assert [(r.stage, r.step) for r in result.history] == [("refit", i) for i in range(7)]
    seconds = [r.seconds for r in result.history]
    assert seconds == sorted(seconds)
    assert seconds[0] >= 0
    for record, model in zip(result.history, stood, strict=True):
        with torch.no_grad():
            loss, penalty = objective.parts(model, data.train.x, data.train.y)
            test = ((model(data.test.x) - data.test.y) ** 2).mean()
        assert record.train_loss == pytest.approx(float(loss), rel=1e-12)
        assert record.regularization == pytest.approx(float(penalty), rel=1e-12)
        assert record.test_loss == pytest.approx(float(test), rel=1e-12)


@pytest.mark.parametrize("optimizer", [LBFGS, AdamConfig(batch_size=16)], ids=lambda o: o.name)
def test_one_seed_gives_one_result(optimizer: OptimizerConfig) -> None:
    one, two = (go(optimizer=optimizer, seed=5) for _ in range(2))
    for a, b in zip(one.model.state_dict().values(), two.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert [replace(r, seconds=0.0) for r in one.history] == [replace(r, seconds=0.0) for r in two.history]
    other = go(optimizer=optimizer, seed=6)
    same = torch.equal(one.model.get_vector(), other.model.get_vector())
    assert same == (optimizer.name == "lbfgs")  # which draws no numbers; Adam draws its mini-batches


def test_the_best_network_is_kept_when_later_steps_are_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(step: int, model: KAN) -> None:
        if step >= 4:
            with torch.no_grad():
                model.layers[-1].coef += 1.0

    Meddling(monkeypatch, spoil)
    data = planted()
    result = go(data=data)
    losses = [r.train_loss for r in result.history]
    assert min(losses[4:]) > 10 * losses[3]
    assert total(result, data, Objective(MSE)) == pytest.approx(losses[3], rel=1e-12)


# ---- the knots -----------------------------------------------------------------------------------------------------


def test_the_knots_follow_the_training_rows_and_never_the_test_rows() -> None:
    near, far = planted(), planted(stretch=50.0)
    assert float(far.test.x.abs().max()) > 20
    one, two = (go(data=d, steps=7) for d in (near, far))
    for a, b in zip(one.model.state_dict().values(), two.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    grid = one.model.layers[0].grid
    low, high = likely_range(near.train.x.sort(0).values, 3)
    assert torch.allclose(grid[:, :1], low, atol=1e-12)
    assert torch.allclose(grid[:, -1:], high, atol=1e-12)


@pytest.mark.parametrize(
    ("every", "until", "expected"),
    [(5, 50, [0, 5, 10]), (4, 8, [0, 4, 8]), (1, 2, [0, 1, 2]), (5, -1, []), (20, 50, [0])],
)
def test_the_knots_are_moved_at_the_steps_asked_for_and_the_optimizer_starts_afresh(
    monkeypatch: pytest.MonkeyPatch, every: int, until: int, expected: list[int]
) -> None:
    steps = Meddling(monkeypatch, leave)
    moved: list[int] = []
    data = planted()
    real = KAN.fit_grids

    def watched(self: KAN, x: Tensor) -> None:
        assert torch.equal(x, data.train.x)
        moved.append(steps.taken)
        real(self, x)

    monkeypatch.setattr(KAN, "fit_grids", watched)
    optimizer = LbfgsConfig(iterations=2, grid_update_every=every, grid_update_until=until)
    result = go(data=data, optimizer=optimizer, steps=12)
    assert moved == expected
    assert steps.made == max(1, len(expected))
    even = torch.linspace(-1, 1, 4, dtype=torch.float64).expand(2, 4)
    assert torch.allclose(result.model.layers[0].grid, even, atol=1e-12) == (not expected)


# ---- the regularization --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [
        (0.0, [0.3] * 10),
        (0.5, [0.06, 0.12, 0.18, 0.24, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]),
        (1.0, [0.03 * (i + 1) for i in range(10)]),
    ],
)
def test_the_regularization_grows_over_the_warm_up(
    monkeypatch: pytest.MonkeyPatch, warmup: float, expected: list[float]
) -> None:
    steps = Meddling(monkeypatch, leave)
    go(objective=Objective(MSE, Penalty(lamb=0.3, entropy=0.0)), steps=10, warmup=warmup)
    assert steps.lambs == pytest.approx(expected[: len(steps.lambs)], rel=1e-12)
    assert len(steps.lambs) >= 9


def test_the_history_shows_the_regularization_at_its_full_strength() -> None:
    data, objective = planted(), Objective(MSE, Penalty(lamb=0.01))
    first = go(data=data, objective=objective, steps=1, warmup=1.0)
    with torch.no_grad():
        _, penalty = objective.parts(first.model, data.train.x, data.train.y)
    assert first.history[0].regularization == pytest.approx(float(penalty), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_steps_after_the_warm_up_are_not_thrown_away(seed: int) -> None:
    data = planted()
    objective = Objective(MSE, Penalty(lamb=0.02, entropy=10.0))
    result = go(KAN([2, 3, 1], grid=3, seed=seed), data, objective, LBFGS, steps=20, warmup=0.5)
    assert len(result.history) == 20
    at_full_strength = [r.train_loss + r.regularization for r in result.history[9:]]
    assert total(result, data, objective) <= min(at_full_strength) * (1 + 1e-9)


# ---- steps that fail -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e200])
def test_a_step_that_is_not_finite_is_undone_and_training_goes_on_from_before_it(
    monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    steps = Meddling(monkeypatch, poisoned_at(3, value=value))
    result = go(steps=9)
    assert result.messages == ["train: step 3 was not finite and was undone"]
    assert all_finite(result.model)
    before, undone, after = result.history[2:5]
    assert (undone.train_loss, undone.test_loss) == (before.train_loss, before.test_loss)
    assert after.train_loss < before.train_loss
    assert result.history[-1].train_loss < 0.5 * before.train_loss
    assert [r.step for r in result.history] == list(range(9))
    assert steps.made == 3  # at the start, after the undone step, and at the grid update of step 5


def test_a_network_is_as_good_after_an_undone_last_step_as_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        Meddling(patched, poisoned_at(4))
        spoiled = go(steps=5)
    plain = go(steps=4)
    for a, b in zip(spoiled.model.state_dict().values(), plain.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_training_gives_up_after_too_many_undone_steps_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Meddling(monkeypatch, lambda step, model: poison(model) if step >= 3 else None)
    result = go(optimizer=STILL, steps=20)
    assert steps.taken == 3 + MAX_UNDONE
    assert len(result.history) == steps.taken
    undone = [f"train: step {i} was not finite and was undone" for i in range(3, steps.taken)]
    assert result.messages == [
        *undone,
        f"train: stopped after {MAX_UNDONE} steps in a row that were not finite",
    ]
    assert all_finite(result.model)
    assert result.history[-1].train_loss == result.history[2].train_loss


def test_undone_steps_that_are_not_in_a_row_do_not_end_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [1, 2, 3, 4, 6, 7, 8, 9, 11]
    steps = Meddling(monkeypatch, poisoned_at(*bad))
    result = go(steps=14)
    assert steps.taken == 14
    assert len(result.messages) == len(bad)
    assert all_finite(result.model)
    assert result.learned


def test_a_network_that_is_spoiled_by_every_step_comes_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    Meddling(monkeypatch, lambda _, model: poison(model))
    model = KAN([2, 2, 1], grid=3)
    result = go(model.clone(), optimizer=STILL)
    assert not result.learned
    for a, b in zip(result.model.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_network_that_is_not_finite_from_the_start_ends_with_messages() -> None:
    model = KAN([2, 2, 1], grid=3)
    poison(model)
    result = go(model)
    assert not result.learned
    assert all(not math.isfinite(r.train_loss) for r in result.history)
    assert result.messages[-1] == f"train: stopped after {MAX_UNDONE} steps in a row that were not finite"


@pytest.mark.parametrize("update", [0, 5])
def test_a_grid_update_that_is_not_finite_is_undone(monkeypatch: pytest.MonkeyPatch, update: int) -> None:
    steps = Meddling(monkeypatch, leave)
    real = KAN.fit_grids

    def broken(self: KAN, x: Tensor) -> None:
        real(self, x)
        if steps.taken == update:
            poison(self)

    monkeypatch.setattr(KAN, "fit_grids", broken)
    model, data = KAN([2, 2, 1], grid=3), planted()
    with torch.no_grad():
        before = float(((model(data.train.x) - data.train.y) ** 2).mean())
    result = go(model, data, steps=8)
    assert result.messages == [f"train: the grid update at step {update} was not finite and was undone"]
    assert all_finite(result.model)
    losses = [before, *(r.train_loss for r in result.history)]
    assert losses[update + 1] <= losses[update]
    assert losses[-1] < losses[5]


# ---- ends before the last step -------------------------------------------------------------------------------------


class Idle:
    """An optimizer that does nothing and never says that it has arrived."""

    finished = False

    def step(self, objective: Objective) -> None:
        pass


def test_a_network_that_learns_nothing_is_told_and_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "make_optimizer", lambda *_: Idle())
    data = planted()
    data = replace(data, train=Rows(data.train.x, data.train.y / 1000))  # any random network is worse than 0
    result = go(data=data, steps=30)
    assert not result.learned
    assert len(result.history) == PATIENCE
    [message] = result.messages
    assert message == f"train: after {PATIENCE} steps the network is no better than a constant"


def test_a_regularization_that_kills_every_edge_at_once_is_told() -> None:
    result = go(objective=Objective(MSE, Penalty(lamb=1e3)), steps=15)
    assert not result.learned
    assert len(result.history) == PATIENCE
    assert "no better than a constant" in result.messages[-1]


def test_a_constant_target_needs_no_learning() -> None:
    data = planted()
    data = replace(data, train=Rows(data.train.x, torch.full_like(data.train.y, 2.5)))
    assert data.loss.null_value(data.train.y) == 0
    result = go(data=data, steps=40)
    assert result.learned
    assert result.messages == []
    assert total(result, data, Objective(MSE)) < 1e-6


@pytest.mark.parametrize("until_idle", [True, False])
def test_a_stage_ends_when_nothing_is_gained_any_more_if_asked_to(
    monkeypatch: pytest.MonkeyPatch, until_idle: bool
) -> None:
    model, data = go(steps=6).model, planted()
    monkeypatch.setattr(optimizers, "make_optimizer", lambda *_: Idle())
    result = go(model, data, optimizer=STILL, steps=40, rules=(*RULES, IDLE) if until_idle else RULES)
    assert result.learned
    assert len(result.history) == (PATIENCE + 1 if until_idle else 40)


def test_no_steps_leave_the_network_as_it_is() -> None:
    model = KAN([2, 2, 1], grid=3)
    result = go(model.clone(), steps=0)
    assert result.history == []
    for a, b in zip(result.model.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


# ---- interrupted and resumed ---------------------------------------------------------------------------------------


OPTIMIZERS: dict[str, OptimizerConfig] = {
    "lbfgs": LBFGS, "adam": AdamConfig(batch_size=16, grid_update_until=5), "lm": LmConfig(),
}  # fmt: skip


def twelve_steps(name: str, context: Context) -> Training:
    plan = Plan(planted(), Objective(MSE, Penalty(1e-3)), OPTIMIZERS[name], "train", 12, 0, warmup=0.5)
    return context.once(lambda: train(KAN([2, 2, 1], grid=3), plan, context))


@cache
def undisturbed(name: str) -> Training:
    return twelve_steps(name, Context())


@pytest.mark.parametrize("steps", [1, 5, 6, 11])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_that_was_interrupted_goes_on_as_if_it_had_not_been(name: str, steps: int) -> None:
    whole, first = undisturbed(name), Resumable(steps)
    assert len(twelve_steps(name, first.context).history) == steps
    resumed = twelve_steps(name, Resumable(kept=first.kept).context)
    assert torch.equal(resumed.model.get_vector(), whole.model.get_vector())
    assert [replace(r, seconds=0.0) for r in resumed.history] == [replace(r, seconds=0.0) for r in whole.history]
    assert (resumed.scores, resumed.messages) == (whole.scores, whole.messages)
    seconds = [r.seconds for r in resumed.history]
    assert seconds == sorted(seconds)


def test_a_step_that_is_cut_short_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    stop: list[int] = []
    Meddling(monkeypatch, lambda step, model: (poison(model), stop.append(step)) if step == 4 else None)
    context = Context(Budget(Meter(cancelled=lambda: "SIGINT" if stop else None)))
    data = planted()
    result = train(KAN([2, 2, 1], grid=3), Plan(data, Objective(MSE), LBFGS, "train", 9, 0), context)
    assert len(result.history) == 4
    assert result.messages == []
    assert total(result, data, Objective(MSE)) == pytest.approx(result.score, rel=1e-12)


def test_a_training_ends_when_its_budget_is_used_up() -> None:
    data = planted()

    class Working(Silent):
        def step(self, record: Record, steps: int) -> None:  # noqa: ARG002
            context.spend(1.0)

    context = Context(Budget.of(Meter(), work=3.5), Working())
    assert len(train(KAN([2, 2, 1], grid=3), Plan(data, Objective(MSE), LBFGS, "train", 9, 0), context).history) == 4


# ---- what is said of the result ------------------------------------------------------------------------------------


def validated(noise: float = 0.0) -> Dataset:
    """Few training rows, whose noise the validation rows do not have."""
    data = planted(rows=25)
    errors = noise * torch.randn(25, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return replace(data, train=Rows(data.train.x, data.train.y + errors), validation=data.test)


def test_the_best_step_is_that_of_the_validation_rows_where_there_are_some() -> None:
    result = go(KAN([2, 4, 1], grid=8), validated(1.0), optimizer=LmConfig(), steps=12, rules=())
    held = [r.validation_loss for r in result.history if r.validation_loss is not None]
    assert len(held) == 12 and min(held) < held[-1]
    assert result.best_step == held.index(min(held))
    assert result.loss == result.score == min(held)
    assert result.overfits == (held[-1] > 1.1 * min(held)) and result.overfits
    with torch.no_grad():
        data = validated(1.0).validation
        assert data is not None
        assert float((result.model(data.x) - data.y).square().mean()) == pytest.approx(min(held))


def test_without_validation_rows_the_best_step_is_that_of_the_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    Meddling(monkeypatch, lambda step, model: model.layers[-1].coef.data.add_(1.0) if step >= 4 else None)
    result = go(objective=Objective(MSE, Penalty(lamb=0.01)), optimizer=STILL, steps=7)
    totals = [r.train_loss + r.regularization for r in result.history]
    assert result.best_step == totals.index(min(totals)) == 3
    assert result.loss == result.history[3].train_loss < result.score == totals[3]
    assert not result.overfits


@pytest.mark.parametrize(
    ("held", "overfits"),
    [
        ([0.8, 0.3, 0.5], True),
        ([0.8, 0.5, 0.3], False),
        ([0.8, 0.3, 0.31], False),  # hardly worse
        ([0.8, 0.3, 0.5, 0.3], False),  # it came back
        ([0.8, 2e-4, 3e-4], False),  # next to nothing of the loss of a constant
    ],
)
def test_a_network_overfits_where_validation_rows_lose_what_they_had_gained(held: list[float], overfits: bool) -> None:
    data, model = validated(), KAN([2, 1], grid=3)
    plan = Plan(data, Objective(MSE), LBFGS, "train", len(held), 0)
    null = MSE.null_value(data.train.y)
    state = first_state(model, plan)
    for step, part in enumerate(held):
        state.history.append(Record("train", step, 0.1, None, 0.0, 0.0, part * null, 3, 0))
        state.scores.append(min(held[: step + 1]) * null)
    result = finished(plan, state, model)
    assert result.overfits is overfits
    assert (result.loss, result.best_step) == (min(held) * null, held.index(min(held)))


def test_a_network_that_is_exact_gains_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "make_optimizer", lambda *_: Idle())
    model, data = KAN([2, 1], grid=3), planted()
    for i in range(2):
        model.layers[0].remove(0, i)
    data = replace(data, train=Rows(data.train.x, torch.zeros_like(data.train.y)))
    result = go(model, data, optimizer=STILL, steps=40, rules=(*RULES, IDLE))
    assert result.score == 0.0
    assert len(result.history) == PATIENCE + 1
