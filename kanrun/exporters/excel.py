"""Formulas as cells of Excel and LibreOffice: the inputs of the first row of data are A2, B2, ..."""

from __future__ import annotations

import re
from typing import Any

import sympy as sp

from kanrun.exporters.code import Language, Template, code_of, shortest
from kanrun.exporters.source import CannotExportError, Source, glossary

MOST = 8192  # characters that Excel takes in a cell

FUNCTIONS: dict[Any, Template] = {
    **{f: f"{f.__name__.upper()}({{0}})" for f in (
        sp.sin, sp.cos, sp.tan, sp.asin, sp.acos, sp.atan, sp.sinh, sp.cosh, sp.tanh, sp.asinh, sp.acosh, sp.atanh,
        sp.exp, sp.sign, sp.erf, sp.erfc, sp.gamma,
    )},
    sp.log: "LN({0})", sp.Abs: "ABS({0})", sp.floor: "INT({0})", sp.loggamma: "GAMMALN({0})",
    sp.atan2: "ATAN2({1},{0})",  # the other way round than everywhere else
    sp.Min: lambda *z: f"MIN({','.join(z)})", sp.Max: lambda *z: f"MAX({','.join(z)})",
}  # fmt: skip


def column(number: int) -> str:
    """A for 0, B for 1, ..., AA for 26."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def power(base: str, exponent: str) -> str:
    """A power, which has no value where it is not real: sheets take (-8)^(1/3) for -2, a square root they do not."""
    broken = re.fullmatch(r"\d+/\d+|\d*\.\d+(E[+-]?\d+)?|\d+E-\d+", exponent)
    return f"POWER(SQRT({base}),2*{exponent})" if broken else f"POWER({base},{exponent})"


def excel(source: Source) -> str:
    """A text with the formula of every output for row 2, where each input has a column, in the order of the inputs.

    A power is POWER, since Excel reads -A2^2 as (-A2)^2. Excel keeps 15 digits of a constant. Raises
    CannotExportError for a formula that is too long for a cell.
    """
    cells = {name: f"{column(i)}2" for i, name in enumerate(source.inputs)}
    language = Language("Excel", FUNCTIONS, power, "SQRT({0})", number=shortest, pi="PI()", names=cells)
    outputs = {law.output: f"output {j + 1}" for j, law in enumerate(source.laws)}
    lines = ["' Formulas found by kanrun, for the second row of a sheet; fill them down.",
             *(f"' {line}" for line in glossary(source, {**cells, **outputs}, everything=True))]  # fmt: skip
    for law in source.laws:
        text = "=" + code_of(law.expression, language).replace(" ", "")
        if len(text) > MOST:
            raise CannotExportError(f"a cell of Excel takes {MOST} characters, that of {law.output} has {len(text)}")
        lines.append(text)
    if source.classes:
        names = ", ".join(law.output for law in source.laws)
        lines.append(f"' The class is the one whose value is the largest: {names}")
    return "\n".join(lines) + "\n"
