"""Cells as text and what they mean: missing, a number in one of many spellings, a truth value, a day."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

# What people and programs write where there is no value.
MISSING = frozenset(
    ["", "na", "n/a", "#n/a", "#na", "nan", "-nan", "null", "none", "nil", "-", "--", "---", "?", ".", "*", "missing",
     "n.a.", "k.a.", "not available", "<na>", "nd", "n.d.", "#value!", "#div/0!", "#ref!", "#num!"]
)  # fmt: skip
SENTINELS = (-9.0, -99.0, -999.0, -9999.0, -99999.0)  # the same as numbers, in columns of numbers that are not negative
TRUTH = ({"true", "false"}, {"yes", "no"}, {"y", "n"}, {"t", "f"}, {"ja", "nein"}, {"on", "off"}, {"wahr", "falsch"})
TRUE = frozenset(["true", "yes", "y", "t", "ja", "on", "wahr"])

APART = "'\u2019 \u00a0\u2009\u202f"  # what else stands between thousands: apostrophes and blanks
PLAIN = r"[-+]?({lakhs}\d{{1,3}}([{group}]\d{{3}})+|\d+)?({mark}\d*)?([eEdD][-+]?\d+)?\s*%?"
NUMBERS = {
    ".": re.compile(
        r"(?=[-+]?[.]?\d)" + PLAIN.format(group="," + APART, mark=r"\.", lakhs=r"\d{1,2}(,\d\d)+,\d{3}|")
    ),
    ",": re.compile(r"(?=[-+]?[,]?\d)" + PLAIN.format(group="." + APART, mark=",", lakhs="")),
}  # fmt: skip
NOT_FINITE = frozenset(["inf", "-inf", "+inf", "infinity", "-infinity", "+infinity"])

BLANKS = " \t\r\n\u00a0\ufeff"  # around a cell, to the look and to the engine


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.strip(BLANKS).lower() in MISSING


def is_number(cell: str, decimal: str) -> bool:
    """Whether a cell is a number, finite or not."""
    text = cell.strip(BLANKS).replace("\u2212", "-")
    return bool(NUMBERS[decimal].fullmatch(text)) or text.lower() in NOT_FINITE


def stripped(column: pl.Expr) -> pl.Expr:
    """Text without blanks around it, null where it is missing."""
    import polars as pl

    text = column.str.strip_chars(BLANKS)
    return pl.when(text.str.to_lowercase().is_in(sorted(MISSING))).then(None).otherwise(text)


def as_numbers(text: pl.Expr, decimal: str) -> pl.Expr:
    """The numbers that stripped cells are, null for those that are none; percent signs are left out."""
    import polars as pl

    group = f"[{',' if decimal == '.' else '.'}{APART}]"
    plain = text.str.replace_all("\u2212", "-", literal=True).str.strip_suffix("%").str.strip_chars_end()
    spelled = plain.str.contains("^" + rust(NUMBERS[decimal].pattern) + "$")
    # Powers of ten in Fortran's spelling, and thousands apart.
    bare = plain.str.replace_all(group, "").str.replace(",", ".", literal=True).str.replace("[dD]", "e")
    lower = plain.str.to_lowercase()
    not_finite = pl.when(lower.is_in(sorted(NOT_FINITE))).then(lower)
    written = pl.when(spelled & plain.str.contains(r"\d")).then(bare).otherwise(not_finite)
    return written.cast(pl.Float64, strict=False)


def rust(pattern: str) -> str:
    """A pattern of NUMBERS without the look ahead that the engine's regular expressions do not have."""
    return re.sub(r"^\(\?=.*?\\d\)", "", pattern)
