"""A run in memory: the stages of a problem in order, without a folder, a console or Hydra."""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy
import scipy
import sympy
import torch

from kanrun.config.schema import Config, TrackerConfig
from kanrun.config.validation import read_config
from kanrun.context import Budget, Context, Events, Meter, Silent, Unrecorded
from kanrun.data.about import about_rows
from kanrun.data.build import check_match, network_width
from kanrun.data.rows import Counts, dataset_of
from kanrun.errors import ConfigError, failure, wrong
from kanrun.model.network import KAN
from kanrun.pipeline.left_over import left_over
from kanrun.pipeline.problem import numbers_of, problem_of, problem_of_trained, threads_of
from kanrun.pipeline.searching import search_stages
from kanrun.pipeline.stages import GIVEN, SEARCH, TRAINED
from kanrun.report.advice import with_advice
from kanrun.report.files import SCHEMA_VERSION
from kanrun.report.folder import check_folder, write_config
from kanrun.report.lock import held
from kanrun.report.outputs import write_outputs
from kanrun.report.paging import paged
from kanrun.report.status import Status, logged_to
from kanrun.state import Problem, Result, Stage, State
from kanrun.symbolic.scoring import together
from kanrun.version import __version__

log = logging.getLogger("kanrun")
R = TypeVar("R", bound=Result)


def stages_of(problem: Problem) -> tuple[Stage, ...]:
    """The stages of a search, of a network that is trained already, or of one that is to be."""
    if problem.trained:
        return TRAINED
    if not problem.config.search.wanted:
        return GIVEN
    return SEARCH if len(problem.data.outputs) == 1 else search_stages(problem.data.outputs)


@dataclass
class Desk:
    """What the stages are given beside their problem and state, and where what they have reached is put.

    `listeners` hear all events; without a checkpoint (pipeline/run.py) nothing is kept.
    """

    listeners: Sequence[Events] = ()
    cancelled: Callable[[], str | None] = lambda: None
    seconds_before: float = 0.0  # of the run, before it was interrupted
    begun: Meter = field(default_factory=Meter)

    def context(self, stage: str) -> Context:  # noqa: ARG002
        """For one stage."""
        return Context(Budget(Meter(cancelled=self.cancelled)), Everybody(self.listeners), Unrecorded())

    def finished(self, state: State) -> None:
        """A stage is finished, and has led to `state`."""

    def seconds(self) -> float:
        """Seconds of the run so far."""
        return self.seconds_before + self.begun.seconds()


@dataclass(frozen=True)
class Everybody(Silent):
    """Passes events on to all listeners."""

    listeners: Sequence[Events]

    def stage_began(self, name: str) -> None:
        for one in self.listeners:
            one.stage_began(name)

    def step(self, record: Any, steps: int) -> None:
        for one in self.listeners:
            one.step(record, steps)

    def trial(self, trial: Any) -> None:
        for one in self.listeners:
            one.trial(trial)

    def allowed(self, budget: Budget) -> None:
        for one in self.listeners:
            if heard := getattr(one, "allowed", None):  # one from elsewhere may know nothing of it
                heard(budget)

    def ended(self, result: Any, folder: Path) -> None:
        for one in self.listeners:
            one.ended(result, folder)

    def close(self) -> None:
        for one in self.listeners:
            one.close()

    def note(self, text: str) -> None:
        for one in self.listeners:
            one.note(text)

    def warning(self, text: str) -> None:
        for one in self.listeners:
            one.warning(text)

    def stage_ended(self, entry: Any) -> None:
        for one in self.listeners:
            one.stage_ended(entry)


def work_through(problem: Problem, state: State, desk: Desk) -> Iterator[State]:
    """The state after each stage that is wanted and not done yet.

    A stage that was cancelled gives what it had reached, and is not done.
    """
    for stage in stages_of(problem):
        if stage.name in state.done or not stage.wanted(problem, state):
            continue
        context = desk.context(stage.name)
        context.events.stage_began(stage.name)
        state = carried_out(stage, problem, state, context)
        if desk.cancelled() is None:
            state = replace(state, done=state.done | {stage.name})
            desk.finished(state)
        yield state
        if desk.cancelled() is not None:
            return


def carried_out(stage: Stage, problem: Problem, state: State, context: Context) -> State:
    """The state after a stage; one that fails leaves it as it was, once there is a network to keep."""
    try:
        return stage.run(problem, state, context)
    except OSError:  # of the checkpoint, such as a disk that is full
        raise
    except Exception as error:
        if not state.entries:
            raise
        log.exception("stage %s failed", stage.name)
        return state.warned(f"{stage.name} failed, what was reached before it is kept ({failure(error)})", context)


def result_of(problem: Problem, state: State, desk: Desk) -> Result:
    """What has been reached, as the result of the run."""
    return Result(problem, state, metrics_of(problem, state, desk.seconds()), desk.cancelled())


def metrics_of(problem: Problem, state: State, seconds: float) -> dict[str, Any]:
    """The content of metrics.json."""
    data, config, entries = problem.data, problem.config, [dict(entry) for entry in state.entries]
    first, validated = entries[0] if entries else {}, cross_validation(problem, state)
    final: tuple[Any, str] = (entries[-1]["test"] if entries else None), "test"
    if entries and data.test is None:
        final = (validated, "cross_validation") if validated else (entries[-1]["train"], "train")
    metrics: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION, "kanrun": __version__, "versions": versions(),
        "task": data.task, "dataset": data.name, "inputs": data.inputs, "outputs": data.outputs,
        "width": first.get("width"), "parameters": first.get("parameters"), "optimizer": config.optimizer.name,
        "seed": config.seed, "stages": entries,
        "final": final[0], "final_of": final[1],
        "total_seconds": seconds, "peak_memory_mib": peak_memory(),
    }  # fmt: skip
    if validated:
        metrics["cross_validation"] = validated
    if parent := getattr(config.model, "start", None):
        metrics["parent"] = parent
    metrics["data"] = about_rows(data)
    if warnings := [*data.warnings, *state.warnings]:
        metrics["warnings"] = warnings
    if state.noise:
        metrics["noise"] = {name: None if one is None else dict(one) for name, one in state.noise.items()}
    if state.relations.related is not None:
        metrics["related_inputs"] = [[data.input_names[i] for i in group] for group in state.relations.related]
    if state.search:
        metrics["search"] = dict(state.search)
    if state.relations.rounds:
        metrics["relation_rounds"] = [asdict(r) for r in state.relations.rounds]
    return metrics


def cross_validation(problem: Problem, state: State) -> dict[str, Any] | None:
    """The scores of all formulas together, with constants that have not seen the rows, null where that says nothing.

    None where rows are set aside, or nothing could be scored.
    """
    data, found = problem.data, [f.cross_validation for f in state.formulas]
    known = [scores for scores in found if scores is not None]
    if not known and (not found or data.test is not None or data.loss.logits):
        return None
    return together(known if len(known) == len(found) else [{"mse": None}], data)


def judged(result: R) -> R:
    """The result with what is looked at once, at its end: what its formulas leave, and what there is to say of it.

    A formula that cannot be judged costs no run its metrics.
    """
    try:
        left = left_over(result.problem, result.state)
    except Exception:
        log.exception("what the formulas leave was not judged")
        left = {}
    more = {"residuals": left} if left else {}
    return with_advice(replace(result, metrics={**result.metrics, **more}))


def versions() -> dict[str, str]:
    """Of Python and of what computes."""
    return {
        "Python": platform.python_version(),
        **{one.__name__: one.__version__ for one in (torch, numpy, scipy, sympy)},
    }


def peak_memory() -> float | None:
    """The most memory that this process has held, in MiB; None where the system does not say (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


@dataclass(frozen=True)
class FitResult(Result):
    """A result in memory, which can be saved as a run folder."""

    def save(self, folder: str | Path) -> None:
        """Writes a run folder. Raises ConfigError where `folder` holds something already."""
        folder = Path(folder)
        check_folder(folder, "folder", overwrite=False)
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder), logged_to(folder / "kanrun.log"), paged(folder), Status(folder).kept():
            write_config(folder, self.problem.config)
            for text in write_outputs(folder, self):
                log.warning("%s", text)


def fit(
    inputs: Any,
    targets: Any,
    config: Config | Mapping[str, Any] | None = None,
    *,
    test: tuple[Any, Any] | None = None,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    model: KAN | None = None,
    events: Events | None = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    weights: Any = None,
    units: Mapping[str, str] | None = None,
    loss: str | None = None,
) -> FitResult:
    """Trains, prunes and reads a network of rows of one's own, in memory.

    `inputs` are [rows, inputs], `targets` [rows, outputs] or [rows]: numbers, or class numbers where they are whole
    numbers of an integer type. `test` are inputs and targets that nothing but the scores looks at; without them a part
    of the rows (`dataset.test`) is set aside for that, but of few rows with values none. `names` and `outputs` are used
    in formulas, and with `units` of these, such as {"x_1": "m"}, one that adds up is preferred. `config` has the
    settings of `kanrun`, without a dataset. With a `model` that you have trained yourself a copy of it is pruned and
    read as a formula, in the precision of `config`. With errors of measurement `sigma` [rows] of one target rows count
    by 1/sigma^2, and with `absolute_sigma` constants have the errors that follow from these, as by
    scipy.optimize.curve_fit; with `weights` [rows] they count by these. With a `loss` of huber or student outliers
    decide nothing (dataset.loss). `events` hears what happens
    (kanrun.context.Events).

    Raises ConfigError, in one line each, for rows that cannot be used and settings that are not allowed.
    """
    given = asdict(config) if isinstance(config, Config) else dict(config or {})
    if model is not None:
        given["model"] = {"name": "kan", **described(model)}
    asked = {} if loss is None else {"loss": loss}
    settled = read_config({**given, "dataset": {"name": "rows", **rows_settings(given), **asked}})
    counts = Counts(sigma, weights, absolute_sigma)
    if type(settled.tracker) is not TrackerConfig:
        reason = "a run in memory has no folder; kanrun.run has one, and events= hears of this one"
        raise ConfigError(wrong("tracker", settled.tracker.name, reason))
    with threads_of(settled):
        data = dataset_of(settled, inputs, targets, test, names, outputs, *numbers_of(settled), counts, units)
        if model is None:
            check_match(network_width(settled, data), data)
        problem = problem_of(settled, data) if model is None else problem_of_trained(settled, data, model)
        desk = Desk([events] if events else [])
        *_, state = work_through(problem, State(), desk)
    return judged(FitResult(problem, state, metrics_of(problem, state, desk.seconds())))


def described(model: KAN) -> dict[str, Any]:
    """A network that is given, as settings."""
    if not isinstance(model, KAN):
        raise ConfigError(f"model: a kanrun.KAN is needed, not {type(model).__name__}")
    return {"width": model.width, "grid": model.grid, "k": model.k, "base": model.base}


def rows_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a config says of its dataset that holds for rows of one's own too."""
    section = given.get("dataset") or {}
    return {key: section[key] for key in ("seed", "validation", "loss", "test") if key in section}
