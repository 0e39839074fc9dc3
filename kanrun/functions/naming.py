"""Names of a user's columns where they are shown: in formulas to read, and in LaTeX."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping

import sympy as sp

from kanrun.functions.algebra import latex_of
from kanrun.functions.parser import CONSTANTS, FUNCTIONS

WORDS = {"\\": "backslash", "^": "asciicircum", "~": "asciitilde", "<": "less", ">": "greater", "|": "bar"}
LATEX = {c: f"\\text{word}{{}}" for c, word in WORDS.items()} | {c: "\\" + c for c in "{}%&#$_"}
LATEX["-"] = "{-}"  # two of them would be a dash


def shown_name(name: str) -> str:
    """A name as it stands in a formula to read: in backticks where it could be taken for something else.

    So pandas has names. A backtick within is doubled, so that no two names look alike.
    """
    taken = keyword.iskeyword(name) or name in FUNCTIONS or name in CONSTANTS
    return name if name.isidentifier() and not taken else "`" + name.replace("`", "``") + "`"


def indexed(name: str) -> tuple[str, str] | None:
    """The letter and the index of `x_1`, None of other names: wherever formulas are set these are symbols."""
    head, _, tail = name.partition("_")
    return (head, tail) if len(head) == 1 and head.isalpha() and tail.isdigit() else None


def is_word(name: str) -> bool:
    """Whether a name can stand in mathematics: `x-1` would be taken for a difference there, and is set as a text."""
    return re.fullmatch(r"[^\W\d]\w*", name) is not None


def is_long(name: str) -> bool:
    """Whether factors of this name need a dot between them: `mass` and `speed` side by side would be read as one."""
    return len(name) > 1 and indexed(name) is None


def latex_name(name: str) -> str:
    """`x_1` as a symbol with an index, a letter as itself, other words upright; any other name as a text."""
    visible = "".join(c if c.isprintable() else "?" for c in " ".join(name.split()))
    escaped = "".join(LATEX.get(c, c) for c in visible)
    if not name.isascii() or not is_word(name):
        return f"\\textrm{{{escaped}}}"
    if found := indexed(name):
        return "{}_{{{}}}".format(*found)
    return name if len(name) == 1 and name.isalpha() else f"\\mathrm{{{escaped}}}"


def as_shown(expression: sp.Expr, names: Mapping[str, str]) -> str:
    """The expression as a text with the user's names of its symbols."""
    found = {s: sp.Symbol(shown_name(names[s.name])) for s in expression.free_symbols if s.name in names}
    return str(expression.xreplace(found)) if found else str(expression)


def as_latex(expression: sp.Expr, names: Mapping[str, str]) -> str:
    """The expression as LaTeX with the user's names of its symbols."""
    inputs = {s: names[s.name] for s in expression.free_symbols if s.name in names}
    dots = any(map(is_long, inputs.values()))
    return latex_of(expression, {s: latex_name(name) for s, name in inputs.items()}, dots)
