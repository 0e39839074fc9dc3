"""Formulas as a page shows them: pieces of MathML between which a line may end, and the text with all digits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from markupsafe import Markup

from kanrun.errors import KanrunError
from kanrun.exporters.mathml import Shown, written
from kanrun.exporters.source import Law, Source, source_of
from kanrun.functions.algebra import bounded
from kanrun.report.pages.rendering import MINUS
from kanrun.report.scores import as_error
from kanrun.report.words import about_lines, decision_lines, exactness, other_lines, score_line
from kanrun.symbolic.decision import Decision
from kanrun.symbolic.expression import rounded
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.front import Alternative

MOST_LETTERS, MOST_NODES = 1200, 150  # beyond these nobody reads a formula that is set: it is a text to unfold


@dataclass(frozen=True)
class Equation:
    """What is shown as an equation: its MathML in `pieces`, none where it is too long to be set, and its texts."""

    pieces: list[Markup]
    rounded: str
    text: str
    unit: str = ""


@dataclass(frozen=True)
class Told:
    """A formula, sentences about it, its front with errors as they are shown, and what its symbols stand for."""

    formula: Formula
    equation: Equation
    score: str
    exact: str | None
    lines: list[str]
    others: list[str]
    front: list[tuple[Alternative, float | None]]
    names: dict[str, str]


def told(formulas: Sequence[Formula], source: Source | None) -> list[Told]:
    """What there is to say about each formula."""
    laws = [None] * len(formulas) if source is None else source.laws
    return [told_of(one, equation_of(one.output, one, law, source)) for one, law in zip(formulas, laws, strict=True)]


def told_of(formula: Formula, equation: Equation) -> Told:
    """What there is to say about one; nothing of how good it is where its file says nothing of that."""
    names = {key: name for key, name in formula.symbols.items() if key != name}
    if not formula.judged:
        plain = [(one, one.error) for one in formula.front]
        return Told(formula, equation, "", exactness(formula), [], [], plain, names)
    front = [(one, as_error(one.error, formula.judged)) for one in formula.front]
    lines, others = about_lines(formula), other_lines(formula)
    return Told(formula, equation, score_line(formula), exactness(formula), lines, others, front, names)


def source_in(entries: Sequence[Mapping[str, Any]], inputs: Sequence[str]) -> Source | None:
    """The expressions of formula.json; None where they cannot be read: their texts are there all the same."""
    try:
        return source_of(entries, inputs)
    except KanrunError:
        return None


def decided(formulas: Sequence[Formula], source: Source | None) -> tuple[Equation, list[str]] | None:
    """What tells two classes apart with the sentences about it; None for all else."""
    decision = formulas[0].decision if formulas else None
    if decision is None:
        return None
    law = None if source is None else source.decision
    return equation_of("decision", decision, law, source), decision_lines(list(formulas))


def equation_of(name: str, one: Formula | Decision, law: Law | None, source: Source | None) -> Equation:
    """A formula under a name."""
    unit = one.units.get(one.output, "") if isinstance(one, Formula) else ""
    readable = len(one.expression) <= MOST_LETTERS and one.complexity <= MOST_NODES
    shown = list(pieces(name, law.expression, source)) if readable and law and source else []
    return Equation(shown, one.rounded, one.expression, unit)


def pieces(output: str, expression: sp.Expr, source: Source) -> Iterator[Markup]:
    """`output =` with the first term, then each further term of a sum with its sign: a line may end between them."""
    short = rounded(expression)
    terms = short.as_ordered_terms() if short.is_Add else [short]
    head = mathml(sp.Symbol(output), source)
    for place, term in enumerate(terms):
        negative = place > 0 and term.could_extract_minus_sign()
        sign = f"{head}<mo>=</mo>" if place == 0 else f"<mo>{MINUS if negative else '+'}</mo>"
        body = mathml(-term if negative else term, source)
        yield Markup(f'<math display="inline" displaystyle="true">{sign}{body}</math>')


def mathml(expression: sp.Expr, source: Source) -> str:
    """How an expression looks; its text where SymPy has no way to set it."""
    shown = bounded(lambda: written(Shown, expression, source), f"<mtext>{Markup.escape(str(expression))}</mtext>")
    return shown.replace("\u2147", "e").replace("<mn>-", f"<mn>{MINUS}")  # as everybody writes them
