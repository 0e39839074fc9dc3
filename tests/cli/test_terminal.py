"""Who reads what the command says, and for how long, is no matter to the run; a terminal is left as it was."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import QUICK
from tests.contract import read_json

COMMAND = str(Path(sys.executable).with_name("kanrun"))
HIDDEN, SHOWN = b"\x1b[?25l", b"\x1b[?25h"


@pytest.mark.slow
def test_a_pipe_that_is_closed_ends_no_job_of_a_sweep(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with subprocess.Popen(
        [COMMAND, "-m", *QUICK, "hydra.sweep.dir=."], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE
    ) as process:
        os.close(reader)
        os.close(writer)
        told = process.stderr.read() if process.stderr else b""
    assert (process.returncode, told) == (0, b"")
    assert read_json(tmp_path / "0" / "status.json")["state"] == "completed"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_an_output_that_is_full_ends_no_run(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [COMMAND, *QUICK, "hydra.run.dir=0"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")
    assert read_json(tmp_path / "0" / "status.json")["state"] == "completed"


def test_the_help_may_be_read_in_part() -> None:
    reader, writer = os.pipe()
    with subprocess.Popen([COMMAND, "--help"], stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(reader)
        os.close(writer)
        told = process.stderr.read() if process.stderr else b""
    assert (process.returncode, told) == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_after_a_signal_the_cursor_is_back(tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    arguments = [COMMAND, "optimizer=adam", "optimizer.steps=100000", "plots=none", "symbolic=none", "hydra.run.dir=0"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown, until = b"", time.monotonic() + 60
    while HIDDEN not in shown and time.monotonic() < until:
        if select.select([ours], [], [], 1.0)[0]:
            shown += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # what Linux says where the other side is closed
        pass
    assert process.wait() == 130
    assert shown.count(HIDDEN) >= 1
    assert shown.rindex(SHOWN) > shown.rindex(HIDDEN)
    assert shown.rstrip().endswith(b"kanrun: interrupted by SIGINT")
