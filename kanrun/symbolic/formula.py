"""The written result: one formula an output, snapped, simplified, checked by evaluating its text."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.data.dataset import Dataset, Rows
from kanrun.data.losses import Loss
from kanrun.data.scores import Scores, scores
from kanrun.data.units import dimension_of, unit_of
from kanrun.errors import KanrunError, shorten
from kanrun.functions.algebra import is_zero
from kanrun.functions.evaluate import Array, evaluate
from kanrun.functions.naming import as_latex, as_shown
from kanrun.functions.parser import parse_formula
from kanrun.model.network import KAN
from kanrun.symbolic.bare import Verdict, bare, verdict
from kanrun.symbolic.compare import agrees, is_exact, over_decades, relative_loss, weights_by_size
from kanrun.symbolic.cross_validation import cross_validated
from kanrun.symbolic.dimensions import Units, dimensions_of
from kanrun.symbolic.expression import complexity, network_expressions, rounded
from kanrun.symbolic.parsimony import settled
from kanrun.symbolic.search import Symbolic
from kanrun.symbolic.snap import EXACT, expanded, shortest, snap, where_positive, work_of_rewriting
from kanrun.symbolic.uncertainty import Constant, Estimate, estimate, of_classes, squares

log = logging.getLogger("kanrun")

# units of work: a node of a formula that is made; an evaluation, and a row and node of it
MADE, EVALUATED, EVALUATED_NODE = 0.15, 0.05, 1e-5
FOLDS_SEED = 0  # draws the parts of a cross-validation
WORSE, LAST_DIGITS = 4.0, 1e-26  # times the loss of constants at their best, and that of rounding in any case
OWN_LENGTH = 10_000_000  # characters of a formula of our own; one from a config is read with a smaller limit


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

    Where no rows are set aside `test` is None, and `cross_validation` has the scores of its form with constants that
    have not seen the rows; `train` scores it on the training rows. `symbols` says what the user calls the identifiers
    in `expression`, whose names `rounded` and `latex` show, and `units` their units where they are known. `constants`
    has its decimals in order of appearance, `covariance` and `undetermined` how their errors go together (see
    symbolic/uncertainty.py), `reason` says why this point of the front was chosen; the first of two classes also has
    the decision between them.
    """

    output: str
    expression: str
    rounded: str
    latex: str
    complexity: int
    test: Scores | None
    exact: bool | None
    front: list[Alternative]
    constants: list[Constant] = field(default_factory=list)
    reason: str = ""
    decision: Decision | None = None
    covariance: list[list[float]] | None = None
    undetermined: list[list[float]] = field(default_factory=list)
    train: Scores = field(default_factory=dict)
    cross_validation: Scores | None = None
    symbols: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    @property
    def judged(self) -> Scores:
        """The scores that say most: on test rows, else cross-validated, else on the training rows."""
        return self.test or self.cross_validation or self.train


LossOf = Callable[[list[sp.Expr]], float]


class FormulaError(KanrunError):
    """A formula that cannot be written, read back or evaluated, and so is none."""


EXACT_REASON = "exact to rounding"
UNDECIDED_REASON = "the data cannot decide: it fits to rounding, and so do others"
RELATIVE_REASON = "shortest description of the training data, judged relative to their size"
SHORT_REASON = "shortest description of the training data"


def evaluate_texts(texts: list[str], rows: Tensor, inputs: list[str]) -> Tensor:
    """Values of formulas given as text at `rows` [rows, inputs]: [rows, formulas], NaN where not finite."""
    return evaluate_all([parse_formula(t, inputs, "expression", OWN_LENGTH) for t in texts], rows, inputs)


def evaluate_all(expressions: list[sp.Expr], rows: Tensor, inputs: list[str]) -> Tensor:
    """Values of expressions at `rows`: [rows, expressions]."""
    columns = columns_of(rows, inputs)
    return torch.as_tensor(np.stack([evaluate(e, columns) for e in expressions], axis=1))


def columns_of(rows: Tensor, inputs: list[str]) -> dict[str, Array]:
    """The inputs' columns by name."""
    return {name: rows[:, i].double().cpu().numpy() for i, name in enumerate(inputs)}


def training_loss(expressions: list[sp.Expr], train: Rows, inputs: list[str], loss: Loss) -> float:
    """The loss of these formulas on the training rows; NaN where one is not finite."""
    targets = train.y.double().cpu() if train.y.is_floating_point() else train.y.cpu()
    return float(loss.value(evaluate_all(expressions, train.x, inputs), targets))


def expressions_of(model: KAN, data: Dataset, context: Context = UNLIMITED) -> list[sp.Expr]:
    """The network's formulas with snapped constants, in their shortest form; as they are where that spoils them.

    Raises FormulaError where they cannot be kept as they are either.
    """
    plain = network_expressions(model, data.inputs)
    context.spend(MADE * sum(map(complexity, plain)))
    check(plain, data)
    try:
        short = settled_forms(model, plain, data, context)
        check(short, data)
    except Exception:
        log.exception("a formula is kept as it is")
        return plain
    return short


def settled_forms(model: KAN, expressions: list[sp.Expr], data: Dataset, context: Context) -> list[sp.Expr]:
    """The formulas with constants snapped and fitted again, rewritten where that makes them shorter."""
    if not data.loss.least_squares or is_locked(model):
        return shortened(expressions, *loss_and_floor(data), data, context)
    exact = exact_forms(expressions, data, context)
    if exact is None:
        loss, floor = loss_and_floor(data)
        expressions = shortened(expressions, loss, floor, data, context)
        if loss(expressions) > floor:
            expressions = polished_forms(expressions, loss, floor, data, context)
        exact = exact_forms(expressions, data, context)
    return expressions if exact is None else shortened(exact, *relative_and_floor(exact, data), data, context)


def exact_forms(expressions: list[sp.Expr], data: Dataset, context: Context) -> list[sp.Expr] | None:
    """The formulas without what they can go without, where all of them leave nothing but rounding; None elsewhere."""
    columns, y = columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy()
    found = [bare(e, columns, y[:, j], context) for j, e in enumerate(expressions)]
    return found if all(agrees(evaluate(e, columns), y[:, j]) for j, e in enumerate(found)) else None


def shortened(expressions: list[sp.Expr], loss: LossOf, floor: float, data: Dataset, context: Context) -> list[sp.Expr]:
    """The formulas with simple numbers, rewritten where that makes them shorter, at the same loss."""

    def loss_of(trial: list[sp.Expr]) -> float:
        context.spend(EVALUATED + EVALUATED_NODE * len(data.train.x) * sum(map(complexity, trial)))
        return loss(trial)

    rows = len(data.train.x)
    expressions = snap(expressions, loss_of, rows, floor, context)
    limit = max(loss_of(expressions) * (1 + 1e-6), floor)
    above = [name for name, low in zip(data.inputs, data.train.x.amin(0).tolist(), strict=True) if low > 0]
    for rewrite in (shortest, expanded) if not context.over() else ():
        context.spend(sum(map(work_of_rewriting, expressions)))
        short = snap([where_positive(rewrite, e, above) for e in expressions], loss_of, rows, floor, context)
        shorter = sum(map(complexity, short)) < sum(map(complexity, expressions))
        if shorter and loss_of(short) <= limit:
            expressions = short
    return expressions


def loss_and_floor(data: Dataset) -> tuple[LossOf, float]:
    """The loss of formulas on the training rows, and what rounding alone leaves of it."""
    floor = 0.0 if data.loss.logits else EXACT * float(data.train.y.double().var())
    return lambda trial: training_loss(trial, data.train, data.inputs, data.loss), floor


def relative_and_floor(exact: list[sp.Expr], data: Dataset) -> tuple[LossOf, float]:
    """The same by errors relative to the size of each target, for formulas that leave nothing but rounding."""
    columns, y = columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy()
    weights = [weights_by_size(y[:, j]) for j in range(y.shape[1])]

    def loss_of(trial: list[sp.Expr]) -> float:
        total = sum(squares(e, columns, y[:, j], weights[j]) for j, e in enumerate(trial))
        return total / y.size if math.isfinite(total) else math.nan

    return loss_of, max(WORSE * loss_of(exact), LAST_DIGITS)


def is_locked(model: KAN) -> bool:
    """Whether constants of the network were fixed for good."""
    return any(bool((layer.is_fixed & ~layer.is_trainable & layer.alive).any()) for layer in model.layers)


def polished_forms(
    expressions: list[sp.Expr], loss: LossOf, floor: float, data: Dataset, context: Context
) -> list[sp.Expr]:
    """The expressions with what is left of their decimals at the least loss on the training rows, and snapped again.

    Only for a loss that least squares makes least: logits of classes would grow without end. Errors count relative to
    the size of the targets where that explains these better.
    """
    columns, y = columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy()
    relative = [is_relative(e, j, data) for j, e in enumerate(expressions)]
    weights = [weights_by_size(y[:, j]) if by_size else 1.0 for j, by_size in enumerate(relative)]
    again = [settled(e, columns, y[:, j], context, weights[j]) for j, e in enumerate(expressions)]
    return again if any(relative) else snap(again, loss, len(y), floor, context)


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
    truths = [parse_formula(t, data.inputs) for t in data.truth]
    fronts = front_of(expressions_of_front(symbolic.front, data, context), chosen, data)
    estimates = estimates_of(chosen, data)
    verdicts = [verdict_on_training(e, j, data, context) for j, e in enumerate(chosen)]
    return [
        Formula(
            output=name,
            expression=texts[j],
            rounded=as_shown(rounded(chosen[j]), data.names),
            latex=as_latex(rounded(chosen[j]), data.names),
            complexity=complexity(chosen[j]),
            test=None if data.test is None else scores_of(chosen, j, data, data.test),
            train=scores_of(chosen, j, data, data.train),
            cross_validation=cross_validation_of([chosen[j]], j, data),
            symbols={symbol: data.names.get(symbol, symbol) for symbol in data.inputs},
            units=dict(data.units),
            exact=claim(chosen[j], truths[j], verdicts[j], data) if truths else None,
            front=fronts[j],
            constants=estimates[j].constants,
            covariance=estimates[j].covariance,
            undetermined=estimates[j].undetermined,
            reason=reason_of(chosen[j], j, verdicts[j], data),
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


def estimates_of(expressions: list[sp.Expr], data: Dataset) -> list[Estimate]:
    """The decimals of every formula with their standard errors, and for values their covariance."""
    columns, y = columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy()
    if data.loss.logits:
        return [Estimate(constants) for constants in of_classes(expressions, columns)]
    found = [estimate(e, columns, y[:, j]) for j, e in enumerate(expressions)]
    return [
        replace(one, constants=with_units(one.constants, e, data, j))
        for j, (e, one) in enumerate(zip(expressions, found, strict=True))
    ]


def units_for(data: Dataset, j: int) -> Units:
    """The dimensions of the inputs, and of output `j`."""
    known = {name: d for name, unit in data.units.items() if (d := dimension_of(unit)) is not None}
    return Units({name: known[name] for name in data.inputs if name in known}, known.get(data.outputs[j]))


def with_units(constants: list[Constant], expression: sp.Expr, data: Dataset, j: int) -> list[Constant]:
    """The constants with the units that make both sides agree, where these are known."""
    units = units_for(data, j)
    if not units.known:
        return constants
    found = dimensions_of(expression, units).constants
    given = [*data.units.values()]
    named = [None if d is None else unit_of(d.tolist(), given) for d in found]
    return [replace(c, unit=unit) for c, unit in zip(constants, named, strict=True)]


def verdict_on_training(expression: sp.Expr, j: int, data: Dataset, context: Context = UNLIMITED) -> Verdict:
    """What the training rows say of the formula of output `j`."""
    if data.loss.logits:
        return Verdict.NOT
    y = data.train.y[:, j].double().cpu().numpy()
    return verdict(expression, columns_of(data.train.x, data.inputs), y, context)


def claim(found: sp.Expr, truth: sp.Expr, judged: Verdict, data: Dataset) -> bool | None:
    """Whether a formula is the truth; None where the rows could not tell it from others."""
    exact = is_exact(found, truth, data.inputs, data.domain)
    if exact and judged is Verdict.UNDECIDED and found != truth and not is_zero(found - truth):
        return None
    return exact


def reason_of(expression: sp.Expr, j: int, judged: Verdict, data: Dataset) -> str:
    """Why a formula was chosen for output `j`."""
    if judged is not Verdict.NOT:
        return EXACT_REASON if judged is Verdict.EXACT else UNDECIDED_REASON
    if data.loss.least_squares and is_relative(expression, j, data):
        return RELATIVE_REASON
    return SHORT_REASON


def is_relative(expression: sp.Expr, j: int, data: Dataset) -> bool:
    """Whether errors relative to the size of the targets explain output `j` better than errors of one size."""
    y = data.train.y[:, j].double().cpu().numpy()
    ours = evaluate(expression, columns_of(data.train.x, data.inputs))
    return over_decades(y) and relative_loss(ours, y) < float(np.mean((ours - y) ** 2))


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
    short, read = rounded(best), parse_formula(str(best), data.inputs, "decision", OWN_LENGTH)
    return Decision(
        expression=str(best),
        rounded=as_shown(short, data.names),
        latex=as_latex(short, data.names),
        complexity=complexity(best),
        test=scores(data, decided(read, data.judged), data.judged.y.cpu()),
        constants=of_classes([sp.Integer(0), best], columns_of(data.train.x, data.inputs))[1],
    )


def scores_of(expressions: list[sp.Expr], j: int, data: Dataset, rows: Rows) -> Scores:
    """Scores of output `j` alone, of all classes together, by evaluating the texts of the formulas."""
    if data.loss.logits:
        return scores(data, evaluate_texts([str(e) for e in expressions], rows.x, data.inputs), rows.y.cpu())
    values = evaluate_texts([str(expressions[j])], rows.x, data.inputs)
    return scores(data, values, rows.y[:, j : j + 1].double().cpu())


def cross_validation_of(expressions: list[sp.Expr], j: int, data: Dataset) -> Scores | None:
    """Scores of formulas of values, the first for output `j`, where no rows are set aside to test them."""
    if data.test is not None or data.loss.logits:
        return None
    columns, y = columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy()
    return cross_validated(expressions, columns, y[:, j : j + len(expressions)], FOLDS_SEED).scores()


def front_of(others: list[list[sp.Expr]], chosen: list[sp.Expr], data: Dataset) -> list[list[Alternative]]:
    """For every output the formulas that no other one beats in both complexity and test error, simplest first.

    The chosen one is always among them: the training rows chose it, and the test rows may like another one better.
    """
    return [pareto([alternative(e[j], j, chosen, data) for e in [chosen, *others]]) for j in range(len(data.outputs))]


def alternative(expression: sp.Expr, j: int, chosen: list[sp.Expr], data: Dataset) -> Alternative:
    """`expression` for output `j`, beside the chosen ones for the other outputs of classes."""
    others = [*chosen[:j], expression, *chosen[j + 1 :]]
    judged = cross_validation_of([expression], j, data) or scores_of(others, j, data, data.judged)
    error = judged[data.loss.name]
    size, text, short = complexity(expression), str(expression), as_shown(rounded(expression), data.names)
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
