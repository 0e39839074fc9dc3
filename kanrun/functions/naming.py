"""Names of a user's columns where they are shown: in formulas to read, and in LaTeX."""

from __future__ import annotations

import keyword
from collections.abc import Mapping

import sympy as sp

from kanrun.functions.algebra import latex_of
from kanrun.functions.parser import CONSTANTS, FUNCTIONS

LATEX = {"\\": "\\backslash{}", "{": "\\{", "}": "\\}", "^": "\\hat{}", "~": "\\sim{}"} | {
    c: "\\" + c for c in "%&#$_ "
}


def shown_name(name: str) -> str:
    """A name as it stands in a formula to read: in backticks where it could be taken for something else.

    So pandas has names. A backtick within is doubled, so that no two names look alike.
    """
    taken = keyword.iskeyword(name) or name in FUNCTIONS or name in CONSTANTS
    return name if name.isidentifier() and not taken else "`" + name.replace("`", "``") + "`"


def latex_name(name: str) -> str:
    """`x_1` as a symbol with an index, a letter as itself, other names upright."""
    head, _, tail = name.partition("_")
    if len(head) == 1 and head.isalpha() and head.isascii() and (tail.isdigit() or name == head):
        return f"{head}_{{{tail}}}" if tail else head
    visible = (c if c.isprintable() else "?" for c in " ".join(name.split()))
    return "\\mathrm{" + "".join(LATEX.get(c, c) for c in visible) + "}"


def as_shown(expression: sp.Expr, names: Mapping[str, str]) -> str:
    """The expression as a text with the user's names of its symbols."""
    found = {s: sp.Symbol(shown_name(names[s.name])) for s in expression.free_symbols if s.name in names}
    return str(expression.xreplace(found)) if found else str(expression)


def as_latex(expression: sp.Expr, names: Mapping[str, str]) -> str:
    """The expression as LaTeX with the user's names of its symbols."""
    return latex_of(expression, {s: latex_name(names[s.name]) for s in expression.free_symbols if s.name in names})
