"""Formulas as LaTeX: one displayed equation an output, with the user's names."""

from __future__ import annotations

import sympy as sp

from kanrun.exporters.source import Law, Source, one_line
from kanrun.functions.algebra import bounded
from kanrun.symbolic.expression import rounded

ESCAPED = {"\\": "\\backslash{}", "{": "\\{", "}": "\\}", "^": "\\hat{}", "~": "\\sim{}"} | {
    c: "\\" + c for c in "%&#$_ "
}


def latex_name(name: str) -> str:
    """`x_1` as a symbol with an index, other names upright."""
    head, _, tail = name.partition("_")
    if len(head) == 1 and head.isalpha() and tail.isdigit():
        return f"{head}_{{{tail}}}"
    return "\\mathrm{" + "".join(ESCAPED.get(c, c) for c in one_line(name)) + "}"


def latex(source: Source) -> str:
    """The equations to four digits, and the decision between two classes."""
    equations = [f"{latex_name(source.name(law.output))} = {shown(law, source)}" for law in source.laws]
    if source.decision:
        name = latex_name(source.decision.output)
        equations.append(f"\\text{{class }} {name} \\text{{ where }} {shown(source.decision, source)} > 0")
    return "".join(f"\\[ {equation} \\]\n" for equation in equations)


def shown(law: Law, source: Source) -> str:
    """The right side: as it is kept, or made from the expression."""
    if law.latex:
        return law.latex
    short = rounded(law.expression)
    names = {s: latex_name(source.name(s.name)) for s in short.free_symbols if s.name in source.symbols}
    return bounded(lambda: str(sp.latex(short, symbol_names=names)), f"\\mathtt{{{short}}}")
