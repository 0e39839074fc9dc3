"""How fast kanrun is beside its peers: `python benchmarks/speed.py [--quick] [--parts steps,training] [--threads 1,2]`.

Prints Markdown tables. The peers come with `pip install '.[bench]'`; one that is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks import contestants
from benchmarks.contestants import CONTESTANTS, Shape

SLOWEST = 5.0  # seconds a step; what takes longer is left out
ROUNDS, TURN = 7, 0.2  # turns of each contestant, and about how many seconds one lasts
SEEDS, PYKAN_STEPS = range(5), 50
RIVALS = ("MLP", "flashkan", "flashkan, uncompiled")  # whom the others are compared with
SHAPES = [
    Shape([2, 5, 1], 5, 1000, "float64"),
    Shape([2, 5, 1], 5, 1000, "float32"),
    Shape([2, 5, 1], 50, 1000, "float32"),
    Shape([64, 64, 10], 5, 1024, "float32"),
    Shape([64, 64, 10], 50, 1024, "float32"),
    Shape([784, 64, 10], 5, 1024, "float32"),
]


class WorkerError(Exception):
    """What a contestant could not do, in words."""


class Worker:
    """A process with one contestant and so many threads, used in a `with` block."""

    def __init__(self, name: str, threads: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(contestants.__file__).resolve()), name], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=os.environ | {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL")},
        )  # fmt: skip

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()  # closes its stdin, on which it ends

    def ask(self, **request: Any) -> dict[str, float]:
        """The answer to one request. Raises WorkerError where there is none."""
        assert self.process.stdin and self.process.stdout
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            answer = json.loads(self.process.stdout.readline())
        except (OSError, json.JSONDecodeError):
            raise WorkerError("its process ended") from None
        if "error" in answer:
            raise WorkerError(answer["error"])
        return dict(answer)


def missing(name: str) -> str:
    """Why a contestant does not take part; empty where it does."""
    return "" if find_spec(CONTESTANTS[name][0]) else "not installed"


def time_steps(shape: Shape, threads: int, rounds: int, turn: float) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Milliseconds a step of every contestant, one number a round, and why others have none.

    The contestants take turns, so that the ratios of a round are of the same minute of the machine.
    """
    times: dict[str, list[float]] = {}
    left_out: dict[str, str] = {}
    counts: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        workers = {n: stack.enter_context(Worker(n, threads)) for n in CONTESTANTS if not missing(n)}
        for name, worker in workers.items():
            try:
                seconds = worker.ask(shape=asdict(shape))["seconds"]
            except WorkerError as error:
                left_out[name] = str(error)
                continue
            if seconds > SLOWEST:
                left_out[name] = f"a step takes {seconds:.0f} s"
            else:
                counts[name], times[name] = min(200, max(1, round(turn / seconds))), []
        for number in range(rounds):
            for name in sorted(counts, key=list(counts).index, reverse=number % 2 == 1):
                times[name].append(1000 * workers[name].ask(steps=counts[name])["seconds"])
    return times, left_out


def cell(values: Sequence[float]) -> str:
    """The median and the quartiles."""
    quartiles = statistics.quantiles(values, n=4, method="inclusive")
    low, middle, high = (f"{v:.0f}" if v >= 100 else f"{v:.3g}" for v in quartiles)
    return f"{middle} ({low} to {high})"


def print_row(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def print_steps(shapes: list[Shape], threads: list[int], rounds: int, turn: float) -> None:
    """The table of training steps."""
    print(f"\n## A training step (loss and gradient)\n\nMedian (quartiles) of {rounds} rounds.\n")
    print_row("threads", "network", "contestant", "ms", *(f"time / {rival}'s" for rival in RIVALS))
    print_row(*["---"] * (4 + len(RIVALS)))
    for count in threads:
        for shape in shapes:
            times, left_out = time_steps(shape, count, rounds, turn)
            for name, own in times.items():
                ratios = [
                    cell([a / b for a, b in zip(own, times[rival], strict=True)])
                    if rival in times and rival != name else "-" for rival in RIVALS
                ]  # fmt: skip
                print_row(count, shape, name, cell(own), *ratios)
            for name, reason in left_out.items():
                print_row(count, shape, name, reason, *["-"] * len(RIVALS))


def print_training(seeds: Sequence[int], steps: int) -> None:
    """The table of CPU time to pykan's test RMSE."""
    print(f"\n## CPU time to the test RMSE of pykan after {steps} steps\n")
    if missing("pykan"):
        print(f"Left out: pykan is {missing('pykan')}.")
        return
    print("exp(sin(pi x_1) + x_2^2), [2, 5, 1], grid 5, 1000 rows, float64, no regularization, one thread.\n")
    print_row("seed", "pykan's test RMSE", "pykan, CPU s", "kanrun's test RMSE", "kanrun, CPU s", "ratio")
    print_row(*["---"] * 6)
    ratios = []
    with Worker("pykan", 1) as pykan, Worker("kanrun", 1) as kanrun:
        pykan.ask(seed=len(seeds), fit=1)  # what is imported and set up at the first use is not training
        kanrun.ask(seed=len(seeds), target=0.1)
        for seed in seeds:
            theirs = pykan.ask(seed=seed, fit=steps)
            ours = kanrun.ask(seed=seed, target=theirs["rmse"])
            ratios.append(theirs["cpu"] / ours["cpu"])
            seconds = f"{ours['cpu']:.3f}" if math.isfinite(ours["cpu"]) else "never reached"
            print_row(
                seed, f"{theirs['rmse']:.2e}", f"{theirs['cpu']:.2f}", f"{ours['rmse']:.2e}", seconds,
                f"{ratios[-1]:.3g}",
            )  # fmt: skip
    print(f"\nMedian ratio of {len(ratios)} seeds: {statistics.median(ratios):.3g}")


def processor() -> str:
    """The model name of the processor, as far as the system tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def print_head(threads: list[int]) -> None:
    """When, where and with what."""
    today = date.today()
    print(f"Measured on {today.day} {today:%B %Y}: {processor()}, {os.cpu_count()} cores, Python", end=" ")
    print(f"{platform.python_version()}, threads of the steps {' and '.join(map(str, threads))}", end="")
    for package in ("torch", "kanrun", "pykan", "flashkan"):
        with contextlib.suppress(PackageNotFoundError):
            print(f", {package} {version(package)}", end="")
    reasons = {name: missing(name) for name in CONTESTANTS}
    print("." + "".join(f"\nLeft out: {name} ({reason})." for name, reason in reasons.items() if reason), flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Reads the command line and prints the tables."""
    parser = argparse.ArgumentParser(description="How fast kanrun is beside its peers, as Markdown tables.")
    parser.add_argument("--quick", action="store_true", help="a short try: small shapes, few rounds, one seed")
    parser.add_argument("--parts", default="steps,training", help="which tables (default: %(default)s)")
    parser.add_argument("--threads", default="1,2", help="threads of the steps, one after the other")
    given = parser.parse_args(arguments)
    parts, threads = given.parts.split(","), [int(n) for n in given.threads.split(",")]
    if unknown := set(parts) - {"steps", "training"}:
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    print_head(threads)
    if "steps" in parts:
        print_steps(SHAPES[:2] if given.quick else SHAPES, threads, 3 if given.quick else ROUNDS, TURN)
    if "training" in parts:
        print_training(SEEDS[:1] if given.quick else SEEDS, 5 if given.quick else PYKAN_STEPS)


if __name__ == "__main__":
    main()
