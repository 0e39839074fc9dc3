"""Sums of curves of one input: peaks on a baseline, several waves beside a trend, one curve more at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy as sp

from kanrun.context import Context
from kanrun.discovery.curve_fits import ROUNDING, SCREENING, Fitted, Rows, best_fit, projected, sampled
from kanrun.functions.curves import CURVES, ONE, SHAPE, Curve, Span, no_starts
from kanrun.functions.evaluate import Array
from kanrun.symbolic.description import bits_of_rows
from kanrun.symbolic.prior import bits_of_form

PEAKS = ("peak", "resonance")
LINE = "line"  # begun with in any case, as peaks and waves beside it hide it
FAMILIES = ((LINE, "exponential", "logistic", *PEAKS), (LINE, "exponential", "wave"))  # curves that are added together
TAKEN_APART = {
    "two peaks": ("peak", "peak"), "two waves": ("wave", "wave"), "wave and line": (LINE, "wave"),
    "two exponentials": ("exponential", "exponential"),
}  # fmt: skip
LEADERS, TERMS, EXCHANGES = 3, 4, 3  # sums that grow, curves that a sum may have, and how often one is exchanged
WORTH = 6.0  # bits that another curve must win
STAND_IN = 2  # curves that may stand in for what they do not explain: more of them explain the rows
NOTHING = 1e-18  # part of the spread that is left by what is right
WHITE = 0.5  # half the mean square of steps from row to row over that of residuals, 1 where these are noise
NARROWEST, WIDTHS = 2.0, 6  # rows that a peak is wide at least, and widths from there on that are tried


@dataclass(frozen=True)
class Sum:
    """A sum of the curves `parts`, whose constants stand one after the other, fitted to so many `rows`."""

    parts: tuple[Curve, ...]
    fit: Fitted
    rows: int

    @property
    def name(self) -> str:
        """What it is a sum of."""
        return " + ".join(sorted(part.name for part in self.parts))

    def without(self, k: int) -> tuple[tuple[Curve, ...], Array]:
        """The other parts than number `k`, and their constants."""
        ends = np.cumsum([0, *(len(part.constants) for part in self.parts)])
        rest = np.concatenate([self.fit.constants[: ends[k]], self.fit.constants[ends[k + 1] :]])
        return (*self.parts[:k], *self.parts[k + 1 :]), rest

    @cached_property
    def bits(self) -> float:
        """The description length of the rows, where all constants are decimals."""
        decimals = iter(np.linspace(0.4, 0.6, 2 * len(SHAPE)).tolist())  # all others, so that no two terms are one
        given = {c: sp.Float(next(decimals)) for c in self.fit.curve.constants}
        terms = [sp.Float(next(decimals)) * s.xreplace(given) for s in self.fit.curve.shapes]
        left = max(self.fit.unexplained, ROUNDING)
        return bits_of_rows(left, self.rows, bits_of_form(sp.Add(*terms)), len(terms) + len(given))


def sums_of_curves(
    fits: Sequence[Fitted],
    x: Array,
    y: Array,
    weights: Array,
    known: Callable[[sp.Expr], bool],
    context: Context,
) -> list[Fitted]:
    """Sums that grow from the best of these curves of `x` [rows] while another curve wins bits, best first.

    Every time all constants are fitted anew, by variable projection, and then curves of the best sum are exchanged for
    others: forward selection with exchanges (Miller 2002, Subset Selection in Regression, sec. 3.4).
    """
    span, rows, found = Span.of(x), sampled(x, y, weights), list[Sum]()
    for family in FAMILIES:
        parts = {curve.name: curve for curve in CURVES if curve.name in family and all(map(known, curve.shapes))}
        found += sums_of_family(fits, parts, span, rows, context)
    least = min((Sum((fit.curve,), fit, len(rows[0])).bits for fit in fits), default=0.0)
    worth = [one for one in found if one.bits < least - WORTH]
    best = best_of([one for one in worth if len(one.parts) <= STAND_IN or explains(one, rows)], span)
    plain = [best_fit(total(one.parts)[1], one.fit.constants[None], *rows) for one in best]
    return [*(one.fit for one in best), *(fit for fit in plain if fit is not None)]


def explains(one: Sum, rows: Rows) -> bool:
    """Whether hardly anything is left, or what is left is mostly noise, by von Neumann's ratio (1941)."""
    rest = projected(one.fit.curve, one.fit.constants, *rows)[1][np.argsort(rows[0], kind="stable")]
    white = bool((np.diff(rest) ** 2).sum() > 2 * WHITE * (rest**2).sum())
    return white or one.fit.unexplained < NOTHING


def sums_of_family(
    fits: Sequence[Fitted], parts: dict[str, Curve], span: Span, rows: Rows, context: Context
) -> list[Sum]:
    """Sums that grow by these parts."""
    found, waves = list[Sum](), any(map(has_waves, parts.values()))
    single = [
        taken_apart(fit, parts, len(rows[0])) for fit in fits if has_waves(fit.curve) == waves or fit.curve.name == LINE
    ]
    leaders = [*best_of(single, span), *best_of([one for one in single if one.name == LINE], span)]
    for _ in range(TERMS - 1):
        least = min((leader.bits for leader in leaders), default=0.0)
        longer = [one for leader in leaders for one in grown(leader, parts, span, rows, context)]
        leaders = [one for one in best_of(longer, span) if one.bits < least - WORTH]
        leaders = leaders and best_of([exchanged(leaders[0], parts, span, rows, context), *leaders], span)
        found += leaders
    return found


def has_waves(curve: Curve) -> bool:
    """Whether a curve has a sine or cosine."""
    return any(shape.has(sp.sin, sp.cos) for shape in curve.shapes)


def taken_apart(fit: Fitted, parts: dict[str, Curve], rows: int) -> Sum:
    """A curve that is fitted to so many rows as a sum, of two curves or of itself alone."""
    names = TAKEN_APART.get(fit.curve.name, ())
    known = all(name in parts for name in names)
    return Sum(tuple(parts[name] for name in names) if names and known else (fit.curve,), fit, rows)


def best_of(sums: Sequence[Sum], span: Span) -> list[Sum]:
    """The first few by their bits; of those that are sums of the same curves the best one."""
    ordered = sorted(sums, key=lambda one: -one.bits)
    once = {one.name: one for one in ordered if shows_its_waves(one, span)}
    return sorted(once.values(), key=lambda one: one.bits)[:LEADERS]


def shows_its_waves(one: Sum, span: Span) -> bool:
    """Whether the range of the input has half a period or more of each wave: slower ones are lines in disguise."""
    given = dict(zip(one.fit.curve.constants, one.fit.constants, strict=True))
    waves = {wave for shape in one.fit.curve.shapes for wave in shape.atoms(sp.sin, sp.cos)}
    return all(abs(given[c]) * span.width >= math.pi for wave in waves for c in wave.free_symbols & set(given))


def grown(leader: Sum, parts: dict[str, Curve], span: Span, rows: Rows, context: Context) -> Iterator[Sum]:
    """A sum with one curve more, as far as the budget allows."""
    for part in parts.values():
        if not context.over():
            context.spend(SCREENING)
            yield from with_part(leader.parts, leader.fit.constants, part, span, rows)


def exchanged(one: Sum, parts: dict[str, Curve], span: Span, rows: Rows, context: Context) -> Sum:
    """A sum in which other curves stand in the place of some, as long as that wins bits."""
    for _ in range(EXCHANGES):
        others = list[Sum]()
        for k, gone in enumerate(one.parts):
            rest, constants = one.without(k)
            for part in parts.values():
                if part.name != gone.name and not context.over():
                    context.spend(SCREENING)
                    others += with_part(rest, constants, part, span, rows)
        [best, *_] = [*best_of(others, span), one]
        if not best.bits < one.bits:
            break
        one = best
    return one


def with_part(parts: tuple[Curve, ...], constants: Array, part: Curve, span: Span, rows: Rows) -> Iterator[Sum]:
    """A sum with another curve beside it, begun from its constants, with a level."""
    rest = projected(total(parts)[0], constants, *rows)[1]
    own = [*part.starts(span), *(peaks_at(rows[0], rest) if part.name in PEAKS else ())]
    starts = np.array([[*constants, *start] for start in own], dtype=np.float64)
    for with_level in total((*parts, part))[:1]:
        fit = best_fit(with_level, starts, *rows)
        if fit is not None:
            yield Sum((*parts, part), fit, len(rows[0]))


def total(parts: tuple[Curve, ...]) -> list[Curve]:
    """The sum of curves with a level and without, with the constants of each after those of the one before.

    Nothing where there would be too many constants, or two lines.
    """
    shapes: list[sp.Expr] = []
    used = 0
    for part in parts:
        own = SHAPE[used : used + len(part.constants)]
        used += len(part.constants)
        shapes += [s.xreplace(dict(zip(part.constants, own, strict=False))) for s in part.shapes if s != ONE]
    if used > len(SHAPE) or len(set(shapes)) < len(shapes):
        return []
    name = " + ".join(part.name for part in parts)
    return Curve(name, tuple(shapes), no_starts, level=True).variants()


def peaks_at(x: Array, rest: Array) -> list[tuple[float, float]]:
    """Places and rates of peaks where most is left, in some widths from a few rows on."""
    order = np.argsort(x)
    smooth = np.convolve(rest[order], np.ones(3) / 3, mode="same")
    place = float(x[order][int(np.argmax(np.abs(smooth)))])
    width = float(np.ptp(x))
    narrow = NARROWEST * width / len(x)
    return [(place, 1 / w) for w in np.geomspace(narrow, width / 3, WIDTHS).tolist()]
