"""Advice on the training: what it has not learned, where it ended too early, and where it has learned too much."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kanrun.config.datasets import SymbolicConfig
from kanrun.config.search_settings import most_work_of_reading
from kanrun.data.dataset import null_value
from kanrun.data.scores import chance
from kanrun.model.network import KAN
from kanrun.report.advice.values import (
    MORE,
    Advice,
    alternatives,
    judged,
    last_splines,
    more_rows,
    noise_of,
    other_forms,
    settled,
)
from kanrun.report.numbers import part_shown
from kanrun.state import Result
from kanrun.training.history import Record
from kanrun.training.schedule import LEARNING

WEAK = 0.1  # part of the variance
UNFINISHED = 1e-3  # part of the loss of the best constant that is left, below which more steps are no matter
FURTHER, SURE = 1.5, 3.0  # times the error of the training rows, and standard errors of the logarithm of that
LOSES = 0.02  # accuracy


def explains_little(result: Result) -> list[Advice]:
    """A network that is hardly better than a constant, though noise does not say why."""
    splines = last_splines(result)
    part, scores = judged(splines) if splines else ("", {})
    r2 = scores.get("r2")
    known = max((level.relative**2 for level in noise_of(result).values()), default=0.0)
    if r2 is None or r2 > WEAK or settled(result) or 1 - r2 < 2 * known:
        return []
    config = result.problem.config
    sentence = f"the network explains {100 * max(r2, 0):.2g} % of the variance of the {part} rows (R2 {r2:.3g})"
    ways = ["regularization=none"] * (config.regularization.lamb > 0)
    ways += [f"optimizer.restarts={max(5, 2 * config.optimizer.restarts)}"] * (not config.search.wanted)
    return [Advice("explains little", sentence, alternatives([*ways, "other inputs than these"]))]


def cut_short(result: Result) -> list[Advice]:
    """A network that was not read to the end."""
    said = next((text for stage, text in result.state.notes if stage == "symbolic" and "was ended" in text), None)
    if said is None or settled(result):
        return []
    work, most = result.problem.config.symbolic.work, most_work_of_reading(len(result.problem.rows.train.x))
    ways = [f"symbolic.work={min(MORE * work, most):.9g}"] if work < most else []
    used = f"{min(work, most):.9g} units of work"
    return [Advice("cut short", f"{said} ({used})", alternatives(ways or other_forms(result)))]


def still_learning(result: Result) -> list[Advice]:
    """A training that was over while its loss still fell."""
    config, history = result.problem.config, result.state.history
    if config.search.wanted or settled(result) or not history:
        return []
    stage = "refit" if any(r.stage == "refit" for r in history) else "train"
    losses, steps = [r.train_loss for r in last_training(history, stage)], steps_of(result, stage)
    if len(losses) < max(steps, 4) or not losses[-1] < LEARNING * losses[len(losses) // 2]:
        return []
    if losses[-1] < UNFINISHED * null_value(result.problem.data):
        return []
    fell = f"the second half of its {len(losses)} steps brought the loss from {losses[len(losses) // 2]:.2g} to"
    sentence = f"{stage} was still learning when it ended: {fell} {losses[-1]:.2g}"
    way = f"optimizer.steps={MORE * config.optimizer.steps}"
    can_go_on = isinstance(result.state.networks[stage], KAN)
    return [Advice("still learning", sentence, f"kanrun refine RUN {way}" if can_go_on else way)]


def steps_of(result: Result, stage: str) -> int:
    """The steps that a stage may take."""
    optimizer = result.problem.config.optimizer
    return optimizer.refit_steps if stage == "refit" else optimizer.steps


def last_training(history: tuple[Record, ...], stage: str) -> list[Record]:
    """The records of the last training of a stage."""
    own = [record for record in history if record.stage == stage]
    start = max((n for n, record in enumerate(own) if record.step == 0), default=0)
    return own[start:]


def overfits(result: Result) -> list[Advice]:
    """Test rows that are explained far worse than those of the training, by more than chance."""
    entry, held = result.metrics["stages"][-1], "test"
    train, other = entry["train"], entry["test"]
    if other is None:
        other, held = result.metrics.get("cross_validation"), "cross-validated"
    if other is None or settled(result):
        return []
    data = result.problem.data
    numbers = [len(data.train.x), len(data.train.x) if data.test is None else len(data.test.x)]
    sentence = by_errors(train, other, numbers, held) or by_accuracy(train, other, numbers)
    if not sentence:
        return []
    outside = beyond(result)
    sentence += f"; {outside} test rows lie beyond the training rows" if outside else ""
    config = result.problem.config
    ways = ["dataset.validation=0.2"] * (not config.dataset.validation and not config.search.wanted)
    ways += ["model.grid=3"] * (getattr(config.model, "grid", 0) > 3 and not config.search.wanted)
    return [Advice("overfits", sentence, alternatives([*ways, more_rows(result)]))]


def by_errors(train: Mapping[str, Any], other: Mapping[str, Any], numbers: list[int], held: str) -> str:
    """A sentence where errors grow by more than chance: half the logarithm of an F ratio has the spread of 1/(2n)."""
    ours, theirs = train.get("rmse"), other.get("rmse")
    if not ours or not theirs or theirs < FURTHER * ours:
        return ""
    if math.log(theirs / ours) < SURE * math.sqrt(sum(1 / (2 * n) for n in numbers)):
        return ""
    return f"the {held} RMSE is {theirs / ours:.3g} times that of the training rows ({theirs:.3g} against {ours:.3g})"


def by_accuracy(train: Mapping[str, Any], other: Mapping[str, Any], numbers: list[int]) -> str:
    """The same of classes."""
    ours, theirs = train.get("accuracy"), other.get("accuracy")
    if ours is None or theirs is None or ours - theirs < max(LOSES, SURE * chance(ours, theirs, min(numbers))):
        return ""
    shown = [part_shown(value, digits=3) for value in (theirs, ours)]
    return f"the test accuracy is {shown[0]} beside {shown[1]} of the training rows"


def beyond(result: Result) -> int:
    """How many test rows lie outside the range of the training rows, in whatever input."""
    data = result.problem.data
    if data.test is None:
        return 0
    low, high, x = data.train.x.amin(0), data.train.x.amax(0), data.test.x
    return int(((x < low) | (x > high)).any(1).sum())


def noise_free_test(result: Result) -> list[Advice]:
    """Test rows that are better than those of the training, since noise was put on the training alone."""
    dataset, entry = result.problem.config.dataset, result.metrics["stages"][-1]
    if not isinstance(dataset, SymbolicConfig) or not dataset.noise or not entry["test"]:
        return []
    train, test = entry["train"].get("rmse"), entry["test"].get("rmse")
    if train is None or test is None or not test * FURTHER < train:
        return []
    return [
        Advice(
            "noise-free test",
            f"the training RMSE is {train:.3g} and the test RMSE {test:.3g}: dataset.noise={dataset.noise:g} is on the "
            "training rows only, so the test rows show the error of the law itself",
        )
    ]
