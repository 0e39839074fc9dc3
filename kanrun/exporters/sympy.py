"""Formulas as a Python file that makes SymPy expressions of them, with all digits."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.printing.pycode import SymPyPrinter

from kanrun.exporters.python import python_names
from kanrun.exporters.source import Source, glossary

DIGITS = 17  # give back the same float64


class Printer(SymPyPrinter):  # type: ignore[misc]
    """Numbers stay what they are: Python would make decimals of fractions, and drop digits of decimals."""

    names: dict[str, str]

    def _print_Float(self, expr: Any) -> str:  # noqa: N802
        return f"sympy.Float('{sp.Float(expr, DIGITS)}', {DIGITS})"

    def _print_Rational(self, expr: Any) -> str:  # noqa: N802
        return f"sympy.Rational({expr.p}, {expr.q})"

    def _print_Pow(self, expr: Any, rational: bool = True) -> str:  # noqa: N802, ARG002
        return f"sympy.Pow({self._print(expr.base)}, {self._print(expr.exp)})"

    def _print_Symbol(self, expr: Any) -> str:  # noqa: N802
        return self.names[expr.name]

    def _print_Function(self, expr: Any) -> str:  # noqa: N802
        return f"sympy.{expr.func.__name__}({', '.join(map(self._print, expr.args))})"

    def _print_NumberSymbol(self, expr: Any) -> str:  # noqa: N802
        return f"sympy.S.{type(expr).__name__}"

    _print_Pi = _print_Exp1 = _print_NumberSymbol  # noqa: N815
    _print_sign = _print_Min = _print_Max = _print_Function  # noqa: N815


def sympy(source: Source) -> str:
    """A module with a symbol an input and an expression an output."""
    inputs = python_names(source.inputs, {"sympy"})
    outputs = python_names((law.output for law in source.laws), {"sympy", *inputs.values()})
    lines = ['"""Formulas found by kanrun, for SymPy."""', "", "import sympy", ""]
    lines += [f"# {line}" for line in glossary(source, outputs | inputs)]
    lines += [f"{inputs[name]} = sympy.Symbol({inputs[name]!r}, real=True)" for name in source.inputs] + [""]
    printer = Printer({"fully_qualified_modules": True})
    printer.names = inputs
    laws = [(outputs[law.output], law.expression) for law in source.laws]
    if source.decision:
        laws.append(("decision", source.decision.expression))
    lines += [f"{name} = sympy.sympify({printer.doprint(expression)})" for name, expression in laws]
    return "\n".join(lines) + "\n"
