from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from kanrun.discovery.peel import exponents, exponents_of, with_last, with_powers
from kanrun.functions.library import FUNCTIONS
from kanrun.model.network import KAN, Width
from tests.helpers import Array, fixed_network, formula_values, plain_forward, uniform_rows


def rows(text: str, low: list[float], high: list[float], count: int = 500) -> tuple[Tensor, Tensor]:
    x = torch.tensor(low) + (torch.tensor(high) - torch.tensor(low)) * uniform_rows(count, len(low), 3, 0.0, 1.0)
    x = x.double()
    return x, torch.from_numpy(formula_values(text, x.numpy()).copy())


@pytest.mark.parametrize(
    ("text", "powers"),
    [
        ("x_1*exp(sin(x_2))", {0: 1}),
        ("-x_1*exp(sin(x_2))", {0: 1}),
        ("x_1**2/sqrt(x_2)*exp(sin(x_3))", {0: 2, 1: -0.5}),
        ("1/x_1**3*(x_2+x_3**2)", {0: -3}),
        ("7*x_1*x_2**1.5/x_3", {0: 1, 1: 1.5, 2: -1}),
        ("sqrt(x_1)*(2+sin(2*x_2))", {0: 0.5}),
    ],
)
def test_powers_that_are_factors_are_found(text: str, powers: dict[int, float]) -> None:
    x, y = rows(text, [1.0, 1.0, 1.0], [3.0, 3.0, 2.0])
    assert exponents(x, y, 0) == powers


@pytest.mark.parametrize(
    ("text", "powers"),
    [
        ("x_1*sin(3*x_3)/x_2**2", {0: 1, 1: -2}),
        ("sqrt(x_1)*x_3", {0: 0.5}),
        ("sin(3*x_3)/x_2", {1: -1}),
    ],
)
def test_the_rest_may_change_its_sign(text: str, powers: dict[int, float]) -> None:
    x, y = rows(text, [1.0, 1.0, -1.0], [3.0, 2.0, 1.0])
    assert bool((y > 0).any() and (y < 0).any())
    assert exponents(x, y, 0) == powers


@pytest.mark.parametrize(
    "text",
    ["x_1+x_2", "x_1+x_2+x_3", "x_1**2+x_2**2+x_3**2", "x_1-x_2", "exp(x_1)", "sin(x_1)+exp(x_2)", "1/(x_1+x_2)"],
)
def test_a_sum_has_no_powers_as_factors(text: str) -> None:
    x, y = rows(text, [1.0, 1.0, 1.0], [3.0, 3.0, 3.0])
    assert exponents(x, y, 0) == {}


def test_inputs_that_are_not_positive_are_left_alone() -> None:
    x, y = rows("x_1*x_2", [1.0, -1.0], [2.0, 1.0])
    assert exponents(x, y, 0) == {0: 1}
    assert exponents_of(lambda z: z[:, :1] * z[:, 1:2], x) == {0: 1}


def test_an_input_that_is_zero_in_one_row_cannot_be_divided_by() -> None:
    x, y = rows("x_1*x_2", [1.0, 0.0], [2.0, 1.0])
    x[0, 1] = y[0] = 0.0
    assert exponents(x, y, 0) == {0: 1}
    assert exponents_of(lambda z: z[:, :1] * z[:, 1:2], x) == {0: 1}


def test_a_power_that_is_no_multiple_of_one_half_is_none() -> None:
    x, y = rows("x_1**0.75*x_2", [1.0, 1.0], [3.0, 3.0])
    assert exponents(x, y, 0) == {1: 1}


@pytest.mark.parametrize(
    ("text", "powers"),
    [
        ("x_1*sin(3*x_3)/x_2**2", {0: 1, 1: -2}),
        ("-x_1**1.5*(x_2+exp(x_3))", {0: 1.5}),
        ("x_1*(x_2*x_3+1)/sqrt(x_2)", {0: 1}),
        ("x_1+x_2+x_3", {}),
        ("x_1**0.75*exp(x_2)", {}),
        ("sin(x_1*x_2)", {}),
        ("exp(x_1)", {}),
    ],
)
def test_a_function_shows_its_powers_where_one_input_moves_alone(text: str, powers: dict[int, float]) -> None:
    def f(z: Tensor) -> Tensor:
        return torch.from_numpy(formula_values(text, z.numpy()).copy())[:, None]

    x, _ = rows(text, [1.0, 1.0, -1.0], [3.0, 2.0, 1.0])
    assert exponents_of(f, x) == powers


def test_an_input_that_is_a_constant_is_no_factor() -> None:
    x, y = rows("x_1*x_2", [1.0, 1.0], [3.0, 2.0])
    x[:, 1] = 2.0
    y = x[:, 0] * x[:, 1]
    assert exponents(x, y, 0) == {0: 1}
    assert exponents_of(lambda z: z[:, :1] * z[:, 1:2], x) == {0: 1}


# ---- one layer more ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x", "exp", "sqrt", "1/x^2", "tanh"])
@pytest.mark.parametrize("width", [[2, 1], [2, [1, 1], 1], [2, [0, 1]]])
def test_a_link_function_is_applied_to_what_the_network_gives(name: str, width: Width) -> None:
    model, x = KAN(width, grid=3, seed=1), uniform_rows(40, 2)
    before = model(x).detach()
    longer = with_last(model, name, 0.7, 9.0, -2.0, 0.3)
    assert longer.width == [*model.width, 1]
    torch.testing.assert_close(
        longer(x), -2.0 * FUNCTIONS[name].value(0.7 * before + 9.0) + 0.3, rtol=1e-13, atol=1e-13
    )
    longer.layers[0].bias.data.add_(1.0)
    assert torch.equal(model(x), before)  # nothing is shared


# ---- powers put back -----------------------------------------------------------------------------------------------

RESTS: dict[str, tuple[Width, list[tuple[object, ...]]]] = {
    "one layer": ([2, 1], [(0, 0, 0, "sin", 2.0, 0.1, 1.5, 0.2), (0, 1, 0, "x^2", 1.0, 0.3, -0.5, 0.7)]),
    "one edge": ([2, 1], [(0, 1, 0, "tanh", 2.0, 0.1, 1.5, -0.2)]),
    "two layers": (
        [2, 2, 1],
        [
            (0, 0, 0, "sin", 2.0, 0.1, 1.5, 0.2), (0, 1, 0, "x", 1.0, 0.0, 1.0), (0, 1, 1, "x^2", 1.0, 0.3, -0.5, 0.7),
            (1, 0, 0, "tanh", 0.8, 0.1, 2.0, -0.4), (1, 1, 0, "cos", 1.2, 0.0, 1.1, 0.9),
        ],
    ),
    "three layers with products": (
        [2, [2, 1], [1, 1], 1],
        [
            (0, 0, 0, "sin", 2.0, 0.1, 1.5, 0.2), (0, 1, 1, "x^2", 1.0, 0.3, -0.5, 0.7), (0, 0, 2, "x", 1.0, 0.0, 1.0),
            (0, 1, 3, "cos", 1.0, 0.2, 1.3, 0.4), (1, 0, 0, "x", 1.0, 0.0, 1.0), (1, 2, 0, "tanh", 0.7, 0.1, 1.2),
            (1, 1, 1, "x", 1.0, 0.0, 1.0), (1, 2, 2, "sin", 0.5, 0.2, 1.0, 0.6), (2, 0, 0, "cos", 0.4, 0.1, 2.0, 0.1),
            (2, 1, 0, "x", 1.0, 0.0, 1.7, -0.3),
        ],
    ),
    "ends in a product": ([2, [0, 1]], [(0, 0, 0, "sin", 2.0, 0.1, 1.5, 0.2), (0, 1, 1, "x^2", 1.0, 0.3, -0.5, 0.7)]),
    "ends in a product of products": (
        [2, [1, 1], [0, 1]],
        [
            (0, 0, 0, "sin", 2.0, 0.1, 1.5, 0.2), (0, 0, 1, "x", 1.0, 0.4, 1.0), (0, 1, 2, "x^2", 1.0, 0.3, -0.5, 0.7),
            (1, 0, 0, "x", 1.0, 0.2, 1.0), (1, 1, 1, "tanh", 0.9, 0.0, 1.4, 0.2),
        ],
    ),
}  # fmt: skip


def times_powers(values: Array, x: Array, powers: dict[int, float]) -> Array:
    return values * np.prod([x[:, i] ** p for i, p in powers.items()], axis=0)[:, None]


@pytest.mark.parametrize(
    ("inputs", "powers"),
    [([0, 1], {2: 1.0}), ([0, 2], {1: -0.5}), ([1, 3], {0: 2.0, 2: -1.0}), ([2, 3], {0: 0.5, 1: -3.0, 4: 1.0})],
)
@pytest.mark.parametrize("name", RESTS)
def test_powers_multiply_what_the_rest_gives(name: str, inputs: list[int], powers: dict[int, float]) -> None:
    rest = fixed_network(*RESTS[name])
    n = len(inputs) + len(powers)
    x = uniform_rows(100, n, 8, 0.5, 2.0)
    expected = times_powers(plain_forward(rest, x[:, inputs].numpy()), x.numpy(), powers)
    whole = with_powers(rest, inputs, powers, n)
    assert whole.n_in == n
    assert whole.n_out == 1
    assert whole.is_symbolic()
    assert set(whole.active_inputs()) == {*(inputs[i] for i in rest.active_inputs()), *powers}
    np.testing.assert_allclose(whole(x).detach().numpy(), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(rest(x[:, inputs]).detach().numpy(), plain_forward(rest, x[:, inputs].numpy()))


def test_removed_edges_of_the_rest_stay_removed_and_their_constants_stay() -> None:
    last = (1, 0, 0, "cos", 1.0, 0.0, 1.0)
    rest = fixed_network([2, 1, 1], [(0, 0, 0, "sin", 2.0, 0.1, 1.5, 0.2), (0, 1, 0, "exp", 1.0, 0.0, 1.0), last])
    rest.layers[0].remove(0, 1, constant=0.8)
    x = uniform_rows(50, 3, 8, 0.5, 2.0)
    whole = with_powers(rest, [0, 1], {2: -1.0}, 3)
    expected = times_powers(rest(x[:, :2]).detach().numpy(), x.numpy(), {2: -1.0})
    np.testing.assert_allclose(whole(x).detach().numpy(), expected, rtol=1e-12, atol=1e-12)
    assert whole.active_inputs() == [0, 2]


def test_functions_that_a_user_added_are_kept() -> None:
    rest = KAN([1, 1, 1], grid=3, functions={"lorentz": "1/(1+x**2)"})
    for layer in (0, 1):
        rest.fix(layer, 0, 0, "lorentz", 2.0, 0.1, 1.5, 0.2)
    x = uniform_rows(50, 2, 8, 0.5, 2.0)
    whole = with_powers(rest, [1], {0: 2.0}, 2)
    assert "lorentz" in whole.library
    expected = times_powers(rest(x[:, 1:]).detach().numpy(), x.numpy(), {0: 2.0})
    np.testing.assert_allclose(whole(x).detach().numpy(), expected, rtol=1e-12, atol=1e-12)


def test_the_powers_can_be_trained_on() -> None:
    """The exponent and the factors are entries like all others."""
    rest = fixed_network([1, 1], [(0, 0, 0, "sin", 2.0, 0.1, 1.5, 0.2)])
    whole = with_powers(rest, [0], {1: 2.0}, 2)
    assert whole.parameter_count() > rest.parameter_count()
    assert any(abs(float(v) - 2.0) < 1e-15 for v in whole.get_vector())
