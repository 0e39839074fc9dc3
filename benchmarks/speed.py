"""How fast kanrun is beside its peers: `python benchmarks/speed.py [--quick] [--parts steps,training] [--threads 1,2]`.

Prints Markdown tables. The peers come with `pip install '.[bench]'`; one that is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

# Everything heavy is imported in the workers, by the functions that need it: what a contestant imports (and what it
# compiles or switches off in torch) must not reach the others.

K = 3  # order of the splines
SLOWEST = 5.0  # seconds a step; what takes longer is left out
WARM_UP = 0.5  # seconds of steps before the first turn, the first step not counted
ROUNDS, TURN = 7, 0.2  # turns of each contestant, and about how many seconds one lasts
SEEDS, PYKAN_STEPS = range(5), 50
RIVALS = ("MLP", "flashkan", "flashkan, uncompiled")  # whom the others are compared with


@dataclass(frozen=True)
class Shape:
    """A network, its rows and their precision."""

    width: list[int]
    grid: int
    rows: int
    dtype: str

    def __str__(self) -> str:
        return f"{self.width}, grid {self.grid}, {self.rows} rows, {self.dtype}"

    @property
    def parameters(self) -> int:
        """The trained numbers of a KAN: the coefficients of a spline and one factor an edge."""
        return sum(a * b for a, b in pairwise(self.width)) * (self.grid + K + 1)


SHAPES = [
    Shape([2, 5, 1], 5, 1000, "float64"),
    Shape([2, 5, 1], 5, 1000, "float32"),
    Shape([2, 5, 1], 50, 1000, "float32"),
    Shape([64, 64, 10], 5, 1024, "float32"),
    Shape([64, 64, 10], 50, 1024, "float32"),
    Shape([784, 64, 10], 5, 1024, "float32"),
]


# ---- the contestants: from a shape to a torch module ----------------------------------------------------------------


def build_kanrun(shape: Shape) -> Any:
    """kanrun's network as it is, nothing compiled."""
    import torch

    from kanrun import KAN

    return KAN(shape.width, grid=shape.grid, k=K, dtype=getattr(torch, shape.dtype))


def build_mlp(shape: Shape) -> Any:
    """Two equal hidden layers, as `model=mlp` has them, and as many parameters as the KAN."""
    from torch import nn

    n_in, n_out = shape.width[0], shape.width[-1]
    linear = n_in + n_out + 2  # h hidden nodes a layer make h^2 + linear * h + n_out parameters
    hidden = max(1, round((math.sqrt(linear**2 + 4 * (shape.parameters - n_out)) - linear) / 2))
    return nn.Sequential(
        nn.Linear(n_in, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, n_out)
    )  # fmt: skip


def build_pykan(shape: Shape) -> Any:
    """pykan without its files."""
    # a copy, because pykan writes into the list
    return importlib.import_module("kan").KAN(width=list(shape.width), grid=shape.grid, k=K, auto_save=False)


def build_pykan_speed(shape: Shape) -> Any:
    """pykan in its speed mode: no symbolic functions, nothing kept for pictures."""
    return build_pykan(shape).speed()


def build_flashkan(shape: Shape) -> Any:
    """flashkan as it installs: it compiles its basis at the first step."""
    return importlib.import_module("flashkan").KANNetwork(shape.width, grid_size=shape.grid, spline_order=K)


def build_flashkan_uncompiled(shape: Shape) -> Any:
    """flashkan where torch has no compiler."""
    importlib.import_module("torch._dynamo").config.disable = True
    return build_flashkan(shape)


# contestant: (the module that must be installed, what builds it)
CONTESTANTS: dict[str, tuple[str, Callable[[Shape], Any]]] = {
    "kanrun": ("kanrun", build_kanrun),
    "MLP": ("torch", build_mlp),
    "pykan": ("kan", build_pykan),
    "pykan.speed()": ("kan", build_pykan_speed),
    "flashkan": ("flashkan", build_flashkan),
    "flashkan, uncompiled": ("flashkan", build_flashkan_uncompiled),
}


# ---- the worker: one contestant, asked by JSON lines ----------------------------------------------------------------


def make_step(name: str, shape: Shape) -> Callable[[], float]:
    """A training step, loss and gradient on the same random rows, that gives the seconds it took."""
    import torch

    dtype = getattr(torch, shape.dtype)
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    build = CONTESTANTS[name][1]
    model = build(shape).to(dtype)
    x = 2 * torch.rand(shape.rows, shape.width[0]) - 1
    y = torch.rand(shape.rows, shape.width[-1])

    def step() -> float:
        begin = time.perf_counter()
        model.zero_grad()
        ((model(x) - y) ** 2).mean().backward()
        return time.perf_counter() - begin

    return step


def warm_up(step: Callable[[], float]) -> float:
    """Steps until everything is compiled and in place; the fastest one's seconds."""
    seconds = [step(), step()]
    while sum(seconds[1:]) < WARM_UP:
        seconds.append(step())
    return min(seconds)


class _Reached(Exception):  # noqa: N818 -- not an error
    """The training is as good as it has to be."""


def hello(seed: int) -> tuple[Any, Any]:
    """The config of the training and its rows: exp(sin(pi x_1) + x_2^2), 1000 to train and 1000 to test."""
    import torch

    from kanrun.config import Config, LmConfig, ModelConfig, SymbolicConfig
    from kanrun.data.build import build_dataset

    formula = SymbolicConfig(formula="exp(sin(pi*x_1)+x_2**2)", domain=[-1, 1], n_train=1000, n_test=1000)
    config = Config(dataset=formula, model=ModelConfig(width=[2, 5, 1], grid=5, k=K), optimizer=LmConfig(), seed=seed)
    return config, build_dataset(config, torch.float64, torch.device("cpu"))


def train_kanrun(seed: int, target: float) -> dict[str, float]:
    """CPU seconds of kanrun's training by lm until the test RMSE is `target`, infinite where it never is."""
    from kanrun.stages import build_network, grids_of
    from kanrun.training.history import Record
    from kanrun.training.objective import Objective
    from kanrun.training.schedule import Schedule, train_by_schedule

    config, data = hello(seed)
    best = math.inf

    def on_record(record: Record) -> None:
        nonlocal best
        best = min(best, math.sqrt(record.test_loss))
        if best <= target:
            raise _Reached

    begin = time.process_time()
    schedule = Schedule(
        lambda attempt: build_network(config, config.model.width, data.train.x, attempt), Objective(data.loss),
        config.optimizer, grids_of(config), seed=seed, on_record=on_record,
    )  # fmt: skip
    try:
        train_by_schedule(schedule, data)
    except _Reached:
        return {"cpu": time.process_time() - begin, "rmse": best}
    return {"cpu": math.inf, "rmse": best}


def train_pykan(seed: int, steps: int) -> dict[str, float]:
    """CPU seconds and final test RMSE of pykan's training by LBFGS, with its own grid updates."""
    import torch

    kan = importlib.import_module("kan")
    torch.set_default_dtype(torch.float64)
    data = hello(seed)[1]
    rows = {
        "train_input": data.train.x, "train_label": data.train.y,
        "test_input": data.test.x, "test_label": data.test.y,
    }  # fmt: skip
    begin = time.process_time()
    model = kan.KAN(width=[2, 5, 1], grid=5, k=K, seed=seed, auto_save=False)
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        results = model.fit(rows, opt="LBFGS", steps=steps, lamb=0.0)
    return {"cpu": time.process_time() - begin, "rmse": float(results["test_loss"][-1])}


def serve(name: str) -> None:
    """Answers the requests of `Worker`, a line each, until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a contestant prints is no answer
    step: Callable[[], float] = lambda: 0.0  # noqa: E731
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        try:
            match request:
                case {"shape": shape}:
                    step = make_step(name, Shape(**shape))
                    answer = {"seconds": warm_up(step)}
                case {"steps": count}:
                    if count > 1:
                        step()  # the caches still belong to the contestant before
                    answer = {"seconds": statistics.median(step() for _ in range(count))}
                case {"seed": seed, "target": target}:
                    answer = train_kanrun(seed, target)
                case {"seed": seed, "fit": steps}:
                    answer = train_pykan(seed, steps)
                case _:
                    raise ValueError(f"unknown request {request}")
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"}
        print(json.dumps(answer), file=answers, flush=True)


# ---- the one who asks ------------------------------------------------------------------------------------------------


class WorkerError(Exception):
    """What a contestant could not do, in words."""


class Worker:
    """A process with one contestant and so many threads, used in a `with` block."""

    def __init__(self, name: str, threads: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), "--worker", name], text=True,
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
    parser.add_argument("--worker", choices=CONTESTANTS, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.worker:
        serve(given.worker)
        return
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
