"""The same sweep by every launcher: the same numbers, in folders that hold the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import QUICK
from tests.contract import read_json

LAUNCHERS = {
    "basic": ["hydra/launcher=basic"],
    "kanrun": ["hydra.launcher.jobs=2"],
    "kanrun_ray": ["hydra/launcher=kanrun_ray", "hydra.launcher.jobs=1"],
    "kanrun_slurm": ["hydra/launcher=kanrun_slurm", "hydra.launcher.cluster=local"],
}


def sweep(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A small sweep by the installed command."""
    command = [str(Path(sys.executable).with_name("kanrun")), "-m", *QUICK, "seed=0,1", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep, one job after the other."""
    folder = tmp_path_factory.mktemp("basic")
    assert sweep(folder, "hydra.sweep.dir=s", *LAUNCHERS["basic"]).returncode == 0
    return folder / "s"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LAUNCHERS if name != "basic"])
def test_the_numbers_do_not_depend_on_the_launcher(name: str, alone: Path, tmp_path: Path) -> None:
    ended = sweep(tmp_path, "hydra.sweep.dir=s", *LAUNCHERS[name])
    assert ended.returncode == 0, ended.stderr
    assert "2 jobs: 2 completed" in ended.stdout
    for job in "01":
        here, there = (read_json(folder / job / "metrics.json") for folder in (tmp_path / "s", alone))
        assert [stage["test"] for stage in here["stages"]] == [stage["test"] for stage in there["stages"]]
        assert (tmp_path / "s" / job / "config.yaml").read_text() == (alone / job / "config.yaml").read_text()


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    ended = sweep(tmp_path, "hydra/launcher=kanrun_ray", "hydra.launcher.address=127.0.0.1:1")
    assert ended.returncode == 1
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("kanrun: hydra.launcher.address=127.0.0.1:1: no cluster answers")
    assert not list(tmp_path.rglob("status.json"))
