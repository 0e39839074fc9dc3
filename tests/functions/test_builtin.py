from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from kanrun.functions.builtin import BUILT_IN, Function
from tests.helpers import evaluate_text, uniform_rows

RANGES = {"real": (-3.0, 3.0), "positive": (0.05, 4.0), "nonnegative": (0.05, 4.0)}
RANGES |= {"unit": (-0.95, 0.95), "inside": (-0.95, 0.95)}
NAMED = {f.name: f for f in BUILT_IN}
every = pytest.mark.parametrize("function", BUILT_IN, ids=[f.name for f in BUILT_IN])


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
        (["1/x", "1/x^2", "1/x^3", "1/x^4", "1/x^5"], -1.0, 0.0, False),
        (["tan"], -1.5, 1.5, True),
        (["tan"], 1.6, 4.7, True),
        (["tan"], 1.5, 1.6, False),
        (["tan"], -1.5, 1.6, False),
        (["tan"], 0.0, 3.0, False),
        (["tan"], 0.0, 7.0, False),
        (["tan"], 1.6, 8.0, False),
        (["0", "x", "x^2", "exp", "sin", "cos", "tanh", "arctan", "gaussian", "abs", "sgn"], -50.0, 50.0, True),
    ],
)
def test_domains_allow_the_right_ranges(names: list[str], low: float, high: float, allowed: bool) -> None:
    z = torch.linspace(low, high, 11, dtype=torch.float64)[:, None]
    for name in names:
        assert NAMED[name].allows(z).tolist() == [allowed], name


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


@pytest.mark.parametrize("end", [math.inf, -math.inf])
@every
def test_an_infinite_argument_is_allowed_by_no_function_of_the_whole_line(function: Function, end: float) -> None:
    if function.domain == "real":
        assert function.allows(torch.tensor([[0.1, 0.1], [end, 0.2]], dtype=torch.float64)).tolist() == [False, True]


def test_a_function_of_pieces_is_asked_about_the_lowest_and_the_highest_argument() -> None:
    def within(low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        return (low > 2) & (high < 3)

    function = Function("own", "x", 1, lambda z: z, torch.ones_like, "pieces", within=within)
    z = torch.tensor([[2.5, 1.5, 2.9], [2.1, 2.5, 2.2], [2.9, 2.9, 3.1]], dtype=torch.float64)
    assert function.allows(z).tolist() == [True, False, False]


def test_nothing_is_claimed_of_a_function_of_which_nothing_is_said() -> None:
    function = Function("own", "exp(x)", 2, torch.exp, torch.exp)
    assert (function.domain, function.parity, function.period, function.within) == ("real", 0, math.inf, None)
    with pytest.raises(FrozenInstanceError):
        function.parity = 1  # type: ignore[misc]


def test_complexity_is_on_pykans_scale_and_of_a_power_the_number_of_its_factors() -> None:
    # pykan 0.2.8, kan/utils.py; there powers of 3 and more cost the same, and so do all reciprocals
    pykan = {
        "0": 0, "x": 1, "sqrt": 2, "x^1.5": 4, "exp": 2, "log": 2, "abs": 3, "sin": 2, "cos": 2, "tan": 3, "tanh": 3,
        "sgn": 3, "arcsin": 4, "arccos": 4, "arctan": 4, "arctanh": 4, "gaussian": 3,
    }  # fmt: skip
    powers = {f"x^{n}": n for n in (2, 3, 4, 5)}
    reciprocals = {"1/x": 2, **{f"1/{name}": n + 1 for name, n in powers.items()}, "1/sqrt(x)": 3}
    assert {f.name: f.complexity for f in BUILT_IN} == {**pykan, **powers, **reciprocals}
