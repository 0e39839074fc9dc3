"""The text of a formula as a syntax tree, or a sentence on where it cannot be read and what was probably meant."""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from collections.abc import Iterable

SHOWN = 16  # characters from the place where a text cannot be read
FAMILIAR = ("sin", "cos", "tan", "exp", "log", "sqrt", "abs", "tanh")


def syntax_tree(text: str, functions: Iterable[str]) -> ast.expr:
    """The tree of a formula; `^` is a power too. Raises ValueError with a sentence on why there is none."""
    try:
        return parsed(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = f"it cannot be read{place_of(error, text)}" if isinstance(error, SyntaxError) else "it cannot be read"
    meant = with_products(" ".join(text.split()), functions)
    raise ValueError(f"{reason}; did you mean {meant}?" if meant else reason)


def parsed(text: str) -> ast.expr:
    """Python's own tree of an expression; what Python would warn of is no matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return ast.parse(text.replace("^", "**"), mode="eval").body


def place_of(error: SyntaxError, text: str) -> str:
    """Where in `text`, counted from 1, Python's reader gave up; nothing where it does not say."""
    if error.offset is None or error.lineno is None:
        return ""
    lines = text.strip().replace("^", "**").splitlines(keepends=True)
    # In what Python was given; it says 0 where that is at an end too early.
    at = sum(map(len, lines[: error.lineno - 1])) + error.offset - 1 if error.offset else sum(map(len, lines))
    at += len(text) - len(text.lstrip())
    at = next(n for n in reversed(range(at + 1)) if len(text[:n].replace("^", "**")) <= at)
    rest = text[at : at + SHOWN].split("\n")[0]
    if not rest.strip():
        return f": it ends too early, after character {len(text.rstrip())}"
    if "was never closed" in error.msg:
        return f": the bracket at character {at + 1} is never closed, {rest!r}"
    if error.msg.startswith("unmatched"):
        return f": the bracket at character {at + 1} closes nothing, {rest!r}"
    return f" at character {at + 1}, {rest!r}"


def with_products(text: str, functions: Iterable[str]) -> str | None:
    """The text with the signs of products that were left out, as in 2x_1; None where that is no formula either."""
    named = "|".join(map(re.escape, functions))
    full = re.sub(r"(?<![\w.])((?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(?=[A-Za-z_(])", r"\1*", text)
    full = re.sub(r"\)\s*(?=[\w(])", ")*", full)
    full = re.sub(rf"\b(?!(?:{named})\b)(\w+)\s+(?=[\w(])", r"\1*", full)
    if full == text:
        return None
    try:
        parsed(full)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return full


def no_such_function(name: str, known: Iterable[str]) -> str:
    """'unknown function tann, did you mean tan, tanh or atan?', or a few that there are."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.55)
    close = close or difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.55)
    if close:
        return f"unknown function {name}, did you mean {' or '.join(filter(None, [', '.join(close[:-1]), close[-1]]))}?"
    return (
        f"unknown function {name}; there are {', '.join(FAMILIAR)} and more, special ones under SymPy's names "
        "(examples: docs/using.md)"
    )
