from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kanrun.config.validation import read_config
from kanrun.pipeline.fit import FitResult
from kanrun.pipeline.problem import make_problem
from kanrun.report.advice.of_training import (
    beyond,
    cut_short,
    explains_little,
    last_training,
    noise_free_test,
    overfits,
    still_learning,
)
from tests.report.advice.made_up import PLAIN, UNREAD, advice_in, drawn, result_of

SHORT = {"name": "lm", "steps": 4, "refit_steps": 0}
DEEP = {**UNREAD, "prune": {"enabled": False}, "model": {"hidden": [5], "grid": 3}, "optimizer": SHORT}


@pytest.fixture(scope="module")
def unfinished() -> FitResult:
    x = drawn(150, 2)
    return result_of(x, np.sin(4 * x[:, 0]) * x[:, 1], {**DEEP, "dataset": {"test": 0.5}})


def test_a_training_that_ended_while_it_learned_is_told_with_both_losses(unfinished: FitResult) -> None:
    losses = [record.train_loss for record in last_training(unfinished.state.history, "train")]
    found = advice_in(unfinished)["still learning"]
    assert found.finding.endswith(
        f"the second half of its 4 steps brought the loss from {losses[2]:.2g} to {losses[-1]:.2g}"
    )
    assert found.suggestion == "kanrun refine RUN optimizer.steps=16"


def test_one_that_has_arrived_or_learned_nearly_all_is_not(unfinished: FitResult) -> None:
    def told(*losses: float) -> bool:
        history = tuple(replace(unfinished.state.history[0], step=n, train_loss=v) for n, v in enumerate(losses))
        return bool(still_learning(replace(unfinished, state=replace(unfinished.state, history=history))))

    assert told(0.2, 0.2, 0.2, 0.1)
    assert not told(0.2, 0.2, 0.1, 0.09)  # hardly falls any more
    assert not told(0.2, 0.2, 1e-6, 1e-7)  # next to nothing is left
    assert not told(0.2, 0.2, 0.1)  # ended by itself


def test_test_rows_that_are_worse_are_told_with_both_errors(unfinished: FitResult) -> None:
    entry = unfinished.metrics["stages"][-1]
    train, test = entry["train"]["rmse"], entry["test"]["rmse"]
    found = advice_in(unfinished)["overfits"]
    assert f"{test / train:.3g} times that of the training rows ({test:.3g} against {train:.3g})" in found.finding
    data = unfinished.problem.data
    low, high = data.train.x.numpy().min(0), data.train.x.numpy().max(0)
    outside = sum(bool(((row < low) | (row > high)).any()) for row in data.test.x.numpy())  # type: ignore[union-attr]
    assert beyond(unfinished) == outside > 0
    assert f"; {outside} test rows lie beyond the training rows" in found.finding


@pytest.mark.parametrize(
    ("train", "test", "told"),
    [
        ({"rmse": 1.0}, {"rmse": 1.4}, False), ({"rmse": 1.0}, {"rmse": 1.6}, True),
        ({"rmse": None}, {"rmse": 1.6}, False),
        ({"accuracy": 0.95}, {"accuracy": 0.9}, False), ({"accuracy": 0.95}, {"accuracy": 0.6}, True),
    ],
)  # fmt: skip
def test_what_may_be_chance_is_not_told(
    unfinished: FitResult, train: dict[str, float], test: dict[str, float], told: bool
) -> None:
    stages = [{**unfinished.metrics["stages"][-1], "train": train, "test": test}]
    assert bool(overfits(replace(unfinished, metrics={"stages": stages}))) == told


def test_cross_validated_rows_say_it_too(unfinished: FitResult) -> None:
    stages = [{**unfinished.metrics["stages"][-1], "train": {"rmse": 1.0}, "test": None}]
    metrics = {"stages": stages, "cross_validation": {"rmse": 3.0}}
    [one] = overfits(replace(unfinished, metrics=metrics))
    assert one.finding.startswith("the cross-validated RMSE is 3 times that of the training rows")


def test_a_network_that_explains_nothing_is_told_unless_noise_is_why() -> None:
    x = drawn(200, 3)
    result = result_of(x, x.prod(1), UNREAD)  # no sum of functions of one input each
    r2 = result.metrics["final"]["r2"]
    found = advice_in(result)["explains little"]
    assert f"(R2 {r2:.3g})" in found.finding and r2 < 0.1
    noise = {"y": {"sigma": 1.0, "error": 0.01, "relative": 0.98, "source": "neighbours"}}
    assert explains_little(replace(result, state=replace(result.state, noise=noise))) == []


def test_a_network_that_was_not_read_to_the_end_is_told_with_the_work() -> None:
    x = drawn(100, 2)
    y = np.sin(3 * x[:, 0]) + x[:, 1] ** 2 + 0.1 * np.sin(40 * x[:, 0])
    result = result_of(x, y, {**PLAIN, "symbolic": {"discover": False, "work": 1.0}})
    found = advice_in(result)["cut short"]
    assert found.finding.endswith("before all functions were tried on all edges (1 units of work)")
    assert found.suggestion == "symbolic.work=4"
    rich = replace(result.problem.config, symbolic=replace(result.problem.config.symbolic, work=15_000.0))
    [one] = cut_short(replace(result, problem=replace(result.problem, config=rich)))
    assert "symbolic.work" not in one.suggestion  # of so few rows no more is taken


def test_test_rows_without_noise_are_told_beside_noisy_ones(unfinished: FitResult) -> None:
    dataset = {"formula": "x_1", "noise": 0.1, "n_train": 30, "n_test": 20}
    problem = make_problem(read_config({**UNREAD, "dataset": dataset}))
    stages = [{**unfinished.metrics["stages"][-1], "train": {"rmse": 0.137}, "test": {"rmse": 0.002}}]
    result = replace(unfinished, problem=problem, metrics={"stages": stages})
    [one] = noise_free_test(result)
    assert one.finding.startswith("the training RMSE is 0.137 and the test RMSE 0.002: dataset.noise=0.1 is on the")
    assert noise_free_test(unfinished) == []
    stages[0]["test"] = {"rmse": 0.1}
    assert noise_free_test(result) == []


def test_without_test_rows_none_lies_beyond(unfinished: FitResult) -> None:
    data = replace(unfinished.problem.data, test=None)
    alone = replace(unfinished, problem=replace(unfinished.problem, data=data))
    assert beyond(alone) == 0
    stages = [{**unfinished.metrics["stages"][-1], "train": {"rmse": 1.0}, "test": None}]
    [one] = overfits(replace(alone, metrics={"stages": stages, "cross_validation": {"rmse": 3.0}}))
    assert "beyond" not in one.finding
