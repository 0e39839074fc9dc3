from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import sympy as sp

from kanrun.symbolic.constants import constants_of
from kanrun.symbolic.error_models import CONSTANT, POISSON, PROPORTIONAL, Errors, errors_of, of_logarithms
from kanrun.symbolic.polishing import polished

x = sp.Symbol("x_1", real=True)
LAWS = [
    (sp.Float(2.3) * sp.exp(sp.Float(-0.7) * x) + sp.Float(0.4), (0, 5)),
    (sp.Float(3.1) * x / (x + sp.Float(1.2)), (0.1, 8)),
    (sp.Float(1.7) * x ** sp.Float(1.5), (0.2, 4)),
    (sp.Float(12.1) / (1 + sp.exp(sp.Float(4.3) - sp.Float(1.1) * x)), (0, 8)),
]
COUNTS = 20.0  # of counts for each unit of a law


def drawn(law: int, seed: int, kind: str, rows: int = 200) -> tuple[Errors | None, np.ndarray]:
    """What is said of errors of this kind on rows of a law, and its values."""
    expression, ends = LAWS[law]
    draw = np.random.default_rng([seed, law])
    inputs = draw.uniform(*ends, rows)
    values = np.asarray(sp.lambdify(x, expression, "numpy")(inputs))
    if kind == CONSTANT:
        y = values + 0.1 * values.std() * draw.normal(size=rows)
    elif kind == PROPORTIONAL:
        y = values * (1 + 0.1 * draw.normal(size=rows))
    else:
        y = draw.poisson(COUNTS * values).astype(float)
        expression = sp.expand(sp.Float(COUNTS) * expression) if law == 0 else sp.Float(COUNTS) * expression
    return errors_of([expression], {"x_1": inputs}, y), values


@pytest.mark.parametrize("kind", [CONSTANT, PROPORTIONAL, POISSON])
def test_planted_errors_are_recognized(kind: str) -> None:
    found = [drawn(law, seed, kind)[0] for law in range(len(LAWS)) for seed in range(5)]
    told = Counter(one.model for one in found if one is not None and one.clear)
    assert told[kind] >= 0.85 * len(found)
    assert told.total() - told[kind] <= 0.05 * len(found)
    size = {CONSTANT: None, PROPORTIONAL: 0.1, POISSON: 1.0}[kind]
    sizes = [one.size for one in found if one is not None and one.model == kind]
    assert size is None or float(np.mean(sizes)) == pytest.approx(size, rel=0.1)


def test_few_rows_hardly_ever_take_errors_of_one_size_for_others() -> None:
    found = [drawn(law, seed, CONSTANT, rows=25)[0] for law in range(len(LAWS)) for seed in range(10)]
    wrong = [one for one in found if one is not None and one.clear and one.model != CONSTANT]
    assert len(wrong) <= 1


def test_weights_are_those_of_the_law_and_its_constants_are_better_by_them() -> None:
    off: dict[str, list[float]] = {"weighted": [], "alike": []}
    for seed in range(20):
        draw = np.random.default_rng(seed)
        inputs = draw.uniform(0, 5, 100)
        y = 40 * np.exp(-inputs) * (1 + 0.05 * draw.normal(size=100))
        columns, law = {"x_1": inputs}, sp.Float(39.0) * sp.exp(sp.Float(-1.01) * x)
        found = errors_of([law], columns, y)
        assert found is not None and found.model == PROPORTIONAL and found.clear
        relative = found.weights * np.exp(-2 * inputs)
        assert relative.std() < 0.15 * relative.mean()
        for name, e in (("weighted", found.expression), ("alike", polished(law, columns, y))):
            rate = next(float(c) for c in constants_of(e) if float(c) < 0)
            off[name].append(rate + 1)
    assert np.std(off["weighted"]) < 0.7 * np.std(off["alike"])
    assert abs(np.mean(off["weighted"])) < 3 * np.std(off["weighted"]) / np.sqrt(20)


def test_large_relative_errors_are_judged_by_their_logarithms() -> None:
    draw = np.random.default_rng(0)
    inputs = np.exp(draw.uniform(-3, 6, 60))
    logs = 0.7 * draw.normal(size=60)
    y = 8 * inputs**0.75 * np.exp(logs)
    found = errors_of([sp.Float(6.0) * x ** sp.Float(0.8)], {"x_1": inputs}, y)
    assert found is not None and found.model == PROPORTIONAL and found.clear and found.logarithmic
    assert found.size == pytest.approx(0.7, rel=0.2)
    slope, level = np.polyfit(np.log(inputs), np.log(y), 1)
    constants = sorted(float(c) for c in constants_of(found.expression))
    assert constants == pytest.approx([slope, np.exp(level)], rel=2e-3)
    off = found.standardized({"x_1": inputs}, y)
    assert off == pytest.approx(np.log(y) - slope * np.log(inputs) - level, abs=0.01)


def test_four_rows_more_than_constants_tell_relative_errors() -> None:
    inputs = np.array([0.4, 0.7, 1.0, 5.2, 19.2, 30.0])
    y = 0.365 * inputs**1.5 * (1 + 0.003 * np.array([1, -1, 0.5, -0.7, 1.2, -0.9]))
    law = sp.Float(0.36) * x ** sp.Rational(3, 2)
    found = errors_of([law], {"x_1": inputs}, y)
    assert found is not None and found.model == PROPORTIONAL and found.clear
    assert errors_of([law + sp.Float(1e-3) * x + sp.Float(2e-3)], {"x_1": inputs}, y) is None  # three constants


def test_nothing_is_said_without_noise_or_rows() -> None:
    expression, _ = LAWS[0]
    inputs = np.linspace(0, 5, 50)
    y = np.asarray(sp.lambdify(x, expression, "numpy")(inputs))
    assert errors_of([expression], {"x_1": inputs}, y) is None
    few = np.linspace(0, 5, 6)
    assert errors_of([expression], {"x_1": few}, np.array([3.0, 2, 1, 0.8, 0.6, 0.4])) is None


def test_relative_errors_of_targets_of_both_signs_weigh_by_the_inverse_square() -> None:
    draw = np.random.default_rng(3)
    inputs = draw.uniform(-4, 4, 200)
    inputs = inputs[np.abs(inputs) > 0.1]
    y = 2 * inputs * (1 + 0.1 * draw.normal(size=len(inputs)))
    found = errors_of([sp.Float(2.1) * x], {"x_1": inputs}, y)
    assert found is not None and found.model == PROPORTIONAL and found.clear and not found.logarithmic
    assert found.size == pytest.approx(0.1, rel=0.2)
    assert found.weights * inputs**2 == pytest.approx(np.full(len(inputs), 1 / np.mean(inputs**-2)))


def test_targets_below_zero_are_no_counts() -> None:
    draw = np.random.default_rng(0)
    inputs = draw.uniform(-1, 1, 100)
    found = errors_of([sp.Float(2.0) * x], {"x_1": inputs}, 2 * inputs + 0.1 * draw.normal(size=100))
    assert found is not None and found.model == CONSTANT and found.clear


def test_a_law_that_is_zero_on_all_rows_says_nothing_of_their_errors() -> None:
    inputs = np.linspace(-2, -1, 51)
    noise = 0.1 * np.random.default_rng(0).normal(size=51)
    assert errors_of([sp.Float(2.1) * sp.Max(x, 0)], {"x_1": inputs}, noise) is None


def test_weights_of_logarithms_make_the_slopes_of_both_squared_errors_the_same() -> None:
    """By the values f of a law, those of (log f - log y)^2 and w * (f - y)^2 with w as it is."""
    ours = np.array([1e-3, 0.7, 2.0, 40.0])
    for ratio in (0.1, 0.9, 1 - 2e-4, 1 - 5e-5, 1 - 1e-7, 1 + 1e-7, 1 + 5e-5, 1 + 2e-4, 1.1, 30.0):
        off = ratio * ours - ours
        wanted = math.log1p(float(off[0] / ours[0])) / ours
        assert of_logarithms(ours, ratio * ours) * off == pytest.approx(wanted, rel=1e-7)
    assert of_logarithms(ours, ours) == pytest.approx(ours**-2)
