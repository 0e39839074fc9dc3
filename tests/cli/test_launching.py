"""The same sweep by every launcher: the same numbers, in folders that hold the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import QUICK, Call
from tests.contract import read_json

LAUNCHERS = {
    "basic": ["hydra/launcher=basic"],
    "kanrun": ["hydra.launcher.jobs=2"],
    "kanrun_ray": ["hydra/launcher=kanrun_ray", "hydra.launcher.jobs=1"],
    "kanrun_slurm": ["hydra/launcher=kanrun_slurm", "hydra.launcher.cluster=local"],
}


SWEEP = ["-m", *QUICK, "seed=0,1", "hydra.sweep.dir=s"]


@pytest.fixture(scope="module")
def alone() -> dict[str, Path]:
    """The folder of the sweep whose jobs are done one after the other, once there is one."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kanrun", "kanrun_slurm"])
def test_the_numbers_do_not_depend_on_the_launcher(
    name: str, kanrun: Call, tmp_path: Path, alone: dict[str, Path]
) -> None:
    status, out, lines = kanrun(*SWEEP, *LAUNCHERS[name])
    assert status == 0, lines
    assert "2 jobs: 2 completed" in out
    assert_as_alone(kanrun, tmp_path, alone)


@pytest.mark.slow
def test_ray_gives_the_same_numbers_and_ends_with_the_command(
    kanrun: Call, tmp_path: Path, alone: dict[str, Path]
) -> None:
    command = [str(Path(sys.executable).with_name("kanrun")), *SWEEP, *LAUNCHERS["kanrun_ray"]]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ)
    assert ended.returncode == 0, ended.stderr
    assert "2 jobs: 2 completed" in ended.stdout
    assert_as_alone(kanrun, tmp_path, alone)


def assert_as_alone(kanrun: Call, folder: Path, alone: dict[str, Path]) -> None:
    """The sweep in the folder has the configs and numbers of one whose jobs are done one after the other."""
    if not alone:
        assert kanrun(*SWEEP, "hydra.sweep.dir=alone", *LAUNCHERS["basic"]).status == 0
        alone["folder"] = folder / "alone"
    for job in "01":
        here, there = folder / "s" / job, alone["folder"] / job
        scores = [[stage["test"] for stage in read_json(one / "metrics.json")["stages"]] for one in (here, there)]
        assert scores[0] == scores[1]
        assert (here / "config.yaml").read_text() == (there / "config.yaml").read_text()


def test_a_cluster_that_is_not_there_is_one_line(kanrun: Call, tmp_path: Path) -> None:
    address = "hydra.launcher.address=127.0.0.1:1"
    status, _, lines = kanrun(*SWEEP, "hydra/launcher=kanrun_ray", address)
    assert status == 1
    assert len(lines) == 1 and lines[0].startswith(f"kanrun: {address}: no cluster answers")
    assert not list(tmp_path.rglob("status.json"))
