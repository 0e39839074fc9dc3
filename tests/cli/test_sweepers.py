"""What a sweeper other than Hydra's own is given: a score on validation rows, never on the test rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.contract import read_json

COMMAND = str(Path(sys.executable).with_name("kanrun"))
PLUGIN = """
import json
from pathlib import Path
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore

class Noting(BasicSweeper):
    def sweep(self, arguments):
        batches = super().sweep(arguments)
        Path("told.json").write_text(json.dumps([job.return_value for batch in batches for job in batch]))

ConfigStore.instance().store(
    group="hydra/sweeper",
    name="noting",
    node={"_target_": "hydra_plugins.noting.Noting", "max_batch_size": None, "params": None},
)
"""
SWEEP = ["experiment=smoke", "seed=0,1", "hydra.sweep.dir=sweep", "symbolic=none"]


def command(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "noting.py").write_text(PLUGIN, encoding="utf-8")
    return tmp_path


def test_the_score_is_that_of_validation_rows_which_are_held_back_for_it(plugin: Path) -> None:
    done = command(["-m", "hydra/sweeper=noting", *SWEEP], plugin)
    assert "dataset.validation=0.2" in done.stdout
    metrics = [read_json(plugin / "sweep" / job / "metrics.json") for job in "01"]
    scores = [m["stages"][-1]["validation"]["mse"] for m in metrics]
    assert json.loads((plugin / "told.json").read_text(encoding="utf-8")) == scores
    assert scores != [m["final"]["mse"] for m in metrics]
    # The job run alone, from its config, gives the same numbers.
    config = yaml.safe_load((plugin / "sweep" / "1" / "config.yaml").read_text(encoding="utf-8"))
    assert config["dataset"]["validation"] == 0.2
    command(["--config-path", "sweep/1", "--config-name", "config", "hydra.run.dir=alone"], plugin)
    alone = read_json(plugin / "alone" / "metrics.json")["stages"][-1]
    assert {k: alone[k] for k in ("train", "validation", "test")} == {
        k: metrics[1]["stages"][-1][k] for k in ("train", "validation", "test")
    }


def test_rows_that_the_user_holds_back_are_what_counts(plugin: Path) -> None:
    command(["-m", "hydra/sweeper=noting", *SWEEP, "dataset.validation=0.4"], plugin)
    for job in "01":
        config = yaml.safe_load((plugin / "sweep" / job / "config.yaml").read_text(encoding="utf-8"))
        assert config["dataset"]["validation"] == 0.4


def test_a_sweep_over_named_values_holds_nothing_back(plugin: Path) -> None:
    done = command(["-m", *SWEEP], plugin)
    assert "validation" not in done.stdout
    config = yaml.safe_load((plugin / "sweep" / "0" / "config.yaml").read_text(encoding="utf-8"))
    assert config["dataset"]["validation"] == 0
