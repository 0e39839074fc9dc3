"""The `kanrun` command: Hydra composes the config, run() does the work; every mistake ends as one line and status 1."""

from __future__ import annotations

import gc
import io
import logging
import os
import shlex
import signal
import sys
import threading
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanrun.cli.commands import COMMANDS, carry_out
from kanrun.cli.explain import TRACEBACK, explain
from kanrun.cli.hints import explain_flag
from kanrun.cli.quoting import prepared
from kanrun.config.packaged import config_folder
from kanrun.config.schema import AUTO
from kanrun.errors import KanrunError
from kanrun.report.standard_output import console_of, silence

if TYPE_CHECKING:
    from kanrun.cli.compose import Composer

MOST_SAID = 10  # failures of a sweep
ADDING_UP = threading.Lock()  # a job that does not end is ended by another thread, see Job.end_at_once
SHOW_CURSOR = b"\x1b[?25h"


def main() -> None:
    """Entry point of the command."""
    gc.disable()  # what torch, SymPy and Hydra make when they are imported stays: a fifth of the start went into it
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what it cannot write, such as ± in ASCII, becomes a question mark
    logging.raiseExceptions = False  # what Hydra cannot log, since nobody reads any more, is no matter
    try:
        command(sys.argv[1:])
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough
        silence()
    finally:
        logging.raiseExceptions = True
        gc.enable()


def command(arguments: list[str]) -> None:
    """Does what the arguments ask for."""
    if arguments and arguments[0] in COMMANDS:
        finished_run(arguments)
        return
    if {"-h", "--help"} & set(arguments):
        from kanrun.cli.help import help_text

        print(help_text())
        return
    if "--version" in arguments:
        from kanrun import __version__

        print(f"kanrun {__version__}")
        return
    sys.argv[1:] = remembered(prepared(arguments))
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises its errors instead of printing its own pages
    job = Job()
    try:
        carry_out_jobs(job)
    except KeyboardInterrupt as error:
        with suppress(KeyboardInterrupt):  # somebody does not want to wait for it
            add_up(job)
        sys.exit(told_of_interruption(error, way_on(job)))
    except Exception as error:
        if wants_traceback:
            raise
        add_up(job)
        complain(explain(error, arguments))
        sys.exit(1)
    add_up(job)
    if job.failures:
        sys.exit(1)


def remembered(arguments: list[str]) -> list[str]:
    """What a sweep was asked for with, where nothing is said but that it shall go on, and what is said to Hydra."""
    given = [a for a in arguments if not a.startswith(("-", "hydra"))]
    if len(given) != 1 or not given[0].startswith("++sweep.resume="):
        return arguments
    from kanrun.sweep.record import arguments_in

    folder = given[0].partition("=")[2].strip("'\"")
    before = [a for a in arguments_in(Path(folder)) if not a.startswith("++sweep.resume=")]
    more = [a for a in arguments if a.startswith("hydra")]
    return [*before, *more, given[0]] if before else arguments


def carry_out_jobs(job: Job) -> None:
    """The run, or the jobs of the sweep, or whatever else Hydra is asked for."""
    import hydra

    from kanrun.cli.compose import register_defaults
    from kanrun.cli.inside_hydra import BASE, run_composed, run_sweep
    from kanrun.cli.preflight import check_jobs, is_sweep
    from kanrun.cli.sweeping import composer_of

    register_defaults()
    options = parsed(sys.argv[1:])
    job.composer = composer = composer_of(options)
    alone = check_jobs(options, composer)
    if alone is not None:
        run_composed(alone, job)
    elif is_sweep(options):
        run_sweep(composer.folder, composer.name, composer.more, options.overrides, job)
    else:
        hydra.main(**BASE, config_path=str(config_folder()), config_name="config")(job)()


def way_on(job: Job) -> str:
    """How a sweep that was ended goes on."""
    there = job.sweep is not None and (job.sweep / "sweep.json").exists()
    return f"; kanrun -m sweep.resume={shlex.quote(str(job.sweep))} goes on with it" if there else ""


def add_up(job: Job) -> None:
    """What the runs of a sweep add up to, in its folder and on the console; only once."""
    with ADDING_UP:
        if not job.added_up:
            job.added_up = True
            summed_up(job)


def summed_up(job: Job) -> None:
    """The same, however often it is asked for."""
    if job.sweep is not None:
        from kanrun.sweep.resuming import runs_in
        from kanrun.sweep.summary import summarize

        try:
            if runs_in(job.sweep):
                summarize(job.sweep, console_of(120, job.console), job.best)
        except (OSError, KanrunError) as error:
            complain([f"the summary of {job.sweep} is not whole: {error}"])
    complain(job.said[:MOST_SAID])
    if len(job.said) > MOST_SAID:
        complain([f"and {len(job.said) - MOST_SAID} more jobs that failed, see summary.csv"])


def finished_run(arguments: list[str]) -> None:
    """A command about runs that there are, such as `kanrun show RUN`."""
    name, *given = arguments
    logging.captureWarnings(True)
    try:
        carry_out(name, given)
    except KeyboardInterrupt as error:
        sys.exit(told_of_interruption(error))
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        log = Path(given[0]) / "kanrun.log" if name == "resume" and given else None
        complain(explain(error, [], f"the traceback is in {log}" if log else TRACEBACK))
        sys.exit(1)


def resume_run(folder: str) -> None:
    """`kanrun resume RUN`: goes on with a run that was interrupted or killed."""
    from kanrun.pipeline.run import resume

    collect_garbage()
    resume(folder, last_resort=Job().end_at_once)


def collect_garbage() -> None:
    """From here on, and only of what a run makes."""
    gc.freeze()
    gc.enable()


def told_of_interruption(error: KeyboardInterrupt, more: str = "") -> int:
    """Says that a signal has ended the command, and gives the exit status that shells have for it."""
    complain([(str(error) or "interrupted") + more])
    return 128 + int(signal.Signals[getattr(error, "signal", "SIGINT")])


class Job:
    """One run in the folder that Hydra chose, called once a job of a sweep.

    Failures in the command's own process are shown and counted, so that a sweep goes on; in a worker process of a
    launcher they are raised, which is the only way back.
    """

    __name__ = "job"

    def __init__(self) -> None:
        self.process, self.failures = os.getpid(), 0
        self.composer: Composer | None = None
        self.said: list[str] = []  # of jobs that failed elsewhere, a line each
        self.best: list[str] = []  # of a search for settings
        self.console = AUTO  # how a sweep is shown
        self.sweep: Path | None = None  # the folder of the sweep, where it is one
        self.added_up = False

    def __call__(self, composed: Any) -> float | None:
        """Gives the loss on the validation rows, for sweepers; None where there are none."""
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        from kanrun.cli.compose import settings_of
        from kanrun.cli.sweeping import hold_rows_back, is_asked_for_a_score
        from kanrun.pipeline.run import begin_run
        from kanrun.sweep.tasks import validation_loss

        logging.captureWarnings(True)
        collect_garbage()
        hydra: Any = HydraConfig.get()
        folder = hydra.runtime.output_dir
        try:
            content = settings_of(composed)
            key = "hydra.run.dir"
            if hydra.mode == RunMode.MULTIRUN:
                key, self.sweep = "hydra.sweep.dir", Path(hydra.sweep.dir)
                if is_asked_for_a_score(hydra):
                    hold_rows_back([content])
            metrics = begin_run(content, Path(folder), quiet=False, last_resort=self.end_at_once, key=key)
        except Exception as error:
            if os.getpid() != self.process:
                raise
            self.failures += 1
            log = Path(folder) / "kanrun.log"
            complain(explain(error, [], f"the traceback is in {log}" if log.exists() else TRACEBACK))
            return None
        return validation_loss(metrics)

    def end_at_once(self, status: Any, name: str) -> None:
        """Ends the process where a signal has not ended its run soon enough: what finished stages have left is there,
        and what the jobs of a sweep add up to.
        """
        from kanrun.report.paging import paged

        status.interrupted(name)
        with suppress(OSError, ValueError):
            if sys.stdout.isatty():
                os.write(sys.stdout.fileno(), SHOW_CURSOR)
        found = self.sweep is not None or (status.path.parent / "metrics.json").exists()
        with paged(status.path.parent):
            pass
        alone = os.getpid() == self.process
        with suppress(Exception):
            if alone:
                add_up(self)
                sys.stdout.flush()
        nothing = "" if found else ", before anything was found"
        complain([f"interrupted by {name}{nothing}{way_on(self) if alone else ''}"])
        os._exit(128 + int(signal.Signals[name]))


def complain(lines: list[str]) -> None:
    """Shows what is wrong, a line each."""
    with suppress(OSError):
        for line in lines:
            print(f"kanrun: {line}", file=sys.stderr, flush=True)


def parsed(arguments: list[str]) -> Namespace:
    """The flags and overrides. Raises KanrunError for a flag that Hydra does not know, instead of a page of all."""
    from kanrun.cli.inside_hydra import arguments_parser

    parser = arguments_parser()
    parser.allow_abbrev = False

    def fail(message: str) -> None:
        flag = message.removeprefix("unrecognized arguments: ").split(" ")[0]
        raise KanrunError(explain_flag(flag) if flag.startswith("-") else message)

    parser.error = fail  # type: ignore[method-assign,assignment]
    return parser.parse_args(arguments)
