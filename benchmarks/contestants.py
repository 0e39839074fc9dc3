"""The contestants of benchmarks/speed.py and the process in which each of them works: `... contestants.py NAME`."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

# Everything heavy is imported by the functions that need it: what a contestant imports (and what it compiles or
# switches off in torch) must not reach the others.

K = 3  # order of the splines
WARM_UP = 0.5  # seconds of steps before the first turn, the first step not counted


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

    from kanrun.config.datasets import SymbolicConfig
    from kanrun.config.schema import Config, LmConfig, ModelConfig
    from kanrun.data.build import build_dataset

    formula = SymbolicConfig(formula="exp(sin(pi*x_1)+x_2**2)", domain=[-1, 1], n_train=1000, n_test=1000)
    config = Config(dataset=formula, model=ModelConfig(width=[2, 5, 1], grid=5, k=K), optimizer=LmConfig(), seed=seed)
    return config, build_dataset(config, torch.float64, torch.device("cpu"))


def train_kanrun(seed: int, target: float) -> dict[str, float]:
    """CPU seconds of kanrun's training by lm until the test RMSE is `target`, infinite where it never is."""
    from kanrun.context import Context, Silent
    from kanrun.pipeline.problem import build_network, grids_of
    from kanrun.training.history import Record
    from kanrun.training.objective import Objective
    from kanrun.training.schedule import Schedule, train_by_schedule

    config, data = hello(seed)
    best = math.inf

    class UntilReached(Silent):
        def step(self, record: Record, steps: int) -> None:  # noqa: ARG002
            nonlocal best
            best = min(best, math.sqrt(record.test_loss))
            if best <= target:
                raise _Reached

    begin = time.process_time()
    schedule = Schedule(
        lambda attempt: build_network(config, config.model.width, data.train.x, attempt), Objective(data.loss),
        config.optimizer, grids_of(config), seed=seed,
    )  # fmt: skip
    try:
        train_by_schedule(schedule, data, Context(events=UntilReached()))
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


if __name__ == "__main__":
    serve(sys.argv[1])
