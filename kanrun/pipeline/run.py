"""A run with its folder: begun, killed, resumed, and what it leaves there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from kanrun.config.schema import AUTO, QUIET, Config
from kanrun.config.search_settings import most_work_of_reading, unused_by_search
from kanrun.config.validation import read_config
from kanrun.context import Budget, Context, Events, Meter
from kanrun.errors import KanrunError
from kanrun.functions.library import extended
from kanrun.pipeline.checkpoint import FORMAT, Begun, Checkpoint, version_of
from kanrun.pipeline.fit import Desk, Everybody, judged, result_of, stages_of, work_through
from kanrun.pipeline.interruption import Interruption, interruptible
from kanrun.pipeline.problem import make_problem, threads_of
from kanrun.report.console import Console
from kanrun.report.files import read, write_json
from kanrun.report.folder import check_folder, clear_folder, config_in, write_config
from kanrun.report.lock import held, in_use
from kanrun.report.outputs import write_outputs
from kanrun.report.paging import paged
from kanrun.report.standard_output import console_of
from kanrun.report.status import InterruptedRun, Logged, Status, logged_to, state_of
from kanrun.report.trackers import check_tracker, trackers_of
from kanrun.state import Problem, State
from kanrun.version import __version__

log = logging.getLogger("kanrun")
SILENT = ("noise", "inputs", "together")  # stages that take hardly any time
LastResort = Callable[[Status, str], None]


def run(config: Config | Mapping[str, Any], folder: str | Path, quiet: bool = False) -> dict[str, Any]:
    """Does what the command does: the whole way from `config` to a run folder. Gives back the metrics.

    Raises KanrunError, before anything is written, for a mistake in the config and for a folder that holds a run that
    is finished or can be resumed, unless the config has `overwrite`. Whatever goes wrong later, `status.json` says so.
    """
    return begin_run(config, Path(folder), quiet)


def begin_run(
    config: Config | Mapping[str, Any],
    folder: Path,
    quiet: bool,
    last_resort: LastResort | None = None,
    key: str = "folder",
    overseer: Overseer | None = None,
) -> dict[str, Any]:
    """A run from its beginning in a folder that the setting `key` names.

    `last_resort` is called where a signal does not end it soon enough; an `overseer` may end it, too.
    """
    checked = read_config(asdict(config) if isinstance(config, Config) else config)
    check_tracker(checked)
    check_folder(folder, key, checked.overwrite)
    with threads_of(checked):
        problem = make_problem(checked)
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder), threads_of(checked):
        clear_folder(folder)
        status = Status(folder)
        with watched(status, last_resort) as interruption, logged_to(folder / "kanrun.log"):
            write_config(folder, checked)  # before the status: what says that it is a run can be resumed
            with paged(folder), status.kept():
                one = Run(checked, folder, status, Console(QUIET if quiet else checked.console), interruption, overseer)
                return carry_out(one, problem, State(), None)


def resume(
    folder: str | Path, quiet: bool = False, last_resort: LastResort | None = None, overseer: Overseer | None = None
) -> dict[str, Any] | None:
    """Goes on with a run that was interrupted or killed, from where it was. Gives back the metrics.

    A run that is completed stays as it is, and gives None. Raises KanrunError for a folder that is no run or is in
    use, and for a run of another version.
    """
    folder = Path(folder)
    if not (folder / "status.json").is_file():
        way = f"; a sweep goes on with kanrun -m sweep.resume={folder}" if (folder / "sweep.json").exists() else ""
        raise KanrunError(f"{folder}: not a run folder, there is no status.json in it{way}")
    if in_use(folder):
        raise KanrunError(f"{folder}: the run is still going on")
    if state_of(folder) == "completed":
        console_of(way=QUIET if quiet else AUTO).print(
            f"{folder}: the run is completed, there is nothing left to do", highlight=False, soft_wrap=True
        )
        return None
    config = read(folder, "config.yaml", config_in, "the run cannot be resumed")
    if (made := version_of(folder)) and made != (FORMAT, __version__):
        reason = f"its checkpoint is from kanrun {made[1]}, this is {__version__}"
        raise KanrunError(f"{folder}: {reason}; go on with that version, or begin anew with overwrite=true")
    check_tracker(config)
    with held(folder), threads_of(config):
        problem = make_problem(config)  # before the status: without its table or device a run stays as it was left
        status, console = Status(folder, resumed=True), Console(QUIET if quiet else config.console)
        with (
            watched(status, last_resort) as interruption,
            logged_to(folder / "kanrun.log"),
            paged(folder),
            status.kept(),
        ):
            one = Run(config, folder, status, console, interruption, overseer, resumed=True)
            state, begun = one.checkpoint.load(one.tell)
            return carry_out(one, problem, state, begun)


def watched(status: Status, last_resort: LastResort | None) -> Any:
    """Signals are noted, and asked about at every step."""
    return interruptible(None if last_resort is None else lambda signal: last_resort(status, signal))


class Overseer(Events, Protocol):
    """Hears what happens in a run, and may give a reason why it has to end."""

    def cancelled(self) -> str | None:
        """The reason, None as long as there is none."""


class Run(Desk):
    """A desk whose stages put what they have reached into a checkpoint, and what they are doing on the console."""

    def __init__(
        self, config: Config, folder: Path, status: Status, console: Console, interruption: Interruption,
        overseer: Overseer | None = None, resumed: bool = False,
    ) -> None:  # fmt: skip
        watching = () if overseer is None else (overseer,)
        self.config, self.folder, self.console = config, folder, console
        trackers = trackers_of(config, folder, resumed, self.tell)
        reasons = (interruption.cancelled, *(one.cancelled for one in watching))
        super().__init__(
            (console, status, Logged(), *watching, *trackers),
            lambda: next((r for reason in reasons if (r := reason())), None),
        )
        library, device = extended(config.symbolic.functions), torch.device(config.device)
        self.checkpoint = Checkpoint(folder, library, device)
        self.unfinished: Begun | None = None  # the stage in which the run was interrupted

    def context(self, stage: str) -> Context:
        """For one stage, which goes on where it was interrupted."""
        before, self.unfinished = self.unfinished, None
        if before is not None and before.stage == stage:
            meter = Meter(before.seconds, before.cpu_seconds, before.journal.work, self.cancelled)
        else:
            before, meter = None, Meter(cancelled=self.cancelled)
        journal = self.checkpoint.begin(stage, meter, before)
        return Context(Budget(meter), Everybody(self.listeners), journal)

    def finished(self, state: State) -> None:
        """Keeps the state."""
        self.checkpoint.keep(state)

    def tell(self, text: str) -> None:
        """Something that the user should know before the run goes on."""
        log.warning(text)
        self.console.stand_out(text)


def carry_out(one: Run, problem: Problem, state: State, begun: Begun | None) -> dict[str, Any]:
    """The run from here to its end, in a terminal that is left as it was."""
    try:
        return worked_through(one, problem, state, begun)
    finally:
        Everybody(one.listeners).close()


def worked_through(one: Run, problem: Problem, state: State, begun: Begun | None) -> dict[str, Any]:
    """The stages that are left, and the report. Gives back the metrics; raises InterruptedRun where a signal came."""
    log.info("kanrun %s, run in %s", __version__, one.folder)
    one.console.begin(problem, planned(problem))
    if problem.config.search.wanted and (unused := unused_by_search(one.config)):
        one.tell(f"a search trains and prunes in its own way, without {', '.join(unused)}")
    one.unfinished = begun
    one.seconds_before = sum(entry["seconds"] for entry in state.entries) + (begun.seconds if begun else 0.0)
    if begun or state.done:
        done = f" after {', '.join(entry['name'] for entry in state.entries)}" if state.entries else ""
        one.tell(f"resumed{done}" + (f", within {begun.stage}" if begun else ""))
    one.begun = Meter()
    written = State() if begun or state.done else state  # what is resumed may be ahead of its files
    for state in work_through(problem, state, one):  # noqa: B020
        if one.cancelled() is not None or says_more(state, written):
            write_outputs(one.folder, result_of(problem, state, one), hurry=always_hurried)
            written = state
    if (signal := one.cancelled()) is not None:
        Everybody(one.listeners).ended(result_of(problem, state, one), one.folder)
        raise InterruptedRun(signal)
    return report(one, problem, state)


def planned(problem: Problem) -> list[str]:
    """The stages as far as is known beforehand, each with what it may take."""
    optimizer, begun = problem.config.optimizer, State(current=problem.model)
    reading = min(problem.config.symbolic.work, most_work_of_reading(len(problem.rows.train.x)))
    limits = {
        "train": f" (up to {optimizer.steps} steps)", "refit": f" (up to {optimizer.refit_steps} steps)",
        "symbolic": f" (up to {reading:g} units of work)",
    }  # fmt: skip
    limits |= {} if not problem.trained else {"train": ""}
    names = [stage.name for stage in stages_of(problem) if stage.wanted(problem, begun)]
    return [name + limits.get(name, "") for name in names if name not in SILENT]


def says_more(state: State, before: State) -> bool:
    """Whether the files of a run would say more than before: a look at the noise alone is no reason to write all."""
    parts = ("entries", "history", "formulas", "relations", "networks", "search")
    return any(getattr(state, part) is not getattr(before, part) for part in parts)


def always_hurried() -> bool:
    """Between stages there is no time for pictures."""
    return True


def report(one: Run, problem: Problem, state: State) -> dict[str, Any]:
    """All outputs, and the console's last lines."""
    Everybody(one.listeners).stage_began("report")
    result = judged(result_of(problem, state, one))
    for text in write_outputs(one.folder, result, hurry=lambda: one.cancelled() is not None):
        one.tell(text)
        state = replace(state, warnings=(*state.warnings, text))
    last = result_of(problem, state, one)
    kept: dict[str, Any] = {key: result.metrics[key] for key in ("residuals", "advice") if key in result.metrics}
    result = replace(last, metrics={**last.metrics, **kept})
    write_json(one.folder / "metrics.json", result.metrics)  # once more, with the time that pictures took
    Everybody(one.listeners).ended(result, one.folder)
    if (signal := one.cancelled()) is not None:
        raise InterruptedRun(signal)
    one.checkpoint.remove()
    return result.metrics
