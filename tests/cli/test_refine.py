from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kanrun.cli.refine import literal
from tests.cli.command import Call

QUICK = ["optimizer.steps=2", "prune=none", "symbolic=none"]


def content(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config and the metrics of a run."""
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    return config, json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def test_it_goes_on_into_a_new_folder_with_the_parents_config(kanrun: Call, noisy_run: Path, tmp_path: Path) -> None:
    told = kanrun("refine", str(noisy_run), "model.grid=9", *QUICK, "hydra.run.dir=child")
    assert (told.status, told.lines) == (0, [])
    config, metrics = content(tmp_path / "child")
    before, _ = content(noisy_run)
    assert metrics["parent"] == config["model"]["start"] == str(noisy_run)
    assert metrics["stages"][0]["grid"] == 9
    assert config["dataset"] == before["dataset"]
    assert config["seed"] == before["seed"]
    assert config["optimizer"] == {**before["optimizer"], "steps": 2}
    again = kanrun("--config-path", "child", "--config-name", "config", "hydra.run.dir=again")
    assert again.status == 0
    assert content(tmp_path / "again")[1]["final"] == metrics["final"]


def test_options_can_be_chosen_and_runs_swept(kanrun: Call, noisy_run: Path, tmp_path: Path) -> None:
    told = kanrun(
        "refine",
        str(noisy_run),
        "regularization=sparse",
        "-m",
        "seed=1,2",
        *QUICK,
        "hydra.sweep.dir=sweep",
        "hydra.launcher.jobs=1",
    )
    assert told.status == 0
    for job, seed in (("0", 1), ("1", 2)):
        config, metrics = content(tmp_path / "sweep" / job)
        assert (config["regularization"]["name"], config["seed"]) == ("sparse", seed)
        assert config["regularization"]["lamb"] > 0
        assert metrics["parent"] == str(noisy_run)


def test_a_run_without_a_folder_of_its_own_goes_to_outputs(kanrun: Call, noisy_run: Path, tmp_path: Path) -> None:
    assert kanrun("refine", str(noisy_run), *QUICK).status == 0
    [status] = tmp_path.glob("outputs/*/*/status.json")
    assert content(status.parent)[1]["parent"] == str(noisy_run)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["nowhere"], "nowhere: not a run folder"),
        (["BARE"], "BARE: config.yaml is missing, so that nothing says what to go on with"),
        (["RUN", "model.k=2"], "model.k=2: the network of model.start has 3"),
        (["RUN", "model.widht=[2]"], "model.widht=[2]: unknown key, did you mean model.width?"),
        (["RUN", "hydra.run.dir=RUN"], "hydra.run.dir=RUN: it holds a completed run"),
        (["RUN", "search=discover"], "model.start="),
        (["seed=3"], "refine: the folder of a run is needed"),
    ],
)
def test_a_mistake_is_one_line(kanrun: Call, noisy_run: Path, tmp_path: Path, given: list[str], said: str) -> None:
    (tmp_path / "BARE").mkdir()
    (tmp_path / "BARE" / "status.json").write_text('{"state": "completed"}', encoding="utf-8")
    own = [word.replace("RUN", str(noisy_run)) for word in given]
    told = kanrun("refine", *own)
    assert told.status == 1
    [line] = told.lines
    assert line.startswith(f"kanrun: {said.replace('RUN', str(noisy_run))}")


def test_texts_of_the_parent_refer_to_nothing() -> None:
    assert literal({"a": ["${oc.env:HOME}", 3]}) == {"a": ["\\${oc.env:HOME}", 3]}
