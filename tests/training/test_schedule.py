from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from kanrun.config.schema import LbfgsConfig, LmConfig, OptimizerConfig
from kanrun.context import Context, Silent
from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows, hold_back
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.model.network import KAN
from kanrun.training import optimizers
from kanrun.training import schedule as schedules
from kanrun.training.history import Record
from kanrun.training.loop import Training, train
from kanrun.training.objective import Objective, Penalty
from kanrun.training.optimizers import COARSE, Optimizer
from kanrun.training.optimizers import Rows as OptimizerRows
from kanrun.training.schedule import ATTEMPTS, FEW, GAIN, Schedule, train_by_schedule, train_pruned
from kanrun.training.stopping import HOPELESS, PATIENCE
from kanrun.training.train_state import Plan
from tests.helpers import Resumable, uniform_rows

LM = LmConfig(steps=20)
LBFGS = LbfgsConfig(steps=20, iterations=4)


def planted(rows: int = 80, noise: float = 0.0, frequency: float = 1.0) -> Dataset:
    """sin(frequency pi x_1) + x_2^2; the noise is on the training targets alone."""

    def part(count: int, seed: int, spread: float) -> Rows:
        x = uniform_rows(count, 2, seed)
        y = torch.sin(frequency * torch.pi * x[:, :1]) + x[:, 1:] ** 2
        return Rows(x, y + spread * uniform_rows(count, 1, seed + 10))

    return Dataset("planted", part(rows, 1, noise), part(200, 2, 0.0), ["x_1", "x_2"], ["y"], REGRESSION, MSE)


def restart(attempt: int = 0, grid: int = 3) -> KAN:
    return KAN([2, 2, 1], grid=grid, seed=attempt)


def one_layer(attempt: int = 0, grid: int = 3) -> KAN:
    return KAN([2, 1], grid=grid, seed=attempt)


def straight() -> KAN:
    """A network that can only be linear: better than a constant, far behind one with splines."""
    model = KAN([2, 1], grid=3)
    for i in range(2):
        model.fix(0, i, 0, "x", c=0.3)
    return model


def silent() -> KAN:
    """A network that is a constant, whatever is done with it."""
    model = KAN([2, 1], grid=3)
    for i in range(2):
        model.fix(0, i, 0, "x", c=0.0, trainable=False)
    return model


def go(
    data: Dataset,
    build: Callable[[int], KAN] = restart,
    optimizer: OptimizerConfig = LM,
    penalty: Penalty | None = None,
    grids: list[int] | None = None,
    context: Context | None = None,
    **others: Any,
) -> Training:
    """As a run does it: knots are placed where grids are named, and without any the network has its own."""
    objective = Objective(data.loss, penalty or Penalty())
    schedule = Schedule(build, objective, optimizer, grids or [3], placed=bool(grids), **others)
    return train_by_schedule(schedule, data, context)


def alone(model: KAN, data: Dataset, optimizer: OptimizerConfig = LM, **others: Any) -> Training:
    return train(model, Plan(data, Objective(data.loss), optimizer, "train", optimizer.steps, 0, **others))


class Told(Silent):
    """Keeps what is told of steps."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def step(self, record: Record, steps: int) -> None:  # noqa: ARG002
        self.records.append(record)


def loss_on(result: Training, rows: Rows) -> float:
    with torch.no_grad():
        return float(((result.model(rows.x) - rows.y) ** 2).mean())


def without_seconds(history: list[Record]) -> list[Record]:
    return [replace(r, seconds=0.0) for r in history]


def same(one: Training, two: Training) -> bool:
    return torch.equal(one.model.get_vector(), two.model.get_vector())


def of_attempt(result: Training, attempt: int) -> list[Record]:
    return [r for r in result.history if r.attempt == attempt]


class Trained:
    """The rows and the weight of the regularization of every step that any optimizer takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[Tensor] = []
        self.lambs: list[float] = []
        real = optimizers.make_optimizer

        def make(rows: OptimizerRows, config: OptimizerConfig) -> Optimizer:
            inner, outer = real(rows, config), self

            class Step:
                @property
                def finished(self) -> bool:
                    return inner.finished

                def step(self, objective: Objective) -> None:
                    outer.rows.append(rows.x)
                    outer.lambs.append(objective.penalty.lamb)
                    inner.step(objective)

                def state(self) -> dict[str, Any]:
                    return inner.state()

                def resume(self, state: dict[str, Any]) -> None:
                    inner.resume(state)

            return Step()

        monkeypatch.setattr(optimizers, "make_optimizer", make)


def validation_of(data: Dataset) -> Rows:
    assert data.validation is not None
    return data.validation


def shares_rows(one: Tensor, two: Tensor) -> bool:
    return bool((one[:, None] == two[None]).all(2).any())


# ---- validation rows -----------------------------------------------------------------------------------------------


def test_classes_are_held_back_as_well() -> None:
    data = planted()
    y = (data.train.y[:, 0] > 0.3).long()
    data = Dataset(
        "classes", Rows(data.train.x, y), Rows(data.test.x, (data.test.y[:, 0] > 0.3).long()), data.inputs, ["a", "b"],
        CLASSIFICATION, CROSS_ENTROPY,
    )  # fmt: skip
    result = go(hold_back(data, 0.25, seed=0), lambda attempt: KAN([2, 2], grid=3, seed=attempt))
    assert result.learned
    assert result.score < 0.3


@pytest.mark.parametrize("others", [{}, {"restarts": 2}, {"grids": [3, 6]}], ids=["plain", "restarts", "grids"])
def test_rows_of_the_validation_never_train(monkeypatch: pytest.MonkeyPatch, others: dict[str, Any]) -> None:
    data = hold_back(planted(), 0.25, seed=3)
    held = validation_of(data)
    steps = Trained(monkeypatch)
    result = go(data, seed=3, **others)
    assert steps.rows
    assert not any(shares_rows(x, held.x) for x in steps.rows)
    assert all(r.validation_loss is not None for r in result.history)
    assert result.score == pytest.approx(loss_on(result, held), rel=1e-9)


def test_targets_of_the_validation_change_no_step() -> None:
    """They only say when to stop and which step was best."""
    data = hold_back(planted(), 0.25, seed=0)
    held = validation_of(data)
    changed = replace(data, validation=Rows(held.x, 1.1 * held.y))
    one, two = (alone(restart(), d).history for d in (data, changed))
    both = list(zip(one, two, strict=False))
    assert len(both) >= PATIENCE
    assert all(a.train_loss == b.train_loss for a, b in both)
    assert all(a.validation_loss != b.validation_loss for a, b in both)


@pytest.mark.parametrize("others", [{"restarts": 2}, {"grids": [3, 6]}], ids=["restarts", "grids"])
def test_rows_held_back_to_choose_train_at_the_end(monkeypatch: pytest.MonkeyPatch, others: dict[str, Any]) -> None:
    data = planted(400)
    steps = Trained(monkeypatch)
    result = go(data, **others)
    sizes = [len(x) for x in steps.rows]
    assert set(sizes) == {320, 400}
    assert sizes == sorted(sizes)
    assert [r.validation_loss is None for r in result.history] == [size == 400 for size in sizes]
    assert loss_on(result, data.train) <= min(r.train_loss for r in result.history if r.validation_loss is None)


def test_the_last_training_on_all_rows_goes_no_further_than_the_rows_held_back_had_allowed() -> None:
    for seed in range(3):
        history = go(planted(400, noise=0.03), restarts=2, seed=seed).history
        last = [r for r in history if r.validation_loss is None]
        [chosen] = {r.attempt for r in last}
        losses = [r.validation_loss for r in history if r.attempt == chosen and r.validation_loss is not None]
        assert 0 < len(last) <= losses.index(min(losses)) + 1


@pytest.mark.slow
def test_what_the_rows_held_back_have_stopped_is_trained_no_further() -> None:
    data = planted(noise=0.5)
    # A regularization that was asked for, however small, takes the place of smoothing.
    settings = {"penalty": Penalty(lamb=1e-6), "restarts": 2, "seed": 1}
    result = go(data, **settings)
    assert None not in {r.validation_loss for r in result.history}
    assert same(result, go(hold_back(data, 0.2, 1), **settings))


def test_with_few_rows_a_parameter_some_are_held_back() -> None:
    def wide(attempt: int) -> KAN:
        return KAN([2, 5, 1], grid=3, seed=attempt)

    data, count = planted(100, noise=0.5), wide(0).parameter_count()
    result = go(data, wide, LBFGS, parameters=count)
    assert None not in {r.validation_loss for r in result.history}
    assert loss_on(result, data.test) < 0.6 * loss_on(go(data, wide, LBFGS), data.test)
    assert {r.validation_loss for r in go(data, wide, LBFGS, parameters=100 // FEW).history} == {None}


def test_the_last_training_does_not_learn_the_noise() -> None:
    """It was once as long as any other, and what validation rows had chosen was spoiled for new rows."""
    data, ratios = planted(60, noise=0.5), []
    for seed in range(3):
        chosen = go(hold_back(data, 0.2, seed), grids=[3], seed=seed)
        last = go(data, grids=[3], seed=seed)
        without_limit = alone(chosen.model.clone(), data, LmConfig(steps=60))
        ratios.append(loss_on(last, data.test) / loss_on(without_limit, data.test))
    assert sorted(ratios)[1] < 0.5
    assert max(ratios) < 1.2


def test_where_nothing_is_chosen_all_rows_train_and_nothing_else_is_done() -> None:
    data = planted()
    result, plain = go(data), alone(restart(), data)
    assert same(result, plain)
    assert not result.smooth
    assert without_seconds(result.history) == without_seconds(plain.history)
    assert (result.messages, result.learned, result.scores) == (plain.messages, plain.learned, plain.scores)
    assert {(r.validation_loss, r.grid, r.attempt) for r in result.history} == {(None, 3, 0)}


def test_noise_is_smoothed_by_penalties_and_rows_without_it_are_left_alone() -> None:
    data = planted(150, noise=0.5)
    result, plain = go(data), alone(restart(), data)
    assert result.smooth
    assert loss_on(result, data.test) < 0.7 * loss_on(plain, data.test)
    assert not go(planted(150)).smooth
    assert not go(data, penalty=Penalty(lamb=1e-3)).smooth


def test_classes_that_could_be_told_apart_to_the_end_are_not_smoothed() -> None:
    plain, noisy = planted(150), planted(150, noise=0.7)
    for data, wanted in ((plain, False), (noisy, True)):
        train_rows, test_rows = (Rows(r.x, (r.y[:, 0] > 0.3).long()) for r in (data.train, data.test) if r is not None)
        classes = replace(data, train=train_rows, test=test_rows, outputs=["a", "b"], loss=CROSS_ENTROPY)
        result = train_by_schedule(
            Schedule(
                lambda attempt: KAN([2, 1, 2], grid=3, seed=attempt), Objective(CROSS_ENTROPY), LmConfig(steps=40)
            ),
            classes,
        )
        assert result.smooth is wanted


def few_rows_of_classes(rows: int = 90) -> Dataset:
    """Three classes in stripes, a third of them drawn at random."""
    data, draw = planted(rows), torch.Generator().manual_seed(0)

    def told(part: Rows | None) -> Rows:
        assert part is not None
        y = (part.y[:, 0] > 0.0).long() + (part.y[:, 0] > 0.7).long()
        other = torch.rand(len(y), generator=draw) < 1 / 3
        return Rows(part.x, torch.where(other, torch.randint(0, 3, (len(y),), generator=draw), y))

    parts = {"train": told(data.train), "test": told(data.test), "outputs": ["a", "b", "c"]}
    return replace(data, **parts, task=CLASSIFICATION, loss=CROSS_ENTROPY)  # type: ignore[arg-type]


def of_classes(data: Dataset, parameters: int) -> Training:
    schedule = Schedule(
        lambda attempt: KAN([2, 3, 3], grid=3, seed=attempt), Objective(CROSS_ENTROPY), LmConfig(steps=60),
        parameters=parameters, seed=1,
    )  # fmt: skip
    return train_by_schedule(schedule, data)


def smoothings(training: Training) -> list[list[Record]]:
    """The records of each training after the first."""
    found = list[list[Record]]()
    for record in training.history:
        if record.step == 0:
            found.append([])
        found[-1].append(record)
    return found[1:]


def test_rows_held_back_say_how_far_classes_are_smoothed() -> None:
    data = few_rows_of_classes()
    result = of_classes(data, parameters=10**6)
    ((*smoothed,),) = smoothings(result)
    held = [record.validation_loss for record in result.history]
    assert None not in held and all(
        record.regularization > 0 for record in smoothed
    )  # what others are expected to cost
    rows = validation_of(hold_back(data, 0.2, 1))
    with torch.no_grad():
        reached = float(CROSS_ENTROPY.value(result.model(rows.x), rows.y))
    assert reached == pytest.approx(min(loss for loss in held if loss is not None))
    assert result.smooth and reached < math.log(3)


def test_classes_of_many_rows_a_parameter_are_smoothed_twice_by_all_of_them() -> None:
    result = of_classes(few_rows_of_classes(500), parameters=1)
    assert len(smoothings(result)) == 2
    assert {record.validation_loss for record in result.history} == {None}


@pytest.mark.parametrize("gain", [True, False])
def test_a_pruned_network_stays_as_it_is_where_rows_held_back_gain_nothing(
    monkeypatch: pytest.MonkeyPatch, gain: bool
) -> None:
    data, asked = hold_back(few_rows_of_classes(), 0.2, 1), list[bool]()
    model, other = (KAN([2, 3], grid=3, seed=seed) for seed in (1, 2))

    def smoothed(given: KAN, plan: Plan, log: schedules.Log, smooth: bool = False) -> Training:  # noqa: ARG001
        asked.append(smooth)
        return Training(other, [], [], True, [0.0 if gain else 1e9])

    monkeypatch.setattr(schedules, "smoothed", smoothed)
    result = train_pruned(model, data, LmConfig(), seed=0, noise_scale=0.1, smooth=True)
    assert torch.equal(result.model.get_vector(), (other if gain else model).get_vector())
    everyone = train_pruned(model, few_rows_of_classes(), LmConfig(), seed=0, noise_scale=0.1, smooth=True)
    assert everyone.model is other  # no row is left to say that it is worse
    assert asked == [False, True]


def test_noise_is_smoothed_no_longer_than_the_steps_that_were_asked_for() -> None:
    plan = Plan(planted(150, noise=0.5), Objective(MSE), LmConfig(), "train", 60, 0)
    long, short = (
        schedules.smoothed(restart(), replace(plan, steps=steps), schedules.Log(Context())) for steps in (60, 2)
    )
    assert len(long.history) > len(short.history) == 2


# ---- one training with validation rows -----------------------------------------------------------------------------


def test_a_training_ends_as_it_was_at_its_best_on_the_rows_held_back() -> None:
    data = hold_back(planted(40, noise=0.5), 0.4, seed=0)
    held = validation_of(data)
    result = alone(restart(grid=8), data, LmConfig(steps=60))
    losses = [r.validation_loss for r in result.history if r.validation_loss is not None]
    assert len(losses) == len(result.history) < 60  # no gain any more
    best = losses.index(min(losses))
    assert losses[-1] > 1.1 * min(losses)  # the later steps have learned the noise
    assert result.history[-1].train_loss < result.history[best].train_loss
    assert loss_on(result, held) == pytest.approx(min(losses), rel=1e-9)
    assert result.scores == pytest.approx([min(losses[: i + 1]) for i in range(len(losses))], rel=1e-12)


@pytest.mark.parametrize("with_held", [True, False])
def test_the_scores_are_the_best_so_far_with_the_regularization(with_held: bool) -> None:
    data = hold_back(planted(), 0.2, seed=0) if with_held else planted()
    objective = Objective(MSE, Penalty(lamb=0.01))
    result = train(restart(), Plan(data, objective, LBFGS, "train", 8, 0))
    judged = [r.validation_loss if with_held else r.train_loss for r in result.history]
    whole = [loss + r.regularization for loss, r in zip(judged, result.history, strict=True) if loss is not None]
    assert result.scores == pytest.approx([min(whole[: i + 1]) for i in range(8)], rel=1e-9)
    assert all(after <= before for before, after in pairwise(result.scores))
    assert result.score == result.scores[-1]
    assert result.best_step == max(i for i in range(8) if i == 0 or result.scores[i] < result.scores[i - 1])


def test_a_training_without_a_step_has_the_worst_score() -> None:
    result = train(restart(), Plan(planted(), Objective(MSE), LM, "train", 0, 0))
    assert (result.scores, result.score) == ([], math.inf)


def test_a_training_far_behind_its_rival_ends_early_and_one_that_is_not_goes_on() -> None:
    data = planted()
    free = alone(straight(), data, LBFGS)
    assert free.learned
    assert len(free.history) == 20
    for factor, expected in ((2 * HOPELESS, PATIENCE), (HOPELESS / 2, 20)):
        rival = [score / factor for score in free.scores]
        result = alone(straight(), data, LBFGS, rival=rival)
        assert len(result.history) == expected
        assert without_seconds(result.history) == without_seconds(free.history[:expected])


def test_the_attempt_stands_in_every_record() -> None:
    result = alone(restart(), planted(), attempt=7)
    assert {(r.attempt, r.grid) for r in result.history} == {(7, 3)}


# ---- restarts ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_restart_that_is_best_on_rows_held_back_is_kept() -> None:
    data = hold_back(planted(60, noise=0.1), 0.25, seed=0)
    each = [alone(restart(attempt), data, LBFGS) for attempt in range(3)]
    scores = [r.score for r in each]
    chosen = scores.index(min(scores))
    assert chosen != 0  # the first one would be kept without any choice
    result = go(data, optimizer=LBFGS, restarts=3)
    assert result.score == min(scores)
    assert same(result, each[chosen])
    assert {r.attempt for r in result.history} == {0, 1, 2}


def test_the_chosen_restart_trains_on_and_no_other() -> None:
    data = planted(60)
    result = go(data, lambda attempt: restart() if attempt == 1 else straight(), restarts=3)
    assert {r.attempt for r in result.history if r.validation_loss is None} == {1}
    assert loss_on(result, data.test) < 0.1 * loss_on(alone(straight(), data), data.test)


def test_a_hopeless_restart_is_given_up_early_and_a_first_one_never() -> None:
    data = planted(100)

    def straight_second(attempt: int) -> KAN:
        return straight() if attempt else restart()

    result = go(data, straight_second, LBFGS, restarts=2)
    assert len(of_attempt(result, 1)) == PATIENCE
    swapped = go(data, lambda attempt: straight_second(1 - attempt), LBFGS, restarts=2)
    assert len(of_attempt(swapped, 0)) > PATIENCE
    assert {r.attempt for r in swapped.history if r.validation_loss is None} == {1}


def test_more_restarts_are_tried_only_while_none_learns() -> None:
    data = planted()
    begun: list[int] = []

    def late(attempt: int) -> KAN:
        begun.append(attempt)
        return restart(attempt) if attempt >= 2 else silent()

    result = go(data, late, LBFGS)
    assert begun == [0, 1, 2]
    assert result.learned
    assert sum("no better than a constant" in m for m in result.messages) == 2
    begun.clear()

    def never(attempt: int) -> KAN:
        begun.append(attempt)
        return silent()

    assert not go(data, never, LBFGS).learned
    assert begun == list(range(ATTEMPTS))


def test_one_that_learns_is_kept_before_one_that_does_not() -> None:
    data = planted()
    result = go(data, lambda attempt: straight() if attempt == 1 else silent(), restarts=3)
    assert result.learned
    assert {r.attempt for r in result.history if r.validation_loss is None} == {1}


# ---- grids ---------------------------------------------------------------------------------------------------------


def test_finer_grids_are_taken_as_long_as_the_rows_held_back_gain() -> None:
    data = planted(300, frequency=3.0)
    coarse, fine = go(data, one_layer), go(data, one_layer, grids=[3, 6, 12])
    assert (coarse.model.grid, fine.model.grid) == (3, 12)
    assert loss_on(fine, data.test) < 0.01 * loss_on(coarse, data.test)
    trained_on = [r.grid for r in fine.history]
    assert trained_on == sorted(trained_on)
    assert set(trained_on) == {3, 6, 12}
    assert fine.messages == []


def test_the_finest_grid_is_not_kept_where_there_are_few_and_noisy_rows() -> None:
    data = hold_back(planted(60, noise=0.5), 0.25, seed=0)
    result = go(data, one_layer, grids=[3, 15, 18])
    assert result.model.grid == 3
    assert {15, 18} & {r.grid for r in result.history} == {15}  # nothing finer is tried behind one that was no better
    assert result.messages == ["train: grid 15 is no better than 3 on validation rows"]
    finest = alone(one_layer(grid=18), replace(data, validation=None))
    assert loss_on(result, data.test) < 0.5 * loss_on(finest, data.test)


@pytest.mark.parametrize("build", [restart, one_layer])
def test_few_and_noisy_rows_end_on_the_coarse_grid_with_its_error(build: Callable[..., KAN]) -> None:
    data = planted(60, noise=0.5)
    coarse, result = (go(data, build, grids=grids) for grids in ([3], [3, 60]))
    count = build(grid=60).parameter_count()
    assert result.model.grid == 3
    assert result.messages == [
        *coarse.messages,
        f"train: grid 60 would have {count} parameters, more than the 48 numbers it is trained on",
    ]
    assert loss_on(result, data.test) <= 1.05 * loss_on(coarse, data.test)
    assert loss_on(result, data.test) < 0.5 * loss_on(alone(build(grid=60), data), data.test)
    assert 60 not in {r.grid for r in result.history}


def test_a_grid_may_have_as_many_parameters_as_there_are_training_rows() -> None:
    for rows, grids in ((20, {3, 6}), (19, {3})):  # one layer of two inputs: 2 * (6 + 4) parameters
        data = replace(planted(rows), validation=planted(80).train)
        result = go(data, one_layer, grids=[3, 6])
        assert {r.grid for r in result.history} == grids
        told = ["train: grid 6 would have 20 parameters, more than the 19 numbers it is trained on"]
        assert [m for m in result.messages if "parameters" in m] == ([] if 6 in grids else told)


def test_a_grid_may_have_as_many_parameters_as_its_optimizer_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = one_layer(grid=3)
    schedule = Schedule(one_layer, Objective(MSE), LM, [3, 6])
    assert schedules.too_fine(schedule, model, 6, planted(40)) == ""
    monkeypatch.setitem(optimizers.OPTIMIZERS, LmConfig, replace(schedule.kind, max_parameters=19))
    told = schedules.too_fine(schedule, model, 6, planted(40))
    assert told == "would have 20 parameters, lm takes up to 19"


def test_lm_begins_on_a_coarse_grid_and_goes_on_to_the_one_asked_for() -> None:
    for optimizer, expected in ((LM, [COARSE, 12]), (LBFGS, [12])):
        schedule = Schedule(lambda attempt: one_layer(attempt, grid=12), Objective(MSE), optimizer, [12])
        result = train_by_schedule(schedule, planted(200))
        assert list(dict.fromkeys(r.grid for r in result.history)) == expected
        assert result.model.grid == 12
        assert {r.validation_loss for r in result.history} == {None}  # nothing was chosen by validation rows


def test_no_more_than_five_intervals_are_begun_with_as_they_are() -> None:
    for grid in (2, COARSE):
        schedule = Schedule(lambda attempt, grid=grid: one_layer(attempt, grid), Objective(MSE), LM, [grid])
        result = train_by_schedule(schedule, planted())
        plain = without_seconds(alone(one_layer(grid=grid), planted()).history)
        assert without_seconds(result.history)[: len(plain)] == plain


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ({"grids": [3, 6]}, "grid 6 of 3, 6"),
        ({"restarts": 2}, "restart [12] of 2"),
        ({"grids": [3, 6], "restarts": 2}, "grid 6 of 3, 6 and restart [12] of 2"),
        ({"grids": [3]}, "knots"),
    ],
)
def test_what_was_chosen_is_told_and_by_which_rows(others: dict[str, Any], chosen: str) -> None:
    data = planted(300, frequency=3.0)
    told = go(data, one_layer, **others).choice
    assert re.fullmatch(chosen + ", chosen by 60 of 300 rows, held back for that", told)
    by_own = go(hold_back(data, 0.1, seed=0), one_layer, **others).choice
    assert by_own.endswith(", chosen by the validation rows")
    assert go(data, one_layer).choice == ""


# ---- knots ---------------------------------------------------------------------------------------------------------


def steep(rows: int = 400) -> Dataset:
    """tanh(15 x_1) + x_2^2: knots are needed around x_1 = 0."""
    parts = [uniform_rows(rows, 2, seed) for seed in (1, 2)]
    train_rows, test_rows = (Rows(x, torch.tanh(15 * x[:, :1]) + x[:, 1:] ** 2) for x in parts)
    return Dataset("steep", train_rows, test_rows, ["x_1", "x_2"], ["y"], REGRESSION, MSE)


def test_whose_grids_are_named_gets_knots_where_they_are_needed() -> None:
    data = steep()
    plain = alone(one_layer(grid=10), data)
    result = go(data, lambda attempt: one_layer(attempt, grid=10), grids=[10])
    assert result.model.grid == 10
    assert loss_on(result, data.test) < 0.5 * loss_on(plain, data.test)
    assert result.model.knots_stay
    steps = result.model.layers[0].grid[0].diff()
    assert int(steps.argmin()) in (3, 4, 5, 6)
    assert float(steps.max()) > 2 * float(steps.min())


def test_knots_that_do_not_help_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    data = hold_back(planted(200), 0.2, seed=0)
    asked: list[int] = []

    def crowd(model: KAN, x: Tensor, intervals: int) -> None:
        """All knots where hardly a row lies."""
        asked.append(intervals)
        assert torch.equal(x, data.train.x)
        for layer in model.layers:
            low, high = layer.grid[:, :1], layer.grid[:, -1:]
            layer.set_grid(torch.cat([low + (high - low) * torch.linspace(0, 0.02, intervals), high], dim=1))
        model.knots_stay = True

    monkeypatch.setattr(schedules, "place_knots", crowd)
    result, plain = go(data, one_layer, grids=[3, 6]), go(data, one_layer)
    assert asked == [3, 6]
    assert not result.model.knots_stay
    assert result.model.grid == 6
    assert result.score < plain.score


def test_without_splines_there_are_no_knots_to_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "place_knots", lambda *_: pytest.fail("knots were placed"))
    result = go(planted(), lambda _: straight(), grids=[3])
    assert result.learned


def test_large_networks_keep_their_knots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "MOST_FOR_PROBE", 4 * 3 * 2)
    monkeypatch.setattr(schedules, "place_knots", lambda *_: pytest.fail("knots were placed"))
    assert go(planted(), one_layer, grids=[3]).learned


def test_a_grid_is_kept_only_if_the_rows_held_back_gain() -> None:
    for rows, noise in ((60, 0.5), (150, 0.0)):
        data = hold_back(planted(rows, noise), 0.25, seed=0)
        coarse = alone(restart(), data, LBFGS)
        result = go(data, optimizer=LBFGS, grids=[3, 6])
        assert result.score <= coarse.score * (GAIN if result.model.grid > 3 else 1)
        assert loss_on(result, validation_of(data)) == pytest.approx(result.score, rel=1e-9)


def test_the_regularization_grows_at_a_restart_and_not_on_finer_grids(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Trained(monkeypatch)
    result = go(planted(), optimizer=LBFGS, penalty=Penalty(lamb=1e-3), grids=[3, 6], warmup=0.5)
    assert steps.lambs[:10] == pytest.approx([1e-4 * (i + 1) for i in range(10)])
    assert set(steps.lambs[10:]) == {1e-3}
    assert 6 in {r.grid for r in result.history}


# ---- the record ----------------------------------------------------------------------------------------------------


def test_every_step_of_every_training_is_told_and_recorded() -> None:
    told = Told()
    result = go(planted(), grids=[3, 6], restarts=2, context=Context(events=told))
    assert told.records == result.history
    assert {r.stage for r in result.history} == {"train"}
    starts = [i for i, r in enumerate(result.history) if r.step == 0]
    for begin, end in zip(starts, [*starts[1:], len(result.history)], strict=True):
        part = result.history[begin:end]
        assert [r.step for r in part] == list(range(len(part)))
        assert len({(r.grid, r.attempt, r.validation_loss is None) for r in part}) == 1
    shown = [(result.history[i].attempt, result.history[i].grid) for i in starts]
    assert shown[:2] == [(0, 3), (1, 3)]
    assert len({attempt for attempt, _ in shown[2:]}) == 1
    assert shown[-1][1] == result.model.grid


def test_one_seed_gives_one_result() -> None:
    data = planted(60, noise=0.1)
    one, two = (go(data, grids=[3, 6], restarts=2, seed=5) for _ in range(2))
    assert same(one, two)
    assert without_seconds(one.history) == without_seconds(two.history)
    assert one.messages == two.messages


# ---- many restarts ---------------------------------------------------------------------------------------------


def test_of_four_restarts_two_reach_the_second_grid_and_one_the_third() -> None:
    result = go(planted(200), lambda attempt: restart(attempt, grid=2), grids=[2, 4, 8], restarts=4)
    on_grid = {grid: {r.attempt for r in result.history if r.grid == grid} for grid in (2, 4, 8)}
    assert on_grid[2] == {0, 1, 2, 3}
    assert len(on_grid[4]) == 2
    assert len(on_grid[8]) == 1
    assert on_grid[8] < on_grid[4]
    scores = {
        a: min(r.validation_loss or math.inf for r in result.history if r.grid == 2 and r.attempt == a)
        for a in range(4)
    }  # fmt: skip
    assert min(scores, key=lambda a: scores[a]) in on_grid[4]


# ---- training a pruned network ---------------------------------------------------------------------------------


def stranded() -> KAN:
    """A sum whose Gaussian is zero to rounding for every row, so that no step tells where to go."""
    model = KAN([2, 1, 1], grid=3, seed=1)
    model.fix(1, 0, 0, "gaussian", trainable=False)
    with torch.no_grad():
        model.layers[0].coef.fill_(20.0)
    return model


def bell(rows: int = 100) -> Dataset:
    def part(count: int, seed: int) -> Rows:
        x = uniform_rows(count, 2, seed)
        return Rows(x, torch.exp(-((torch.sin(3 * x[:, :1]) + x[:, 1:]) ** 2)))

    return Dataset("bell", part(rows, 1), part(200, 2), ["x_1", "x_2"], ["y"], REGRESSION, MSE)


def pruned(model: KAN, data: Dataset, optimizer: OptimizerConfig) -> Training:
    return train_pruned(model, data, replace(optimizer, refit_steps=30), seed=0, noise_scale=0.3)


def test_a_pruned_network_in_a_poor_valley_begins_anew() -> None:
    data, model = bell(), stranded()
    before = model(data.train.x).detach()
    result = pruned(model, data, LM)
    assert torch.equal(model(data.train.x), before)
    assert {r.attempt for r in result.history} > {0}
    assert loss_on(result, data.test) < 0.02 * data.loss.null_value(data.train.y)
    assert bool(result.model.layers[1].is_fixed.all())


def test_a_pruned_network_that_fits_is_trained_once() -> None:
    data = planted()
    result = pruned(restart(), data, LM)
    assert {r.attempt for r in result.history} == {0}
    assert result.score < 0.02 * data.loss.null_value(data.train.y)


def test_only_lm_begins_a_pruned_network_anew() -> None:
    result = pruned(stranded(), bell(), LBFGS)
    assert {r.attempt for r in result.history} == {0}


# ---- interrupted and resumed ---------------------------------------------------------------------------------------


BUILDS: dict[str, Callable[[int], KAN]] = {"coarse": restart, "fine": lambda attempt: one_layer(attempt, grid=12)}


def scheduled(name: str, *context: Context) -> Training:
    build = BUILDS[name]
    grid = build(0).grid
    schedule = Schedule(build, Objective(MSE), replace(LM, steps=12), [grid, 2 * grid], placed=True, restarts=2)
    return train_by_schedule(schedule, planted(100, noise=0.1), *context)


@cache
def undisturbed(name: str) -> Training:
    return scheduled(name)


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("steps", [2, 11, 25])
def test_a_schedule_that_was_interrupted_goes_on_as_if_it_had_not_been(name: str, steps: int) -> None:
    whole, first = undisturbed(name), Resumable(steps)
    assert len(scheduled(name, first.context).history) == steps < len(whole.history)
    resumed = scheduled(name, Resumable(kept=first.kept).context)
    assert without_seconds(resumed.history) == without_seconds(whole.history)
    assert same(resumed, whole)
    assert (resumed.messages, resumed.choice) == (whole.messages, whole.choice)


def test_a_pruned_network_that_was_interrupted_goes_on_as_if_it_had_not_been() -> None:
    data, model = bell(), stranded()

    def refitted(context: Context) -> Training:
        optimizer = replace(LM, refit_steps=30)
        return train_pruned(model, data, optimizer, seed=0, noise_scale=0.3, context=context)

    whole = refitted(Context())
    for steps in (1, len(whole.history) // 2):
        first = Resumable(steps)
        assert len(refitted(first.context).history) == steps
        resumed = refitted(Resumable(kept=first.kept).context)
        assert without_seconds(resumed.history) == without_seconds(whole.history)
        assert same(resumed, whole)
