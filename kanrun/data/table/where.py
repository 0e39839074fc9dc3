"""`dataset.where`: one expression over the columns, read by a parser and given to the engine as its own objects."""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from kanrun.errors import ConfigError, wrong

if TYPE_CHECKING:
    import polars as pl

KEY = "dataset.where"
NUMBER, BOOLEAN, TEXT, LIST = "number", "truth value", "text", "list"
# Words of Python that mean nothing here, and so can be names of columns.
WORDS = sorted(set(keyword.kwlist) - {"and", "or", "not", "in", "True", "False"})
LONGEST, DEEPEST = 1000, 30  # characters; brackets and operators within each other
FORM = "a comparison of columns, such as T > 300 and gas == 'N2'; names with blanks or signs in backticks, `E (eV)` > 2"
AFTER_IN = "after in stands a list of values, such as gas in ['N2', 'He']"
TEXTS = r"""((?:`[^`]*`|[^`'"])+|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""  # in quotes, or what is outside of them
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
    plain = "".join(
        part if part[:1] in "'\"" else outside_quotes(part, quoted) for part in re.split(TEXTS, text) if part
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own, such as of a backslash in a text
            tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ConfigError(wrong(KEY, text, f"it cannot be read; needed is {FORM}")) from None
    check(tree, text, 0)
    columns = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            held = re.fullmatch(r"__column_(\d{1,4})__", node.id)
            number = int(held.group(1)) if held else len(quoted)
            columns[node.id] = known(quoted[number] if number < len(quoted) else node.id)
    if not columns:
        raise ConfigError(wrong(KEY, text, f"it names no column; needed is {FORM}"))
    return tree, columns


def outside_quotes(part: str, quoted: list[str]) -> str:
    """A part without texts as Python reads it: names in backticks held in `quoted`, and = for ==."""

    def hold(match: re.Match[str]) -> str:
        quoted.append(match.group(1) or match.group(2))
        return f" __column_{len(quoted) - 1}__ "

    part = re.sub(rf"`([^`]+)`|\b({'|'.join(WORDS)})\b", hold, part)
    part = re.sub(r"\btrue\b", "True", re.sub(r"\bfalse\b", "False", part))
    return re.sub(r"(?<![<>=!])=(?!=)", "==", part)


def check(node: ast.AST, text: str, depth: int) -> None:
    """Raises ConfigError for anything but comparisons, and, or, not, in, arithmetic, numbers, texts and names."""
    allowed = (
        ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Name, ast.Constant, ast.List, ast.Tuple, ast.Load,
        ast.And, ast.Or, ast.Not, ast.USub, ast.UAdd, ast.In, ast.NotIn, *COMPARISONS, *ARITHMETIC,
    )  # fmt: skip
    if depth > DEEPEST:
        raise ConfigError(wrong(KEY, text, f"more than {DEEPEST} brackets and signs stand within each other"))
    fine = isinstance(node, allowed)
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


@dataclass(frozen=True)
class Filter:
    """The expression as an object of the engine's: of each name its column there, and whether that holds numbers,
    truth values or texts.
    """

    text: str
    columns: Mapping[str, pl.Expr]
    kinds: Mapping[str, str]

    def of(self, tree: ast.expr) -> pl.Expr:
        """The whole. Raises ConfigError where it is not true or false of a row."""
        if self.kind(tree) == LIST:
            self.alike([tree], BOOLEAN)
        if self.kind(tree) != BOOLEAN:
            raise ConfigError(wrong(KEY, self.text, f"it is neither true nor false of a row; needed is {FORM}"))
        made: pl.Expr = self.made(tree)
        return made

    def kind(self, node: ast.expr) -> str:
        """What a part of it gives."""
        if isinstance(node, ast.Name):
            return self.kinds[node.id]
        if isinstance(node, ast.Constant):
            return {bool: BOOLEAN, str: TEXT}.get(type(node.value), NUMBER)
        if isinstance(node, (ast.List, ast.Tuple)):
            return LIST
        if isinstance(node, ast.UnaryOp):
            return BOOLEAN if isinstance(node.op, ast.Not) else NUMBER
        return NUMBER if isinstance(node, ast.BinOp) else BOOLEAN

    def made(self, node: ast.expr) -> Any:
        """A part of it."""
        import polars as pl

        if isinstance(node, ast.Name):
            return self.columns[node.id]
        if isinstance(node, ast.Constant):
            return pl.lit(self.value(node))
        if isinstance(node, ast.BoolOp):
            self.alike(node.values, BOOLEAN)
            join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
            return reduce(join, map(self.made, node.values))
        if isinstance(node, ast.UnaryOp):
            self.alike([node.operand], self.kind(node))
            inner = self.made(node.operand)
            return ~inner if isinstance(node.op, ast.Not) else -inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.BinOp):
            self.alike([node.left, node.right], NUMBER)
            left, right = self.made(node.left), self.made(node.right)
            if isinstance(node.op, ast.Div):  # by zero there is no value, so that nothing is true of the row
                return left / pl.when(right != 0).then(right)
            return ARITHMETIC[type(node.op)](left, right)
        assert isinstance(node, ast.Compare)
        lefts = [node.left, *node.comparators]
        return reduce(operator.and_, map(self.compared, lefts, node.ops, node.comparators))

    def compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Any:
        """One comparison, or membership in a list of values."""
        if not isinstance(op, (ast.In, ast.NotIn)):
            self.alike([left, right], self.kind(left))
            return COMPARISONS[type(op)](self.made(left), self.made(right))
        values = right.elts if isinstance(right, (ast.List, ast.Tuple)) else []
        if not values or not all(isinstance(v, ast.Constant) for v in values):
            raise ConfigError(wrong(KEY, self.text, AFTER_IN))
        self.alike(values, self.kind(left))
        inside = self.made(left).is_in([self.value(v) for v in values if isinstance(v, ast.Constant)])
        return ~inside if isinstance(op, ast.NotIn) else inside

    def value(self, node: ast.Constant) -> Any:
        """A number, as all numbers are here, or a text or truth value."""
        return float(node.value) if self.kind(node) == NUMBER else node.value  # type: ignore[arg-type]

    def alike(self, nodes: Sequence[ast.expr], wanted: str) -> None:
        """Raises ConfigError where parts are of another kind than what they are held against."""
        for node in nodes:
            if LIST in (self.kind(node), wanted):
                raise ConfigError(wrong(KEY, self.text, f"a comma or a list stands where none is read; {AFTER_IN}"))
            if self.kind(node) != wanted:
                raise ConfigError(wrong(KEY, self.text, f"a {self.kind(node)} stands where a {wanted} is needed"))
