"""From a network of functions to the formulas that are kept, or those of the next best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kanrun.config.schema import Config
from kanrun.context import Context
from kanrun.data.dataset import Dataset, at_most
from kanrun.errors import counted
from kanrun.functions.builtin import Function
from kanrun.functions.library import extended, library
from kanrun.functions.parser import parse_formula
from kanrun.model.network import KAN
from kanrun.model.pruning import remove_edges, subnodes_of
from kanrun.state import Problem, State
from kanrun.symbolic.forms import Forms, FormulaError, shortest_first
from kanrun.symbolic.formula import Formula, write_formulas
from kanrun.symbolic.outliers import rows_in_words
from kanrun.symbolic.search import Symbolic
from kanrun.symbolic.values import OWN_LENGTH
from kanrun.training.pruning import MOST_ROWS

NONE = "there is no formula: none that was found can be kept"


def functions_of(config: Config) -> list[Function]:
    """The library of the run."""
    return library(config.symbolic.library, extended(config.symbolic.functions))


def kept(
    data: Dataset, state: State, found: Symbolic, whole: Symbolic, context: Context
) -> tuple[State, KAN, list[Formula]]:
    """The network with the shortest formulas that can be kept, and these; no formulas where none can be kept.

    `whole` is `found` for the targets themselves.
    """
    data = at_most(data, MOST_ROWS)
    forms = Forms(data, context)
    networks = {id(restored): network for network, restored in zip(found.front, whole.front, strict=True)}
    networks[id(whole.model)] = found.model
    others = [restored for restored in reversed(whole.front) if networks[id(restored)] is not found.model]
    for restored in shortest_first([whole.model, *others], forms):
        if restored is not whole.model and (error := forms.failure(whole.model)) is not None:
            state = state.warned(f"a formula was dropped, {error}", context)
        try:
            formulas = write_formulas(replace(whole, model=restored), data, context, forms)
        except FormulaError as error:
            state = state.warned(f"a formula was dropped, {error}", context)
            continue
        return state, networks[id(restored)], formulas
    return state, found.model, []


def told_of_outliers(state: State, problem: Problem, context: Context) -> State:
    """The state with a warning for each formula that rows lie far from, unless a loss was taken that bears them."""
    data = problem.data
    for formula in state.formulas if not data.robust else ():
        if formula.outliers:
            lie = f"{counted(len(formula.outliers), 'row')} lie{'s' * (len(formula.outliers) == 1)}"
            counts = data.train.weights is not None or data.noise is not None
            way = "" if counts else ": dataset.loss=student bears them"
            text = f"{lie} far from the formula of {formula.output} ({rows_in_words(formula.outliers)}){way}"
            state = state.warned(text, context)
    return state


def without_constants(model: KAN, formulas: Sequence[Formula], problem: Problem) -> KAN:
    """The network without the edges into outputs whose formulas are constants, so that no picture shows any."""
    last, doomed = len(model.layers) - 1, []
    for j, formula in enumerate(formulas):
        if not parse_formula(formula.expression, problem.data.inputs, "expression", OWN_LENGTH).free_symbols:
            for sub in subnodes_of(model.layers[last], j):
                doomed += [(last, sub, i) for i in model.layers[last].alive[sub].nonzero().flatten().tolist()]
    return remove_edges(model, tuple(doomed), problem.rows.train.x) if doomed else model
