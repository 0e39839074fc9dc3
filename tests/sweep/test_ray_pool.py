"""What a cluster does to jobs, by one that is made up; tests/cli/test_launching.py has a real one."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kanrun.errors import ConfigError, KanrunError
from kanrun.report.status import state_of
from kanrun.sweep import ray_pool
from kanrun.sweep.ray_pool import OnRay, imported
from kanrun.sweep.tasks import Outcome, Task
from tests.sweep.folders import whole


class CancelledError(Exception):
    """As Ray raises it for a task that was cancelled."""


class Cluster:
    """Ray with two CPUs, whose references are the tasks themselves; `endings` has what they give or raise."""

    exceptions = SimpleNamespace(TaskCancelledError=CancelledError)

    def __init__(self, there: bool = True) -> None:
        self.there = there
        self.endings: dict[int, Outcome | Exception] = {}
        self.cancelled: list[int] = []
        self.open = False

    def init(self, *_: Any, **__: Any) -> None:
        if not self.there:
            raise RuntimeError("the head does not answer")
        self.open = True

    def shutdown(self) -> None:
        self.open = False

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def remote(self, function: Any) -> Any:
        assert function is ray_pool.work_from_queue
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda task: Reference(task.number)))

    def wait(self, references: list[Reference], num_returns: int, timeout: float | None = None) -> Any:
        done = [one for one in references if one.number in self.endings][:num_returns]
        assert done or timeout is not None
        return done, [one for one in references if one not in done]

    def get(self, reference: Reference) -> Outcome:
        ending = self.endings[reference.number]
        if isinstance(ending, Exception):
            raise ending
        return ending

    def cancel(self, reference: Reference, force: bool) -> None:
        assert not force  # a run that is killed keeps nothing
        self.cancelled.append(reference.number)


class Reference(SimpleNamespace):
    """To a task of the cluster."""

    def __init__(self, number: int) -> None:
        super().__init__(number=number)

    def __hash__(self) -> int:
        return self.number


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(ray_pool, "imported", lambda: made)
    return made


def tasks(folder: Path, count: int) -> list[Task]:
    return [Task(number, folder / str(number), {}, whole({"seed": number})) for number in range(count)]


@pytest.mark.parametrize(("jobs", "cpus", "size"), [(9, 1, 2), (1, 1, 1), (9, 0.5, 4), (9, 2, 1)])
def test_as_many_jobs_go_on_as_there_is_room_for(cluster: Cluster, jobs: int, cpus: float, size: int) -> None:
    assert OnRay(None, jobs, cpus, 0).size == size
    assert cluster.open


@pytest.mark.parametrize(("cpus", "gpus", "said"), [(3, 0, "cpus=3: there are 2"), (0, 1, "gpus=1: there are 0")])
def test_jobs_that_never_could_begin_are_refused(cluster: Cluster, cpus: float, gpus: float, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^hydra.launcher.{said} in all"):
        OnRay(None, 2, cpus, gpus)
    assert not cluster.open


def test_a_cluster_that_cannot_be_joined_is_a_setting_that_is_wrong(cluster: Cluster) -> None:
    cluster.there = False
    with pytest.raises(ConfigError, match=r"^hydra.launcher.address=ray://a: no cluster answers there \(the head"):
        OnRay("ray://a", 2, 1, 0)


def test_a_job_whose_worker_is_lost_has_failed_and_its_folder_says_so(cluster: Cluster, tmp_path: Path) -> None:
    pool = OnRay(None, 2, 1, 0)
    for task in tasks(tmp_path, 2):
        pool.submit(task)
    cluster.endings = {1: RuntimeError("the worker died"), 0: Outcome(0, "completed")}
    ended = {outcome.number: outcome for outcome in (pool.next(), pool.next())}
    assert (ended[0].state, ended[1].state) == ("completed", "failed")
    assert ended[1].error == "RuntimeError: the worker died"
    assert state_of(tmp_path / "1") == "failed"
    assert pool.close() == [] and not cluster.open and cluster.cancelled == []


def test_a_signal_is_handed_to_every_job_that_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    pool = OnRay(None, 3, 0.5, 0)
    for task in tasks(tmp_path, 3):
        pool.submit(task)
    cluster.endings = {0: CancelledError(), 2: Outcome(2, "completed")}
    assert [(one.number, one.state) for one in pool.close("SIGTERM")] == [(0, "interrupted"), (2, "completed")]
    assert cluster.cancelled == [0, 1, 2] and not cluster.open


def test_where_nothing_goes_on_a_signal_only_ends_the_cluster(cluster: Cluster) -> None:
    assert OnRay(None, 3, 1, 0).close("SIGTERM") == []
    assert not cluster.open


def test_without_its_package_it_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ray_pool.SETTINGS:
        monkeypatch.setenv(name, "1")  # what is set already stays
    with pytest.raises(KanrunError, match=r"Ray is not installed; pip install 'kanrun\[ray\]'"):
        imported()
