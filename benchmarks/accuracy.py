"""How exact splines get from coarse to fine grids: `python benchmarks/accuracy.py [name ...] [--seeds 0,1,2]`.

Prints a Markdown table of test RMSE. The targets are those of the first formula of the KAN paper, of its formula of
four inputs, and of three special functions in it (Liu et al. 2024, arXiv 2404.19756), whose domains it does not give.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import special

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from kanrun.config.schema import Config, LmConfig, ModelConfig
from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.pipeline.problem import build_network, grids_of
from kanrun.training.objective import Objective
from kanrun.training.schedule import Schedule, train_by_schedule

Formula = Callable[[np.ndarray], Any]  # from the inputs, [inputs, rows]


@dataclass(frozen=True)
class Target:
    """A function to fit: its network, its domain, how much data, and the RMSE that is to be reached."""

    formula: Formula
    width: list[int]
    domain: list[tuple[float, float]]
    asked: list[float]  # on each grid, or at the end
    rows: int = 1000
    grids: tuple[int, ...] = (3, 5, 10, 20, 50)
    restarts: int = 4


def deep(x: np.ndarray) -> Any:
    waves = np.sin(np.pi * (x[0] ** 2 + x[1] ** 2)) + np.sin(np.pi * (x[2] ** 2 + x[3] ** 2))
    return np.exp(waves / 2)


def harmonic(x: np.ndarray) -> Any:
    """The real part of the spherical harmonic of degree 1 and order 1, at azimuth x_1 and polar angle x_2."""
    return -np.sqrt(3 / (8 * np.pi)) * np.sin(x[1]) * np.cos(x[0])


TARGETS = {
    "hello": Target(
        lambda x: np.exp(np.sin(np.pi * x[0]) + x[1] ** 2), [2, 1, 1], [(-1, 1)] * 2,
        [1.5e-2, 2e-4, 2e-5, 2e-6, 1e-6], grids=(3, 10, 20, 50, 100), restarts=1,
    ),
    "deep": Target(deep, [4, 2, 1, 1], [(-1, 1)] * 4, [1e-5], rows=3000, restarts=8),
    "kv": Target(lambda x: special.kv(x[0], x[1]), [2, 2, 1], [(0, 2), (0.5, 3)], [2.5e-5]),
    "sph": Target(harmonic, [2, 3, 2, 1], [(0, 2 * math.pi), (0, math.pi)], [1.2e-4]),
    "ellipkinc": Target(
        lambda x: special.ellipkinc(x[0], x[1]), [2, 2, 1, 1, 1], [(0, math.pi / 2), (0, 0.9)], [1.2e-4], restarts=8,
    ),
}  # fmt: skip


def dataset(name: str, target: Target, seed: int) -> Dataset:
    """Uniform random rows, as many to test as to train."""
    random = np.random.default_rng(seed)
    low, high = np.array(target.domain).T

    def rows() -> Rows:
        x = random.uniform(low, high, (target.rows, len(low)))
        return Rows(torch.from_numpy(x), torch.from_numpy(np.asarray(target.formula(x.T)))[:, None])

    names = [f"x_{i + 1}" for i in range(len(low))]
    return Dataset(name, rows(), rows(), names, ["y"], REGRESSION, MSE)


def fit(name: str, target: Target, seed: int) -> tuple[list[float], float]:
    """The best test RMSE on each grid, of one training, and its seconds."""
    data = dataset(name, target, seed)
    optimizer = LmConfig(grids=list(target.grids), restarts=target.restarts)
    config = Config(seed=seed, model=ModelConfig(width=target.width), optimizer=optimizer)
    schedule = Schedule(
        lambda attempt: build_network(config, target.width, data.train.x, attempt),
        Objective(data.loss), optimizer, grids_of(config), placed=True, restarts=target.restarts, seed=seed,
    )  # fmt: skip
    begin = time.perf_counter()
    result = train_by_schedule(schedule, data)
    seconds = time.perf_counter() - begin
    with torch.no_grad():
        last = float(((result.model(data.test.x) - data.test.y) ** 2).mean()) ** 0.5
    by_grid = [
        min((r.test_loss for r in result.history if r.grid == grid), default=math.inf) ** 0.5 for grid in target.grids
    ]
    return by_grid if len(target.asked) > 1 else [last], seconds


def seeds_of(text: str) -> list[int]:
    """Numbers with commas between them. Raises ValueError for others."""
    return [int(seed) for seed in text.split(",")]


def main(arguments: list[str] | None = None) -> None:
    """Reads the command line and prints the table."""
    parser = argparse.ArgumentParser(description="Test RMSE of KANs from coarse to fine grids, as a Markdown table.")
    parser.add_argument("names", nargs="*", default=list(TARGETS), help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seeds", type=seeds_of, default="0,1,2,3,4", help="of data and networks (%(default)s)")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(TARGETS):
        parser.error(f"unknown names: {', '.join(sorted(unknown))}")
    seeds = given.seeds
    print("| function | network | asked | " + " | ".join(f"seed {s}" for s in seeds) + " | median | seconds |")
    print("|" + " --- |" * (5 + len(seeds)))
    for name in given.names:
        target = TARGETS[name]
        scores, seconds = zip(*(fit(name, target, seed) for seed in seeds), strict=True)
        for number, asked in enumerate(target.asked):
            own = [each[number] for each in scores]
            label = f"{name}, grid {target.grids[number]}" if len(target.asked) > 1 else name
            cells = [label, target.width, f"{asked:.1e}", *(f"{v:.1e}" for v in own), f"{statistics.median(own):.1e}"]
            print("| " + " | ".join(map(str, cells)) + f" | {statistics.median(seconds):.1f} |", flush=True)


if __name__ == "__main__":
    main()
