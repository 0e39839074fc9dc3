"""Who is asked by benchmarks/real.py: kanrun, its peers of benchmarks/peers.py, and SciPy with the accepted law.

All answer with a formula over x_1 ... as a text, which is then judged alike. SciPy's `curve_fit` is told the law and
begins at its constants: it shows what the rows allow at best.
"""

from __future__ import annotations

import argparse
import importlib
import time
import warnings
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np
import sympy as sp

from benchmarks.forms import numbers_of
from benchmarks.peers import PACKAGES, PEERS
from kanrun import fit
from kanrun.functions.evaluate import evaluate
from kanrun.symbolic.uncertainty import estimate

KANRUN, SCIPY = "kanrun", "curve_fit"
SYSTEMS = (KANRUN, *PEERS, SCIPY)
KNOWS_LAWS = ("noise", "tables")  # parts in which the form is asked for that SciPy is told
Constants = list[dict[str, Any]]
# of each peer the number of its first input, and its functions that SymPy does not call so, or that are protected
DIALECTS: dict[str, tuple[int, dict[str, Any]]] = {
    "gplearn": (0, {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
        "inv": lambda z: 1 / z, "sqrt": lambda z: sp.sqrt(sp.Abs(z)), "log": lambda z: sp.log(sp.Abs(z)),
    }),
    "pyoperon": (1, {"square": lambda z: z**2}),
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A formula, as it is shown, its constants, the other forms, and the seconds of CPU that all that took.

    `constants` are None where the system says nothing of their errors; `claims` says that it calls itself exact.
    """

    text: str
    shown: str
    cpu: float
    constants: Constants | None = None
    others: list[str] = field(default_factory=list)
    front: list[str] = field(default_factory=list)
    claims: bool = False


def left_out(system: str, part: str) -> str | None:
    """Why a system is not asked in a part, in a line; None where it is."""
    if system in PEERS and find_spec(system) is None:
        return f"Left out: {system} (not installed)."
    if system == SCIPY and part not in KNOWS_LAWS:
        return f"Left out: {SCIPY} (only for {' and '.join(KNOWS_LAWS)})."
    return None


def answered(x: np.ndarray, y: np.ndarray, given: argparse.Namespace, law: sp.Expr | None = None) -> Answer:
    """What `given.system` finds in these rows; only SciPy is told the law."""
    begin = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if given.system == KANRUN:
            return searched(x, y, given)
        if given.system == SCIPY:
            assert law is not None
            return fitted(x, y, law)
        importlib.import_module(PACKAGES[given.system])
        begin = time.process_time()  # an import is not a search
        text = in_sympy(given.system, PEERS[given.system](x, y, given.seed, given.seconds).text, x.shape[1])
    return Answer(text, text, time.process_time() - begin)


def searched(x: np.ndarray, y: np.ndarray, given: argparse.Namespace) -> Answer:
    """By a search of kanrun."""
    begin = time.process_time()
    budget = {"work": given.work} if given.work else {"seconds": given.seconds}
    result = fit(x, y, {"search": budget, "plots": {"enabled": False}, "seed": given.seed, "threads": 1})
    formula = result.state.formulas[0]
    return Answer(
        formula.expression, formula.rounded, time.process_time() - begin,
        [{"value": c.value, "standard_error": c.standard_error} for c in formula.constants],
        [other.expression for other in formula.alternatives], [point.expression for point in formula.front],
        formula.exact is True or formula.reason.startswith("exact"),
    )  # fmt: skip


def fitted(x: np.ndarray, y: np.ndarray, law: sp.Expr) -> Answer:
    """The law with all of its constants (`numbers_of`) by scipy.optimize.curve_fit from where they are."""
    from scipy.optimize import curve_fit

    begin, columns = time.process_time(), columns_of(x)
    sizes = numbers_of(law)
    names = [f"c_{i}" for i in range(len(sizes))]
    symbols = {s * sign: sp.Symbol(n, real=True) * sign for n, s in zip(names, sizes, strict=True) for sign in (1, -1)}
    form = law.xreplace(symbols)
    values = np.array([float(s) for s in sizes])

    def predicted(_: np.ndarray, *factors: float) -> np.ndarray:
        constants = {n: np.full(len(y), v * q) for n, v, q in zip(names, values, factors, strict=True)}
        return evaluate(form, {**columns, **constants})

    factors, covariance = curve_fit(predicted, x, y, np.ones(len(values)), maxfev=10_000)
    errors = np.abs(values) * np.sqrt(np.diagonal(covariance))
    found = [sp.Float(float(v), 17) for v in values * factors]
    expression = form.xreplace({sp.Symbol(n, real=True): f for n, f in zip(names, found, strict=True)})
    pairs = [(float(f), float(e)) for f, e in zip(found, errors, strict=True)]
    shown = f"{law} with {', '.join(f'{f:.5g} ± {e:.1g}' for f, e in pairs)}"
    constants = [{"value": f, "standard_error": e} for f, e in pairs]
    return Answer(str(expression), shown, time.process_time() - begin, constants)


def in_sympy(system: str, text: str, d: int) -> str:
    """A formula of a peer as a text over x_1 ..., with what its protected functions do."""
    first, functions = DIALECTS[system]
    inputs = {f"X{i + first}": sp.Symbol(f"x_{i + 1}", real=True) for i in range(d)}
    return str(sp.sympify(text, locals=functions | inputs))


def expression_of(text: str, d: int) -> sp.Expr:
    """A text over x_1 ... as real symbols."""
    return sp.sympify(text, locals={f"x_{i + 1}": sp.Symbol(f"x_{i + 1}", real=True) for i in range(d)})


def columns_of(x: np.ndarray) -> dict[str, np.ndarray]:
    """The inputs [rows, d] by their names."""
    return {f"x_{i + 1}": x[:, i] for i in range(x.shape[1])}


def constants_with_errors(expression: sp.Expr, columns: dict[str, np.ndarray], y: np.ndarray) -> Constants:
    """The constants of a form at the rows, with standard errors by least squares."""
    return [{"value": c.value, "standard_error": c.standard_error} for c in estimate(expression, columns, y).constants]
