from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig

from kanrun.cli import main as cli
from tests.cli.command import Call, Outcome


@pytest.fixture
def kanrun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """The command's entry point, called in this process in an empty folder."""

    def call(*arguments: str) -> Outcome:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["kanrun", *arguments])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # the command changes it for its own process
        HydraConfig.instance().cfg = None  # as where a process begins
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return Outcome(status, out, err.splitlines())

    yield call
    logging.captureWarnings(False)
