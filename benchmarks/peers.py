"""The peers of benchmarks/discovery.py: gplearn and pyoperon, from the extra `bench`, at equal seconds and one thread.

Both get the functions of the formulas and keep their default population. gplearn goes on generation by generation
(`warm_start`) until the time is over or its own fit is as good as it can be. pyoperon fits constants by
Levenberg-Marquardt (`optimizer_iterations`), with `max_time`; it does not stop before, so its seconds are the budget.
"""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

EXACT = 1e-10  # NMSE
PACKAGES = {"gplearn": "gplearn", "pyoperon": "pyoperon.sklearn"}
GRACE = 2.0  # no further generation of gplearn where it would take longer than what is left and this, in seconds


@dataclass(frozen=True)
class Fitted:
    """What predicts, the number of nodes of its formula, and the formula as the peer writes it."""

    predict: Callable[..., Any]
    nodes: int
    text: str


def fit_gplearn(x: np.ndarray, y: np.ndarray, seed: int, seconds: float) -> Fitted:
    """The best of all generations that there is time for."""
    functions, genetic = importlib.import_module("gplearn.functions"), importlib.import_module("gplearn.genetic")

    def exp(z: np.ndarray) -> np.ndarray:
        return np.exp(np.clip(z, -50, 50))

    own = [functions.make_function(function=f, name=f.__name__, arity=1) for f in (exp, np.tanh)]
    model = genetic.SymbolicRegressor(
        function_set=("add", "sub", "mul", "div", "sqrt", "log", "inv", "sin", "cos", *own), generations=1,
        const_range=(-5.0, 5.0), metric="mse", stopping_criteria=0.1 * EXACT * float(np.var(y)), warm_start=True,
        low_memory=True, random_state=seed,
    )  # fmt: skip
    begin, slowest = time.perf_counter(), 0.0
    while True:
        turn = time.perf_counter()
        model.fit(x, y)
        slowest = max(slowest, time.perf_counter() - turn)
        left = seconds - (time.perf_counter() - begin)
        if left <= 0 or slowest > left + GRACE or model._program.raw_fitness_ <= model.stopping_criteria:
            return Fitted(model.predict, model._program.length_, str(model._program))
        model.set_params(generations=model.generations + 1)


def fit_pyoperon(x: np.ndarray, y: np.ndarray, seed: int, seconds: float) -> Fitted:
    """Its best one."""
    model = importlib.import_module("pyoperon.sklearn").SymbolicRegressor(
        allowed_symbols="add,sub,mul,div,constant,variable,sqrt,log,square,exp,sin,cos,tanh", objectives=["mse"],
        optimizer_iterations=10, generations=10**6, max_evaluations=10**9, max_time=max(1, round(seconds)),
        epsilon=1e-12, n_threads=1, random_state=seed,
    )  # fmt: skip
    model.fit(x, y)
    return Fitted(model.predict, int(model.stats_["model_complexity"]), model.get_model_string(model.model_, 17))


PEERS: dict[str, Callable[..., Fitted]] = {"gplearn": fit_gplearn, "pyoperon": fit_pyoperon}


def fit_peer(
    name: str, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], seed: int, seconds: float
) -> dict[str, Any]:
    """NMSE on the test rows, complexity and seconds of one peer."""
    warnings.simplefilter("ignore")
    importlib.import_module(PACKAGES[name])  # an import is not a search
    begin = time.perf_counter()
    fitted = PEERS[name](*train, seed, seconds)
    seconds = time.perf_counter() - begin
    nmse = float(np.mean((np.ravel(fitted.predict(test[0])) - test[1]) ** 2) / np.var(test[1]))
    return {"nmse": nmse, "exact": nmse <= EXACT, "complexity": fitted.nodes, "seconds": seconds}
