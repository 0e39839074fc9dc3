"""The process that uses kanrun from Python finds itself as it was: threads, random states, filters, signals."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kanrun import KAN, fit, load_run, resume, run
from kanrun.errors import KanrunError

QUICK: dict[str, Any] = {
    "optimizer": {"name": "lm", "steps": 2, "refit_steps": 1},
    "model": {"width": [2, 1], "grid": 3},
    "symbolic": {"library": ["x", "x^2"], "work": 100},
}
RUN = {**QUICK, "dataset": {"name": "symbolic", "formula": "x_1+x_2**2", "n_train": 40, "n_test": 20}}


def state() -> dict[str, Any]:
    """What a library has no business to change."""
    return {
        "environment": dict(os.environ),
        "filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "torch random": torch.get_rng_state().tolist(),
        "numpy random": str(np.random.get_state(legacy=False)),
        "random": random.getstate(),
        "signals": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)],
        "folder": os.getcwd(),
        "tracing": (sys.gettrace(), sys.getprofile()),
        "running": sorted(t.name for t in threading.enumerate()),
        "logging": (logging.getLogger().level, list(logging.getLogger().handlers)),
        "numpy": (np.get_printoptions(), np.geterr()),
        "garbage": gc.isenabled(),
        "recursion": sys.getrecursionlimit(),
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    run(RUN, folder, quiet=True)
    return folder


def refused(folder: Path) -> None:
    with pytest.raises(KanrunError):
        run({**RUN, "seed": -1}, folder / "bad")


def trained(_: Path) -> None:
    x = torch.linspace(0, 1, 60).reshape(30, 2)
    fit(x, x[:, :1], QUICK)


DEEDS: dict[str, Callable[[Path], Any]] = {
    "a network": lambda _: KAN([2, 3, 1], seed=3),
    "a run": lambda folder: run({**RUN, "plots": {"name": "default"}}, folder / "new", quiet=True),
    "a run that is refused": refused,
    "a fit": trained,
    "a run read back": lambda folder: load_run(folder.parent / "finished").predict(torch.zeros(2, 2)),
    "a run that is completed already": lambda folder: resume(folder.parent / "finished", quiet=True),
}


@pytest.mark.parametrize("name", DEEDS)
def test_the_process_is_left_as_it_was(name: str, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "finished").symlink_to(finished)
    (tmp_path / "here").mkdir()
    torch.set_num_threads(2)
    try:
        before = state()
        DEEDS[name](tmp_path / "here")
        after = state()
    finally:
        torch.set_num_threads(1)
    assert {key: after[key] for key in before if before[key] != after[key]} == {}
