"""What every test runs under."""

from __future__ import annotations

import gc
import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("any speed", deadline=None)  # no test depends on the machine's speed
settings.load_profile("any speed")
gc.disable()  # until all tests are collected: what is imported for them stays


def pytest_configure(config: pytest.Config) -> None:
    """What is to hold for this process, those of xdist and those that tests begin, before NumPy is imported.

    One thread each: those of BLAS that wait for each other took four fifths of the time of tests/data/test_noise.py.
    Compiled code is kept: to compile the package anew takes half a second a process.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    config.option.loadscopereorder = False  # of xdist, which else begins with the files that have the most tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests that take seconds come first: a long one at the end would leave the other workers idle."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


def pytest_collection_finish() -> None:
    """Garbage is looked for among what tests make, less often than by default: a tenth of the time went into it."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Small tensors: threads that wait for each other cost tens of times more than they save."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def options_composed_once() -> Iterator[None]:
    """Hydra composed for a tenth of all the time, and four times of five what it had composed before."""
    from tests.composing import each_choice_once

    with each_choice_once():
        yield


@pytest.fixture(autouse=True)
def nothing_failed_within(request: pytest.FixtureRequest) -> Iterator[None]:
    """A stage, a move of the search or an output that fails costs only itself: what does so unasked is a fault."""
    failures = Failures()
    logging.getLogger("kanrun").addHandler(failures)
    yield
    logging.getLogger("kanrun").removeHandler(failures)
    if not request.node.get_closest_marker("fails_within"):
        assert failures.messages == []


@pytest.fixture(scope="session")
def noisy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small finished run whose rows have noise, so that constants have errors; not to be changed."""
    from kanrun.pipeline.run import run

    config = {
        "dataset": {
            "formula": "2.5*x_1 + sin(x_2)", "domain": [[0, 2], [-1, 3]], "noise": 0.05, "n_train": 60, "n_test": 30,
        },
        "model": {"width": [2, 1], "grid": 3},
        "symbolic": {"library": ["x", "x^2", "sin"], "work": 600.0},
        "plots": {"name": "none", "enabled": False},
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("noisy") / "run"
    run(config, folder, quiet=True)
    return folder


class Failures(logging.Handler):
    """Collects what was logged with a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.messages.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What was not looked at is said where nobody overlooks it."""
    from tests.browser import CHROMIUM, DRIVER, MISSING

    if not (CHROMIUM and DRIVER):
        terminalreporter.write_sep("!", MISSING, yellow=True, bold=True)
