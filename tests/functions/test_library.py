from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from kanrun.config.schema import Config
from kanrun.config.validation import read_config
from kanrun.errors import ConfigError
from kanrun.functions.builtin import Function
from kanrun.functions.library import FUNCTIONS, library
from tests.helpers import evaluate_text, uniform_rows

RANGES = {"real": (-3.0, 3.0), "positive": (0.05, 4.0), "nonnegative": (0.05, 4.0)}
RANGES |= {"unit": (-0.95, 0.95), "inside": (-0.95, 0.95)}
every = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=list(FUNCTIONS))


def arguments(function: Function) -> torch.Tensor:
    """Points inside the domain, on both sides of 0 where it allows them."""
    if function.domain == "nonzero":
        positive = uniform_rows(20, 1, seed=1, low=0.2, high=3.0)[:, 0]
        return torch.cat([positive, -positive])
    if function.name == "tan":
        return uniform_rows(40, 1, seed=1, low=-1.4, high=1.4)[:, 0]
    return uniform_rows(40, 1, 1, *RANGES[function.domain])[:, 0]


@every
def test_values_equal_the_text(function: Function) -> None:
    z = arguments(function)
    np.testing.assert_allclose(function.value(z), evaluate_text(function.text, z.numpy()), rtol=1e-13, atol=1e-15)


@every
def test_slopes_equal_finite_differences_of_the_text(function: Function) -> None:
    z = arguments(function).numpy()
    step = 1e-3

    def at(shift: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array(evaluate_text(function.text, z + shift * step))

    differences = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)
    np.testing.assert_allclose(function.slope(torch.from_numpy(z)), differences, rtol=2e-5, atol=1e-9)


@every
def test_slopes_equal_autograd(function: Function) -> None:
    z = arguments(function).requires_grad_()
    (gradient,) = torch.autograd.grad((function.value(z) + 0 * z).sum(), z)
    torch.testing.assert_close(function.slope(z.detach()), gradient, rtol=1e-12, atol=1e-14)


@every
def test_precision_and_shape_are_kept(function: Function) -> None:
    z = arguments(function)[:4].reshape(2, 2).float()
    for result in (function.value(z), function.slope(z)):
        assert result.dtype == torch.float32
        assert result.shape == (2, 2)


@every
def test_parity_holds_and_is_claimed_wherever_it_does(function: Function) -> None:
    if function.domain in ("positive", "nonnegative"):
        assert function.parity == 0
        return
    z = arguments(function)
    value, mirrored = function.value(z), function.value(-z)
    holds = {sign for sign in (1, -1) if torch.allclose(mirrored, sign * value, rtol=1e-12, atol=1e-14)}
    assert function.parity in holds if holds else function.parity == 0


@every
def test_the_period_is_the_smallest_one(function: Function) -> None:
    z = torch.linspace(-1.2, 1.2, 9, dtype=torch.float64) if function.domain == "real" else arguments(function)
    if math.isinf(function.period):
        assert function.name not in ("sin", "cos", "tan")
        return
    value = function.value(z)
    torch.testing.assert_close(function.value(z + function.period), value, rtol=1e-12, atol=1e-12)
    for part in (2, 3, 4):
        assert not torch.allclose(function.value(z + function.period / part), value, atol=1e-3)


@pytest.mark.parametrize(
    ("names", "low", "high", "allowed"),
    [
        (["log", "1/sqrt(x)"], 0.01, 5.0, True),
        (["log", "1/sqrt(x)"], 0.0, 5.0, False),
        (["log", "sqrt", "x^1.5", "1/sqrt(x)"], -0.01, 5.0, False),
        (["sqrt", "x^1.5"], 0.0, 5.0, True),
        (["arcsin", "arccos"], -1.0, 1.0, True),
        (["arcsin", "arccos", "arctanh"], -0.99, 0.99, True),
        (["arcsin", "arccos", "arctanh"], -1.01, 0.5, False),
        (["arcsin", "arccos", "arctanh"], 0.5, 1.01, False),
        (["arctanh"], -1.0, 0.5, False),
        (["arctanh"], -0.5, 1.0, False),
        (["1/x", "1/x^2", "1/x^3", "1/x^4", "1/x^5"], 0.01, 5.0, True),
        (["1/x", "1/x^2", "1/x^3", "1/x^4", "1/x^5"], -5.0, -0.01, True),
        (["1/x", "1/x^2", "1/x^3", "1/x^4", "1/x^5"], -0.1, 0.1, False),
        (["1/x", "1/x^2", "1/x^3", "1/x^4", "1/x^5"], 0.0, 1.0, False),
        (["tan"], -1.5, 1.5, True),
        (["tan"], 1.6, 4.7, True),
        (["tan"], 1.5, 1.6, False),
        (["tan"], -1.5, 1.6, False),
        (["tan"], 0.0, 3.0, False),
        (["tan"], 0.0, 7.0, False),
        (["0", "x", "x^2", "exp", "sin", "cos", "tanh", "arctan", "gaussian", "abs", "sgn"], -50.0, 50.0, True),
    ],
)
def test_domains_allow_the_right_ranges(names: list[str], low: float, high: float, allowed: bool) -> None:
    z = torch.linspace(low, high, 11, dtype=torch.float64)[:, None]
    for name in names:
        assert FUNCTIONS[name].allows(z).tolist() == [allowed], name


@every
def test_each_column_is_judged_by_itself_and_values_are_finite_where_allowed(function: Function) -> None:
    ranges = [(-2.0, 2.0), (0.5, 2.0), (-2.0, -0.5), (-1.0, 1.0), (0.0, 1.0), (0.1, 0.9), (1.0, 2.0), (2.0, 4.0)]
    z = torch.stack([torch.linspace(low, high, 21, dtype=torch.float64) for low, high in ranges], dim=1)
    together = function.allows(z)
    assert together.shape == (len(ranges),)
    assert together.tolist() == [bool(function.allows(z[:, [i]])[0]) for i in range(len(ranges))]
    assert bool(together.any())
    assert bool(torch.isfinite(function.value(z[:, together])).all())


@every
def test_nan_is_never_an_allowed_argument(function: Function) -> None:
    z = torch.tensor([[0.5, 0.5], [math.nan, 0.6], [0.7, 0.7]], dtype=torch.float64)
    assert function.allows(z).tolist() == [False, True]


def test_names_are_unique_and_pykans_functions_are_there() -> None:
    known = {
        "0", "x", "x^2", "x^3", "x^4", "x^5", "1/x", "1/x^2", "1/x^3", "1/x^4", "1/x^5", "sqrt", "x^1.5", "1/sqrt(x)",
        "exp", "log", "abs", "sin", "cos", "tan", "tanh", "sgn", "arcsin", "arccos", "arctan", "arctanh", "gaussian",
    }  # fmt: skip
    assert known <= set(FUNCTIONS)
    assert all(name == function.name for name, function in FUNCTIONS.items())


def test_a_library_is_sorted_from_simple_to_complex_without_doubles() -> None:
    chosen = library(["gaussian", "x", "sin", "x", "x^5"])
    assert [f.name for f in chosen] == ["x", "sin", "gaussian", "x^5"]
    assert sorted(f.name for f in library()) == sorted(FUNCTIONS)
    with pytest.raises(KeyError):
        library(["sine"])


def test_an_unknown_function_is_reported_with_its_key_the_nearest_and_all_names() -> None:
    assert read_config({}) == Config()
    with pytest.raises(ConfigError) as caught:
        read_config({"symbolic": {"library": ["x", "gausian", "qqqq"]}})
    first, second = caught.value.problems
    assert "symbolic.library=gausian" in first
    assert "did you mean gaussian?" in first
    assert "symbolic.library=qqqq" in second
    assert "did you mean" not in second
    for message in (first, second):
        assert all(name in message for name in FUNCTIONS)
        assert len(message.splitlines()) == 1
