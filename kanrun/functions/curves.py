"""Curves of one input that science knows, as sums of shapes with a few constants, and where these may begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import sympy as sp

X = sp.Symbol("x", real=True)
SHAPE = [sp.Symbol(f"shape {k}", real=True) for k in range(16)]  # with a blank: no input is called so
A, B, C, D = SHAPE[:4]
FASTEST, SLOWEST = 30.0, 0.2  # rates, in parts of the range of the input
RATES, PLACES, WAVES = 9, 9, 60


@dataclass(frozen=True)
class Span:
    """The rows of the input: least, largest and how far these are apart."""

    low: float
    high: float
    rows: int

    @classmethod
    def of(cls, x: np.ndarray) -> Span:
        """That of the input `x` [rows]."""
        return cls(float(x.min()), float(x.max()), len(x))

    @property
    def width(self) -> float:
        """The range."""
        return self.high - self.low

    def rates(self) -> list[float]:
        """Rates at which something may change over the range."""
        return [float(r) for r in np.geomspace(SLOWEST, FASTEST, RATES) / self.width]

    def slopes(self) -> list[float]:
        """Slopes of lines that begin with 1 at 0 and rise, for an input that is not below 0."""
        return [float(f / self.high) for f in np.geomspace(0.1, 100, 5)]

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

    def slopes_of_inverse(self) -> list[float]:
        """Rates at which something may change over the range of the inverse of the input, rising and falling."""
        low = max(self.low, 1e-3 * self.high)
        width = abs(1 / low - 1 / self.high)
        return [sign * float(r) for r in np.geomspace(SLOWEST, FASTEST, RATES) / width for sign in (-1.0, 1.0)]

    def poles(self) -> list[tuple[float, float]]:
        """Places outside the range, with rates at which something may change over the range of 1 / (input - place)."""
        found = []
        for place in self.beyond():
            width = abs(1 / (self.low - place) - 1 / (self.high - place))
            found += [(s * float(r) / width, place) for r in np.geomspace(SLOWEST, FASTEST, RATES) for s in (-1.0, 1.0)]
        return found

    def before(self) -> list[float]:
        """Places below the range."""
        return [float(self.low - away) for away in self.width * np.geomspace(1e-3, 30, 10)]

    def widths(self) -> list[float]:
        """Widths of what is seen in the range."""
        return [1 / rate for rate in self.rates()]

    def squares(self) -> list[float]:
        """Squares that stand beside that of the input, of both signs."""
        least, most = sorted((abs(self.low), abs(self.high)))
        far = [float(f) * max(most, 1e-300) ** 2 for f in np.geomspace(1e-3, 30, 10)]
        return [*far, *(-f for f in far if f < least**2 or f > most**2)]

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
POWERS = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Curve:
    """A sum of `shapes`, each with a factor that is found by linear least squares; they have the constants A, B, ...

    `starts` gives values of these to begin with. `positive` curves are for inputs that are not below 0. There may be a
    constant beside the shapes where they have a `level`.
    """

    name: str
    shapes: tuple[sp.Expr, ...]
    starts: Starts
    positive: bool = False
    level: bool = False

    @property
    def constants(self) -> list[sp.Symbol]:
        """Those of the shapes."""
        return [c for c in SHAPE if any(s.has(c) for s in self.shapes)]

    def variants(self) -> list[Curve]:
        """The curve with and without its level."""
        if not self.level:
            return [self]
        return [replace(self, shapes=(ONE, *self.shapes), level=False), replace(self, level=False)]


def each(*kinds: str | tuple[float, ...]) -> Starts:
    """All combinations of what a span says of these kinds, or of numbers."""

    def starts(span: Span) -> Iterator[tuple[float, ...]]:
        yield from product(*(kind if isinstance(kind, tuple) else getattr(span, kind)() for kind in kinds))

    return starts


def no_starts(_: Span) -> Iterator[tuple[float, ...]]:
    """None, of a curve that is begun from elsewhere."""
    yield from ()


def poles(span: Span) -> Iterator[tuple[float, ...]]:
    """Rates of the inverse of the distance from a place, and the place."""
    yield from span.poles()


def pairs_of_roots(span: Span) -> Iterator[tuple[float, ...]]:
    """Factors of the input and its square in 1 + a*x + b*x**2, with complex roots at places within and beyond."""
    far = (span.low - span.width, *span.places(), span.high + span.width)
    for place, width in product(far, (0.1 * span.width, 0.3 * span.width, span.width, 3 * span.width)):
        size = place**2 + width**2
        yield -2 * place / size, 1 / size


def curve(
    name: str, shapes: tuple[sp.Expr, ...], starts: Starts | str, level: bool = True, positive: bool = False
) -> Curve:
    """One with starts by the name of a kind."""
    return Curve(name, shapes, each(starts) if isinstance(starts, str) else starts, positive, level)


ONE = sp.Integer(1)
BELOW = 1 + A * X + B * X**2
SWITCH = 1 / (1 + sp.exp(A * (B - X)))
CURVES = [
    curve("line", (X,), each()),
    curve("parabola", (X, X**2), each()),
    curve("power", (X**A,), each(EXPONENTS), positive=True),
    curve("logarithm of the input", (sp.log(X),), each(), positive=True),
    curve("exponential", (sp.exp(A * X),), "both_ways"),
    curve("approach", (1 - sp.exp(A * X),), "both_ways", level=False),
    curve("saturation", (X / (X - A),), "beyond", level=False),
    curve("hyperbola", (1 / (X - A),), "beyond"),
    curve("logistic", (SWITCH,), each("both_ways", "places")),
    curve("peak", (sp.exp(-(((X - A) * B) ** 2)),), each("places", "rates")),
    curve("wave", (sp.sin(A * X), sp.cos(A * X)), "frequencies"),
    curve("activation", (sp.exp(A / X),), "slopes_of_inverse", positive=True),
    curve("Hill", (1 / (1 + (A / X) ** B),), each("sizes", (0.5, 1.0, 2.0, 4.0)), positive=True),
    curve("fall with a power", (1 / (1 + (X / A) ** B),), each("sizes", (0.5, 1.0, 2.0, 4.0)), positive=True),
    curve("damped wave", (sp.exp(A * X) * sp.sin(B * X), sp.exp(A * X) * sp.cos(B * X)),
          each("both_ways", "frequencies")),
    curve("two exponentials", (sp.exp(A * X), sp.exp(B * X)), each("both_ways", "both_ways")),
    curve("power and exponential", (X**A * sp.exp(B * X),), each(EXPONENTS, "both_ways"), positive=True),
    curve("input and exponential", (X * sp.exp(A * X),), "both_ways"),
    curve("resonance", (1 / (1 + ((X - A) * B) ** 2),), each("places", "rates")),
    curve("stretched exponential", (sp.exp(-((X * A) ** B)),), each("rates", (0.5, 0.8, 1.5, 3.0)), positive=True),
    curve("growth with a limit", (sp.exp(-sp.exp(A * (B - X))),), each("both_ways", "places")),
    curve("logarithm", (sp.log(X - A),), "before"),
    curve("root", (sp.sqrt(X - A),), "before"),
    curve("square of a place", ((X - A) ** 2,), "places", level=False),
    curve("square beyond a place", ((X - A) ** 2,), "beyond", level=False),
    curve("cubic", (X, X**2, X**3), each()),
    curve("exponentials of opposite signs", (sp.exp(A * X), sp.exp(-B * X)), each("rates", "rates"), level=False),
    curve("two exponentials, one twice as fast", (sp.exp(A * X), sp.exp(2 * A * X)), "both_ways"),
    curve("two powers", (X**A, X**B), each(EXPONENTS, EXPONENTS), level=False, positive=True),
    curve("power of a distance", ((X - A) ** B,), each("before", EXPONENTS)),
    curve("activation with a power", (X**A * sp.exp(B / X),), each(POWERS, "slopes_of_inverse"), level=False,
          positive=True),
    curve("exponential of a place", (sp.exp(A / (X - B)),), poles),
    curve("radiation", (X**A / (sp.exp(B * X) - 1),), each((1.0, 2.0, 3.0, 4.0, 5.0), "rates"), level=False,
          positive=True),
    curve("wave and line", (X, sp.sin(A * X), sp.cos(A * X)), "frequencies"),
    curve("two waves", (sp.sin(A * X), sp.cos(A * X), sp.sin(B * X), sp.cos(B * X)),
          each("frequencies", "frequencies")),
    curve("wave over input", (sp.sin(A * X) / X,), "frequencies", level=False),
    curve("two peaks", (sp.exp(-(((X - A) * B) ** 2)), sp.exp(-(((X - C) * D) ** 2))),
          each("places", "rates", "places", "rates")),
    curve("forced resonance", (1 / sp.sqrt((A**2 - X**2) ** 2 + B**2 * X**2),), each("places", "widths"), level=False),
    curve("skew peak", (sp.exp(-(((sp.log(X) - A) * B) ** 2)) / X,), each((-2.0, -1.0, 0.0, 1.0, 2.0), (0.3, 1.0, 3.0)),
          level=False, positive=True),
    curve("switched line", (SWITCH, X * SWITCH), each("both_ways", "places"), level=False),
    curve("inverse square of a place", (1 / (X - A) ** 2,), "beyond"),
    curve("square over a difference of squares", (X**2 / (X**2 - A),), "squares", level=False),
    curve("saturation of squares", (X**2 / (A + X**2),), "squares", level=False),
    curve("saturation and inhibition", (X / (A + X + B * X**2),), each("sizes", (0.001, 0.01, 0.1, 1.0)), level=False,
          positive=True),
    curve("line over a parabola", (1 / BELOW, X / BELOW), pairs_of_roots, level=False),
    curve("parabola over a parabola", (1 / BELOW, X / BELOW, X**2 / BELOW), pairs_of_roots, level=False),
    curve("exponential over a line", (sp.exp(A * X) / (1 + B * X),), each("both_ways", "slopes"), level=False,
          positive=True),
    curve("stretched approach", (1 - sp.exp(-((X * A) ** B)),), each("rates", (0.5, 0.8, 1.5, 3.0)), level=False,
          positive=True),
    curve("root of a square", (sp.sqrt(A + X**2),), "squares"),
    curve("inverse root of a square", (1 / sp.sqrt(A + X**2),), "squares"),
    curve("soft bend", (sp.log(1 + sp.exp(A * (X - B))),), each("both_ways", "places")),
    curve("bend", (X, sp.Abs(X - A)), "places"),
    curve("step", (sp.tanh(A * (X - B)),), each("rates", "places")),
    curve("approach with a slope", (sp.tanh(A * X),), "rates"),
    curve("square of an approach", ((1 - sp.exp(A * (B - X))) ** 2,), each("both_ways", "places")),
]  # fmt: skip
