from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from kanrun.errors import ConfigError
from kanrun.sweep.resuming import left_to_do
from kanrun.sweep.tasks import Task
from tests.sweep.folders import finished, whole, write_run


def settings(seed: int, **more: Any) -> dict[str, Any]:
    return {"seed": seed, "model": {"grid": 4}, **more}


def tasks(folder: Path, *seeds: int) -> list[Task]:
    return [Task(n, folder / str(n), {"seed": seed}, whole(settings(seed))) for n, seed in enumerate(seeds)]


def test_a_job_is_known_by_its_config_and_not_by_its_number(tmp_path: Path) -> None:
    finished(tmp_path / "0", settings(7), 0.1)
    finished(tmp_path / "1", settings(8), 0.1)
    todo, done = left_to_do(tasks(tmp_path, 8, 9, 7), tmp_path)
    assert [(task.number, task.content["seed"]) for task in done] == [(1, 8), (0, 7)]
    assert [(task.number, task.folder.name, task.content["seed"]) for task in todo] == [(2, "2", 9)]


def test_what_failed_or_was_killed_is_done_again_in_its_folder(tmp_path: Path) -> None:
    write_run(tmp_path / "5", settings(0), "failed", "no")
    write_run(tmp_path / "6", settings(1), "running")
    finished(tmp_path / "7", settings(2), 0.1)
    todo, done = left_to_do(tasks(tmp_path, 0, 1, 2, 3), tmp_path)
    assert [(task.folder.name, task.again) for task in todo] == [("5", True), ("6", True), ("3", True)]
    assert [task.folder.name for task in done] == ["7"]


def test_no_job_gets_the_folder_of_another(tmp_path: Path) -> None:
    for number in range(3):
        finished(tmp_path / str(number), settings(10 + number), 0.1)
    todo, _ = left_to_do(tasks(tmp_path, 0, 1, 10, 2), tmp_path)
    assert sorted(task.folder.name for task in todo) == ["3", "4", "5"]


def test_overwrite_and_defaults_make_no_other_job(tmp_path: Path) -> None:
    finished(tmp_path / "0", settings(7), 0.1)
    other = [Task(0, tmp_path / "0", {}, settings(7, overwrite=True))]
    assert len(left_to_do(other, tmp_path)[1]) == 1


def test_the_folder_of_another_sweep_is_refused_with_what_differs(tmp_path: Path) -> None:
    finished(tmp_path / "0", {"seed": 0, "model": {"grid": 7}}, 0.1)
    with pytest.raises(ConfigError) as error:
        left_to_do(tasks(tmp_path, 0, 1), tmp_path)
    assert str(error.value).endswith("none of its 1 runs is one of this sweep; they differ in model.grid")


@pytest.mark.parametrize("name", ["there", "not there"])
def test_a_folder_without_runs_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigError, match="not the folder of a sweep"):
        left_to_do(tasks(tmp_path / name, 0), tmp_path / name)


def test_a_run_that_is_going_on_is_left_alone(tmp_path: Path) -> None:
    write_run(tmp_path / "0", settings(0), "running")
    with FileLock(tmp_path / "0" / "run.lock"), pytest.raises(ConfigError, match="still going on"):
        left_to_do(tasks(tmp_path, 0), tmp_path)


def test_two_jobs_of_one_config_have_a_folder_each(tmp_path: Path) -> None:
    write_run(tmp_path / "0", settings(7), "failed", "no")
    todo, _ = left_to_do(tasks(tmp_path, 7, 7), tmp_path)
    assert len({task.folder for task in todo}) == len({task.number for task in todo}) == 2


def test_a_run_whose_config_is_none_is_no_job_of_the_sweep_and_keeps_its_folder(tmp_path: Path) -> None:
    finished(tmp_path / "0", settings(7), 0.1)
    write_run(tmp_path / "1", settings(8), "failed", "no")
    (tmp_path / "1" / "config.yaml").write_text("seed: -1\n")
    todo, done = left_to_do(tasks(tmp_path, 7, 8), tmp_path)
    assert [task.folder.name for task in done] == ["0"]
    assert [(task.folder.name, task.content["seed"]) for task in todo] == [("1", 8)]
