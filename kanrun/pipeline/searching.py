"""A search for the network as a stage of a run: what it is given, and what is told of it in the run's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from kanrun.config.schema import Config, ModelConfig, SearchConfig
from kanrun.context import Budget, Context, Meter, Silent, Unrecorded
from kanrun.data.dataset import REGRESSION, Dataset, at_most, of_output
from kanrun.data.noise import NoiseLevel
from kanrun.data.robust import reweighed
from kanrun.discovery.discover import discover
from kanrun.discovery.problem import Problem as Wanted
from kanrun.discovery.state import SearchState
from kanrun.discovery.trial import Discovered
from kanrun.errors import ConfigError, counted, listed, wrong
from kanrun.functions.builtin import Function
from kanrun.model.joining import side_by_side
from kanrun.model.network import KAN
from kanrun.model.protocol import without_gradient
from kanrun.pipeline.noise import NOISE
from kanrun.pipeline.reaching import Spent, reached, spent
from kanrun.pipeline.weighing import weighed
from kanrun.pipeline.writing import NONE, functions_of, kept, told_of_outliers, without_constants
from kanrun.state import Problem, Stage, State
from kanrun.symbolic.adding_up import units_for
from kanrun.symbolic.formula import Formula
from kanrun.training.history import Record
from kanrun.training.pruning import MOST_ROWS

MOST_NAMED = 20  # inputs in a message
ROUGH = 0.3  # part of the budget of a search by a robust loss for the formula that says which rows are outliers


@dataclass(frozen=True)
class Found:
    """What the search for one output has given, and what it took: seconds, and those on the processor."""

    result: Discovered
    summary: Mapping[str, Any]
    taken: Spent


def search_output(problem: Problem, state: State, context: Context, output: int = 0) -> State:
    """The network of the best formula for an output on its way; the outputs have equal parts of the budget.

    Cancelled before anything was found it adds nothing but a note.
    """
    config, several = problem.config, len(problem.data.outputs) > 1
    data = of_output(problem.data, output) if several else problem.data
    budget = budget_of(config.search, context.budget.meter, len(problem.data.outputs))
    context = replace(context, budget=budget)
    context.events.allowed(budget)
    data = beforehand(problem, data, context)
    wanted = bounded(search_problem(config, data, functions_of(config)), state, data)
    found = discover(wanted, config.seed, context)
    assert found.result
    for text in dict.fromkeys(found.failed):
        state = state.warned(f"in the search, {text}", context)
    of = f" for {data.outputs[0]}" if several else ""
    if found.looked_at:
        state = state.noted("train", sentence_of_inputs(found.looked_at, data.inputs, of), context)
    state = state.noted("train", f"search{of} ended: {sentence_of(found)}", context)
    if found.is_empty:
        return state
    tried = tuple(replace(t, trial=None) for t in found.tried if not t.within)
    return replace(
        state, history=(*state.history, *history_of(found, wanted, data)), tried=(*state.tried, *tried),
        found=(*state.found, Found(found.result, summary_of(found), spent(context))),
    )  # fmt: skip


def beforehand(problem: Problem, data: Dataset, context: Context) -> Dataset:
    """The rows as they count in a search by a robust loss: by a formula of those that lie near others."""
    if not data.robust:
        return data
    data = replace(data, train=reweighed(data).train)

    def weights() -> Tensor:
        own = replace(context, budget=context.budget.share(ROUGH), events=Silent(), journal=Unrecorded())
        found = discover(search_problem(problem.config, data, functions_of(problem.config)), problem.config.seed, own)
        assert found.result
        outputs = without_gradient(found.result.symbolic.model)
        counted = reweighed(data, outputs).train.weights
        assert counted is not None
        return counted

    return replace(data, train=replace(data.train, weights=context.once(weights)))


def brought_together(problem: Problem, state: State, context: Context) -> State:
    """The networks of all outputs side by side, as three stages: their splines, pruned, and as functions."""
    found: Sequence[Found] = state.found
    state = replace(state, search=summary_of_all(found, problem.data.outputs))
    before = (-sum(f.taken[0] for f in found), -sum(f.taken[1] for f in found)) if len(found) > 1 else (0.0, 0.0)
    state = reached(problem, state, "train", side_by_side([f.result.spline for f in found]), context, before)
    searched = spent(context)
    pruned = side_by_side([f.result.pruned for f in found])
    state = reached(problem, state, "prune", pruned, context, searched)
    formulas, networks = list[Formula](), list[KAN]()
    for j, one in enumerate(found):
        data = of_output(problem.data, j) if len(found) > 1 else problem.data
        data = weighed(data, one.result.symbolic, context)
        state, network, own = kept(data, state, one.result.symbolic, one.result.symbolic, context)
        networks.append(network)
        formulas += own
    if len(formulas) < len(found):
        state = state.warned(NONE, context)
        formulas = []
    network = without_constants(side_by_side(networks), formulas, problem)
    state = told_of_outliers(replace(state, formulas=tuple(formulas), found=()), problem, context)
    return reached(problem, state, "symbolic", network, context, searched)


def search(problem: Problem, state: State, context: Context) -> State:
    """The search for one output, and what it gives."""
    context = replace(context, budget=budget_of(problem.config.search, context.budget.meter))
    state = search_output(problem, state, context)
    return brought_together(problem, state, context) if state.found else state


def search_one_of(problem: Problem, state: State, context: Context, output: int) -> State:
    """The search for one of several outputs; cancelled, it brings together what there is of all."""
    state = search_output(problem, state, context, output)
    if not context.cancelled() or not state.found:
        return state
    *before, last = state.found
    taken = last.taken if len(state.found) <= output else (0.0, 0.0)  # of this stage `context` knows it
    lacking = problem.data.outputs[len(state.found) :]
    nothing: dict[str, Any] = {"structures": 0, "networks": 0, "seconds": 0.0, "work": 0.0}
    nothing |= {"stopped": "cancelled", "ended": last.summary["ended"]}
    means = [
        Found(search_problem(problem.config, of_output(problem.data, j), []).constant(), nothing, (0.0, 0.0))
        for j in range(len(state.found), len(problem.data.outputs))
    ]
    if lacking:
        named = f"{', '.join(lacking)} yet: {'its formula is' if len(lacking) == 1 else 'their formulas are'} the mean"
        state = state.warned(f"nothing was found for {named}", context)
    return brought_together(problem, replace(state, found=(*before, replace(last, taken=taken), *means)), context)


def search_stages(outputs: Sequence[str]) -> tuple[Stage, ...]:
    """A search for each of several outputs, and all of them brought together."""

    def always(problem: Problem, state: State) -> bool:  # noqa: ARG001
        return True

    each = [Stage(f"search {name}", always, partial(search_one_of, output=j)) for j, name in enumerate(outputs)]
    return (NOISE, *each, Stage("together", always, brought_together))


def search_problem(
    config: Config, data: Dataset, functions: list[Function], inputs: Sequence[int] | None = None
) -> Wanted:
    """What the config asks to be searched; or with `inputs`, in these alone and in a network of any width.

    Raises ConfigError for what is not one output by squared error, and for targets without finite squares.
    """
    if not data.loss.least_squares or data.task != REGRESSION:
        about = f"{data.name} is {data.task} with {len(data.outputs)} by {data.loss.title}"
        reason = f"a search takes regression by mean squared error; {about}"
        raise ConfigError(wrong(*asked(config.search), f"{reason}; use search=none"))
    width = config.model.width if isinstance(config.model, ModelConfig) and inputs is None else None
    chosen = list(range(len(data.inputs)) if inputs is None else inputs)
    measured = None if data.units_matter == "ignore" else units_for(data, 0).without_factors()
    rows = at_most(data, MOST_ROWS).train
    try:
        wanted = Wanted(rows.x[:, chosen].contiguous(), rows.y, functions, width, weights=rows.weights)
    except ValueError as error:
        raise ConfigError(wrong(*asked(config.search), f"in a search {error}; use search=none")) from None
    demanded = data.units_matter == "demand"
    return replace(wanted, names=tuple(data.inputs[i] for i in chosen), measured=measured, demanded=demanded)


def bounded(wanted: Wanted, state: State, data: Dataset) -> Wanted:
    """The problem with what noise may leave at most, where the rows alone have said how large it is.

    So no formula ends the search that only looks as if it left noise. Where rows have weights it is not asked.
    """
    known = state.noise.get(data.outputs[0])
    if known is None or wanted.weights is not None:
        return wanted
    return replace(wanted, most=NoiseLevel(**known).most(len(data.train.x)))


def asked(search: SearchConfig) -> tuple[str, float]:
    """The setting that asks for a search."""
    return ("search.seconds", search.seconds) if search.work is None else ("search.work", search.work)


def budget_of(search: SearchConfig, meter: Meter, parts: int = 1) -> Budget:
    """All that one of so many searches and the writing of its formula may use: seconds count only without work."""
    return Budget.of(meter, search.seconds / parts, None if search.work is None else search.work / parts)


def history_of(found: SearchState, problem: Wanted, data: Dataset) -> list[Record]:
    """A row of history for each network that was read as a formula; where none had to be, for the formula's own."""

    def record(attempt: int, outputs: Callable[[Tensor], Tensor], held: float, seconds: float, grid: int) -> Record:
        train, test = (
            None if r is None else float(data.loss.weighted_value(outputs(r.x), r.y, r.weights))
            for r in (data.train, data.test)
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


def summary_of_all(found: Sequence[Found], outputs: Sequence[str]) -> dict[str, Any]:
    """The same of the searches for several outputs together, and for each; of one as it is."""
    if len(found) == 1:
        return dict(found[0].summary)
    sums = {key: sum(f.summary[key] for f in found) for key in ("structures", "networks", "seconds", "work")}
    last = next((f for f in found if f.summary["stopped"] not in ("exact", "noise")), found[-1])
    ended = {key: last.summary[key] for key in ("stopped", "ended")}
    return {**sums, **ended, "outputs": {name: dict(f.summary) for name, f in zip(outputs, found, strict=True)}}


def sentence_of_inputs(looked_at: Sequence[int], names: Sequence[str], of: str) -> str:
    """Which of many inputs a search has looked at, and how it looks at others."""
    told = listed([names[i] for i in looked_at], MOST_NAMED)
    return f"of {len(names)} inputs those that tell something were searched{of}: {told}; dataset.inputs names others"


def sentence_of(found: SearchState) -> str:
    """What the console says of it."""
    tried = f"{counted(found.structures, 'structure')}, {counted(found.networks, 'network')}"
    return f"{found.ended} ({tried}, {found.seconds:.1f} s)"
