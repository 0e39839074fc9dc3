"""A search for the network as a stage of a run: what it is given, and what is told of it in the run's own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from kanrun.config.schema import Config, ModelConfig, SearchConfig
from kanrun.context import Budget, Meter
from kanrun.data.dataset import REGRESSION, Dataset, at_most
from kanrun.discovery.problem import Problem
from kanrun.discovery.state import SearchState
from kanrun.errors import ConfigError, counted, wrong
from kanrun.functions.builtin import Function
from kanrun.model.protocol import without_gradient
from kanrun.training.history import Record
from kanrun.training.pruning import MOST_ROWS


def search_problem(config: Config, data: Dataset, functions: list[Function]) -> Problem:
    """What the config asks to be searched.

    Raises ConfigError for what is not one output by squared error, and for targets without finite squares.
    """
    if not data.loss.least_squares or len(data.outputs) > 1 or data.task != REGRESSION:
        about = f"{data.name} is {data.task} with {len(data.outputs)} by {data.loss.title}"
        reason = f"a search takes regression with one output by mean squared error; {about}"
        raise ConfigError(wrong(*asked(config.search), f"{reason}; use search=none"))
    width = config.model.width if isinstance(config.model, ModelConfig) else None
    rows = at_most(data, MOST_ROWS).train
    try:
        return Problem(rows.x, rows.y, functions, width)
    except ValueError as error:
        raise ConfigError(wrong(*asked(config.search), f"in a search {error}; use search=none")) from None


def asked(search: SearchConfig) -> tuple[str, float]:
    """The setting that asks for a search."""
    return ("search.seconds", search.seconds) if search.work is None else ("search.work", search.work)


def budget_of(search: SearchConfig, meter: Meter) -> Budget:
    """All that a search and the writing of its formula may use: seconds count only where no work is named."""
    return Budget.of(meter, search.seconds, search.work)


def history_of(found: SearchState, problem: Problem, data: Dataset) -> list[Record]:
    """A row of history for each network that was read as a formula; where none had to be, for the formula's own."""

    def record(attempt: int, outputs: Callable[[Tensor], Tensor], held: float, seconds: float, grid: int) -> Record:
        train, test = (
            None if r is None else float(data.loss.value(outputs(r.x), r.y)) for r in (data.train, data.test)
        )
        assert train is not None
        return Record("train", 0, train, test, 0.0, seconds, held, grid, attempt=attempt)

    read = [t for t in found.tried if t.trial is not None]
    if not read:
        assert found.result
        return [record(0, without_gradient(found.result.symbolic.model), 0.0, found.seconds, 0)]
    return [
        record(k, t.trial.predicted(problem.y), t.unexplained * problem.variance, t.seconds, t.trial.model.grid)
        for k, t in enumerate(read)
        if t.trial is not None
    ]


def summary_of(found: SearchState) -> dict[str, Any]:
    """What metrics.json says of it."""
    return {
        "structures": found.structures, "networks": found.networks, "seconds": found.seconds, "work": found.work,
        "stopped": found.stopped, "ended": found.ended,
    }  # fmt: skip


def sentence_of(found: SearchState) -> str:
    """What the console says of it."""
    tried = f"{counted(found.structures, 'structure')}, {counted(found.networks, 'network')}"
    return f"{found.ended} ({tried}, {found.seconds:.1f} s)"
