from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from kanrun.data.blas import blas
from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.data.noise import (
    NEIGHBOURS,
    REPEATED,
    SMOOTH,
    NoiseLevel,
    noise_level,
    noise_levels,
    of_neighbours,
    of_repeats,
    second_differences,
)
from kanrun.data.smooth_fit import Process, noise_of_fit

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
SEEDS = range(10)


def planted(seed: int, rows: int, inputs: int, level: float, repeats: int = 1) -> tuple[Array, Array, float]:
    """Rows of a smooth law with noise of this part of its spread, each input so often; and the noise itself."""
    draw = np.random.default_rng([seed, rows, inputs])
    x = np.repeat(draw.uniform(0, 3, (rows // repeats, inputs)), repeats, axis=0)
    y = np.sin(2 * x[:, 0]) * np.exp(-x[:, -1] / 2)
    sigma = level * float(y.std())
    return x, 1e3 * (y + sigma * draw.normal(size=len(y))), 1e3 * sigma


@pytest.mark.parametrize(
    ("rows", "inputs", "level", "repeats", "source"),
    [
        (60, 3, 0.1, 3, REPEATED),
        (300, 1, 0.05, 1, NEIGHBOURS),
        (100, 1, 0.5, 1, NEIGHBOURS),
        (60, 1, 0.01, 1, SMOOTH),
        (120, 2, 0.1, 1, SMOOTH),
    ],
)
def test_planted_noise_is_found_within_its_error(
    rows: int, inputs: int, level: float, repeats: int, source: str
) -> None:
    off, sources = [], list[str]()
    for seed in SEEDS:
        x, y, sigma = planted(seed, rows, inputs, level, repeats)
        found = noise_level(x, y)
        assert found is not None
        sources.append(found.source)
        assert found.relative == pytest.approx(found.sigma / y.std())
        off.append((found.sigma - sigma) / found.error)
    assert sources.count(source) >= 8
    assert float(np.mean(np.abs(off) < 3)) >= 0.9
    # Neither is the error too large to say anything: that of a standard deviation of so many rows, a few times.
    assert 0.3 < float(np.std(off)) < 2


def test_rows_that_cannot_tell_say_nothing() -> None:
    for seed in SEEDS[:4]:
        x, y, _ = planted(seed, 10, 1, 0.1)  # few rows
        assert noise_level(x, y) is None
        x = np.random.default_rng(seed).uniform(0, 3, (40, 6))  # many inputs: no row has a neighbour
        assert noise_level(x, np.sin(3 * x.sum(axis=1))) is None
        for rows, inputs in ((50, 1), (100, 2)):  # no noise
            x, y, _ = planted(seed, rows, inputs, 0.0)
            assert noise_level(x, y) is None
    assert noise_level(x, np.full(len(x), 3.0)) is None


@pytest.mark.parametrize(("rows", "inputs"), [(400, 1), (120, 2)])
def test_outliers_do_not_spoil_the_noise(rows: int, inputs: int) -> None:
    x, y, sigma = planted(0, rows, inputs, 0.1)
    y[::25] += 50 * sigma
    found = noise_level(x, y)
    assert found is not None and abs(found.sigma - sigma) < 4 * found.error < sigma


def test_outputs_have_their_own_noise_and_classes_none() -> None:
    x, y, sigma = planted(0, 300, 1, 0.2)
    smooth = np.sin(2 * x[:, 0])
    rows = Rows(torch.as_tensor(x), torch.as_tensor(np.stack([y, smooth], axis=1)))
    found = noise_levels(Dataset("d", rows, None, ["x_1"], ["a", "b"], REGRESSION, MSE))
    assert found["b"] is None
    assert found["a"] is not None and found["a"].sigma == pytest.approx(sigma, rel=0.2)
    classes = Rows(rows.x, torch.as_tensor(y > 0).long())
    assert noise_levels(Dataset("d", classes, None, ["x_1"], ["a", "b"], CLASSIFICATION, CROSS_ENTROPY)) == {}


def test_noise_is_found_where_gradients_are_turned_off() -> None:
    x, y, _ = planted(0, 60, 2, 0.1)
    with torch.no_grad():
        assert noise_level(x, y) is not None


def test_the_slopes_of_the_surprise_are_those_of_finite_differences() -> None:
    draw = np.random.default_rng(0)
    x = draw.uniform(size=(40, 2))
    y = np.sin(4 * x[:, 0]) + x[:, 1] ** 2 + 0.1 * draw.normal(size=40)
    process = Process(x, y)
    for at in ([0.1, -1.5, -0.3, 0.4], [1.0, -3.0, -2.0, 1.0]):
        slopes = process.surprise(np.array(at))[1]
        ahead, behind = ([process.surprise(at + step * way)[0] for way in np.eye(4)] for step in (1e-6, -1e-6))
        np.testing.assert_allclose(slopes, (np.array(ahead) - behind) / 2e-6, rtol=1e-5)


def test_a_process_that_has_no_likelihood_is_a_large_surprise() -> None:
    x = np.array([[0.0], [np.nan], [1.0]])
    value, slopes = Process(x, np.arange(3.0)).surprise(np.array([0.0, -1.0, 0.0]))
    assert value == 1e6 and not slopes.any()


def test_blas_has_one_thread_while_the_likeliest_process_is_looked_for_and_as_many_as_before_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["internal_api"] == "openblas"}

    def noted(self: Process, parameters: Array) -> tuple[float, Array]:
        seen.append(threads())
        return plain(self, parameters)

    seen, plain = list[set[int]](), Process.surprise
    monkeypatch.setattr(Process, "surprise", noted)
    x, y, _ = planted(0, 20, 1, 0.1)
    with blas().limit(limits=2, user_api="blas"):
        many = threads()
        noise_of_fit(x, y / y.std())
        assert threads() == many
    assert seen and set.union(*seen) <= {1}


@pytest.mark.parametrize(("level", "fits"), [(0.0, 2), (0.1, 6)])
def test_what_is_as_likely_without_noise_where_it_stands_needs_no_other_fit(
    level: float, fits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(self: Process, *given: Array) -> tuple[float, Array]:
        made.append(plain(self, *given))
        return made[-1]

    made, plain = list[tuple[float, Array]](), Process.likeliest
    monkeypatch.setattr(Process, "likeliest", noted)
    x, y, _ = planted(1, 60, 2, level)
    found = noise_of_fit(x, y / y.std())
    assert (found is None) == (level == 0) and len(made) == fits


def test_the_part_of_the_curve_in_differences_is_taken_off_and_as_uncertain_as_it_is_large() -> None:
    """Second differences of a parabola are all alike: 1/13 of their mean square beside noise, by its bend."""
    rows, sigma = 4000, 3.0
    x = np.arange(rows) - rows / 2
    noise = sigma * np.random.default_rng(0).normal(size=rows)
    y = noise + math.sqrt(1.5 / 12) * sigma * x**2
    raw = math.sqrt(float(np.mean(second_differences(x, y, 1) ** 2)))
    assert raw == pytest.approx(sigma * math.sqrt(13 / 12), rel=0.03)
    found = of_neighbours(x, y)
    assert found is not None and found[0] == pytest.approx(raw * math.sqrt(12 / 13), rel=0.01)
    assert found[1] == pytest.approx(raw * math.hypot(math.sqrt(35 / 36 / rows), 1 / 26), rel=0.1)
    assert of_neighbours(x, noise + 2 * math.sqrt(1.5 / 12) * sigma * x**2) is None  # a quarter is too much


def test_second_differences_are_the_distance_from_the_line_in_units_of_the_noise() -> None:
    draw = np.random.default_rng(1)
    x = np.sort(draw.uniform(0, 1, 30))
    x[10:13] = x[10]
    for gap in (1, 2):
        assert second_differences(x, 5 * x - 2, gap) == pytest.approx(np.zeros(30 - 2 * gap), abs=1e-12)
        weights = np.stack([second_differences(x, row, gap) for row in np.eye(30)], axis=1)  # they are linear in y
        assert (weights**2).sum(axis=1) == pytest.approx(np.ones(30 - 2 * gap))


def test_repeats_give_the_pure_error_of_regression() -> None:
    x = np.repeat([[1.0, 2.0], [1.0, 3.0], [0.0, 2.0]], [3, 4, 2], axis=0)
    y = np.array([1.0, 2.0, 6.0, 0.0, 0.0, 2.0, 6.0, 7.0, 8.0])
    own = sum(float(np.var(part)) * len(part) for part in (y[:3], y[3:7], y[7:])) / (2 + 3 + 1)
    assert of_repeats(x, y) == (pytest.approx(math.sqrt(own)), pytest.approx(math.sqrt(own / 12)), REPEATED)
    assert of_repeats(x[1:], y[1:]) is not None  # five more rows than groups
    assert of_repeats(x[2:], y[2:]) is None


def test_what_a_formula_leaves_is_more_than_noise_beyond_three_errors_of_both() -> None:
    level = NoiseLevel(2.0, 0.1, 0.5, SMOOTH)
    assert level.most(50) == pytest.approx((2.0 * (1 + 3 / 10) + 0.3) ** 2)
    assert level.sentence("y") == "noise about 50 % of the spread of y (2 ± 0.1, by smooth fit)"
