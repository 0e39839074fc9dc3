"""`dataset.where`: one expression over the columns, read by a parser and given to the engine as its own objects."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kanrun.errors import ConfigError, wrong

if TYPE_CHECKING:
    import polars as pl

KEY = "dataset.where"
LONGEST, DEEPEST = 1000, 30  # characters; brackets and operators within each other
FORM = "a comparison of columns, such as T > 300 and gas == 'N2'; names with blanks or signs in backticks, `E (eV)` > 2"
COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def names_in(text: str, known: Callable[[str], str]) -> tuple[ast.expr, dict[str, str]]:
    """The parsed expression, and the columns (as `known` has them by the user's name) of the names in it.

    Raises ConfigError for what is no expression over the columns.
    """
    if len(text) > LONGEST:
        raise ConfigError(wrong(KEY, text[:60] + "...", f"it has {len(text)} characters, at most {LONGEST} are read"))
    quoted: list[str] = []

    def hold(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group(0)  # a text in quotes, which may hold a backtick
        quoted.append(match.group(1))
        return f" __column_{len(quoted) - 1}__ "

    plain = re.sub(r"`([^`]*)`|'[^']*'|\"[^\"]*\"", hold, text)
    plain = re.sub(r"(?<![<>=!])=(?!=)", "==", plain)
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ConfigError(wrong(KEY, text, f"it cannot be read; needed is {FORM}")) from None
    check(tree, text, 0)
    columns = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            held = re.fullmatch(r"__column_(\d+)__", node.id)
            columns[node.id] = known(quoted[int(held.group(1))] if held else node.id)
    if not columns:
        raise ConfigError(wrong(KEY, text, f"it names no column; needed is {FORM}"))
    return tree, columns


def check(node: ast.AST, text: str, depth: int) -> None:
    """Raises ConfigError for anything but comparisons, and, or, not, in, arithmetic, numbers, texts and names."""
    allowed = (
        ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Name, ast.Constant, ast.List, ast.Tuple, ast.Load,
        ast.And, ast.Or, ast.Not, ast.USub, ast.UAdd, ast.In, ast.NotIn, *COMPARISONS, *ARITHMETIC,
    )  # fmt: skip
    fine = isinstance(node, allowed) and depth <= DEEPEST
    if isinstance(node, ast.Constant):
        fine = fine and type(node.value) in (int, float, str, bool) and abs_size(node.value) < 1e300
    if not fine:
        raise ConfigError(wrong(KEY, text, f"{type(node).__name__} is not allowed in it; needed is {FORM}"))
    for child in ast.iter_child_nodes(node):
        check(child, text, depth + 1)


def abs_size(value: object) -> float:
    """The size of a number, 0 of anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    try:
        return abs(float(value))
    except OverflowError:
        return math.inf


def filter_of(tree: ast.expr, columns: Mapping[str, pl.Expr], text: str, kinds: Mapping[str, str]) -> pl.Expr:
    """The engine's filter. `kinds` says of each name whether its column holds a number, boolean or text."""

    def kind(node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return kinds[node.id]
        if isinstance(node, ast.Constant):
            return {bool: "boolean", str: "text"}.get(type(node.value), "number")
        return "number" if isinstance(node, (ast.BinOp, ast.UnaryOp)) else "boolean"

    def made(node: ast.expr) -> Any:
        import polars as pl

        if isinstance(node, ast.Name):
            return columns[node.id]
        if isinstance(node, ast.Constant):
            return pl.lit(float(node.value) if kind(node) == "number" else node.value)
        if isinstance(node, ast.BoolOp):
            join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
            parts = [made(v) for v in node.values]
            whole = parts[0]
            for part in parts[1:]:
                whole = join(whole, part)
            return whole
        if isinstance(node, ast.UnaryOp):
            inner = made(node.operand)
            return ~inner if isinstance(node.op, ast.Not) else -inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.BinOp):
            alike([node.left, node.right], "number")
            return ARITHMETIC[type(node.op)](made(node.left), made(node.right))
        assert isinstance(node, ast.Compare)
        return compared(node)

    def compared(node: ast.Compare) -> Any:
        whole, left = None, node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, (ast.In, ast.NotIn)):
                if not isinstance(right, (ast.List, ast.Tuple)) or not all(isinstance(e, ast.Constant) for e in right.elts):
                    raise ConfigError(wrong(KEY, text, "after in stands a list of values, such as gas in ['N2', 'He']"))
                alike([left, *right.elts], None)
                part = made(left).is_in([float(e.value) if kind(e) == "number" else e.value for e in right.elts])  # type: ignore[attr-defined]
                part = ~part if isinstance(op, ast.NotIn) else part
            else:
                alike([left, right], None)
                part = COMPARISONS[type(op)](made(left), made(right))
            whole, left = part if whole is None else whole & part, right
        return whole

    def alike(nodes: list[ast.expr], wanted: str | None) -> None:
        found = [kind(n) for n in nodes]
        if len({*found, *([wanted] if wanted else [])}) > 1:
            raise ConfigError(wrong(KEY, text, f"a {found[0]} is held against a {(found[1:] + [wanted])[0] or wanted}"))

    whole = tree
    if kind(whole) != "boolean":
        raise ConfigError(wrong(KEY, text, f"it is neither true nor false of a row; needed is {FORM}"))
    return made(whole)
