"""What a stage has reached: the network in the state, and what metrics.json says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from kanrun.context import Context
from kanrun.data.dataset import Dataset
from kanrun.data.scores import scores, weights_of
from kanrun.model.protocol import Network, without_gradient
from kanrun.report.numbers import part_shown
from kanrun.state import Problem, State
from kanrun.symbolic.formula import formula_function

Spent = tuple[float, float]  # seconds, and those of this process on the processor


def spent(context: Context) -> Spent:
    """What the stage has taken so far."""
    return context.budget.meter.seconds(), context.budget.meter.cpu_seconds()


def reached(
    problem: Problem, state: State, name: str, current: Network, context: Context, since: Spent = (0.0, 0.0)
) -> State:
    """The state with the network that a stage has led to, and what metrics.json says of it.

    `since` has the seconds, and those on the processor, that do not count for it.
    """
    delivered = problem.scaling.restored(current)
    # What a run gives is its formulas: once they are written, their texts are scored, not the network behind them.
    outputs = formula_function(state.formulas, problem.data) or without_gradient(delivered)
    now = spent(context)
    taken = now[0] - since[0], now[1] - since[1]
    entry = stage_entry(name, delivered, outputs, problem.data, taken)
    part, judged = ("training", entry["train"]) if entry["test"] is None else ("test", entry["test"])
    if lost := judged.get("nonfinite_rows"):
        state = state.warned(f"{name} has no value on {lost} of {len(problem.data.judged.x)} {part} rows", context)
    scored = {part: entry.get(part) or {} for part in ("train", "validation", "test")}
    flat = [part for part, s in scored.items() if s.get("rmse") is not None and s["r2"] is None]
    if flat and not state.entries:
        state = state.warned(f"there is no R2 for rows ({', '.join(flat)}) whose targets are all the same", context)
    for text in badly_explained(judged):
        if not any(one.startswith(text.split(" (R2")[0]) for one in state.warnings):
            state = state.warned(text, context)
    context.events.stage_ended(entry)
    networks = {**state.networks, name: delivered}
    return replace(state, current=current, networks=networks, entries=(*state.entries, entry))


WEAK, MUCH_WEAKER = 0.1, 10.0  # part of an output that is not explained, and how many times that of the best


def badly_explained(scored: Mapping[str, Any]) -> list[str]:
    """A sentence for each output that is explained far worse than the best one."""
    r2 = {name: each["r2"] for name, each in scored.get("outputs", {}).items() if each["r2"] is not None}
    if not r2:
        return []
    best = max(r2, key=r2.__getitem__)
    limit = max(WEAK, MUCH_WEAKER * (1 - r2[best]))
    bad = {name: value for name, value in r2.items() if 1 - value > limit}
    return [
        f"{name} is explained badly (R2 {value:.3g}) beside {best} (R2 {part_shown(r2[best], digits=3)})"
        for name, value in bad.items()
    ]


def stage_entry(
    name: str, model: Network, outputs: Callable[[Tensor], Tensor], data: Dataset, taken: Spent
) -> dict[str, Any]:
    """One entry of `stages` in metrics.json: the size of the network, and the scores of these outputs."""
    parts = {"train": data.train, "test": data.test}
    if data.validation is not None:
        parts["validation"] = data.validation
    scored = {
        p: None if r is None else scores(data, outputs(r.x).cpu(), r.y.cpu(), weights_of(data, r))
        for p, r in parts.items()
    }
    return {
        "name": name, "seconds": taken[0], "cpu_seconds": taken[1],
        "parameters": model.parameter_count(), "width": model.width, "grid": model.grid,
        "active_edges": model.active_edges(), "active_inputs": [data.input_names[i] for i in model.active_inputs()],
        **scored,
    }  # fmt: skip
