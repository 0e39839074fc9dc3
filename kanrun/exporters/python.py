"""Formulas as a Python file that needs only NumPy, or SciPy for a user's special function."""

from __future__ import annotations

import keyword
from collections.abc import Iterable
from typing import Any

import sympy as sp
from sympy.printing.numpy import NumPyPrinter, SciPyPrinter

from kanrun.errors import shorten
from kanrun.exporters.code import folded
from kanrun.exporters.source import CannotExportError, Source, glossary

SPECIAL = (sp.erf, sp.erfc, sp.gamma, sp.loggamma)  # only users' functions have them
SCIPY = "import scipy"
TAKEN = {"predict", "classify", "decision", "numpy", "scipy", "columns", "rows", "values", "x"}


def python_name(name: str) -> str:
    """A name that Python accepts and the written module does not use itself."""
    clean = "".join(c if ("a" + c).isidentifier() else "_" for c in name)
    if not clean.isidentifier():
        clean = "_" + clean
    return f"{clean}_" if keyword.iskeyword(clean) or clean in TAKEN else clean


def python_names(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """The same for several names, each with one of its own that is not `taken`."""
    safe: dict[str, str] = {}
    taken = set(taken)
    for name in names:
        free = python_name(name)
        while free in safe.values() or free in taken:
            free += "_"
        safe[name] = free
    return safe


def python(source: Source) -> str:
    """A module with one function an output, and `predict(x)` for rows [rows, inputs]; for classes `classify(x)` too.

    The decision between two classes is a function of its own, above 0 for the second.
    """
    inputs = source.inputs
    arguments, functions_of = python_names(inputs), python_names(law.output for law in source.laws)
    outputs = list(functions_of.values())
    functions = [(name, law.expression) for name, law in zip(outputs, source.laws, strict=True)]
    if source.decision:
        functions.append(("decision", source.decision.expression))
    scipy = any(expression.has(*SPECIAL) for _, expression in functions)
    lines = [f'"""Formulas found by kanrun; needs only NumPy{" and SciPy" * scipy}."""', "", "import numpy"]
    known = glossary(source, functions_of | arguments)
    lines += [*[SCIPY] * scipy, *[""] * bool(known), *(f"# {line}" for line in known), ""]
    for name, expression in functions:
        lines += ["", f"def {name}({', '.join(arguments.values())}):", f"    return {code(expression, arguments)}", ""]
    calls = ", ".join(f"{name}(*columns)" for name in outputs)
    lines += [
        "",
        "def predict(x):",
        f'    """Rows [rows, {len(inputs)}] ({", ".join(inputs)}) to [rows, {len(outputs)}]."""',
        "    columns = numpy.asarray(x, dtype=float).T",
        "    rows = columns.shape[1]",
        f"    return numpy.stack([numpy.broadcast_to(values, rows) for values in ({calls},)], axis=1)",
        "",
    ]
    if source.classes:
        lines += [
            "",
            "def classify(x):",
            f'    """Rows [rows, {len(inputs)}] to the number of the class of each, from 0."""',
            "    return numpy.argmax(predict(x), axis=1)",
            "",
        ]
    return "\n".join(lines)


class _Least:
    """Min and Max as NumPy has them; SymPy writes them with a module that is not imported."""

    def _print_Min(self, expr: Any) -> str:  # noqa: N802
        return folded("numpy.minimum")(*map(self._print, expr.args))  # type: ignore[attr-defined]

    def _print_Max(self, expr: Any) -> str:  # noqa: N802
        return folded("numpy.maximum")(*map(self._print, expr.args))  # type: ignore[attr-defined]


class _NumPy(_Least, NumPyPrinter):  # type: ignore[misc]
    pass


class _SciPy(_Least, SciPyPrinter):  # type: ignore[misc]
    pass


def code(expression: sp.Expr, arguments: dict[str, str]) -> str:
    """One expression over the arguments of its function."""
    printer = _SciPy if expression.has(*SPECIAL) else _NumPy
    renamed = {
        s: sp.Symbol(arguments[s.name], real=True) for s in expression.free_symbols if s.name != arguments[s.name]
    }
    try:
        text: str = printer({"fully_qualified_modules": True}).doprint(expression.xreplace(renamed))
    except NotImplementedError as error:
        raise CannotExportError(f"NumPy has no function for a part of {shorten(str(expression))}") from error
    return text
