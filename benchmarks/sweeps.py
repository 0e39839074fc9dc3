"""What sweeps cost and survive: `python benchmarks/sweeps.py cores thousand failing killed launchers optuna summary`.

Parts by name, each with a line on what was asked and what was reached; `--jobs N` makes a part larger or smaller, and
`cluster` takes a Ray of two nodes on this machine. CPU is that of all processes of the command, read from /proc.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

KANRUN = str(Path(sys.executable).with_name("kanrun"))
TICKS = os.sysconf("SC_CLK_TCK")
# About a tenth of a second of work; the second one takes longer, so that there is something to kill.
TENTH = ["experiment=smoke", "plots=none", "prune=none", "symbolic=none", "optimizer.steps=10"]
SMOKE = ["experiment=smoke", "plots=none"]
Part = Callable[[Path, int], str]


@dataclass
class Used:
    """What a command and all of its processes have used, and how it ended."""

    status: int = 0
    seconds: float = 0.0
    parent: float = 0.0  # CPU seconds of the process that was started, and of all
    cpu: dict[int, float] = field(default_factory=dict)
    said: str = ""
    most_memory: float = 0.0  # MiB of the largest process

    @property
    def total(self) -> float:
        """CPU seconds of all processes."""
        return sum(self.cpu.values())


def measured(arguments: list[str], folder: Path, **environment: str) -> Used:
    """Runs the command in a session of its own, and looks what its processes use."""
    used, begun = Used(), time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [KANRUN, *arguments], cwd=folder, stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **environment},
        )  # fmt: skip
        watcher = threading.Thread(target=watch, args=(process, used))
        watcher.start()
        watcher.join()
        used.status, used.seconds = process.returncode, time.perf_counter() - begun
        said.seek(0)
        used.said = said.read()
    return used


def watch(process: subprocess.Popen[bytes], used: Used) -> None:
    """Reads the CPU of every process of the session until the first one has ended."""
    while process.poll() is None:
        for pid, seconds in cpu_of_session(process.pid).items():
            used.cpu[pid] = max(seconds, used.cpu.get(pid, 0.0))
        used.parent = used.cpu.get(process.pid, 0.0)
        used.most_memory = max(used.most_memory, memory_of(process.pid))
        time.sleep(0.05)


def cpu_of_session(session: int) -> dict[int, float]:
    """CPU seconds of the processes of a session by their number."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            found[int(path.parent.name)] = (int(fields[11]) + int(fields[12])) / TICKS
    return found


def memory_of(pid: int) -> float:
    """MiB that a process has had at most."""
    try:
        line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 0.0
    return int(line.split()[1]) / 1024


def jobs_in(sweep: Path) -> list[Path]:
    """The folders of the jobs, by number."""
    return sorted((path.parent for path in sweep.glob("*/status.json")), key=lambda path: int(path.name))


def stage_work(sweep: Path) -> float:
    """CPU seconds of all stages of all jobs."""
    metrics = [json.loads((job / "metrics.json").read_text()) for job in jobs_in(sweep)]
    return sum(stage["cpu_seconds"] for one in metrics for stage in one["stages"])


def numbers_of(sweep: Path) -> dict[str, object]:
    """The scores of every stage of every job, by its seed."""
    found: dict[str, object] = {}
    for job in jobs_in(sweep):
        metrics = json.loads((job / "metrics.json").read_text())
        found[str(metrics["seed"])] = [(stage["name"], stage["train"], stage["test"]) for stage in metrics["stages"]]
    return found


# ---- the parts -----------------------------------------------------------------------------------------------------


def cost_of(settings: list[str]) -> Part:
    """A part: how busy the cores are with so many jobs, and what a job costs beside its own stages."""

    def part(folder: Path, jobs: int) -> str:
        used = measured(["-m", *settings, f"seed=range({jobs})", "hydra.sweep.dir=s"], folder)
        work = stage_work(folder / "s")
        return (
            f"{jobs} jobs of {work / jobs * 1000:.0f} ms, status {used.status}, {used.seconds:.0f} s: "
            f"{used.total / used.seconds:.2f} cores in use; beside the stages {(used.total - work) / jobs * 1000:.0f} "
            f"ms of CPU a job, of it {used.parent / jobs * 1000:.1f} ms in the parent"
        )

    return part


def failing(folder: Path, jobs: int) -> str:  # noqa: ARG001
    """Twelve jobs, three of which fail for their table."""
    for name in "abc":
        (folder / f"{name}.csv").write_text("x,y\n" + "".join(f"{n},{n * n}\n" for n in range(30)))
    table = ["dataset=table", "dataset.path=a.csv,b.csv,c.csv,d.csv", "dataset.target=y", "seed=0,1,2"]
    used = measured(["-m", *table, "plots=none", "symbolic=none", "hydra.sweep.dir=s"], folder)
    with open(folder / "s" / "summary.csv", newline="") as file:
        states = [row["state"] for row in csv.DictReader(file)]
    named = sum(line.startswith("kanrun: job") for line in used.said.splitlines())
    return (
        f"status {used.status}; {states.count('completed')} completed, {states.count('failed')} failed, {named} named"
    )


def killed(folder: Path, jobs: int) -> str:
    """kill -9 of the parent or of a worker at random moments, resumed until all is done."""
    command = ["-m", *SMOKE, "seed=range(6)", "hydra.launcher.jobs=2", "hydra.sweep.dir=undisturbed"]
    measured(command, folder)
    draw, wanted = random.Random(0), numbers_of(folder / "undisturbed")
    same = twice = whole = 0
    for number in range(jobs):
        sweep = folder / f"s{number}"
        process = subprocess.Popen(
            [KANRUN, *command[:-1], f"hydra.sweep.dir={sweep.name}"], cwd=folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        time.sleep(draw.uniform(3, 9))
        others = [pid for pid in cpu_of_session(process.pid) if pid != process.pid]
        victim = process.pid if draw.random() < 0.5 or not others else draw.choice(others)
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        process.wait()
        time.sleep(2.5)  # what was going on has ended then
        before = {job: (job / "metrics.json").stat().st_mtime_ns for job in jobs_in(sweep) if is_done(job)}
        resumed = measured([*command[:-1], f"sweep.resume={sweep.name}"] if sweep.exists() else [
            *command[:-1], f"hydra.sweep.dir={sweep.name}"
        ], folder)  # fmt: skip
        twice += sum((job / "metrics.json").stat().st_mtime_ns != then for job, then in before.items())
        same += numbers_of(sweep) == wanted
        whole += resumed.status == 0 and "6 jobs: 6 completed" in resumed.said
        print(
            f"  {number}: killed {'parent' if victim == process.pid else 'another'}, {len(before)} done before",
            flush=True,
        )
    return (
        f"{jobs} kills: {whole} complete summaries, {same} with the numbers of an undisturbed sweep, {twice} jobs twice"
    )


def is_done(job: Path) -> bool:
    """Whether a job is completed."""
    return bool(json.loads((job / "status.json").read_text())["state"] == "completed")


def launchers(folder: Path, jobs: int) -> str:
    """The same sweep by every launcher."""
    ways = {
        "basic": ["hydra/launcher=basic"], "kanrun": [], "kanrun_ray": ["hydra/launcher=kanrun_ray"],
        "kanrun_slurm": ["hydra/launcher=kanrun_slurm", "hydra.launcher.cluster=local"],
        "joblib": ["hydra/launcher=joblib"],
    }  # fmt: skip
    numbers, told = {}, []
    for name, way in ways.items():
        used = measured(["-m", *SMOKE, f"seed=range({jobs})", *way, f"hydra.sweep.dir={name}"], folder)
        if used.status == 0:
            numbers[name] = numbers_of(folder / name)
        told.append(f"{name} {f'{used.seconds:.1f} s' if used.status == 0 else used.said.strip()[-200:]}")
    with ray_cluster(1) as address:
        way = ["hydra/launcher=kanrun_ray", f"hydra.launcher.address={address}", "hydra.sweep.dir=joined"]
        used = measured(["-m", *SMOKE, f"seed=range({jobs})", *way], folder)
        numbers["joined Ray"] = numbers_of(folder / "joined") if used.status == 0 else {}
        told.append(f"joined Ray {used.seconds:.1f} s")
    other = [name for name, found in numbers.items() if found != numbers["basic"]]
    return (
        f"{jobs} jobs by {', '.join(told)}: {'other numbers by ' + ', '.join(other) if other else 'identical numbers'}"
    )


def optuna(folder: Path, jobs: int) -> str:
    """A search of two objectives, killed twice and resumed."""
    command = [
        "-m", "hydra/sweeper=kanrun_optuna", f"hydra.sweeper.trials={jobs}",
        "hydra.sweeper.objectives=[validation,complexity]", *SMOKE, "model.width=null", "model.hidden=[],[2],[3]",
        "model.grid=range(3,9)", "symbolic.work=50",
    ]  # fmt: skip
    for place in ("hydra.sweep.dir=s", "sweep.resume=s"):
        process = subprocess.Popen(
            [KANRUN, *command, place], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        time.sleep(12)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(2.5)
    used = measured([*command, "sweep.resume=s"], folder)
    from optuna import load_study
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(folder / "s" / "study.journal")))
    states = Counter(trial.state.name for trial in load_study(study_name="kanrun", storage=storage).trials)
    return f"status {used.status}; {states.total()} trials: {dict(states)}"


def summary(folder: Path, jobs: int) -> str:
    """`kanrun summary` over many finished folders."""
    measured([*SMOKE, "hydra.run.dir=one"], folder)
    config = (folder / "one" / "config.yaml").read_text()
    for number in range(jobs):
        run = folder / "s" / str(number)
        run.mkdir(parents=True)
        for name in ("status.json", "metrics.json", "formula.json"):
            shutil.copy(folder / "one" / name, run)
        (run / "config.yaml").write_text(config.replace("\nseed: 0", f"\nseed: {number}"))
    used = measured(["summary", "s"], folder)
    return f"{jobs} folders, status {used.status}: {used.seconds:.1f} s, {used.most_memory:.0f} MiB"


def cluster(folder: Path, jobs: int) -> str:
    """Many jobs on a Ray cluster of two nodes, both on this machine."""
    with ray_cluster(2) as address:
        way = ["hydra/launcher=kanrun_ray", f"hydra.launcher.address={address}", "hydra.launcher.jobs=4"]
        used = measured(["-m", *SMOKE, f"seed=range({jobs})", *way, "hydra.sweep.dir=s"], folder)
    states = [json.loads((job / "status.json").read_text())["state"] for job in jobs_in(folder / "s")]
    size = sum(path.stat().st_size for path in (folder / "s").rglob("*") if path.is_file())
    files = sum(path.is_file() for path in (folder / "s").rglob("*"))
    return (
        f"{jobs} smoke jobs on two nodes, status {used.status}: {states.count('completed')} completed in "
        f"{used.seconds:.0f} s, the parent used {used.parent / jobs * 1000:.0f} ms of CPU and a job leaves "
        f"{files / jobs:.0f} files of {size / jobs / 1024:.0f} KiB"
    )


@contextmanager
def ray_cluster(nodes: int) -> Iterator[str]:
    """Ray processes of so many nodes with a core each; gives their address."""
    port, ray = 26379, str(Path(sys.executable).with_name("ray"))
    token = {**os.environ, "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "token")}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": token}
    head = ["start", "--head", f"--port={port}", "--num-cpus=1", "--include-dashboard=false", "--disable-usage-stats"]
    subprocess.run([ray, *head], check=True, **quiet)  # type: ignore[call-overload]
    try:
        for _ in range(nodes - 1):
            joined = [ray, "start", f"--address=127.0.0.1:{port}", "--num-cpus=1", "--disable-usage-stats"]
            subprocess.run(joined, check=True, **quiet)  # type: ignore[call-overload]
        yield f"127.0.0.1:{port}"
    finally:
        subprocess.run([ray, "stop", "--force"], check=False, **quiet)  # type: ignore[call-overload]


PARTS: dict[str, tuple[Part, int]] = {
    "cores": (cost_of(SMOKE), 40), "thousand": (cost_of(TENTH), 1000), "failing": (failing, 12), "killed": (killed, 20),
    "launchers": (launchers, 4), "optuna": (optuna, 30), "summary": (summary, 10_000), "cluster": (cluster, 1000),
}  # fmt: skip


def main() -> None:
    """The parts that are named, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+", choices=list(PARTS))
    parser.add_argument("--jobs", type=int, help="other than the part's own number")
    options = parser.parse_args()
    for name in options.parts:
        part, jobs = PARTS[name]
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name}: {part(Path(folder), options.jobs or jobs)}", flush=True)


if __name__ == "__main__":
    main()
