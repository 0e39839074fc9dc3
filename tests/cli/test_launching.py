"""The same sweep by every launcher: the same numbers, in folders that hold the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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


class Begun(NamedTuple):
    process: subprocess.Popen[str]
    folder: Path


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    """The command with the sweep on Ray, which mostly waits: it begins with the first test and is looked at last."""
    folder = tmp_path_factory.mktemp("ray")
    command = [str(Path(sys.executable).with_name("kanrun")), *SWEEP, *LAUNCHERS["kanrun_ray"]]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, text=True, env=os.environ, **streams) as process:
        yield Begun(process, folder)


@pytest.mark.slow
@pytest.mark.usefixtures("on_ray")
@pytest.mark.parametrize("name", ["kanrun", "kanrun_slurm"])
def test_the_numbers_do_not_depend_on_the_launcher(
    name: str, kanrun: Call, tmp_path: Path, alone: dict[str, Path]
) -> None:
    status, out, lines = kanrun(*SWEEP, *LAUNCHERS[name])
    assert status == 0, lines
    assert "2 jobs: 2 completed" in out
    assert_as_alone(kanrun, tmp_path, tmp_path, alone)


@pytest.mark.slow
def test_ray_gives_the_same_numbers_and_ends_with_the_command(
    on_ray: Begun, kanrun: Call, tmp_path: Path, alone: dict[str, Path]
) -> None:
    out, err = on_ray.process.communicate()
    assert on_ray.process.returncode == 0, err
    assert "2 jobs: 2 completed" in out
    assert_as_alone(kanrun, on_ray.folder, tmp_path, alone)


def assert_as_alone(kanrun: Call, folder: Path, here: Path, alone: dict[str, Path]) -> None:
    """The sweep in the folder has the configs and numbers of one whose jobs are done one after the other, `here`."""
    if not alone:
        assert kanrun(*SWEEP, "hydra.sweep.dir=alone", *LAUNCHERS["basic"]).status == 0
        alone["folder"] = here / "alone"
    for job in "01":
        this, that = folder / "s" / job, alone["folder"] / job
        scores = [[stage["test"] for stage in read_json(one / "metrics.json")["stages"]] for one in (this, that)]
        assert scores[0] == scores[1]
        assert (this / "config.yaml").read_text() == (that / "config.yaml").read_text()


def test_a_cluster_that_is_not_there_is_one_line(kanrun: Call, tmp_path: Path) -> None:
    address = "hydra.launcher.address=127.0.0.1:1"
    status, _, lines = kanrun(*SWEEP, "hydra/launcher=kanrun_ray", address)
    assert status == 1
    assert len(lines) == 1 and lines[0].startswith(f"kanrun: {address}: no cluster answers")
    assert not list(tmp_path.rglob("status.json"))
