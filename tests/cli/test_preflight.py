from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kanrun.data.table import read
from tests.cli.command import QUICK, Call
from tests.contract import read_json

ONE_BY_ONE = "hydra.launcher.jobs=1"


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files of tables as they are opened."""
    found, plain = list[str](), read.opened

    def noted(file: Path, told: Any) -> Any:
        found.append(file.name)
        return plain(file, told)

    read.read_once.cache_clear()
    monkeypatch.setattr(read, "opened", noted)
    return found


def table(folder: Path) -> str:
    """A table with two inputs and two targets."""
    (folder / "t.csv").write_text("a,b,p,q\n" + "".join(f"{i},{i * i % 7},{i**3},{i**2}.5\n" for i in range(12)))
    return "dataset.path=t.csv"


def test_what_settings_alone_can_tell_is_told_before_the_first_job(kanrun: Call, tmp_path: Path) -> None:
    ended = kanrun("-m", *QUICK, "seed=0,1", "dataset.formula=x_1,x_1+x_9,y+", "hydra.sweep.dir=s")
    assert ended.status == 1 and not (tmp_path / "s").exists()
    assert len(ended.lines) == 1 and ended.lines[0].startswith("kanrun: jobs 2, 5: dataset.formula=y+: ")


def test_a_wrong_setting_is_told_with_its_jobs(kanrun: Call, tmp_path: Path) -> None:
    ended = kanrun("-m", *QUICK, "seed=0,1", "model.grid=3,0", "hydra.sweep.dir=s")
    assert ended.status == 1 and not (tmp_path / "s").exists()
    assert len(ended.lines) == 1 and ended.lines[0].startswith("kanrun: jobs 1, 3: model.grid=0")


def test_what_only_the_table_can_tell_fails_its_job_and_no_other(kanrun: Call, tmp_path: Path) -> None:
    path = table(tmp_path)
    more = [
        "dataset=table",
        path,
        "dataset.inputs=[a,b]",
        "dataset.target=p,z",
        "plots=none",
        "symbolic=none",
        "model.hidden=[]",
    ]
    ended = kanrun("-m", *more, "optimizer.steps=1", "prune=none", "hydra.sweep.dir=s", ONE_BY_ONE)
    assert ended.status == 1
    assert len(ended.lines) == 1 and ended.lines[0].startswith("kanrun: job 1: dataset.target=z: no such column")
    said = [read_json(tmp_path / "s" / job / "status.json") for job in "01"]
    assert [one["state"] for one in said] == ["completed", "failed"]
    assert said[1]["error"].startswith("dataset.target=z: no such column")


def test_the_table_of_a_sweep_is_not_read_before_its_jobs_and_once_by_them(
    kanrun: Call, tmp_path: Path, looked_at: list[str]
) -> None:
    path = table(tmp_path)
    quick = ["plots=none", "symbolic=none", "prune=none", "model.hidden=[]", "optimizer.steps=1", "hydra.sweep.dir=s"]
    ended = kanrun("-m", "dataset=table", path, "dataset.target=p", "seed=0,1,2", *quick, ONE_BY_ONE)
    assert ended.status == 0
    assert looked_at == ["t.csv"]


def test_the_table_of_a_single_run_is_read_once(kanrun: Call, tmp_path: Path, looked_at: list[str]) -> None:
    path = table(tmp_path)
    quick = ["plots=none", "symbolic=none", "prune=none", "model.hidden=[]", "optimizer.steps=1"]
    assert kanrun("dataset=table", path, "dataset.target=p", *quick).status == 0
    assert looked_at == ["t.csv"]
