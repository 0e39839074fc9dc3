"""The formulas of a trained network: found by a search over its rows, or read edge by edge; the shorter is taken."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from kanrun.config.schema import ModelConfig
from kanrun.config.search_settings import most_work_of_reading
from kanrun.context import Budget, Context, Events, Silent
from kanrun.data.dataset import REGRESSION, Dataset, at_most, of_output
from kanrun.discovery.discover import discover
from kanrun.discovery.search import WithoutLandmarks
from kanrun.errors import ConfigError, failure
from kanrun.functions.parser import parse_formula
from kanrun.model.attribution import attribution
from kanrun.model.joining import among_inputs, side_by_side
from kanrun.model.network import KAN
from kanrun.pipeline.classes import bits_of_logits, by_log_odds, by_shared_terms, has_classes, has_log_odds
from kanrun.pipeline.searching import bounded, search_problem
from kanrun.pipeline.weighing import as_counted, weighed
from kanrun.pipeline.writing import NONE, functions_of, kept, told_of_outliers, without_constants
from kanrun.state import Problem, State
from kanrun.symbolic.formula import Formula, joined
from kanrun.symbolic.front import bits_of
from kanrun.symbolic.judging import EXACT_REASON, UNDECIDED_REASON
from kanrun.symbolic.reading import find_formula
from kanrun.symbolic.values import OWN_LENGTH
from kanrun.training.pruning import MOST_ROWS

log = logging.getLogger("kanrun")

MOST_INPUTS = 12  # that a search looks at
SEARCHED = 2 / 3  # part of the work for the search
WRITING = 0.25  # part of the work of reading a network that is left for writing the formula
DOUBTS = {EXACT_REASON: 0, UNDECIDED_REASON: 1}
BY_SEARCH, BY_EDGES, BY_TERMS = "found by a search over the rows", "read edge by edge", "sums of terms"
TERMS = 0.3  # part of the work that sums of terms for classes may take


@dataclass(frozen=True)
class Reading:
    """A network of functions, in the targets as they train, its formulas, and how they were found."""

    network: KAN
    formulas: tuple[Formula, ...]
    source: str
    counted: tuple[Dataset, ...]  # the rows of each output as they counted
    settled: bool = False  # whether all outputs are left with nothing but rounding or noise

    @property
    def doubt(self) -> int:
        """0 where all formulas are exact, 1 where the data cannot decide, else 2."""
        return max(DOUBTS.get(f.reason, 2) for f in self.formulas)

    def rank(self, counted: Sequence[Dataset]) -> tuple[int, float]:
        """Less for better ones: those that leave only rounding come first, then the shortest description.

        All are judged by rows that count alike for them: `counted`, for each output.
        """
        if counted[0].loss.logits:
            return 0, bits_of_logits(self.formulas, counted[0])
        texts = (parse_formula(f.expression, counted[0].inputs, "expression", OWN_LENGTH) for f in self.formulas)
        return self.doubt, sum(bits_of(e, 0, data) for e, data in zip(texts, counted, strict=True))


def read_formulas(problem: Problem, state: State, network: KAN, context: Context) -> tuple[State, KAN]:
    """The state with the formulas of a network; and the network of functions that they are, whose targets train."""
    work = min(problem.config.symbolic.work, most_work_of_reading(len(problem.rows.train.x)))
    whole = replace(context, budget=Budget.of(context.budget.meter, work=work))
    context.events.allowed(whole.budget)
    found = list[Reading]()
    if is_searched(problem):
        try:
            state, reading = by_search(problem, state, network, whole)
            found += [reading] if reading else []
        except OSError:  # of the journal, which ends the run
            raise
        except Exception as error:
            log.exception("the search for the formula failed")
            state = state.warned(f"the search for the formula failed ({failure(error)})", context)
    if is_free(problem) and has_classes(problem) and not has_log_odds(problem):
        state, found = by_terms(problem, state, network, whole)
    if not any(reading.settled or reading.doubt == 0 for reading in found):
        state, reading = by_edges(problem, state, network, whole, found)
        found += [reading] if reading else []
    if is_free(problem) and has_log_odds(problem):
        state, found = by_classes(problem, state, network, found, whole)
    if not found:
        return state.warned(NONE, context), network
    counted = found[0].counted
    best, *others = sorted(found, key=lambda reading: reading.rank(counted)) if len(found) > 1 else found
    formulas = best.formulas
    for other in others:
        formulas = tuple(
            joined(one, another, 0, data) for one, another, data in zip(formulas, other.formulas, counted, strict=True)
        )
    if is_searched(problem):
        state = state.noted("symbolic", best.source, context)
    state = told_of_outliers(replace(state, formulas=formulas), problem, context)
    return state, without_constants(best.network, formulas, problem)


@dataclass(frozen=True)
class TrialsOnly(Silent):
    """Tells of a search within a stage no more than how far it is."""

    events: Events

    def trial(self, trial: Any) -> None:
        self.events.trial(trial)


def is_searched(problem: Problem) -> bool:
    """Whether a search may say what the network is of: values by squared error, and no edge that the user has fixed."""
    data = problem.data
    return is_free(problem) and data.loss.least_squares and data.task == REGRESSION and not data.relations


def is_free(problem: Problem) -> bool:
    """Whether other forms than the network's own may say what it is of."""
    model = problem.config.model
    return isinstance(model, ModelConfig) and not model.fix and not problem.trained and problem.config.symbolic.discover


def by_classes(
    problem: Problem, state: State, network: KAN, read: list[Reading], context: Context
) -> tuple[State, list[Reading]]:
    """The log-odds of two classes, in the inputs that the network still looks at; or what was `read` before."""
    formulas = list(read[0].formulas) if read else []
    try:
        found = by_log_odds(problem, formulas, strongest_inputs(network, problem.rows.train.x), context)
    except Exception as error:
        log.exception("the search for log-odds failed")
        return state.warned(f"the search for log-odds failed ({failure(error)})", context), read
    if found is None:
        return state, read
    model, formulas = found
    counted = of_each_output(problem.data)
    return state, [Reading(problem.scaling.entered(model), tuple(formulas), BY_EDGES, counted)]


def by_terms(problem: Problem, state: State, network: KAN, whole: Context) -> tuple[State, list[Reading]]:
    """The logits of several classes by sums of terms; settled where the edges cannot be read as anything shorter."""
    context = replace(whole, budget=whole.budget.within(TERMS))
    begun = problem.model  # of whose inputs pruning may have taken what terms need
    try:
        found = by_shared_terms(problem, network, begun.active_inputs() if isinstance(begun, KAN) else [], context)
    except Exception as error:
        log.exception("the search for sums of terms failed")
        return state.warned(f"the search for sums of terms failed ({failure(error)})", whole), []
    if found is None:
        return state, []
    counted = of_each_output(problem.data)
    model = problem.scaling.entered(found.network)
    return state, [Reading(model, tuple(found.formulas), BY_TERMS, counted, found.shorter)]


def by_edges(
    problem: Problem, state: State, network: KAN, whole: Context, before: Sequence[Reading] = ()
) -> tuple[State, Reading | None]:
    """Every edge a function, and the formulas that this gives; the rows of one output count as they did `before`."""
    context = replace(whole, budget=whole.budget.leaving(WRITING))
    found = find_formula(network, as_counted(problem.rows, problem, network), functions_of(problem.config), context)
    if context.over():
        state = state.noted("symbolic", "reading was ended before all functions were tried on all edges", whole)
    restored = problem.scaling.restored_formula(found)
    data = as_counted(problem.data, problem, network)
    if len(data.outputs) == 1:
        data = before[0].counted[0] if before else weighed(data, restored, whole)
    state, best, formulas = kept(data, state, found, restored, whole)
    return state, Reading(best, tuple(formulas), BY_EDGES, of_each_output(data)) if formulas else None


def by_search(problem: Problem, state: State, network: KAN, whole: Context) -> tuple[State, Reading | None]:
    """A search over the rows for each output, in the inputs that the network still looks at."""
    networks, formulas, inputs = list[KAN](), list[Formula](), strongest_inputs(network, problem.rows.train.x)
    settled, counted, rows = True, list[Dataset](), as_counted(problem.data, problem, network)
    context = replace(whole, events=TrialsOnly(whole.events), journal=WithoutLandmarks(whole.journal))
    for j in range(len(problem.data.outputs)):
        data = of_output(rows, j) if len(problem.data.outputs) > 1 else rows
        own = replace(context, budget=whole.budget.share(SEARCHED / (len(problem.data.outputs) - j)))
        try:
            wanted = bounded(search_problem(problem.config, data, functions_of(problem.config), inputs), state, data)
        except ConfigError:  # targets without finite squares
            return state, None
        found = discover(wanted, problem.config.seed, own)
        if found.is_empty:
            return state, None
        assert found.result
        symbolic = found.result.symbolic
        if len(inputs) < len(data.inputs):
            symbolic = symbolic.changed(partial(among_inputs, inputs=inputs, count=len(data.inputs)))
        data = weighed(data, symbolic, own)
        state, best, written = kept(data, state, symbolic, symbolic, own)
        if not written:
            return state, None
        networks.append(best)
        counted.append(at_most(data, MOST_ROWS))
        formulas += written
        settled &= found.stopped in ("exact", "noise")
    return state, Reading(
        problem.scaling.entered(side_by_side(networks)), tuple(formulas), BY_SEARCH, tuple(counted), settled
    )


def of_each_output(data: Dataset) -> tuple[Dataset, ...]:
    """The rows of each output alone; all of them for classes, which are judged together."""
    data = at_most(data, MOST_ROWS)
    if data.loss.logits or len(data.outputs) == 1:
        return (data,) * len(data.outputs)
    return tuple(of_output(data, j) for j in range(len(data.outputs)))


def strongest_inputs(network: KAN, x: Tensor) -> list[int]:
    """The inputs that a network looks at, of many the strongest; all where it looks at none."""
    active = network.active_inputs() or list(range(network.n_in))
    if len(active) <= MOST_INPUTS:
        return active
    scores = attribution(network, x[:MOST_ROWS]).inputs.detach().nan_to_num(0.0, 0.0, 0.0)
    return sorted(sorted(active, key=lambda i: -float(scores[i]))[:MOST_INPUTS])
