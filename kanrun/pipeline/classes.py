"""The formulas of classes: log-odds of two of them, with the likeliest constants, and sums of terms that many share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import sympy as sp
import torch

from kanrun.context import Context
from kanrun.data.dataset import CLASSIFICATION, Dataset, Rows, at_most, null_value
from kanrun.discovery.class_sums import sums_for_classes
from kanrun.discovery.class_terms import sums_of_terms
from kanrun.discovery.expression_network import NoNetworkError, network_of_expression, network_of_sums
from kanrun.functions.naming import as_shown
from kanrun.functions.parser import parse_formula
from kanrun.model.joining import side_by_side
from kanrun.model.network import KAN
from kanrun.pipeline.writing import functions_of
from kanrun.state import Problem
from kanrun.symbolic.constants import constants_of
from kanrun.symbolic.decision import classes_of, without_errors
from kanrun.symbolic.expression import complexity, rounded
from kanrun.symbolic.forms import Forms, FormulaError
from kanrun.symbolic.formula import Formula, write_formulas
from kanrun.symbolic.front import MOST_OTHERS, UNLIKELY, Other
from kanrun.symbolic.logistic import Classes, LogOdds, log_odds
from kanrun.symbolic.prior import bits_of_form, skeleton
from kanrun.symbolic.search import Symbolic
from kanrun.symbolic.textbook import as_in_textbooks
from kanrun.symbolic.values import OWN_LENGTH, evaluate_all, row_weights
from kanrun.training.pruning import MOST_ROWS, at_best_scale, losses_on

MOST_INPUTS = 12  # that sums of terms are looked for in
EXPLAINED = 2 / 3  # part of what the network explains of classes that sums of terms must explain to be its formulas
FUNCTION, CONSTANTS = 4.0, 3  # bits of naming the function of an edge, and how many constants it has


def has_classes(problem: Problem) -> bool:
    """Whether there are classes with a logit each."""
    return problem.data.loss.logits and problem.data.task == CLASSIFICATION


def has_log_odds(problem: Problem) -> bool:
    """Whether there are two classes with a logit each."""
    return has_classes(problem) and len(problem.data.outputs) == 2


@dataclass(frozen=True)
class SharedTerms:
    """Logits of classes by sums of the same terms, as a network and its formulas.

    They are `shorter` than any formulas that the edges of the trained network could be read as.
    """

    network: KAN
    formulas: list[Formula]
    bits: float
    shorter: bool


def by_shared_terms(problem: Problem, trained: KAN, inputs: list[int], context: Context) -> SharedTerms | None:
    """The sums of terms of `inputs` that describe the rows in the fewest bits.

    None where there are none, or where they tell the classes far worse than the `trained` network does.
    """
    data = at_most(problem.data, MOST_ROWS)
    functions, names = {f.name: f for f in functions_of(problem.config)}, [data.inputs[i] for i in inputs]
    labels = data.train.y.double().cpu().numpy()
    found = sums_for_classes(
        data.train.x[:, inputs], names, functions, labels, len(data.outputs), row_weights(data), context
    )
    if found is None:
        return None
    rows, null, own = len(labels), null_value(data), losses_on(trained, data.train, data.loss)[0]
    if null - found.nats / rows < EXPLAINED * (null - own):
        return None
    network = network_of_sums(found.terms, found.factors.tolist(), data.inputs, functions, data.train.x)
    forms = Forms(data, context, {id(network): (network, found.expressions)})
    formulas = write_formulas(Symbolic(network, found.nats / rows, found.bits), data, context, forms)
    if found.separated:
        formulas = [replace(f, constants=without_errors(f.constants)) for f in formulas]
    return SharedTerms(network, formulas, found.bits, found.bits < bits_of_edges(trained, own, rows))


def bits_of_logits(formulas: Sequence[Formula], data: Dataset) -> float:
    """Bits of the classes by formulas of their logits, at the scale that suits them, of their forms and constants."""
    logits = [parse_formula(f.expression, data.inputs, "expression", OWN_LENGTH) for f in formulas]
    rows = Rows(data.train.x, data.train.y.cpu(), data.train.weights)
    nats = len(rows.y) * at_best_scale(evaluate_all(logits, rows.x, data.inputs), rows, data.loss)[0]
    digits = 0.5 * math.log2(len(rows.y)) * sum(len(constants_of(e)) for e in logits)
    return nats / math.log(2) + sum(map(bits_of_form, logits)) + digits


def bits_of_edges(network: KAN, loss: float, rows: int) -> float:
    """Bits of the classes by a function on every edge of a network, were they to lose nothing."""
    digits = 0.5 * math.log2(rows)
    return rows * loss / math.log(2) + network.active_edges() * (FUNCTION + CONSTANTS * digits)


def by_log_odds(
    problem: Problem, read: list[Formula], inputs: list[int], context: Context
) -> tuple[KAN, list[Formula]] | None:
    """The log-odds that describe the rows in the fewest bits, as a network and its formulas; None without any.

    Beside sums of plain terms of `inputs` the formulas `read` from the network are looked at.
    """
    data = at_most(problem.data, MOST_ROWS)
    classes, functions = classes_of(data), {f.name: f for f in functions_of(problem.config)}
    met = dict[str, LogOdds]()
    for expression in candidates(problem, data, classes, read, inputs, context):
        found = log_odds(expression, classes)
        if found is not None:
            met.setdefault(str(found.expression), found)
    networks = list[KAN]()
    forms = Forms(data, context)
    for found in sorted(met.values(), key=lambda one: one.bits):
        with suppress(NoNetworkError):
            networks.append(
                beside_nothing(network_of_expression(found.expression, data.inputs, functions, data.train.x))
            )
            forms.made[id(networks[-1])] = networks[-1], [sp.Integer(0), found.expression]
    for network in networks:
        with suppress(FormulaError):
            formulas = write_formulas(Symbolic(network, math.nan, math.inf, networks), data, context, forms)
            decision = formulas[0].decision
            if decision and decision.boundary and decision.boundary.separated:
                formulas = [replace(f, constants=without_errors(f.constants)) for f in formulas]
            others = others_of_classes(forms.of(network)[1], list(met.values()), data)
            return network, [formulas[0], replace(formulas[1], alternatives=others)]
    return None


def others_of_classes(chosen: sp.Expr, met: list[LogOdds], data: Dataset) -> list[Other]:
    """The other forms of the log-odds that the rows do not speak against, the likeliest first."""
    least = next(one.bits for one in met if one.expression == chosen)
    known = {skeleton(chosen, name=None)}
    found = list[Other]()
    for one in sorted(met, key=lambda one: one.bits):
        form, odds = skeleton(one.expression, name=None), 2.0 ** min(60.0, least - one.bits)
        if form not in known and odds >= UNLIKELY:
            known.add(form)
            text = as_shown(rounded(one.expression), data.names)
            found.append(Other(str(one.expression), text, complexity(one.expression), float(f"{odds:.3g}")))
    return found[:MOST_OTHERS]


def candidates(
    problem: Problem, data: Dataset, classes: Classes, read: list[Formula], inputs: list[int], context: Context
) -> Iterator[sp.Expr]:
    """Forms of the log-odds: sums of terms, those with equal factors for inputs of one unit, and what was read.

    That without one of its terms too: one may be there that does nothing.
    """
    functions = {f.name: f for f in functions_of(problem.config)}
    names = [data.inputs[i] for i in inputs]
    if len(inputs) <= MOST_INPUTS:
        for e in sums_of_terms(data.train.x[:, inputs], names, functions, classes, context):
            yield e
            yield from tied(e, data)
    if read:
        first, second = (parse_formula(f.expression, data.inputs, "expression", OWN_LENGTH) for f in read[:2])
        whole = as_in_textbooks(second - first)
        yield whole
        yield from (whole - term for term in sp.Add.make_args(whole) if term.free_symbols and term != whole)


def tied(expression: sp.Expr, data: Dataset) -> Iterator[sp.Expr]:
    """The expression with one factor for two terms that differ by their input alone, where the inputs have one unit."""
    terms = [term.as_coeff_Mul() for term in expression.as_coeff_Add()[1].args]
    for k, (c, one) in enumerate(terms):
        for d, other in terms[k + 1 :]:
            symbols = [*one.free_symbols, *other.free_symbols]
            if len(symbols) != 2 or c * d <= 0 or len({data.units.get(s.name) for s in symbols}) > 1:
                continue
            if one.xreplace({symbols[0]: symbols[1]}) == other:
                yield expression - d * other + c * other


def beside_nothing(network: KAN) -> KAN:
    """A network of log-odds with 0 for the first class."""
    nothing = KAN([network.n_in, 1], grid=1, dtype=network.layers[0].bias.dtype).to(network.layers[0].bias.device)
    nothing.layers[0].alive.zero_()
    with torch.no_grad():
        nothing.layers[0].bias = torch.nn.Parameter(torch.zeros(1, dtype=network.layers[0].bias.dtype))
    return side_by_side([nothing, network])
