"""What a run has reached, and its traces while it runs: status.json and the log."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kanrun.errors import KanrunError
from kanrun.model.protocol import Network
from kanrun.pipeline.searching import Tried
from kanrun.relations.relation import Relation, Tie
from kanrun.relations.rounds import Round
from kanrun.report.files import write_json
from kanrun.symbolic.formula import Formula
from kanrun.training.history import Record

log = logging.getLogger("kanrun")


@dataclass
class Progress:
    """What a run has reached: the stages' scores, the history, the networks for the pictures."""

    stages: list[dict[str, Any]] = field(default_factory=list)
    history: list[Record] = field(default_factory=list)
    networks: dict[str, Network] = field(default_factory=dict)
    formulas: list[Formula] = field(default_factory=list)
    related: list[list[int]] | None = None  # inputs that belong together, where a contrastive run looked for them
    ties: list[Tie] = field(default_factory=list)  # what ties them, with its equation where one was found
    rounds: list[Round] = field(default_factory=list)  # networks that looked for more
    tried: list[Tried] = field(default_factory=list)  # networks of a search
    search: dict[str, Any] = field(default_factory=dict)  # what metrics.json says of it
    stage: str = "start"
    on_stage: Callable[[], None] = lambda: None

    @property
    def relations(self) -> list[Relation]:
        """The equations found."""
        return [tie.relation for tie in self.ties if tie.relation]

    def enter(self, stage: str) -> None:
        """A stage begins."""
        self.stage = stage
        self.on_stage()


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


@contextmanager
def status_of(folder: Path, progress: Progress) -> Iterator[None]:
    """Keeps status.json: running, then completed, failed or interrupted; the log gets the traceback."""
    started = datetime.now(UTC).isoformat()

    def write(state: str, error: str | None = None) -> None:
        ended = None if state == "running" else datetime.now(UTC).isoformat()
        content = {"state": state, "stage": progress.stage, "error": error, "started": started, "ended": ended}
        write_json(folder / "status.json", content)

    write("running")
    progress.on_stage = lambda: write("running")
    log.info("run in %s", folder)
    try:
        yield
    except KeyboardInterrupt:
        write("interrupted", "interrupted by the user")
        log.error("interrupted in stage %s", progress.stage)
        raise
    except KanrunError as error:
        write("failed", str(error))
        log.error("%s", error)
        raise
    except BaseException as error:
        write("failed", f"{type(error).__name__}: {error}")
        log.error("failed in stage %s\n%s", progress.stage, traceback.format_exc())
        raise
    progress.stage = "done"
    write("completed")
