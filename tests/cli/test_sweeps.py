"""Sweeps as they are typed: paired values, parts, folders, what they add up to, and going on with them."""

from __future__ import annotations

import csv
import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kanrun.cli import launching
from kanrun.config.packaged import config_folder
from kanrun.pipeline import run
from kanrun.report import files
from kanrun.report.status import Status
from kanrun.sweep.tasks import Task, work
from tests.cli.command import QUICK, Call
from tests.contract import read_json

HERE = "hydra.launcher.jobs=1"
RAY, SLURM = ["hydra/launcher=kanrun_ray"], ["hydra/launcher=kanrun_slurm", "hydra.launcher.cluster=local"]
SWEEP = [*QUICK, "hydra.sweep.dir=s", HERE]


def summary(folder: Path) -> list[dict[str, str]]:
    with open(folder / "summary.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_adds_up_though_a_job_fails(kanrun: Call, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{n},{n * n}\n" for n in range(12)))
    table = ["dataset=table", "dataset.target=y", "dataset.path=a.csv,b.csv", "seed=0,1"]
    without = ["plots=none", "prune=none", "symbolic=none", "optimizer.steps=1", "model.hidden=[]"]
    status, out, lines = kanrun("-m", *table, *without, "hydra.sweep.dir=s", HERE)
    assert status == 1
    assert [line.split(":")[1] for line in lines] == [" job 2", " job 3"]
    rows = summary(tmp_path / "s")
    assert [row["state"] for row in rows] == ["completed", "completed", "failed", "failed"]
    assert [row["seed"] for row in rows] == ["0", "1", "0", "1"]
    assert rows[0]["dataset.path"].endswith("a.csv") and "there is no such file" in rows[2]["error"]
    assert "4 jobs: 2 completed, 2 failed" in out


def test_paired_values_are_not_combined(kanrun: Call, tmp_path: Path) -> None:
    zipped = ["model.grid=3,4,5", "optimizer.steps=1,2,3", "seed=0,1", "sweep.zip=model.grid,optimizer.steps"]
    assert kanrun("-m", *SWEEP, *zipped).status == 0
    found = [(row["model.grid"], row["optimizer.steps"], row["seed"]) for row in summary(tmp_path / "s")]
    assert found == [(grid, steps, seed) for grid, steps in (("3", "1"), ("4", "2"), ("5", "3")) for seed in "01"]


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["-m", "model.grid=3,4", "seed=0,1,2", "sweep.zip=model.grid,seed"], "sweep.zip=model.grid,seed: values are"),
        (["-m", "model.grid=3,4", "sweep.zip=model.grid,seed"], "sweep.zip=model.grid,seed: seed has no values"),
        (["-m", "seed=0,1", "sweep.zip=seed"], "sweep.zip=seed: two or more settings"),
        (["-m", "seed=0,1", "++sweep.pairs=a"], "sweep.pairs=a: unknown. Known: zip, parts, resume"),
        (["sweep.zip=model.grid,seed"], "sweep.zip="),
        (["-m", "seed=0,1", "sweep.resume=nowhere"], "sweep.resume="),
        (["-m", "seed=0,1", "sweep.resume=.", "hydra/launcher=basic"], "sweep.resume: goes on with hydra/launcher="),
        (["-m", "seed=0,1", "hydra.launcher.jobs=0"], "hydra.launcher.jobs=0: 1 or more jobs at a time"),
        (["-m", "seed=0,1", "hydra.launcher.jobs=all"], "hydra.launcher.jobs=all: 1 or more jobs at a time"),
        (["-m", "seed=0,1", "sweep=sizes", "hydra/sweeper=basic"], "sweep: pairs, parts and resume are those of"),
        (["-m", "seed=0,1", "hydra.launcher.job=2"], "hydra.launcher.job=2: unknown setting, did you mean jobs?"),
        (["-m", "seed=0,1", "+hydra.launcher.job=2"], "hydra.launcher.job=2: unknown setting, did you mean jobs?"),
        (["-m", "seed=0,1", "hydra.launcher.jobs=1,2"], "hydra.launcher.jobs=1,2: one value is needed"),
        (["-m", "+hydra.sweeper.params.seed=0,1"], "hydra.sweeper.params.seed=0,1: type the values themselves"),
        (["-m", "+hydra.sweeper.params={seed: '0,1'}"], "hydra.sweeper.params={seed: '0,1'}: type the values"),
        (
            ["-m", "hydra/sweeper=basic", "hydra.sweeper.params={seed: '0,1'}"],
            "hydra.sweeper.params={seed: '0,1'}: type the values",
        ),
        (["-m", "seed=0,1", *RAY, "hydra.launcher.address=3"], "hydra.launcher.address=3: host:port of a cluster"),
        (
            ["-m", "seed=0,1", *RAY, "hydra.launcher.address=127.0.0.1:1"],
            "hydra.launcher.address=127.0.0.1:1: no cluster",
        ),
        (["-m", "seed=0,1", *RAY, "hydra.launcher.cpus=x"], "hydra.launcher.cpus=x: a number, 0 or more"),
        (["-m", "seed=0,1", *RAY, "hydra.launcher.gpus=-1"], "hydra.launcher.gpus=-1: a number, 0 or more"),
        (["-m", "seed=0,1", *RAY, "hydra.launcher.cpus=0"], "hydra.launcher.cpus=0: more than 0, or"),
        (["-m", "seed=0,1", *SLURM, "hydra.launcher.memory_gib=0"], "hydra.launcher.memory_gib=0: a number above 0"),
        (["-m", "seed=0,1", *SLURM, "hydra.launcher.more=x"], "hydra.launcher.more=x: a mapping of what"),
        (["-m", "sweep=sizes", "sweep.zip=model.k,dataset.noise"], "sweep.zip=model.k,dataset.noise: in no part"),
        (["-m", "seed=0,1", *SLURM, "hydra.launcher.minutes=x"], "hydra.launcher.minutes=x: a whole number, 1 or"),
        (["-m", "seed=0,1", *SLURM, "hydra.launcher.more={foo: 1}"], "hydra.launcher.cluster=local: "),
        (["-m", "seed=0,1", "hydra/launcher=kanrum"], "hydra/launcher=kanrum: unknown option"),
        (
            ["-m", "seed=0,1", "hydra/launcher=kanrun_slurm", "hydra.launcher.cluster=x"],
            "hydra.launcher.cluster=x: one of",
        ),
        (["-m", "seed=0,1", "sweep=siezs"], "sweep=siezs: unknown option, did you mean sizes?"),
        (["-m", "seed=interval(0,1)"], "seed=interval(0,1): an interval has no end of values"),
        (["-m", "seed=0,1", "hydra.sweep.subdir=x"], "hydra.sweep.subdir=x: the same folder for several jobs"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_begun(
    kanrun: Call, tmp_path: Path, arguments: list[str], start: str
) -> None:
    status, _, lines = kanrun(*arguments, *QUICK)
    assert status == 1
    assert len(lines) == 1 and lines[0].startswith(f"kanrun: {start}")
    assert not list(tmp_path.rglob("status.json"))


def test_a_sweep_goes_on_where_it_was_and_takes_in_more_values(kanrun: Call, tmp_path: Path) -> None:
    assert kanrun("-m", *SWEEP, "seed=0,1").status == 0
    before = {job: (tmp_path / "s" / job / "metrics.json").stat().st_mtime_ns for job in "01"}
    (tmp_path / "s" / "1" / "status.json").write_text('{"state": "failed"}')
    status, out, lines = kanrun("-m", *QUICK, HERE, "seed=1,5,0", "sweep.resume=s")
    assert (status, lines) == (0, [])
    assert "sweep of 3 jobs, 1 of them done before" in out
    assert [(row["job"], row["seed"]) for row in summary(tmp_path / "s")] == [("0", "0"), ("1", "1"), ("2", "5")]
    after = {job: (tmp_path / "s" / job / "metrics.json").stat().st_mtime_ns for job in "01"}
    assert after["0"] == before["0"] and after["1"] != before["1"]


@pytest.mark.parametrize("launcher", [HERE, "hydra/launcher=basic"])
def test_a_sweep_in_one_process_adds_up_though_a_job_does_not_end_soon_enough(
    kanrun: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    plain = run.begin_run

    def stuck(config: Any, folder: Path, quiet: bool, last_resort: Any, *more: Any, **named: Any) -> Any:
        if folder.name == "1":
            folder.mkdir(exist_ok=True)
            last_resort(Status(folder), "SIGINT")
        return plain(config, folder, quiet, last_resort, *more, **named)

    monkeypatch.setattr(run, "begin_run", stuck)
    monkeypatch.setattr("os._exit", sys.exit)
    status, out, lines = kanrun("-m", *SWEEP[:-1], launcher, "seed=0,1,2")
    head = "2 jobs" if "basic" in launcher else "2 of 3 jobs"  # Hydra's own knows of no jobs but those that began
    assert status == 130 and f"{head}: 1 completed, 1 interrupted" in out
    assert [row["state"] for row in summary(tmp_path / "s")] == ["completed", "interrupted"]
    way = "" if "basic" in launcher else f"; kanrun -m sweep.resume={tmp_path / 's'} goes on with it"
    assert lines == [f"kanrun: interrupted by SIGINT{way}"]


def test_a_signal_at_the_very_end_of_a_job_ends_the_sweep(
    kanrun: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*given: Any, **named: Any) -> Any:
        found = plain(*given, **named)
        signal.raise_signal(signal.SIGTERM)
        return found

    plain = run.carry_out
    monkeypatch.setattr(run, "carry_out", late)
    status, out, lines = kanrun("-m", *SWEEP, "seed=0,1,2")
    assert status == 128 + signal.SIGTERM and "1 of 3 jobs: 1 completed; 2 never began" in out
    assert lines == [f"kanrun: interrupted by SIGTERM; kanrun -m sweep.resume={tmp_path / 's'} goes on with it"]


@pytest.mark.fails_within
def test_a_disk_that_is_full_in_the_middle_costs_no_finished_job(
    kanrun: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.parent.name in ("1", "2") or path.name == "report.html":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(path, content)

    plain = files.write_bytes
    with monkeypatch.context() as patched:
        patched.setattr(files, "write_bytes", full)
        status, out, lines = kanrun("-m", *SWEEP, "seed=0,1,2")
    assert status == 1 and "1 of 3 jobs: 1 completed; 2 never began" in out
    said = "[Errno 28] No space left on device"
    assert lines == [f"kanrun: the summary of {tmp_path / 's'} is not whole: {said}",
                     *(f"kanrun: job {n}: OSError: {said}" for n in (1, 2))]  # fmt: skip
    status, out, _ = kanrun("-m", "sweep.resume=s")
    assert status == 0 and "1 of them done before" in out and "3 jobs: 3 completed" in out


def test_a_disk_that_is_full_from_the_beginning_is_one_line(kanrun: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write_bytes", full)
    status, _, lines = kanrun("-m", *SWEEP, "seed=0,1")
    assert (status, lines) == (1, ["kanrun: hydra.sweep.dir=s: No space left on device"])


def test_what_was_typed_need_not_be_typed_again(kanrun: Call, tmp_path: Path) -> None:
    assert kanrun("-m", *SWEEP, "seed=3,4").status == 0
    (tmp_path / "s" / "1" / "status.json").write_text('{"state": "running"}')
    status, out, _ = kanrun("-m", "sweep.resume=s")
    assert status == 0 and "1 of them done before" in out
    assert [row["state"] for row in summary(tmp_path / "s")] == ["completed", "completed"]


def test_the_folder_of_a_sweep_is_no_run_to_go_on_with(kanrun: Call) -> None:
    assert kanrun("-m", *SWEEP, "seed=3,4").status == 0
    status, _, lines = kanrun("resume", "s")
    assert status == 1 and lines[0].endswith("; a sweep goes on with kanrun -m sweep.resume=s")


def test_the_folder_of_another_sweep_is_left_as_it_is(kanrun: Call, tmp_path: Path) -> None:
    assert kanrun("-m", *SWEEP, "seed=0,1").status == 0
    status, _, lines = kanrun("-m", *QUICK, "seed=0,1", "model.k=2", "sweep.resume=s")
    assert status == 1
    assert lines[0].endswith("none of its 2 runs is one of this sweep; they differ in model.k")
    assert len(summary(tmp_path / "s")) == 2


def test_jobs_have_the_folders_that_are_asked_for(kanrun: Call, tmp_path: Path) -> None:
    assert kanrun("-m", *SWEEP, "seed=0,1", "hydra.sweep.subdir=seed_${seed}_${hydra.job.num}").status == 0
    assert sorted(path.parent.name for path in (tmp_path / "s").glob("*/metrics.json")) == ["seed_0_0", "seed_1_1"]


def test_a_summary_is_made_again_of_any_folder_of_runs(kanrun: Call, tmp_path: Path) -> None:
    for name, seed in (("one", 4), ("two", 5)):
        assert kanrun(*QUICK, f"seed={seed}", f"hydra.run.dir=mine/{name}").status == 0
    status, out, _ = kanrun("summary", "mine")
    assert status == 0 and "2 jobs: 2 completed" in out
    assert [(row["job"], row["seed"]) for row in summary(tmp_path / "mine")] == [("one", "4"), ("two", "5")]


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_summary_of_nothing_is_one_line(kanrun: Call, folder: str) -> None:
    status, _, lines = kanrun("summary", folder)
    assert (status, len(lines)) == (1, 1) and "there is no run in it" in lines[0]


OPTUNA = ["hydra/sweeper=kanrun_optuna", "hydra.sweeper.trials=2"]


@pytest.mark.parametrize("file", sorted((config_folder() / "sweep").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_sweep_that_is_written_down_runs(
    kanrun: Call, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, *example = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").partition(":")[0].split()
    assert program == "kanrun" and {"-m", f"sweep={file.stem}"} < set(example)
    chooses = OPTUNA[0] in example
    asked: list[Task] = []

    def some_of_them(pool: Any, tasks: list[Task], *told: Any) -> list[Any]:  # noqa: ARG001
        asked.extend(tasks[::7])
        return []

    monkeypatch.setattr(launching, "done_by", some_of_them)
    more = OPTUNA if chooses else []
    status, _, lines = kanrun(*example, *QUICK, *more, "hydra.sweep.dir=s", HERE)
    assert (status, lines) == (0, [])
    jobs = read_json(tmp_path / "s" / "sweep.json")["jobs"]
    assert len(jobs) == 2 if chooses else len(jobs) > 5
    assert all(task.folder.is_absolute() for task in asked)  # a worker may be somewhere else
    assert {work(task).state for task in asked} == (set() if chooses else {"completed"})


def test_a_quiet_sweep_says_nothing_and_is_the_same_sweep_as_a_loud_one(kanrun: Call, tmp_path: Path) -> None:
    status, out, lines = kanrun("-m", *SWEEP, "seed=0,1", "console=quiet")
    assert (status, out, lines) == (0, "", [])
    assert (tmp_path / "s" / "summary.csv").is_file()
    status, out, _ = kanrun("-m", *QUICK, HERE, "seed=0,1", "sweep.resume=s")
    assert status == 0 and "2 jobs: 2 completed" in out


def test_a_sweep_has_options_from_another_folder(kanrun: Call, tmp_path: Path) -> None:
    (tmp_path / "theirs" / "experiment").mkdir(parents=True)
    (tmp_path / "theirs" / "experiment" / "mine.yaml").write_text("# @package _global_\nmodel:\n  grid: 4\n")
    arguments = [a for a in SWEEP if a != "experiment=smoke"] + ["experiment=mine", "seed=0,1"]
    status, _, lines = kanrun("-m", "--config-dir", "theirs", *arguments)
    assert (status, lines) == (0, [])
    configs = [yaml.safe_load((tmp_path / "s" / job / "config.yaml").read_text(encoding="utf-8")) for job in "01"]
    assert [(config["model"]["grid"], config["seed"]) for config in configs] == [(4, 0), (4, 1)]


@pytest.mark.parametrize("other", [["--cfg", "job"], ["--run"], ["--resolve"]], ids=str)
def test_a_sweep_and_something_else_is_neither(kanrun: Call, tmp_path: Path, other: list[str]) -> None:
    status, _, lines = kanrun("-m", *other, *SWEEP, "seed=0,1")
    assert (status, len(lines)) == (1, 1)
    assert other[0] in lines[0]
    assert not list(tmp_path.rglob("status.json"))
