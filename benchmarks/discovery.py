"""How many formulas kanrun finds again from data, and its peers at equal seconds: `python benchmarks/discovery.py`.

Every formula of a file and every seed is a run in a process of its own, with one thread. Prints Markdown; progress
goes to stderr. A run is exact when kanrun's formula.json says so and the NMSE (mean squared error on the test rows /
variance of the test targets) of the formula's text is at most 1e-10; a peer's, when its NMSE is. With `--noise` the
test rows stay without noise, and right is a formula of the truth's form, with NMSE <= 0.1 noise^2, which constants
within 3 standard errors of its own make the truth (benchmarks/forms.py); of a peer only the NMSE is looked at.
The peers come with `pip install '.[bench]'`; one that is not installed is named and left out. Their memory has in it
what draws the rows, torch included. All of it can take hours: 23 formulas, 3 seeds, 3 systems, up to a minute each.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Everything heavy is imported in the workers: what one run imports must not count as another's memory.

EXACT = 1e-10  # NMSE
JUDGING = 30  # seconds for comparing forms, which do not count
Results = dict[tuple[str, str, int], dict[str, Any]]  # (system, formula, seed): what its worker found


@dataclass(frozen=True)
class Task:
    """One run: a system, a formula with its rows, a seed and the seconds it may take."""

    system: str
    formula: dict[str, Any]
    seed: int
    seconds: float
    noise: float
    experiment: str
    overrides: list[str]

    @property
    def key(self) -> tuple[str, str, int]:
        return self.system, self.formula["name"], self.seed

    @property
    def limit(self) -> float:
        """Seconds after which the process is ended: a bit more, for what is imported, written and judged."""
        return 1.1 * self.seconds + 15 + (JUDGING if self.noise else 0)


# ---- the worker: one run ---------------------------------------------------------------------------------------------


def compose_config(task: Task) -> dict[str, Any]:
    """The config of a run, as the command line composes it."""
    from kanrun.cli.compose import compose_job, settings_of
    from kanrun.config.packaged import config_folder

    rows = task.formula
    overrides = [
        f"experiment={task.experiment}", f"dataset.formula='{rows['formula']}'", f"dataset.domain={rows['domain']}",
        f"dataset.n_train={rows.get('n_train', 1000)}", f"dataset.n_test={rows.get('n_test', 1000)}",
        f"dataset.noise={task.noise}", f"seed={task.seed}", "threads=1", "plots=none",
    ]  # fmt: skip
    if task.experiment.startswith("discover"):
        overrides.append(f"search.seconds={task.seconds:g}")  # the others have no budget
    return settings_of(compose_job([*overrides, *task.overrides], config_folder()))


def rows_of(config: dict[str, Any]) -> Any:
    """The dataset of a config, as the run has it."""
    import torch

    from kanrun.config.validation import read_config
    from kanrun.data.build import build_dataset

    only = {key: config[key] for key in ("dataset", "seed")}  # whatever the network is
    return build_dataset(read_config(only), torch.float64, torch.device("cpu"))


def run_kanrun(task: Task) -> dict[str, Any]:
    """One run of kanrun, judged by the files that it writes."""
    import numpy as np

    from kanrun.functions.evaluate import evaluate
    from kanrun.functions.parser import parse_formula
    from kanrun.pipeline.run import run

    config = compose_config(task)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        metrics = run(config, folder, quiet=True)
        seconds = time.perf_counter() - begin
        formula = json.loads((Path(folder) / "formula.json").read_text())[0]
    data = rows_of(config)
    truth = data.test.y[:, 0].numpy()
    columns = {name: data.test.x[:, i].numpy() for i, name in enumerate(data.inputs)}
    found = parse_formula(formula["expression"], data.inputs, "expression", 10_000_000)
    nmse = float(np.mean((evaluate(found, columns) - truth) ** 2) / np.var(truth))
    splines = [s["test"].get("rmse") for s in metrics["stages"] if s["name"] != "symbolic"]
    result = {
        "nmse": nmse, "exact": formula["exact"] is True and nmse <= EXACT, "seconds": seconds,
        "spline_rmse": splines[-1] if splines else None, "complexity": formula["complexity"],
        "text": formula.get("rounded", formula["expression"]),
    }  # fmt: skip
    if task.noise:
        result |= judge(found, formula.get("constants"), data, columns, truth, nmse <= 0.1 * task.noise**2)
    return result


def judge(
    found: Any, constants: list[dict[str, Any]] | None, data: Any, columns: dict[str, Any], truth: Any, close: bool
) -> dict[str, Any]:
    """Whether a formula from noisy rows is right: close to the truth, of its form, with its constants.

    Where formula.json has no standard errors, only the first two are asked, and `no_errors` says so.
    """
    from benchmarks.forms import at_most, constants_fit, same_form
    from kanrun.functions.parser import parse_formula

    positive = [name for name, (low, _) in zip(data.inputs, data.domain, strict=True) if low >= 0]
    verdict: dict[str, Any] = {"close": close, "form": False, "constants": False, "no_errors": constants is None}
    try:
        with at_most(JUDGING - 5):
            verdict["form"] = close and same_form(found, parse_formula(data.truth[0]), positive)
            if verdict["form"]:
                verdict["constants"] = constants is None or constants_fit(found, constants, columns, truth)
    except TimeoutError:
        verdict["undecided"] = True
    return verdict | {"right": close and verdict["form"] and verdict["constants"]}


def run_peer(task: Task) -> dict[str, Any]:
    """One run of a peer on the same rows."""
    from benchmarks.peers import fit_peer

    data = rows_of(compose_config(task))
    train, test = ((rows.x.numpy(), rows.y[:, 0].numpy()) for rows in (data.train, data.test))
    result = fit_peer(task.system, train, test, task.seed, task.seconds)
    return result | {"right": result["nmse"] <= 0.1 * task.noise**2}


def work(task: Task) -> None:
    """Does one task and prints what came out as the last line."""
    try:
        result = (run_kanrun if task.system == "kanrun" else run_peer)(task)
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"}
    print("\n" + json.dumps(result), flush=True)


# ---- the one who asks ------------------------------------------------------------------------------------------------


def run_task(task: Task) -> dict[str, Any]:
    """The result of one task from a process of its own, with its peak memory; what failed has an `error`."""
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
    command = [sys.executable, str(Path(__file__).resolve()), "--worker", json.dumps(asdict(task))]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=os.environ | threads)
        killer = threading.Timer(task.limit, process.kill)
        killer.start()
        _, status, usage = os.wait4(process.pid, 0)
        killer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        spent = time.perf_counter() - begin
        output.seek(0)
        errors.seek(0)
        last, reason = (file.read().strip().rpartition("\n")[2] for file in (output, errors))
    try:
        result = dict(json.loads(last))
    except (ValueError, TypeError):
        over = process.returncode == -signal.SIGKILL and spent >= task.limit
        result = {"error": f"ended after {spent:.0f} s" if over else f"exit {process.returncode}: {reason[:200]}"}
    return {"seconds": spent, **result, "mib": usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)}


def run_tasks(tasks: list[Task], jobs: int, solve: Callable[[Task], dict[str, Any]] = run_task) -> Results:
    """All results, so many at a time, with a line on stderr for each as it comes."""
    results: Results = {}
    pool = ThreadPoolExecutor(jobs)
    try:
        waiting = {pool.submit(solve, task): task for task in tasks}
        for future in as_completed(waiting):
            task, result = waiting[future], future.result()
            results[task.key] = result
            line = f"{result['seconds']:.1f} s, {result['mib']:.0f} MiB"
            print(f"[{len(results)}/{len(tasks)}] {' '.join(map(str, task.key))}: {verdict_of(result, task)}, {line}",
                  file=sys.stderr, flush=True)  # fmt: skip
    finally:
        pool.shutdown(cancel_futures=True)
    return {task.key: results[task.key] for task in tasks}


def verdict_of(result: dict[str, Any], task: Task) -> str:
    """One result in words."""
    if "error" in result:
        return str(result["error"])
    text = f", {result['text']}" if len(result.get("text", "")) in range(1, 100) else ""
    if not task.noise:
        return f"{'exact' if result['exact'] else 'not exact'}, NMSE {result['nmse']:.1e}{text}"
    said = {"close": "far from the truth", "form": "another form", "constants": "constants off"}
    failed = [words for key, words in said.items() if key in result and not result[key]]
    verdict = "right" if result["right"] else failed[0] if failed else "not right"
    return f"{verdict}{' (undecided)' * result.get('undecided', False)}, NMSE {result['nmse']:.1e}{text}"


# ---- the table -------------------------------------------------------------------------------------------------------


def number(value: float | None, form: str) -> str:
    return "-" if value is None or not math.isfinite(value) else format(value, form)


def middle(results: Sequence[dict[str, Any]], key: str) -> float | None:
    """The median of a number over the runs that have it; for errors, a run without is as bad as can be."""
    given = [r.get(key) for r in results]
    if key == "nmse":
        given = [math.inf if v is None or math.isnan(v) else v for v in given]
    values = [float(v) for v in given if v is not None]
    return statistics.median(values) if values else None


def table(results: Results, names: list[str], seeds: list[int], noise: float) -> str:
    """The results as Markdown: kanrun formula by formula, then the peers beside it, then a line each."""
    hit = "right" if noise else "exact"
    systems = list(dict.fromkeys(system for system, _, _ in results))
    peers = [s for s in systems if s != "kanrun"]

    def runs(system: str, name: str) -> list[dict[str, Any]]:
        return [results[system, name, seed] for seed in seeds]

    def hits(system: str, name: str) -> int:
        return sum(bool(r.get(hit)) for r in runs(system, name))

    head = ["formula", hit, "NMSE", "spline RMSE", "complexity", "seconds", "peak MiB"]
    head += [f"{peer} {column}" for peer in peers for column in (hit, "NMSE", "seconds")]
    rows = [head, ["---"] * len(head)]
    for name in names:
        own = runs("kanrun", name)
        cells = [f"`{name}`", f"{hits('kanrun', name)} of {len(seeds)}", number(middle(own, "nmse"), ".1e")]
        cells += [number(middle(own, k), f) for k, f in (("spline_rmse", ".1e"), ("complexity", ".0f"))]
        cells += [number(middle(own, "seconds"), ".1f"), f"{max(r['mib'] for r in own):.0f}"]
        for peer in peers:
            theirs = runs(peer, name)
            cells += [f"{hits(peer, name)} of {len(seeds)}", number(middle(theirs, "nmse"), ".1e")]
            cells += [number(middle(theirs, "seconds"), ".1f")]
        rows.append(cells)
    lines = ["| " + " | ".join(cells) + " |" for cells in rows] + [""]
    need = max(1, math.ceil(2 * len(seeds) / 3))
    for system in systems:
        every = [r for name in names for r in runs(system, name)]
        good = [r for r in every if r.get(hit)]
        found = sum(hits(system, name) >= need for name in names)
        lines.append(
            f"- {system}: **{found} of {len(names)}** {hit} in at least {need} of {len(seeds)} seeds "
            f"({len(good)} of {len(every)} runs); median seconds to {'a right' if noise else 'an exact'} formula "
            f"{number(middle(good, 'seconds'), '.1f')}; slowest run {max(r['seconds'] for r in every):.0f} s, "
            f"most memory {max(r['mib'] for r in every):.0f} MiB, {sum('error' in r for r in every)} failed"
        )
    failed = [f"  - {' '.join(map(str, key))}: {r['error']}" for key, r in results.items() if "error" in r]
    if noise and any(r.get("no_errors") for r in results.values()):
        failed.append("- Standard errors were missing in formula.json: the constants were not looked at.")
    return "\n".join(lines + sorted(failed))


def head(seconds: float, noise: float, seeds: list[int], jobs: int, left_out: list[str]) -> str:
    """When, where and with what."""
    today, packages = date.today(), []
    for package in ("kanrun", "torch", "gplearn", "pyoperon"):
        try:
            packages.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    lines = [
        f"Measured on {today.day} {today:%B %Y}: {os.cpu_count()} cores, runs at a time: {jobs}, one thread each, "
        f"Python {platform.python_version()}, {', '.join(packages)}.",
        f"{seconds:g} s a run, seeds {', '.join(map(str, seeds))}, noise {noise:g}; medians over the seeds.",
    ]
    return "\n".join(lines + [f"Left out: {name} (not installed)." for name in left_out]) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Reads the command line, runs everything and prints the table."""
    parser = argparse.ArgumentParser(description="How many formulas are found again from their data, as Markdown.")
    parser.add_argument("--formulas", type=Path, default=Path(__file__).with_name("formulas.json"), help="JSON file")
    parser.add_argument("--names", default="", help="only these formulas, e.g. hello,mul")
    parser.add_argument("--seeds", default="0,1,2", help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="budget of a run (default: %(default)g)")
    parser.add_argument("--noise", type=float, default=0.0, help="std of the noise / std of y")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default: %(default)s)")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="gplearn and pyoperon too")
    parser.add_argument("--experiment", default="discover", help="kanrun's experiment (default: %(default)s)")
    parser.add_argument("--override", action="append", default=[], help="a further setting of kanrun, key=value")
    parser.add_argument("--out", type=Path, help="a file that gets the table as well")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.worker:
        work(Task(**json.loads(given.worker)))
        return
    formulas = {f["name"]: f for f in json.loads(given.formulas.read_text())}
    names = [n for n in given.names.split(",") if n] or list(formulas)
    if unknown := [n for n in names if n not in formulas]:
        parser.error(f"unknown formulas: {', '.join(unknown)}")
    seeds = [int(s) for s in given.seeds.split(",")]
    wanted = ["gplearn", "pyoperon"] if given.peers else []
    left_out = [peer for peer in wanted if find_spec(peer) is None]
    tasks = [
        Task(system, formulas[name], seed, given.seconds, given.noise, given.experiment, given.override)
        for system in ["kanrun", *(p for p in wanted if p not in left_out)] for name in names for seed in seeds
    ]  # fmt: skip
    results = run_tasks(tasks, given.jobs)
    text = head(given.seconds, given.noise, seeds, given.jobs, left_out) + "\n"
    text += table(results, names, seeds, given.noise)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the workers import benchmarks.forms and .peers
    main()
