from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kanrun.errors import KanrunError
from kanrun.pipeline import checkpoint
from kanrun.pipeline.run import resume, run
from kanrun.report.lock import held
from kanrun.report.status import InterruptedRun, state_of

TIMES = ("seconds", "cpu_seconds", "total_seconds", "peak_memory_mib")
UNREAD: dict[str, Any] = {"symbolic": {"enabled": False}}  # the reading does not depend on the optimizer
RUNS: dict[str, dict[str, Any]] = {
    "lm": {"model": {"width": [2, 1], "grid": 3}, "optimizer": {"name": "lm", "steps": 3, "refit_steps": 2}},
    "adam": {"model": {"width": [2, 1]}, "optimizer": {"name": "adam", "steps": 8, "refit_steps": 2}, **UNREAD},
    "lbfgs": {"model": {"width": [2, 1]}, "optimizer": {"name": "lbfgs", "steps": 4, "iterations": 3}, **UNREAD},
    "grids": {
        "model": {"width": [2, 1]},
        "optimizer": {"name": "lm", "steps": 4, "refit_steps": 2, "grids": [3, 6], "restarts": 2},
        "dataset": {"formula": "1000*sin(x_1)*x_2"},
    },
    "mlp": {"model": {"name": "mlp", "width": [2, 3, 1]}, "optimizer": {"name": "lbfgs", "steps": 4}},
    "search": {"search": {"name": "discover", "work": 400}, "dataset": {"formula": "x_1*sin(x_2)"}},
}


def config(name: str) -> dict[str, Any]:
    own = RUNS[name]
    dataset = {"n_train": 30, "n_test": 20, **own.get("dataset", {"formula": "sin(pi*x_1)+x_2**2"})}
    return {
        "seed": 3, "symbolic": {"library": ["x", "x^2", "sin"], "work": 50}, "plots": {"enabled": False}, **own,
        "dataset": dataset,
    }  # fmt: skip


def without_times(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: without_times(value) for key, value in content.items() if key not in TIMES}
    return [without_times(value) for value in content] if isinstance(content, list) else content


def outcome(folder: Path) -> list[Any]:
    names = [name for name in ("metrics.json", "formula.json") if (folder / name).exists()]
    history = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    rows = [row[:5] + row[6:] for row in history]
    return [*(without_times(json.loads((folder / name).read_text())) for name in names), rows]


class KilledError(BaseException):
    """What takes the place of a signal that nobody can catch."""


def counting(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Has every step saved, and the run killed right behind the save of number `last`."""
    count = {"done": 0, "last": -1}
    save = checkpoint.Checkpoint.save

    def counted(self: checkpoint.Checkpoint) -> None:
        save(self)
        count["done"] += 1
        if count["done"] == count["last"]:
            raise KilledError

    monkeypatch.setattr(checkpoint.Checkpoint, "save", counted)
    monkeypatch.setattr(checkpoint.Checkpoint, "due", lambda _: True)
    return count


@pytest.fixture
def saves(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The count of the saves from now on."""
    return counting(monkeypatch)


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nothing interrupts comes to, and how often it is saved on the way."""

    outcome: list[Any]
    saves: int


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Undisturbed]:
    """Each of the runs, done once for all tests."""

    @cache
    def of(name: str) -> Undisturbed:
        folder = tmp_path_factory.mktemp(name)
        with pytest.MonkeyPatch.context() as patch:
            count = counting(patch)
            run(config(name), folder, quiet=True)
        return Undisturbed(outcome(folder), count["done"])

    return of


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_was_killed_at_any_moment_ends_with_the_numbers_of_an_undisturbed_one(
    name: str, tmp_path: Path, saves: dict[str, int], undisturbed: Callable[[str], Undisturbed]
) -> None:
    total, folder = undisturbed(name).saves, tmp_path / "killed"
    assert total > 3
    # The beginning is the same for all, and so is the end of what is trained and read.
    ends = {1, total - 1} if name == "lm" else {total - 1} if name == "search" else set[int]()
    for at in sorted({*ends, total // 2}):
        saves.update(done=0, last=at)
        with pytest.raises(KilledError):
            run({**config(name), "overwrite": True}, folder, quiet=True)
        saves["last"] = -1
        assert resume(folder, quiet=True) is not None
        assert outcome(folder) == undisturbed(name).outcome
        assert state_of(folder) == "completed"
        assert not (folder / "checkpoint").exists()


def test_finished_stages_are_not_run_again(
    tmp_path: Path, saves: dict[str, int], undisturbed: Callable[[str], Undisturbed]
) -> None:
    saves.update(last=undisturbed("lm").saves - 1, done=0)
    with pytest.raises(KilledError):
        run(config("lm"), tmp_path / "run", quiet=True)
    before = (tmp_path / "run" / "kanrun.log").read_text().count("INFO train:")
    saves["last"] = -1
    resume(tmp_path / "run", quiet=True)
    assert before == 1
    assert (tmp_path / "run" / "kanrun.log").read_text().count("INFO train:") == 1


@pytest.mark.usefixtures("saves")
def test_a_signal_ends_a_run_as_interrupted_with_what_it_has_and_it_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Callable[[str], Undisturbed]
) -> None:
    save, sent = checkpoint.Checkpoint.save, list[int]()

    def signalled(self: checkpoint.Checkpoint) -> None:
        save(self)
        if self.stage == "refit" and not sent:
            sent.append(signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "save", signalled)
        with pytest.raises(InterruptedRun) as error:
            run(config("adam"), tmp_path / "run", quiet=True)
    assert error.value.signal == "SIGTERM"
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["stage"]) == ("interrupted", "refit")
    assert "SIGTERM" in status["error"]
    assert [s["name"] for s in json.loads((tmp_path / "run" / "metrics.json").read_text())["stages"]][:2] == [
        "train", "prune"
    ]  # fmt: skip
    assert (tmp_path / "run" / "model.pt").exists()
    resume(tmp_path / "run", quiet=True)
    assert outcome(tmp_path / "run") == undisturbed("adam").outcome


@pytest.mark.parametrize(
    ("damaged", "begins_anew"), [(["state.npz"], False), (["state.npz", "state_before.npz"], True)]
)
def test_a_damaged_checkpoint_loses_no_more_than_what_was_in_it(
    damaged: list[str], begins_anew: bool, tmp_path: Path, saves: dict[str, int], capsys: pytest.CaptureFixture[str],
    undisturbed: Callable[[str], Undisturbed],
) -> None:  # fmt: skip
    saves.update(done=0, last=5)
    with pytest.raises(KilledError):
        run(config("adam"), tmp_path / "run", quiet=True)
    saves["last"] = -1
    for name in damaged:
        path = tmp_path / "run" / "checkpoint" / name
        path.write_bytes(path.read_bytes()[:-200] + bytes(200))
    resume(tmp_path / "run")
    told = capsys.readouterr().out
    assert f"{damaged[-1]} cannot be read" in told
    assert ("the run begins anew" in told) == begins_anew
    assert outcome(tmp_path / "run") == undisturbed("adam").outcome


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "run: the run cannot be resumed, config.yaml is missing"), ("a: [", "config.yaml: cannot be read ("),
     ("sede: 1\nsedes: 2\n", "config.yaml: cannot be read (sede=1: ")],
)  # fmt: skip
def test_a_config_that_cannot_be_read_is_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "status.json").write_text('{"state": "interrupted"}', encoding="utf-8")
    if content is not None:
        (tmp_path / "run" / "config.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(KanrunError) as caught:
        resume(tmp_path / "run")
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_what_cannot_be_resumed_is_one_line_and_stays_as_it_is(
    tmp_path: Path, saves: dict[str, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KanrunError, match=r"not a run folder, there is no status\.json"):
        resume(tmp_path / "nothing")
    saves["last"] = 3
    with pytest.raises(KilledError):
        run(config("lm"), tmp_path / "run", quiet=True)
    saves["last"] = -1
    with held(tmp_path / "run"), pytest.raises(KanrunError, match="still going on"):
        in_another_thread(lambda: resume(tmp_path / "run"))
    with monkeypatch.context() as patch:
        patch.setattr("kanrun.pipeline.run.__version__", "99.0")
        with pytest.raises(KanrunError, match=r"this is 99\.0"):
            resume(tmp_path / "run")
    before = (tmp_path / "run" / "status.json").read_bytes()
    with monkeypatch.context() as patch:  # as on a machine that lacks the table, or the device
        patch.setattr("kanrun.pipeline.run.make_problem", lambda _: raise_error("device=cuda is not here"))
        with pytest.raises(KanrunError, match="not here"):
            resume(tmp_path / "run", quiet=True)
    assert (tmp_path / "run" / "status.json").read_bytes() == before
    assert (tmp_path / "run" / "checkpoint" / "state.npz").exists()
    resume(tmp_path / "run", quiet=True)
    files = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir() if p.is_file()}
    assert resume(tmp_path / "run") is None
    assert "nothing left to do" in capsys.readouterr().out
    assert {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir() if p.is_file()} == files


def raise_error(text: str) -> None:
    raise KanrunError(text)


def in_another_thread(work: Any) -> None:
    """What `work` raises there is raised here: a lock belongs to the thread that has it."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
