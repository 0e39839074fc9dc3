"""The written result: one formula an output, snapped, simplified, checked by evaluating its text."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy as sp
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.data.dataset import Dataset
from kanrun.data.robust import variance_of_fit
from kanrun.data.scores import Scores
from kanrun.functions.evaluate import Array, evaluate
from kanrun.functions.naming import as_latex, as_shown
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.adding_up import adds_up, units_for, with_units
from kanrun.symbolic.bare import Verdict
from kanrun.symbolic.between import goes_wild
from kanrun.symbolic.constants import Columns, constants_of
from kanrun.symbolic.decision import Decision, decision_between
from kanrun.symbolic.expression import complexity, rounded
from kanrun.symbolic.forms import Forms, FormulaError
from kanrun.symbolic.front import MOST_OTHERS, Alternative, Other, front_of, others_of, pareto
from kanrun.symbolic.judging import claim, factors_for, reason_of, verdict_on_training
from kanrun.symbolic.outliers import outliers_of
from kanrun.symbolic.perhaps import simple_number
from kanrun.symbolic.polishing import is_rounding
from kanrun.symbolic.scoring import cross_validation_of, scores_of
from kanrun.symbolic.search import Symbolic
from kanrun.symbolic.uncertainty import Constant, Estimate, estimate, of_classes
from kanrun.symbolic.values import OWN_LENGTH, evaluate_texts, factors_of_errors, training_arrays

log = logging.getLogger("kanrun")


@dataclass(frozen=True)
class Formula:
    """One output as a formula. `test` scores `expression` as a text; `exact` is None without a known truth.

    Where no rows are set aside `test` is None, and `cross_validation` has the scores of its form with constants that
    have not seen the rows; `train` scores it on the training rows. `symbols` says what the user calls the identifiers
    in `expression`, whose names `rounded` and `latex` show, and `units` their units where they are known;
    `alternatives` are other forms that the rows allow. `constants` has its decimals in order of appearance,
    `covariance` and `undetermined` how their errors go together (see symbolic/uncertainty.py), `reduced_chi_square` is
    chi square per degree of freedom, where errors of measurement are known. `errors` says what the rows have shown of
    their errors (symbolic/error_models.py), or which robust loss was taken; `outliers` are the numbers, from 1, of
    training rows that lie too far from the formula to belong to the others. `reason` says why this point of the front
    was chosen; the first of two classes also has the decision between them.
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
    alternatives: list[Other] = field(default_factory=list)
    reduced_chi_square: float | None = None
    errors: dict[str, Any] | None = None
    outliers: list[int] = field(default_factory=list)

    @property
    def judged(self) -> Scores:
        """The scores that say most: on test rows, else cross-validated, else on the training rows."""
        return self.test or self.cross_validation or self.train


def write_formulas(
    symbolic: Symbolic, data: Dataset, context: Context = UNLIMITED, forms: Forms | None = None
) -> list[Formula]:
    """One formula an output of the chosen network, with the alternatives met on the way.

    `forms` has what was made of the networks before. When the budget is used up constants stay as they are, and other
    alternatives are left out. Raises FormulaError where the chosen network has none that can be kept.
    """
    forms = forms or Forms(data, context)
    chosen = forms.of(symbolic.model)
    texts = [str(e) for e in chosen]
    truths = [parse_formula(t, data.inputs) for t in data.truth]
    odd = [name for j, name in enumerate(data.outputs) if not adds_up(chosen[j], units_for(data, j))]
    if odd and data.units_matter == "demand":
        raise FormulaError(f"it does not add up in the units of {', '.join(odd)}")
    verdicts = [verdict_on_training(e, j, data, context) for j, e in enumerate(chosen)]
    if wild := [n for j, n in enumerate(data.outputs) if verdicts[j] is Verdict.NOT and goes_wild(chosen[j], j, data)]:
        raise FormulaError(f"between the rows it leaves the range of {', '.join(wild)}")
    others, as_found = forms.of_all(symbolic.front), forms.as_found([symbolic.model, *symbolic.front])
    validated = [cross_validation_of(e, j, data) for j, e in enumerate(chosen)]
    fronts = front_of(others, chosen, data, validated)
    estimates = estimates_of(chosen, data)
    train = scores_of(chosen, data, data.train)
    test = [None] * len(chosen) if data.test is None else scores_of(chosen, data, data.test)
    return [
        Formula(
            output=name,
            expression=texts[j],
            rounded=as_shown(rounded(chosen[j]), data.names),
            latex=as_latex(rounded(chosen[j]), data.names),
            complexity=complexity(chosen[j]),
            test=test[j],
            train=train[j],
            cross_validation=validated[j],
            symbols={symbol: data.names.get(symbol, symbol) for symbol in data.inputs},
            units=dict(data.units),
            exact=claim(chosen[j], truths[j], verdicts[j], data) if truths else None,
            front=fronts[j],
            alternatives=others_of([e[j] for e in [*others, *as_found]], chosen[j], j, data),
            constants=estimates[j].constants,
            covariance=estimates[j].covariance,
            undetermined=estimates[j].undetermined,
            reduced_chi_square=estimates[j].reduced,
            errors=dict(data.recognized) or None,
            outliers=outliers_of(chosen[j], j, data),
            reason=reason_of(chosen[j], j, verdicts[j], data),
            decision=decision_between(chosen, data) if j == 0 else None,
        )
        for j, name in enumerate(data.outputs)
    ]


def estimates_of(expressions: list[sp.Expr], data: Dataset) -> list[Estimate]:
    """The decimals of every formula with their standard errors, and for values their covariance."""
    columns, y = training_arrays(data)
    if data.loss.logits:
        return [Estimate(constants) for constants in of_classes(expressions, columns, factors_of_errors(data))]
    found = [
        robust_estimate(e, columns, y[:, j], factors_of_errors(data), data.robust)
        if data.robust
        else estimate(e, columns, y[:, j], factors_for(e, j, data), data.noise, data.absolute)
        for j, e in enumerate(expressions)
    ]
    found = [
        replace(one, constants=[replace(c, perhaps=simple_number(c.value, c.standard_error)) for c in one.constants])
        for one in found
    ]
    return [
        replace(one, constants=with_units(one.constants, e, data, j))
        for j, (e, one) in enumerate(zip(expressions, found, strict=True))
    ]


def robust_estimate(expression: sp.Expr, columns: Columns, y: Array, factors: Array | float, loss: str) -> Estimate:
    """The constants of a formula that was fitted by a robust loss, with the covariance of these."""
    off = y - evaluate(expression, columns)
    variance = variance_of_fit(off[np.isfinite(off)], loss, len(constants_of(expression)))
    if is_rounding(float(off @ off), y) or not variance > 0:
        return estimate(expression, columns, y, factors)
    return replace(estimate(expression, columns, y, factors, variance, absolute=True), reduced=None)


def formula_function(formulas: Sequence[Formula], data: Dataset) -> Callable[[Tensor], Tensor] | None:
    """The formulas' texts as a plain function of rows, None where there are none."""
    if not formulas:
        return None
    return lambda x: evaluate_texts([f.expression for f in formulas], x, data.inputs)


def parsed(formula: Formula, inputs: list[str]) -> sp.Expr:
    """Its expression."""
    return parse_formula(formula.expression, inputs, "expression", OWN_LENGTH)


def joined(chosen: Formula, other: Formula, j: int, data: Dataset) -> Formula:
    """A formula with the front of another one for the same output, and that among the forms that the rows allow."""
    points = [*chosen.front, *(replace(p, chosen=False) for p in other.front)]
    expressions = [parsed(f, data.inputs) for f in (chosen, other)]
    known = {o.expression: o for o in [*chosen.alternatives, *others_of([expressions[1]], expressions[0], j, data)]}
    alternatives = sorted(known.values(), key=lambda o: (-o.odds, o.complexity))[:MOST_OTHERS]
    return replace(chosen, front=pareto(points), alternatives=alternatives)
