"""Formulas as LaTeX: one displayed equation an output, with the user's names."""

from __future__ import annotations

from kanrun.exporters.source import Law, Source
from kanrun.functions.naming import as_latex, latex_name
from kanrun.symbolic.expression import rounded


def latex(source: Source) -> str:
    """The equations to four digits, and the decision between two classes."""
    equations = [f"{latex_name(law.output)} = {shown(law, source)}" for law in source.laws]
    if source.decision:
        name = latex_name(source.decision.output)
        equations.append(f"\\textrm{{class }} {name} \\textrm{{ where }} {shown(source.decision, source)} > 0")
    return "".join(f"\\[ {equation} \\]\n" for equation in equations)


def shown(law: Law, source: Source) -> str:
    """The right side: as it is kept, or made from the expression."""
    if law.latex:
        return law.latex
    return as_latex(rounded(law.expression), source.symbols)
