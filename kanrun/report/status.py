"""status.json, kept up to date while a run goes on, and the log of its folder."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kanrun.context import Silent
from kanrun.errors import KanrunError
from kanrun.report.files import read_json, write_json

log = logging.getLogger("kanrun")


class InterruptedRun(KeyboardInterrupt):
    """A run that a signal has ended; what it had reached is kept. `signal` is the signal's name."""

    def __init__(self, signal: str) -> None:
        super().__init__(f"interrupted by {signal}")
        self.signal = signal


class Status(Silent):
    """Writes status.json: running, then completed, failed or interrupted.

    `resumed` counts how often an earlier run in the folder was gone on with, and adds this time where it is.
    """

    def __init__(self, folder: Path, resumed: bool = False) -> None:
        self.path, self.stage, self.started = folder / "status.json", "start", datetime.now(UTC).isoformat()
        self.resumed = times_resumed(self.path) + 1 if resumed else 0

    def write(self, state: str, error: str | None = None) -> None:
        """What there is to say now."""
        ended = None if state == "running" else datetime.now(UTC).isoformat()
        content: dict[str, Any] = {
            "state": state,
            "stage": self.stage,
            "error": error,
            "started": self.started,
            "ended": ended,
        }
        content |= {"resumed": self.resumed} if self.resumed else {}
        try:
            write_json(self.path, content)
        except OSError:
            if state == "running":
                raise
            with suppress(OSError):  # where the disk is full there may be room in the place of what it says now
                self.path.write_text(json.dumps(content), encoding="utf-8")

    def stage_began(self, name: str) -> None:
        """The run is in this stage."""
        self.stage = name
        self.write("running")

    def interrupted(self, signal: str) -> None:
        """A signal has ended the run."""
        self.write("interrupted", f"interrupted by {signal} in stage {self.stage}; kanrun resume goes on with it")

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Running until the end of the block, whose outcome is then said; the log gets the traceback of a failure."""
        self.write("running")
        try:
            yield
        except KeyboardInterrupt as error:
            self.interrupted(getattr(error, "signal", "SIGINT"))
            log.error("interrupted in stage %s", self.stage)
            raise
        except KanrunError as error:
            self.write("failed", str(error))
            log.error("%s", error)
            raise
        except BaseException as error:
            self.write("failed", f"{type(error).__name__}: {error}")
            log.error("failed in stage %s\n%s", self.stage, traceback.format_exc())
            raise
        self.stage = "done"
        self.write("completed")


def times_resumed(path: Path) -> int:
    """How often the run of a status.json has been gone on with so far."""
    try:
        return int(read_json(path).get("resumed", 0))
    except (OSError, ValueError, AttributeError, TypeError):
        return 0


def state_of(folder: Path) -> str | None:
    """What status.json says of the run in `folder`; None where it cannot be read."""
    try:
        return str(read_json(folder / "status.json")["state"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Logged(Silent):
    """Writes what stands out, and the outcome of every stage, to the log."""

    def note(self, text: str) -> None:
        """As information."""
        log.info("%s", text)

    def warning(self, text: str) -> None:
        """As a warning."""
        log.warning("%s", text)

    def stage_ended(self, entry: Mapping[str, Any]) -> None:
        """With all its scores."""
        log.info("%s: %s", entry["name"], dict(entry))


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Sends the package's log to a file of the run folder."""
    handler = logging.FileHandler(path, mode="a", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = (log, logging.getLogger("py.warnings"))
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handler.close()
