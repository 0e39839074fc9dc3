"""The constants of a formula: which they are, the form that they stand in, and its slopes by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy as sp
from sympy.printing.str import StrPrinter

from kanrun.functions.evaluate import Array, Evaluation, at_rows, evaluate

MOST = 60  # constants of a formula beyond which nobody reads their errors
NO_EFFECT = 1e-100  # part of what is missing that a constant moves by its size, or by 1, if it is left where it is
SINGULAR = 1e-10  # part of the largest singular value of the scaled Jacobian below which a direction is not determined

Columns = Mapping[str, Array]


class _Recorder(StrPrinter):  # type: ignore[misc]
    """Notes the sizes of the decimals in the order in which the text has them; signs are the text's own."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[sp.Float] = []

    def _print_Float(self, expr: sp.Float) -> str:  # noqa: N802
        self.sizes.append(abs(expr))
        return super()._print_Float(expr)


def constants_of(expression: sp.Expr) -> list[sp.Float]:
    """The decimals of an expression in order of appearance in its text, each value once; snapped ones are none."""
    return list(in_order(expression))


@lru_cache(maxsize=2000)
def in_order(expression: sp.Expr) -> tuple[sp.Float, ...]:
    """The same, of which much is asked again of an expression: SymPy takes its time to write it down."""
    recorder = _Recorder()
    recorder.doprint(expression)
    atoms = expression.atoms(sp.Float)
    found = [f for size in recorder.sizes for f in (size, -size) if f in atoms]
    rest = sorted(atoms.difference(found), key=float)
    return tuple(dict.fromkeys([*found, *rest]))


@dataclass(frozen=True)
class Form:
    """An expression with parameters in the place of its constants."""

    general: sp.Expr
    names: tuple[str, ...]

    @classmethod
    def of(cls, expression: sp.Expr, constants: list[sp.Float]) -> Form:
        """The form of an expression in these of its constants."""
        names = tuple(f"constant {k}" for k in range(len(constants)))  # with a space: no input is called so
        symbols = [sp.Symbol(name, real=True) for name in names]
        return cls(expression.xreplace(dict(zip(constants, symbols, strict=True))), names)

    def given(self, constants: Array, columns: Columns) -> Columns:
        """The columns with the constants beside them."""
        return {**columns, **{n: np.asarray(c) for n, c in zip(self.names, constants.tolist(), strict=True)}}

    def values(self, constants: Array, columns: Columns) -> Array:
        """The values with these constants at every row: [rows]."""
        return evaluate(self.general, self.given(constants, columns))

    def slopes(self, constants: Array, columns: Columns) -> Array:
        """The derivatives by the constants at every row: [rows, constants]."""
        values = self.given(constants, columns)
        result, evaluation = np.empty((len(next(iter(columns.values()))), len(constants))), Evaluation(values)
        for k, name in enumerate(self.names):
            try:
                result[:, k] = at_rows(slope_of(self.general, sp.Symbol(name, real=True)), evaluation)
            except (TypeError, KeyError, ValueError):  # a function whose derivative has no evaluator
                result[:, k] = np.nan
            lost = ~np.isfinite(result[:, k])  # as of x**p by p where x is 0
            if lost.any():
                step = 1e-5 * max(1.0, abs(float(constants[k])))
                ends = [evaluate(self.general, {**values, name: np.asarray(constants[k] + s)}) for s in (step, -step)]
                with np.errstate(invalid="ignore", over="ignore"):  # of what is infinite
                    result[lost, k] = ((ends[0] - ends[1]) / (2 * step))[lost]
        return result


def jacobian(expression: sp.Expr, constants: list[sp.Float], columns: Columns) -> Array:
    """Derivatives of `expression` by these of its constants at every row: [rows, constants]."""
    return Form.of(expression, constants).slopes(np.array([float(f) for f in constants]), columns)


@lru_cache(maxsize=512)
def slope_of(general: sp.Expr, constant: sp.Symbol) -> sp.Expr:
    """The derivative by a constant, which every step of a fit asks for again."""
    return sp.diff(general, constant).replace(sp.DiracDelta, lambda *_: sp.Integer(0))


def sizes_of(columns: Array) -> Array:
    """Norms of the columns [rows, columns], whose squares may be too large or too small to be numbers."""
    largest = np.abs(columns).max(axis=0, initial=0.0)
    unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    finite = np.isfinite(largest)
    if finite.all():  # as nearly always, and asked for in every step of a fit
        return unit * np.linalg.norm(columns / unit, axis=0)
    sizes: Array = unit * np.linalg.norm(np.nan_to_num(columns / unit, posinf=0.0, neginf=0.0), axis=0)
    return np.where(finite, sizes, largest)


def in_units_of_effect(slopes: Array, constants: Array, missing: Array) -> tuple[Array, Array]:
    """The slopes [rows, constants] with columns of norm 1, and these norms.

    0 and 1 for constants on which nothing depends beside what is `missing` [rows]: a step of them has no bounds.
    """
    sizes = sizes_of(slopes)
    with np.errstate(over="ignore", invalid="ignore"):
        telling = sizes * np.maximum(np.abs(constants), 1.0) > NO_EFFECT * np.abs(missing).max(initial=0.0)
    scale = np.where(telling, sizes, 1.0)
    return np.where(telling, slopes / scale, 0.0), scale
