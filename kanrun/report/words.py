"""What is said beside a formula, on the console and in formula.txt: errors of constants, the decision, the front."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kanrun.data.losses import Loss, loss_of
from kanrun.data.robust import HUBER, STUDENT
from kanrun.report.scores import as_error, error_name, score_of
from kanrun.symbolic.boundary import Boundary
from kanrun.symbolic.error_models import CONSTANT, POISSON, PROPORTIONAL
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.outliers import rows_in_words
from kanrun.symbolic.uncertainty import Constant

MOST_LETTERS = 90  # of a formula in the table of the front; formula.json has the whole


DISTINCT = 2.0  # standard errors from 0 below which a constant may as well be 0


def constants_lines(
    output: str, constants: list[Constant], classes: bool = False, most: int | None = None
) -> list[str]:
    """The constants with their standard errors, and why some have none; nothing where the data shows no noise.

    Of more than `most` the first are shown.
    """
    if not any(c.standard_error or c.unit for c in constants):
        return []
    shown = [with_unit(with_error(c, classes), c.unit) + perhaps(c) for c in constants[:most]]
    if len(shown) < len(constants):
        shown.append(f"and {len(constants) - len(shown)} more in formula.json")
    lines = [f"constants of {output}: {', '.join(shown)}"]
    if classes and any(c.standard_error is None or is_vague(c) for c in constants):
        # A test against 0 would be wrong here: errors grow with the scale (Hauck and Donner 1977).
        lines.append("classes are told apart by differences alone: what they share is not determined, nor is the scale "
                     "where they hardly overlap")  # fmt: skip
    elif any(c.standard_error is None for c in constants) and any(c.standard_error for c in constants):
        lines.append("not determined: others can make up for any change of it, so that the data says nothing about it")
    return lines


def perhaps(constant: Constant) -> str:
    """(perhaps 1/2): the simple number that a constant may be, if there is one."""
    return f" (perhaps {constant.perhaps})" if constant.perhaps else ""


def is_vague(constant: Constant) -> bool:
    """Whether its error does not tell a constant from 0."""
    return abs(constant.value) < DISTINCT * (constant.standard_error or 0.0)


def with_error(constant: Constant, classes: bool = False) -> str:
    """2.013 ± 0.004: the error to one digit (two after a leading 1), the value to the same place.

    A value that its error does not tell from 0 keeps the four digits by which it is found in the formula.
    """
    value, error = constant.value, constant.standard_error
    if error is None:
        return f"{value:.4g} (not determined)"
    if error == 0:
        return f"{value:.4g}"
    if is_vague(constant):
        return f"{value:.4g} ± {float(f'{error:.2g}'):g}{'' if classes else ' (may be 0)'}"
    first = f"{error:.1e}"
    places = -int(first.split("e")[1]) + (first[0] == "1")
    places = max(places, min(places + 1, 1 - math.floor(math.log10(abs(value)))))
    exponent = math.floor(math.log10(abs(value)))
    if -4 <= exponent < 6:
        shown = round(value, places), round(error, places)
        return " ± ".join(f"{number:.{max(places, 0)}f}" for number in shown)
    scaled = [f"{number / 10.0**exponent:.{max(places + exponent, 0)}f}" for number in (value, error)]
    return f"({' ± '.join(scaled)})e{exponent:+d}"


def with_unit(value: str, unit: str | None) -> str:
    """(8.314 ± 0.002) J/(K mol): a value with its unit, if it has one."""
    if not unit:
        return value
    first, bracket, rest = value.partition(" (")  # such as (may be 0)
    return f"({first}) {unit}{bracket}{rest}" if " ± " in first else f"{first} {unit}{bracket}{rest}"


def score_line(formula: Formula) -> str:
    """How well the formula does on rows that it was not fitted to, as far as there are such."""
    where = "test" if formula.test else "cross-validated" if formula.cross_validation else "training"
    loss = loss_of(formula.judged)
    named = {"rmse": "RMSE", "r2": "R2", "accuracy": "accuracy"}
    named |= {} if "rmse" in formula.judged else {loss.name: loss.short}
    shown = [f"{name} {score_of(formula.judged, k)}" for k, name in named.items() if formula.judged.get(k) is not None]
    return f"{where} {', '.join(shown)}" if shown else f"no {where} score: the formula has no value there"


def exactness(formula: Formula) -> str | None:
    """What `exact` says of a formula; None where no true one is known."""
    if formula.exact is None:
        return None
    if formula.exact:
        return "exact: equal to the formula that the rows come from, by algebra or on points beyond its domain"
    return "not exact: not equal to the formula that the rows come from"


def decision_lines(formulas: list[Formula]) -> list[str]:
    """`class 2 where ... > 0`, with the classes' own names, where there are two of them."""
    decision = formulas[0].decision if formulas else None
    if decision is None:
        return []
    first, second = (formula.output.removeprefix("logit_") for formula in formulas[:2])
    errors = constants_lines("the decision", decision.constants, classes=True)
    lines = [f"class {second} where {decision.rounded} > 0", *errors]
    if decision.boundary is not None:
        lines += boundary_lines(decision.boundary, first, second)
    return lines


def boundary_lines(boundary: Boundary, first: str, second: str) -> list[str]:
    """The boundary of two classes with its constants, and what the rows say of the odds."""
    side = "larger" if boundary.above else "smaller"
    lines = [f"boundary: {boundary.rounded}, class {second} where the left side is {side}"]
    lines += constants_lines("the boundary", boundary.constants)
    if boundary.separated:
        return [*lines, "no training row lies on the wrong side: the odds are not determined, as any larger factor of "
                "the decision suits the rows as well"]  # fmt: skip
    factor = with_error(boundary.factor, classes=True)
    return [*lines, f"log-odds of {second} to {first}: the left side less the right one, times {factor}"]


def about_lines(formula: Formula, most: int | None = None) -> list[str]:
    """The constants of a formula with their errors, and what is known of the errors of the rows."""
    lines = constants_lines(formula.output, formula.constants, loss_of(formula.judged).logits, most)
    if formula.reduced_chi_square is not None:
        lines.append(f"chi square of {formula.output} per degree of freedom: {formula.reduced_chi_square:.3g}")
    lines += errors_lines(formula.output, formula.errors or {})
    if formula.outliers and (formula.errors or {}).get("model") in ROBUST:
        lines.append(f"far from the formula of {formula.output}: {rows_in_words(formula.outliers)}")
    return lines


def other_lines(formula: Formula) -> list[str]:
    """The other forms that the rows allow, with their odds and the measurement that would decide."""
    if not formula.alternatives:
        return []
    lines = [f"the rows allow for {formula.output} too, at these odds beside the chosen form:"]
    for other in formula.alternatives:
        lines.append(f"  {other.odds:<6.3g}  {cut(other.rounded or other.expression)}")
        if other.where and other.values:
            point = ", ".join(f"{formula.symbols.get(name, name)} = {value:g}" for name, value in other.where.items())
            digits = next((d for d in range(3, 7) if len({f"{value:.{d}g}" for value in other.values}) > 1), None)
            if digits is not None:  # others no measurement would tell apart
                one, another = (f"{value:.{digits}g}" for value in other.values)
                lines.append(f"          told apart at {point}: {another} instead of {one}")
    return lines


def cut(text: str, most: int = MOST_LETTERS) -> str:
    """A formula as a table shows it."""
    return text if len(text) <= most else text[: most - 4] + " ..."


ROBUST = (HUBER, STUDENT)


def errors_lines(output: str, errors: Mapping[str, Any]) -> list[str]:
    """What the rows have shown of their errors, with the bits that speak for it, or which loss bears outliers."""
    model, bits, size = (errors.get(key) for key in ("model", "bits", "size"))
    if model in ROBUST:
        return [f"fitted by the loss of {model}: rows that lie far off hardly count"]
    if not isinstance(bits, (int, float)) or not isinstance(size, (int, float)):
        return []
    known = {
        CONSTANT: f"of one size, about {size:.2g}",
        PROPORTIONAL: f"in proportion to it, about {100 * size:.2g} %",
        POISSON: f"as of counts, with a variance of {size:.3g} times it",
    }
    return [f"errors of {output} are {known[model]} ({bits:.0f} bits say so)"] if model in known else []


def front_lines(formula: Formula, loss: Loss) -> list[str]:
    """The front as a small table with a mark at the chosen formula; nothing where there is only one."""
    if len(formula.front) < 2:
        return []
    title = "test " if formula.test else "CV " if formula.cross_validation else ""
    title += error_name(formula.judged, loss.short)
    lines = [f"front of {formula.output}; chosen (*): {formula.reason}", f"  complexity  {title:<12}  formula"]
    for point in formula.front:
        own = as_error(point.error, formula.judged)
        error = "-" if own is None else f"{own:.3g}"
        text = cut(point.rounded or point.expression)
        lines.append(f"{'*' if point.chosen else ' '} {point.complexity:>10}  {error:<12}  {text}")
    return lines
