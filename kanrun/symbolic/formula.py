"""The written result: one formula an output, snapped, simplified, checked by evaluating its text."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import sympy as sp
import torch
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.data.dataset import Dataset, Rows
from kanrun.data.scores import Scores, scores
from kanrun.errors import KanrunError, shorten
from kanrun.functions.algebra import latex_of
from kanrun.functions.parser import parse_formula
from kanrun.model.network import KAN
from kanrun.symbolic.compare import is_exact
from kanrun.symbolic.expression import complexity, network_expressions, rounded
from kanrun.symbolic.search import Symbolic
from kanrun.symbolic.settle import settled
from kanrun.symbolic.snap import expanded, shortest
from kanrun.symbolic.uncertainty import Constant, is_rounding, of_classes, of_values, squares
from kanrun.symbolic.values import OWN_LENGTH, columns_of, evaluate_all, evaluate_texts

log = logging.getLogger("kanrun")

MADE = 0.15  # units of work: of a node of a formula that is made


@dataclass(frozen=True)
class Alternative:
    """A point of the front: a formula for the same output, simpler or more exact than the others."""

    complexity: int
    error: float | None
    expression: str
    rounded: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Decision:
    """Of two classes: logit of the second less logit of the first, above 0 where the second is predicted."""

    expression: str
    rounded: str
    latex: str
    complexity: int
    test: Scores
    constants: list[Constant]


@dataclass(frozen=True)
class Formula:
    """One output as a formula. `test` scores `expression` as a text; `exact` is None without a known truth.

    `constants` has its decimals in order of appearance, `reason` says why this point of the front was chosen; the
    first of two classes also has the decision between them.
    """

    output: str
    expression: str
    rounded: str
    latex: str
    complexity: int
    test: Scores
    exact: bool | None
    front: list[Alternative]
    constants: list[Constant] = field(default_factory=list)
    reason: str = ""
    decision: Decision | None = None


class FormulaError(KanrunError):
    """A formula that cannot be written, read back or evaluated, and so is none."""


EXACT_REASON = "exact to rounding"
SHORT_REASON = "shortest description of the training data"


def expressions_of(model: KAN, data: Dataset, context: Context = UNLIMITED) -> list[sp.Expr]:
    """The network's formulas with snapped constants, in their shortest form; as they are where that spoils them.

    Raises FormulaError where they cannot be kept as they are either.
    """
    plain = network_expressions(model, data.inputs)
    if data.loss.logits:
        plain = with_reference(plain)
    context.spend(MADE * sum(map(complexity, plain)))
    check(plain, data)
    try:
        short = settled(model, plain, data, context)
        check(short, data)
    except Exception:
        log.exception("a formula is kept as it is")
        return plain
    return short


def with_reference(logits: list[sp.Expr]) -> list[sp.Expr]:
    """Logits less the constant of the first: only their differences matter, so that it would say nothing."""
    constant = logits[0].as_coeff_Add()[0]
    return [e - constant for e in logits]


def check(expressions: list[sp.Expr], data: Dataset) -> None:
    """Raises FormulaError for formulas whose texts cannot be read back, or have no value on some training row."""
    try:
        values = evaluate_texts([str(e) for e in expressions], data.train.x, data.inputs)
    except Exception as error:  # whatever SymPy and NumPy make of it
        raise FormulaError(f"it cannot be read back: {shorten(str(error), 160)}") from error
    if lost := int((~values.isfinite().all(1)).sum()):
        raise FormulaError(f"it has no value on {lost} of {len(values)} training rows")


def write_formulas(symbolic: Symbolic, data: Dataset, context: Context = UNLIMITED) -> list[Formula]:
    """One formula an output of the chosen network, with the alternatives met on the way.

    When the budget is used up constants stay as they are, and other alternatives are left out. Raises FormulaError
    where the chosen network has none that can be kept.
    """
    chosen = expressions_of(symbolic.model, data, context)
    texts = [str(e) for e in chosen]
    test = scores(data, evaluate_texts(texts, data.test.x, data.inputs), data.test.y.cpu())
    truths = [parse_formula(t, data.inputs) for t in data.truth]
    fronts = front_of(expressions_of_front(symbolic.front, data, context), chosen, data)
    constants = constants_with_errors(chosen, data)
    return [
        Formula(
            output=name,
            expression=texts[j],
            rounded=str(rounded(chosen[j])),
            latex=latex_of(rounded(chosen[j])),
            complexity=complexity(chosen[j]),
            test=test if data.loss.logits else output_scores(data, chosen[j], j),
            exact=is_exact(chosen[j], truths[j], data.inputs, data.domain) if truths else None,
            front=fronts[j],
            constants=constants[j],
            reason=EXACT_REASON if is_exact_on_training(chosen[j], j, data) else SHORT_REASON,
            decision=decision_between(chosen, data) if j == 0 else None,
        )
        for j, name in enumerate(data.outputs)
    ]


def expressions_of_front(models: list[KAN], data: Dataset, context: Context) -> list[list[sp.Expr]]:
    """The formulas of other networks that can be kept, as far as the budget allows."""
    found = []
    for model in models:
        if not context.over():
            with suppress(FormulaError):
                found.append(expressions_of(model, data, context))
    return found


def constants_with_errors(expressions: list[sp.Expr], data: Dataset) -> list[list[Constant]]:
    """The decimals of every formula with their standard errors."""
    columns, y = columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy()
    if data.loss.logits:
        return of_classes(expressions, columns)
    return [of_values(e, columns, y[:, j]) for j, e in enumerate(expressions)]


def is_exact_on_training(expression: sp.Expr, j: int, data: Dataset) -> bool:
    """Whether nothing but rounding separates output `j` from its formula on the training rows."""
    if data.loss.logits:
        return False
    y = data.train.y[:, j].double().cpu().numpy()
    return is_rounding(squares(expression, columns_of(data.train.x, data.inputs), y), y)


def decision_between(logits: list[sp.Expr], data: Dataset) -> Decision | None:
    """The formula of the decision where there are two classes with a logit each.

    Its constants are not snapped beyond those of the logits: it decides every row as they do.
    """
    if not data.loss.logits or len(logits) != 2:
        return None

    def decided(expression: sp.Expr, rows: Rows) -> Tensor:
        difference = evaluate_all([expression], rows.x, data.inputs)
        return torch.cat([torch.zeros_like(difference), difference], dim=1)

    plain = logits[1] - logits[0]
    aims = decided(plain, data.train)
    same = [plain]
    for rewrite in (shortest, expanded, lambda e: shortest(expanded(e))):
        trial = decided(rewrite(plain), data.train)
        if torch.allclose(trial, aims, rtol=1e-9, atol=1e-9, equal_nan=True):
            same.append(rewrite(plain))
    best = min(same, key=complexity)
    short = rounded(best)
    return Decision(
        expression=str(best),
        rounded=str(short),
        latex=latex_of(short),
        complexity=complexity(best),
        test=scores(
            data, decided(parse_formula(str(best), data.inputs, "decision", OWN_LENGTH), data.test), data.test.y.cpu()
        ),
        constants=of_classes([sp.Integer(0), best], columns_of(data.train.x, data.inputs))[1],
    )


def output_scores(data: Dataset, expression: sp.Expr, j: int) -> Scores:
    """Scores of output `j` alone, by evaluating the text of its formula on the test rows."""
    values = evaluate_texts([str(expression)], data.test.x, data.inputs)
    return scores(data, values, data.test.y[:, j : j + 1].double().cpu())


def front_of(others: list[list[sp.Expr]], chosen: list[sp.Expr], data: Dataset) -> list[list[Alternative]]:
    """For every output the formulas that no other one beats in both complexity and test error, simplest first.

    The chosen one is always among them: the training rows chose it, and the test rows may like another one better.
    """
    values = evaluate_texts([str(e) for e in chosen], data.test.x, data.inputs)
    return [pareto([alternative(e[j], j, chosen, values, data) for e in [chosen, *others]]) for j in range(len(chosen))]


def alternative(expression: sp.Expr, j: int, chosen: list[sp.Expr], values: Tensor, data: Dataset) -> Alternative:
    """`expression` for output `j`, beside the chosen ones for the other outputs of classes.

    `values` [rows, outputs] are those of the chosen ones on the test rows.
    """
    own = values[:, j : j + 1]
    if expression != chosen[j]:
        own = evaluate_texts([str(expression)], data.test.x, data.inputs)
    if data.loss.logits:
        together = torch.cat([values[:, :j], own, values[:, j + 1 :]], dim=1)
        test = scores(data, together, data.test.y.cpu())
    else:
        test = scores(data, own, data.test.y[:, j : j + 1].double().cpu())
    error = test[data.loss.name]
    size, text, short = complexity(expression), str(expression), str(rounded(expression))
    return Alternative(size, None if error is None else float(error), text, short, expression == chosen[j])


def pareto(points: list[Alternative]) -> list[Alternative]:
    """The points that no other one beats, and the chosen one."""
    front: list[Alternative] = []
    least = math.inf
    distinct = {p.expression: p for p in reversed(points)}.values()
    for point in sorted(distinct, key=order_of_front):
        if point.chosen or (point.error is not None and point.error < least):
            front.append(point)
            least = min(least, math.inf if point.error is None else point.error)
    return front


def order_of_front(point: Alternative) -> tuple[int, float, bool]:
    """Simple ones first, then exact ones, then the chosen one."""
    return point.complexity, math.inf if point.error is None else point.error, not point.chosen


def formula_function(formulas: Sequence[Formula], data: Dataset) -> Callable[[Tensor], Tensor] | None:
    """The formulas' texts as a plain function of rows, None where there are none."""
    if not formulas:
        return None
    return lambda x: evaluate_texts([f.expression for f in formulas], x, data.inputs)
