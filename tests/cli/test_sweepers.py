"""What a sweeper other than Hydra's own is given: a score on validation rows, never on the test rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

from tests.cli.command import QUICK, Call
from tests.contract import read_json

SWEEP = [*QUICK, "seed=0,1", "hydra.sweep.dir=sweep"]


PACKAGE, MODULE = "hydra_plugins", "hydra_plugins.noting"  # Hydra takes plugins from nowhere else


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What the jobs tell a sweeper that is there as if another package had brought it."""
    plugins, told = Plugins.instance(), list[Any]()
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # made anew where Hydra looks for plugins

    class Noting(BasicSweeper):
        def sweep(self, arguments: list[str]) -> Any:
            batches = super().sweep(arguments)
            told.extend(job.return_value for batch in batches for job in batch)
            return batches

    Noting.__module__, Noting.__qualname__ = MODULE, "Noting"
    package, module = ModuleType(PACKAGE), ModuleType(MODULE)
    monkeypatch.setattr(package, "__path__", [], raising=False)
    monkeypatch.setattr(module, "Noting", Noting, raising=False)
    monkeypatch.setitem(sys.modules, PACKAGE, package)
    monkeypatch.setitem(sys.modules, MODULE, module)
    node = {"_target_": f"{MODULE}.Noting", "max_batch_size": None, "params": None}
    ConfigStore.instance().store(group="hydra/sweeper", name="noting", node=node)
    plugins.register(Noting)
    yield told
    ConfigStore.instance().repo["hydra"]["sweeper"].pop("noting.yaml")
    plugins.plugin_type_to_subclass_list[Sweeper].remove(Noting)
    plugins.class_name_to_class.pop(f"{MODULE}.Noting")


def test_the_score_is_that_of_validation_rows_which_are_held_back_for_it(
    kanrun: Call, tmp_path: Path, told: list[Any]
) -> None:
    status, out, lines = kanrun("-m", "hydra/sweeper=noting", *SWEEP)
    assert (status, lines) == (0, [])
    assert "dataset.validation=0.2" in out
    metrics = [read_json(tmp_path / "sweep" / job / "metrics.json") for job in "01"]
    scores = [m["stages"][-1]["validation"]["mse"] for m in metrics]
    assert told == scores
    assert scores != [m["final"]["mse"] for m in metrics]
    # The job run alone, from its config, gives the same numbers.
    config = yaml.safe_load((tmp_path / "sweep" / "1" / "config.yaml").read_text(encoding="utf-8"))
    assert config["dataset"]["validation"] == 0.2
    saved = ["--config-path", str(tmp_path / "sweep" / "1"), "--config-name", "config"]
    assert kanrun(*saved, "hydra.run.dir=alone").status == 0
    alone = read_json(tmp_path / "alone" / "metrics.json")["stages"][-1]
    assert {k: alone[k] for k in ("train", "validation", "test")} == {
        k: metrics[1]["stages"][-1][k] for k in ("train", "validation", "test")
    }


@pytest.mark.parametrize(("more", "part"), [("dataset.validation=0.4", 0.4), ("hydra/launcher=basic", 0.2)])
def test_rows_that_the_user_holds_back_are_what_counts_and_whatever_launches_there_are_some(
    kanrun: Call, tmp_path: Path, more: str, part: float
) -> None:
    assert kanrun("-m", "hydra/sweeper=noting", *SWEEP, more).status == 0
    for job in "01":
        config = yaml.safe_load((tmp_path / "sweep" / job / "config.yaml").read_text(encoding="utf-8"))
        assert config["dataset"]["validation"] == part


def test_a_sweep_over_named_values_holds_nothing_back(kanrun: Call, tmp_path: Path) -> None:
    status, out, _ = kanrun("-m", *SWEEP)
    assert status == 0
    assert "the sweeper is given" not in out
    config = yaml.safe_load((tmp_path / "sweep" / "0" / "config.yaml").read_text(encoding="utf-8"))
    assert config["dataset"]["validation"] == 0
