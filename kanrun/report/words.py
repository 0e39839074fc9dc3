"""What is said beside a formula, on the console and in formula.txt: errors of constants, the decision, the front."""

from __future__ import annotations

import math

from kanrun.symbolic.formula import Formula
from kanrun.symbolic.uncertainty import Constant

MOST_LETTERS = 90  # of a formula in the table of the front; formula.json has the whole


def constants_line(output: str, constants: list[Constant]) -> str | None:
    """The constants with their standard errors, None where the data has no noise to estimate them from."""
    if not any(c.standard_error for c in constants):
        return None
    return f"constants of {output}: {', '.join(map(with_error, constants))}"


def with_error(constant: Constant) -> str:
    """2.013 ± 0.004: the error to one digit (two after a leading 1), the value to the same place.

    A value below its error still has up to two digits.
    """
    value, error = constant.value, constant.standard_error
    if error is None:
        return f"{value:.4g} (not determined)"
    if error == 0:
        return f"{value:.4g}"
    first = f"{error:.1e}"
    places = -int(first.split("e")[1]) + (first[0] == "1")
    if value:
        places = max(places, min(places + 1, 1 - math.floor(math.log10(abs(value)))))
    exponent = math.floor(math.log10(max(abs(value), error)))
    if -4 <= exponent < 6:
        shown = round(value, places), round(error, places)
        return " ± ".join(f"{number:.{max(places, 0)}f}" for number in shown)
    scaled = [f"{number / 10.0**exponent:.{max(places + exponent, 0)}f}" for number in (value, error)]
    return f"({' ± '.join(scaled)})e{exponent:+d}"


def decision_lines(formulas: list[Formula]) -> list[str]:
    """`class 2 where ... > 0`, with the classes' own names, where there are two of them."""
    decision = formulas[0].decision if formulas else None
    if decision is None:
        return []
    name = formulas[1].output.removeprefix("logit_")
    errors = constants_line("the decision", decision.constants)
    return [f"class {name} where {decision.rounded} > 0", *([errors] if errors else [])]


def front_lines(formula: Formula, loss: str) -> list[str]:
    """The front as a small table with a mark at the chosen formula; nothing where there is only one."""
    if len(formula.front) < 2:
        return []
    title = "test MSE" if loss == "mse" else "test entropy"
    lines = [f"front of {formula.output}; chosen (*): {formula.reason}", f"  complexity  {title:<12}  formula"]
    for point in formula.front:
        error = "-" if point.error is None else f"{point.error:.3g}"
        text = point.rounded or point.expression
        text = text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 4] + " ..."
        lines.append(f"{'*' if point.chosen else ' '} {point.complexity:>10}  {error:<12}  {text}")
    return lines
