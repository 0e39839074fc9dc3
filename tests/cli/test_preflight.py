from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kanrun.data.table import read
from tests.cli.command import Call


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


def sweep(kanrun: Call, folder: Path, *more: str) -> list[str]:
    """What is told of a sweep over four jobs, each of which is wrong for its width."""
    (folder / "t.csv").write_text("a,b,p,q\n" + "".join(f"{i},{i * i % 7},{i**3},{i**2}.5\n" for i in range(12)))
    ended = kanrun("-m", "dataset=table", "dataset.path=t.csv", "model.width=[9,1]", "hydra.sweep.dir=s", *more)
    assert ended.status == 1 and not (folder / "s").exists()
    return ended.lines


def test_a_table_that_many_jobs_ask_for_is_looked_at_once(kanrun: Call, tmp_path: Path, looked_at: list[str]) -> None:
    lines = sweep(kanrun, tmp_path, "seed=0,1", "dataset.target=p,q")
    assert looked_at == ["t.csv", "t.csv"]  # two questions, whichever job asks them
    assert len(lines) == 1 and "the dataset has 3 inputs" in lines[0] and "job" not in lines[0]


def test_with_a_file_of_test_rows_each_is_looked_at_once(kanrun: Call, tmp_path: Path, looked_at: list[str]) -> None:
    (tmp_path / "o.csv").write_text("a,b,p,q\n1,2,3,4\n2,3,4,5\n")
    sweep(kanrun, tmp_path, "seed=0,1,2", "dataset.target=p", "dataset.test_path=o.csv")
    assert sorted(looked_at) == ["o.csv", "t.csv"]


def test_mistakes_are_told_with_their_jobs_as_before(kanrun: Call, tmp_path: Path, looked_at: list[str]) -> None:
    lines = sweep(kanrun, tmp_path, "seed=0,1", "dataset.target=p,z")
    assert looked_at == ["t.csv", "t.csv"]
    assert "jobs 0, 2: " in lines[0] and "the dataset has 3 inputs" in lines[0]
    assert "jobs 1, 3: dataset.target=z: no such column" in lines[1]
