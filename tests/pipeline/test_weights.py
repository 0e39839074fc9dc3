from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import curve_fit

from kanrun import fit
from kanrun.errors import ConfigError
from kanrun.pipeline.fit import FitResult

SEARCH = {"search": {"name": "discover", "work": 500.0}}


def bad_rows() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A logarithm, every third row of which has errors thirty times as large as the others."""
    generator = np.random.default_rng(1)
    x = generator.uniform(0.4, 6, 90)
    sigma = np.where(np.arange(90) % 3, 0.01, 0.3) * generator.uniform(0.8, 1.2, 90)
    return x, 2.237 * np.log(x) - 0.683 + sigma * generator.normal(size=90), sigma


def error_at_good_rows(found: FitResult, x: np.ndarray[Any, Any], noise: float) -> float:
    """How far the outputs of the network are from the truth, in units of the good rows' errors."""
    with torch.no_grad():
        values = found.state.networks["train"](torch.as_tensor(x)[:, None])[:, 0].numpy()
    return float(np.sqrt(np.mean((values - 2.237 * np.log(x) + 0.683) ** 2))) / noise


@pytest.mark.parametrize("absolute", [False, True])
def test_a_search_weighs_rows_by_their_errors(absolute: bool) -> None:
    x, y, sigma = bad_rows()
    found = fit(x, y, SEARCH, test=(x, y), sigma=sigma, absolute_sigma=absolute)
    (formula,) = found.formulas

    def law(x: Any, a: float, b: float) -> Any:
        return a * np.log(x) + b

    wanted, covariance = curve_fit(law, x, y, (2.2, -0.7), sigma=sigma, absolute_sigma=absolute)
    assert [c.value for c in formula.constants] == pytest.approx(wanted, rel=1e-6)
    errors = np.sqrt(np.diag(covariance))
    assert [c.standard_error for c in formula.constants] == pytest.approx(errors, rel=1e-3)
    chi_square = float((((law(x, *wanted) - y) / sigma) ** 2).sum())
    assert formula.reduced_chi_square == pytest.approx(chi_square / 88, rel=1e-6)


def test_a_network_hardly_sees_rows_with_large_errors() -> None:
    x, y, sigma = bad_rows()
    config = {"model": {"width": [1, 1], "grid": 10}, "prune": {"enabled": False}, "symbolic": {"enabled": False}}
    weighted = fit(x, y, config, test=(x, y), sigma=sigma)
    alike = fit(x, y, config, test=(x, y))
    assert error_at_good_rows(weighted, x, 0.01) < 1.0 < error_at_good_rows(alike, x, 0.01) / 3


def test_classes_count_by_their_weights() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (200, 1))
    y = (x[:, 0] + np.random.default_rng(1).normal(size=200) > 0.9).astype(int)
    config = {"model": {"width": [1, 2], "grid": 2}, "prune": {"enabled": False}, "symbolic": {"enabled": False}}
    plain = fit(x, y, config, test=(x, y))
    balanced = fit(x, y, config, test=(x, y), weights=np.where(y == 1, 1 / y.mean(), 1 / (1 - y.mean())))
    scores = [found.metrics["stages"][-1]["test"]["balanced_accuracy"] for found in (plain, balanced)]
    assert scores[1] > scores[0] + 0.05


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"sigma": [0.1] * 9}, "sigma: 9 numbers, but targets have 90 rows"),
        ({"sigma": [0.0] * 90}, "sigma: numbers above 0 are needed"),
        ({"weights": [np.nan] * 90}, "weights: numbers above 0 are needed"),
        ({"weights": ["a"] * 90}, "weights: numbers are needed"),
        ({"weights": [1] * 90, "sigma": [1] * 90}, "sigma: rows count by sigma or by weights, not by both"),
        ({"absolute_sigma": True}, "absolute_sigma: it says what sigma means"),
    ],
)
def test_weights_that_are_none_are_refused(more: dict[str, Any], reason: str) -> None:
    x, y, _ = bad_rows()
    with pytest.raises(ConfigError, match=reason):
        fit(x, y, SEARCH, **more)
    with pytest.raises(ConfigError, match="sigma: it has errors of one target of numbers; use weights"):
        fit(x, (y > 0).astype(int), SEARCH, sigma=[0.1] * 90)
