"""Sums of curves that grow one curve at a time."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from kanrun.context import UNLIMITED, Budget, Context, Meter
from kanrun.discovery.curve_fits import Fitted, fits_of_curves
from kanrun.discovery.curve_sums import Sum, peaks_at, shows_its_waves, sums_of_curves, total
from kanrun.functions.curves import CURVES, ONE, SHAPE, Span
from kanrun.functions.evaluate import Array

X = np.linspace(0.1, 10, 120)
NAMED = {curve.name: curve for curve in CURVES}
NOISE = np.random.default_rng(3).standard_normal(120)


def grown(y: Array, context: Context = UNLIMITED) -> tuple[list[Fitted], list[Fitted]]:
    """The curves of single makes, and their sums."""
    weights = np.ones(len(y))
    fits = fits_of_curves(X, y, weights, lambda _: True)
    return fits, sums_of_curves(fits, X, y, weights, lambda _: True, context)


def unexplained(fit: Fitted, clean: Array, y: Array) -> float:
    """What the fitted curve leaves of the values without noise, as a part of their variance."""
    e = fit.expression(X, y, np.ones(len(y)), sp.Symbol("x", real=True))
    if e is None:
        return np.inf
    values = sp.lambdify(sp.Symbol("x", real=True), e, "numpy")(X)
    return float(np.mean((values - clean) ** 2) / np.var(clean))


@pytest.mark.parametrize(
    ("clean", "parts"),
    [
        (4 * np.exp(-0.3 * X) + 3 * np.exp(-((X - 3) ** 2) / 0.2) + 2 * np.exp(-((X - 7) ** 2) / 0.4),
         {"exponential": 1, "peak": 2}),
        (0.5 * X + 2 * np.sin(6 * X) + 1.5 * np.sin(2.2 * X + 1), {"line": 1, "wave": 2}),
        (3 / (1 + ((X - 4) / 0.3) ** 2) + 0.8 * X, {"line": 1, "resonance": 1}),
    ],
)  # fmt: skip
def test_peaks_on_a_baseline_and_waves_beside_a_trend_are_taken_apart(clean: Array, parts: dict[str, int]) -> None:
    y = clean + 0.02 * np.std(clean) * NOISE
    fits, sums = grown(y)
    best = sums[0]
    assert unexplained(best, clean, y) < 2e-4 < min(unexplained(fit, clean, y) for fit in fits)
    words = best.curve.name.split(" + ")
    assert {word: words.count(word) for word in words} == parts


def test_many_curves_that_only_stand_in_for_another_law_are_no_sum() -> None:
    chirp = np.exp(-0.3 * X) * np.sin(1.5 * X + 0.4 * X**2)
    assert all(len(fit.curve.name.split(" + ")) <= 2 for fit in grown(chirp)[1])


def test_what_one_curve_says_needs_no_other_one() -> None:
    assert not grown(2 * np.exp(-0.5 * X) + 1 + 0.02 * NOISE)[1]


def test_no_curves_have_no_sums_and_a_budget_that_is_used_up_ends_it() -> None:
    y, ended = np.sin(3 * X) + X, Context(Budget.of(Meter(), np.inf, 0.0))
    assert not sums_of_curves([], X, y, np.ones(120), lambda _: True, UNLIMITED)
    assert not grown(y, ended)[1]


def test_a_sum_has_the_constants_of_both_and_one_level_or_none() -> None:
    with_level, without = total((NAMED["peak"], NAMED["exponential"]))
    assert with_level.shapes[0] == ONE
    assert with_level.shapes[1:] == without.shapes
    assert without.constants == SHAPE[:3]
    x = next(iter(without.shapes[0].free_symbols - set(SHAPE)))
    given = {SHAPE[0]: 1, SHAPE[1]: 2, SHAPE[2]: -3}
    assert [s.xreplace(given) for s in without.shapes] == [sp.exp(-4 * (x - 1) ** 2), sp.exp(-3 * x)]


def test_two_lines_or_more_constants_than_there_are_names_for_make_no_sum() -> None:
    assert not total((NAMED["line"], NAMED["wave and line"]))
    assert not total((NAMED["two peaks"],) * 5)


def test_what_stands_without_one_curve_keeps_its_own_constants() -> None:
    parts = (NAMED["peak"], NAMED["line"], NAMED["exponential"])
    one = Sum(parts, Fitted(total(parts)[0], np.array([1.0, 2.0, 3.0]), 0.5), 120)
    assert [(tuple(p.name for p in rest), list(c)) for rest, c in map(one.without, range(3))] == [
        (("line", "exponential"), [3.0]), (("peak", "exponential"), [1.0, 2.0, 3.0]), (("peak", "line"), [1.0, 2.0])
    ]  # fmt: skip


def test_bits_of_a_longer_sum_that_explains_no_more_are_more() -> None:
    short = Sum((NAMED["wave"],), Fitted(total((NAMED["wave"],))[0], np.array([3.0]), 0.1), 120)
    both = (NAMED["wave"], NAMED["wave"])
    assert Sum(both, Fitted(total(both)[0], np.array([3.0, 5.0]), 0.1), 120).bits > short.bits + 10


def test_a_wave_of_which_less_than_half_a_period_is_seen_is_none() -> None:
    wave, span = (NAMED["wave"],), Span.of(X)
    fits = [Sum(wave, Fitted(total(wave)[0], np.array([w]), 0.1), 120) for w in (1e-6, 0.2, 0.5)]
    assert [shows_its_waves(one, span) for one in fits] == [False, False, True]


def test_a_peak_is_begun_where_most_is_left() -> None:
    rest = 0.1 * NOISE + 3 * np.exp(-((X - 6.3) ** 2) / 0.1)
    order = np.random.default_rng(0).permutation(120)
    starts = peaks_at(X[order], rest[order])
    assert {place for place, _ in starts} == {starts[0][0]}
    assert abs(starts[0][0] - 6.3) < 0.2
    assert max(rate for _, rate in starts) > 1 / 0.3 > min(rate for _, rate in starts)
