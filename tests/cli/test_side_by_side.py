"""A KAN and an MLP in one sweep."""

from __future__ import annotations

from pathlib import Path

from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.report.load import load_run
from tests.cli.command import Call
from tests.contract import read_json, violations


def test_the_command_runs_a_kan_and_an_mlp_side_by_side(kanrun: Call, tmp_path: Path) -> None:
    status, _, lines = kanrun(
        "-m", "model=kan,mlp", "dataset=moons", "dataset.n_train=60", "dataset.n_test=40", "model.width=[2,2,2]",
        "optimizer.steps=3", "prune=none", "symbolic=none", "plots=none", "hydra.sweep.dir=sweep",
    )  # fmt: skip
    assert (status, lines) == (0, [])
    kan, mlp = (tmp_path / "sweep" / str(n) for n in (0, 1))
    for folder in (kan, mlp):
        assert violations(folder, stages=("train",), pictures=False) == []
        assert read_json(folder / "metrics.json")["width"] == [2, 2, 2]
    assert isinstance(load_run(kan).model, KAN)
    assert isinstance(load_run(mlp).model, MLP)


def test_a_mistake_in_a_sweep_names_the_job_of_the_mlp(kanrun: Call, tmp_path: Path) -> None:
    sweep = ["-m", "model=kan,mlp", "regularization=sparse", "plots=none", "hydra.sweep.dir=sweep"]
    status, _, [line] = kanrun(*sweep)
    assert status == 1
    assert line.startswith("kanrun: job 1: regularization.lamb=0.01: ")
    assert list(tmp_path.iterdir()) == []
