"""Numbers from a SymPy expression, by walking its tree with NumPy and SciPy; no code is generated or executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

Array = NDArray[Any]


def _znm(y: Array, m: Array) -> Array:
    """Real spherical harmonics, as SymPy defines them, from the complex ones."""
    return np.where(m > 0, np.sqrt(2) * y.real, np.where(m < 0, np.sqrt(2) * y.imag, y.real))


def positive(z: Array, values: Array) -> Array:
    """`values` where z is above 0, NaN elsewhere: there the function is not real, though SciPy gives a number."""
    return np.where(np.asarray(z) > 0, values, np.nan)


ELEMENTARY: dict[Any, Callable[..., Any]] = {
    sp.sin: np.sin, sp.cos: np.cos, sp.tan: np.tan, sp.asin: np.arcsin, sp.acos: np.arccos, sp.atan: np.arctan,
    sp.cot: lambda z: 1 / np.tan(z), sp.sec: lambda z: 1 / np.cos(z), sp.csc: lambda z: 1 / np.sin(z),
    sp.sinh: np.sinh, sp.cosh: np.cosh, sp.tanh: np.tanh, sp.coth: lambda z: 1 / np.tanh(z),
    sp.asinh: np.arcsinh, sp.acosh: np.arccosh, sp.atanh: np.arctanh, sp.acoth: lambda z: np.arctanh(1 / z),
    sp.exp: np.exp, sp.log: np.log, sp.Abs: np.abs, sp.sign: np.sign, sp.floor: np.floor, sp.atan2: np.arctan2,
    sp.re: np.real, sp.im: np.imag, sp.conjugate: np.conjugate,
    sp.Min: lambda *v: np.minimum.reduce(np.broadcast_arrays(*v)),
    sp.Max: lambda *v: np.maximum.reduce(np.broadcast_arrays(*v)),
}  # fmt: skip


@cache
def evaluators() -> dict[Any, Callable[..., Any]]:
    """Every function that can be evaluated. SciPy is imported when the first special one is met."""
    from scipy import special

    return ELEMENTARY | {
        sp.erf: special.erf, sp.erfc: special.erfc, sp.gamma: special.gamma,
        sp.loggamma: lambda z: positive(z, special.gammaln(z)),
        sp.polygamma: lambda n, z: special.polygamma(np.asarray(n, dtype=int), z), sp.digamma: special.digamma,
        sp.beta: special.beta, sp.airyai: lambda z: special.airy(z)[0], sp.airybi: lambda z: special.airy(z)[2],
        sp.besselj: special.jv, sp.bessely: special.yv, sp.besseli: special.iv, sp.besselk: special.kv,
        sp.jn: lambda n, z: special.spherical_jn(np.asarray(n, dtype=int), z),
        sp.yn: lambda n, z: special.spherical_yn(np.asarray(n, dtype=int), z),
        sp.elliptic_k: special.ellipk, sp.elliptic_f: special.ellipkinc,
        sp.elliptic_e: lambda *v: special.ellipe(*v) if len(v) == 1 else special.ellipeinc(*v),
        sp.LambertW: lambda z: positive(z + np.exp(-1), np.real(special.lambertw(z))), sp.zeta: special.zeta,
        sp.Ei: special.expi, sp.Si: lambda z: special.sici(z)[0], sp.Ci: lambda z: positive(z, special.sici(z)[1]),
        sp.Shi: lambda z: special.shichi(z)[0], sp.Chi: lambda z: positive(z, special.shichi(z)[1]),
        sp.fresnels: lambda z: special.fresnel(z)[0], sp.fresnelc: lambda z: special.fresnel(z)[1],
        sp.legendre: special.eval_legendre, sp.chebyshevt: special.eval_chebyt, sp.chebyshevu: special.eval_chebyu,
        sp.hermite: lambda n, z: special.eval_hermite(np.asarray(n, dtype=int), z),
        sp.laguerre: special.eval_laguerre, sp.gegenbauer: special.eval_gegenbauer,
        sp.jacobi: special.eval_jacobi,
        sp.assoc_legendre: lambda n, m, z: special.lpmv(m, n, z),
        sp.Ynm: lambda n, m, theta, phi: special.sph_harm_y(np.asarray(n, int), np.asarray(m, int), theta, phi),
        sp.Znm: lambda n, m, theta, phi: _znm(
            special.sph_harm_y(np.asarray(n, int), np.asarray(m, int), theta, phi), np.asarray(m, int)
        ),
    }  # fmt: skip


class Evaluation:
    """The values of the parts of an expression with the inputs' columns ([rows] each) put in, each computed once."""

    def __init__(self, columns: Mapping[str, Array]) -> None:
        self.columns = columns
        self.known: dict[sp.Basic, Any] = {}

    def value(self, node: sp.Basic) -> Any:
        """The values of a part: an array or a number."""
        if node not in self.known:
            self.known[node] = self.compute(node)
        return self.known[node]

    def compute(self, node: Any) -> Any:
        """The same for one that is met for the first time."""
        if node.is_Symbol:
            return np.asarray(self.columns[node.name], dtype=np.float64)
        if (node.is_Number or node.is_NumberSymbol) and node.is_number and not node.has(sp.I):
            return np.float64(float(node))
        if node.is_Add:
            return sum((self.value(a) for a in node.args[1:]), start=self.value(node.args[0]))
        if node.is_Mul:
            return product([self.value(a) for a in node.args])
        if node.is_Pow:
            return self.power(*node.args)
        return np.complex128(1j) if node == sp.I else self.function(node)

    def function(self, node: Any) -> Any:
        """The values of a function of other parts."""
        function = ELEMENTARY.get(node.func) or evaluators().get(node.func)
        if function is None:
            raise TypeError(f"no way to evaluate {node.func.__name__}")
        arguments = [self.value(a) for a in node.args]
        try:
            return function(*arguments)
        except TypeError:  # NumPy and SciPy know many functions for real numbers only
            if any(map(np.iscomplexobj, arguments)):
                return np.float64(np.nan)
            raise

    def power(self, base: Any, exponent: Any) -> Any:
        """The values of a power: whole ones, roots and others."""
        if exponent.is_Integer:
            return self.value(base) ** int(exponent) if exponent > 0 else 1.0 / self.value(base) ** int(-exponent)
        if exponent.is_Rational and exponent.q == 2:
            root = np.sqrt(self.value(base)) ** abs(int(exponent.p))
            return root if exponent > 0 else 1.0 / root
        if exponent == sp.Rational(1, 3) and not np.iscomplexobj(self.value(base)):
            return np.where(self.value(base) >= 0, np.cbrt(self.value(base)), np.nan)
        return np.power(self.value(base), self.value(exponent))


def evaluate(expression: sp.Expr, columns: Mapping[str, Array]) -> Array:
    """Values of `expression` with the inputs' columns ([rows] each) put in: [rows], NaN where it is not real.

    Raises KeyError for an unknown symbol and TypeError for a function without an evaluator.
    """
    return at_rows(expression, Evaluation(columns))


def at_rows(expression: sp.Expr, evaluation: Evaluation) -> Array:
    """The same by an evaluation that knows the values of some parts already."""
    columns = evaluation.columns
    rows = len(next(iter(columns.values()))) if columns else 1
    with np.errstate(all="ignore"):
        result = evaluation.value(expression)
    if np.iscomplexobj(result):
        result = np.where(np.abs(result.imag) <= 1e-12 * np.abs(result), result.real, np.nan)
    return np.broadcast_to(np.asarray(result, dtype=np.float64), (rows,)).copy()


def product(factors: list[Any]) -> Any:
    """The product of arrays and numbers."""
    result = factors[0]
    for factor in factors[1:]:
        result = result * factor
    return result
