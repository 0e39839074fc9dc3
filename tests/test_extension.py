"""What is added from outside the package, by one call each and without a change to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from kanrun import load_run, run
from kanrun.config.schema import GROUPS, DatasetConfig, setting
from kanrun.data.build import MAKERS, register_dataset
from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.report.outputs import OUTPUTS, Output, register_output
from kanrun.state import Result


@dataclass
class SpringConfig(DatasetConfig):
    """Positions of a spring."""

    name: str = setting("spring", "which dataset this is")
    rows: int = setting(60, "training rows", low=2)


def make_spring(section: SpringConfig, seed: int, dtype: torch.dtype, n_outputs: int | None) -> Dataset:  # noqa: ARG001
    draw = np.random.default_rng(seed)
    parts = [draw.uniform(0.5, 2, (count, 2)) for count in (section.rows, 20)]
    train, test = (Rows(torch.tensor(x, dtype=dtype), torch.tensor(x[:, :1] * x[:, 1:], dtype=dtype)) for x in parts)
    return Dataset("spring", train, test, ["k", "s"], ["force"], REGRESSION, MSE)


def count_rows(folder: Path, result: Result) -> None:
    (folder / "rows.txt").write_text(str(len(result.problem.data.train.x)))


def test_a_dataset_and_an_output_from_elsewhere_are_part_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GROUPS, "dataset", dict(GROUPS["dataset"]))
    monkeypatch.setattr("kanrun.data.build.MAKERS", MAKERS)
    before = list(OUTPUTS)
    try:
        register_dataset(SpringConfig, make_spring)
        register_output(Output("rows", count_rows))
        optimizer = {"name": "lm", "steps": 4, "refit_steps": 2}
        metrics = run(
            {"dataset": {"name": "spring", "rows": 40}, "optimizer": optimizer, "plots": {"enabled": False}},
            tmp_path / "run", quiet=True,
        )  # fmt: skip
        assert (tmp_path / "run" / "rows.txt").read_text() == "40"
        assert metrics["inputs"] == ["k", "s"]
        loaded = load_run(tmp_path / "run")
        assert loaded.config.dataset == SpringConfig(rows=40)
        assert loaded.inputs == ["k", "s"]
    finally:
        MAKERS.pop(SpringConfig, None)
        OUTPUTS[:] = before
