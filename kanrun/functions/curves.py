"""Curves of one input that science knows, as sums of shapes with a few constants, and where these may begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import sympy as sp

X = sp.Symbol("x", real=True)
A, B, C, D = (sp.Symbol(f"shape {k}", real=True) for k in range(4))  # with a blank: no input is called so
FASTEST, SLOWEST = 30.0, 0.2  # rates, in parts of the range of the input
RATES, PLACES, WAVES = 9, 9, 60


@dataclass(frozen=True)
class Span:
    """The rows of the input: least, largest and how far these are apart."""

    low: float
    high: float
    rows: int

    @property
    def width(self) -> float:
        """The range."""
        return self.high - self.low

    def rates(self) -> list[float]:
        """Rates at which something may change over the range."""
        return [float(r) for r in np.geomspace(SLOWEST, FASTEST, RATES) / self.width]

    def both_ways(self) -> list[float]:
        """The same rising and falling."""
        return [sign * rate for rate in self.rates() for sign in (-1.0, 1.0)]

    def places(self) -> list[float]:
        """Places within the range."""
        return [float(p) for p in np.linspace(self.low, self.high, PLACES)]

    def beyond(self) -> list[float]:
        """Places outside the range, on its left and on its right."""
        away = self.width * np.geomspace(0.02, 30, 8)
        return [*(self.low - away).tolist(), *(self.high + away).tolist()]

    def sizes(self) -> list[float]:
        """Sizes of the input, for one that is above 0."""
        low = max(self.low, 1e-3 * self.high)
        return [float(s) for s in np.geomspace(0.3 * low, 3 * self.high, PLACES)]

    def frequencies(self) -> list[float]:
        """Angular frequencies from half a period over the range up to one in a few rows."""
        most = max(3.0, min(self.rows / 3, WAVES / 2))
        return [float(2 * np.pi * f / self.width) for f in np.linspace(0.5, most, WAVES)]


Starts = Callable[[Span], Iterator[tuple[float, ...]]]
EXPONENTS = (-12.0, -6.0, -3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0, 5.0)


@dataclass(frozen=True)
class Curve:
    """A sum of `shapes`, each with a factor that is found by linear least squares; they have the constants A, B, ...

    `starts` gives values of these to begin with. `positive` curves are for inputs above 0.
    """

    name: str
    shapes: tuple[sp.Expr, ...]
    starts: Starts
    positive: bool = False

    @property
    def constants(self) -> list[sp.Symbol]:
        """Those of the shapes."""
        return [c for c in (A, B, C, D) if any(s.has(c) for s in self.shapes)]


def each(*kinds: str | tuple[float, ...]) -> Starts:
    """All combinations of what a span says of these kinds, or of numbers."""

    def starts(span: Span) -> Iterator[tuple[float, ...]]:
        yield from product(*(kind if isinstance(kind, tuple) else getattr(span, kind)() for kind in kinds))

    return starts


ONE = sp.Integer(1)
CURVES = [
    Curve("exponential", (ONE, sp.exp(A * X)), each("both_ways")),
    Curve("two exponentials", (ONE, sp.exp(A * X), sp.exp(B * X)), each("both_ways", "both_ways")),
    Curve("two exponentials, one twice as fast", (ONE, sp.exp(A * X), sp.exp(2 * A * X)), each("both_ways")),
    Curve("power", (ONE, X**A), each(EXPONENTS), positive=True),
    Curve("two powers", (X**A, X**B), each(EXPONENTS, EXPONENTS), positive=True),
    Curve("power and exponential", (X**A * sp.exp(B * X),), each(EXPONENTS, "both_ways"), positive=True),
    Curve("activation", (sp.exp(A / X),), each("sizes"), positive=True),
    Curve("activation", (sp.exp(-A / X),), each("sizes"), positive=True),
    Curve("radiation", (X**A / (sp.exp(B * X) - 1),), each((1.0, 2.0, 3.0, 4.0, 5.0), "rates"), positive=True),
    Curve("wave", (ONE, sp.sin(A * X), sp.cos(A * X)), each("frequencies")),
    Curve("wave and line", (ONE, X, sp.sin(A * X), sp.cos(A * X)), each("frequencies")),
    Curve("two waves", (sp.sin(A * X), sp.cos(A * X), sp.sin(B * X), sp.cos(B * X)),
          each("frequencies", "frequencies")),
    Curve("damped wave", (sp.exp(A * X) * sp.sin(B * X), sp.exp(A * X) * sp.cos(B * X)),
          each("both_ways", "frequencies")),
    Curve("damped wave and level", (ONE, sp.exp(A * X) * sp.sin(B * X), sp.exp(A * X) * sp.cos(B * X)),
          each("both_ways", "frequencies")),
    Curve("wave over input", (sp.sin(A * X) / X,), each("frequencies")),
    Curve("peak", (ONE, sp.exp(-((X - A) * B) ** 2)), each("places", "rates")),
    Curve("two peaks", (sp.exp(-((X - A) * B) ** 2), sp.exp(-((X - C) * D) ** 2)),
          each("places", "rates", "places", "rates")),
    Curve("resonance", (ONE, 1 / (1 + ((X - A) * B) ** 2)), each("places", "rates")),
    Curve("skew peak", (sp.exp(-((sp.log(X) - A) * B) ** 2) / X,), each((-2.0, -1.0, 0.0, 1.0, 2.0), (0.3, 1.0, 3.0)),
          positive=True),
    Curve("logistic", (ONE, 1 / (1 + sp.exp(A * (B - X)))), each("both_ways", "places")),
    Curve("line that is switched on", (1 / (1 + sp.exp(A * (B - X))), X / (1 + sp.exp(A * (B - X)))),
          each("both_ways", "places")),
    Curve("growth with a limit", (ONE, sp.exp(-sp.exp(A * (B - X)))), each("both_ways", "places")),
    Curve("saturation with a power", (ONE, 1 / (1 + (A / X) ** B)), each("sizes", (0.5, 1.0, 2.0, 4.0)), positive=True),
    Curve("saturation", (ONE, 1 / (X - A)), each("beyond")),
    Curve("saturation and inhibition", (X / (A + X + B * X**2),), each("sizes", (0.001, 0.01, 0.1, 1.0)),
          positive=True),
    Curve("stretched exponential", (ONE, sp.exp(-((X * A) ** B))), each("rates", (0.5, 0.8, 1.5, 3.0)), positive=True),
    Curve("logarithm", (ONE, sp.log(X - A)), each("beyond")),
    Curve("root", (ONE, sp.sqrt(X - A)), each("beyond")),
    Curve("soft bend", (ONE, sp.log(1 + sp.exp(A * (X - B)))), each("both_ways", "places")),
    Curve("bend", (ONE, X, sp.Abs(X - A)), each("places")),
    Curve("step", (ONE, sp.tanh(A * (X - B))), each("rates", "places")),
    Curve("exponential of a place", (ONE, sp.exp(A / (X - B))), each("both_ways", "beyond")),
    Curve("exponentials of opposite signs", (sp.exp(A * X), sp.exp(-B * X)), each("rates", "rates")),
]  # fmt: skip
