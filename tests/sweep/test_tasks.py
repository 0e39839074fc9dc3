from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from kanrun.errors import ConfigError
from kanrun.pipeline.run import run
from kanrun.report.paging import PAGE
from kanrun.report.status import Status, state_of
from kanrun.sweep.tasks import Task, end_quietly, work
from tests.sweep.folders import write_run

REFUSED = {"dataset": {"formula": "log(x_1)"}}


def test_a_job_that_is_refused_has_a_page_that_says_so(tmp_path: Path) -> None:
    outcome = work(Task(0, tmp_path / "0", {}, REFUSED))
    assert outcome.state == state_of(tmp_path / "0") == "failed"
    page = (tmp_path / "0" / PAGE).read_text(encoding="utf-8")
    assert "This run failed." in page and "not finite on its domain" in page


def test_a_run_that_is_refused_leaves_no_folder_that_would_need_a_page(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not finite on its domain"):
        run(REFUSED, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_worker_that_does_not_end_soon_enough_leaves_word_and_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = list[int]()
    monkeypatch.setattr(os, "_exit", ended.append)
    run = write_run(tmp_path / "0", {}, "running")
    end_quietly(Status(run), "SIGTERM")
    assert ended == [128 + signal.SIGTERM]
    assert state_of(run) == "interrupted"
    assert "SIGTERM" in (run / PAGE).read_text(encoding="utf-8")
