"""Arguments, factors and terms: what they are worth, which there are, and where functions of them begin."""

from __future__ import annotations

import math
from itertools import combinations, product

import pytest
import torch
from torch import Tensor

from kanrun.discovery.atoms import (
    PLAIN,
    POWERS,
    Argument,
    Factor,
    allowed_powers,
    argument_values,
    arguments_of,
    complexity_of,
    monomials,
    power,
    ranges_of,
    starting_factors,
    term_values,
)
from kanrun.functions.library import FUNCTIONS
from kanrun.model.network import KAN
from kanrun.symbolic.fit import start_ranges
from tests.helpers import uniform_rows

X = uniform_rows(40, 3, seed=1, low=0.5, high=2.0)
BOTH = uniform_rows(40, 3, seed=2)  # on both sides of zero
INPUT, DIFFERENCE = Argument(((1, "x", 1.0),)), Argument(((0, "x", 1.0), (1, "x", -1.0)))
RATIO = Argument(((0, "x", 1.0), (1, "1/x", 1.0)), True)

# ---- arguments -----------------------------------------------------------------------------------------------------


def exponents(argument: Argument) -> tuple[object, ...]:
    """A sum as "sum" and its edges; a product as "product" and the power of each of its inputs."""
    if argument.is_sum:
        assert {name for _, name, _ in argument.edges} == {"x"}
        return ("sum", *sorted((i, c) for i, _, c in argument.edges))
    assert {c for _, _, c in argument.edges} == {1.0}
    names = {"x": 1, "x^2": 2, "1/x": -1}
    return ("product", *sorted((i, names[name]) for i, name, _ in argument.edges))


def expected_arguments(n: int, sided: set[int]) -> set[tuple[object, ...]]:
    """By the text of the docstring, with the limits on how many inputs there may be."""
    found: set[tuple[object, ...]] = {("product", (i, p)) for i in range(n) for p in (1, 2)}
    found |= {("product", (i, -1)) for i in sided if n <= 3}
    for i, j in combinations(range(n), 2) if n <= 12 else ():
        found |= {("sum", (i, 1.0), (j, c)) for c in (1.0, -1.0)}
    for size in (2, 3):
        if n <= {2: 12, 3: 4}[size]:
            for inputs in combinations(range(n), size):
                found.add(("product", *((i, 1) for i in inputs)))
                found |= {("product", *((i, -1 if i == k else 1) for i in inputs)) for k in inputs if k in sided}
    return found


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 12, 13])
@pytest.mark.parametrize("one_sided", [True, False])
def test_the_arguments_are_inputs_squares_and_what_is_joined_of_two_or_three(n: int, one_sided: bool) -> None:
    x = uniform_rows(20, n, seed=3, low=0.5, high=2.0)
    if not one_sided:
        x[:, 0] -= 1.2  # cannot be divided by
    found = arguments_of(x)
    names = [exponents(a) for a in found]
    assert len(set(names)) == len(names)
    assert set(names) == expected_arguments(n, {i for i in range(n) if one_sided or i > 0})
    assert [a.is_input for a in found] == [True] * n + [False] * (len(found) - n)
    assert names[n : 2 * n] == [("product", (i, 2)) for i in range(n)]


def test_inputs_of_which_one_is_nothing_beside_the_other_are_in_no_sum_together() -> None:
    x = X[:, :2] * torch.tensor([1.0, 1e-12], dtype=torch.float64)
    found = arguments_of(x)
    assert not any(a.is_sum for a in found)
    assert {exponents(a) for a in found} == {e for e in expected_arguments(2, {0, 1}) if e[0] == "product"}
    sums = [a for a in arguments_of(x, [1.0, 1e12]) if a.is_sum]  # in units in which both are alike
    assert [{i: c for i, _, c in a.edges} for a in sums] == [{0: 1e-12, 1: 1.0}, {0: 1e-12, 1: -1.0}]


def test_arguments_are_worth_what_their_edges_say() -> None:
    sevenfold = Argument(((2, "x^2", 7.0),))
    t = argument_values([INPUT, DIFFERENCE, RATIO, sevenfold], X, FUNCTIONS)
    x = X.T
    torch.testing.assert_close(t, torch.stack([x[1], x[0] - x[1], x[0] / x[1], 7 * x[2] ** 2], dim=1))


def test_only_a_single_input_as_it_is_counts_as_one() -> None:
    assert INPUT.is_input
    assert not any(a.is_input for a in (DIFFERENCE, RATIO, Argument(((1, "x^2", 1.0),)), Argument(((1, "x", 2.0),))))


def test_a_sum_has_several_edges_and_is_no_product() -> None:
    assert DIFFERENCE.is_sum
    assert not any(a.is_sum for a in (INPUT, RATIO))
    assert INPUT.is_product is False


# ---- terms ---------------------------------------------------------------------------------------------------------


def test_a_term_is_the_product_of_its_factors() -> None:
    term = (Factor(FUNCTIONS["sin"], 1, 2.0, 0.3), Factor(FUNCTIONS["x^2"], 0), Factor(FUNCTIONS["exp"], 2, -0.5))
    x = X.T
    expected = torch.sin(2 * x[1] + 0.3) * x[0] ** 2 * torch.exp(-0.5 * x[2])
    torch.testing.assert_close(term_values(term, X), expected)


def test_the_empty_term_is_one() -> None:
    ones = term_values((), X.float())
    assert ones.dtype == torch.float32
    assert torch.equal(ones, torch.ones(40))


def test_constants_and_what_an_argument_is_made_of_cost_two_each_and_every_product_one() -> None:
    arguments = [INPUT, DIFFERENCE]
    sine, square = FUNCTIONS["sin"], FUNCTIONS["x^2"]
    assert Factor(sine, 0).complexity(arguments) == sine.complexity
    assert Factor(sine, 0, 2.0, 1.0, True).complexity(arguments) == sine.complexity + 2
    assert Factor(sine, 1).complexity(arguments) == sine.complexity + 2
    assert Factor(sine, 1, 2.0, 1.0, True).complexity(arguments) == sine.complexity + 4
    assert complexity_of((), arguments) == 0
    assert complexity_of((Factor(sine, 0),), arguments) == sine.complexity
    three = (Factor(sine, 0), Factor(square, 1), Factor(square, 0))
    assert complexity_of(three, arguments) == sine.complexity + 2 * square.complexity + 2 + 2


def test_a_factor_alone_is_a_function_of_its_argument_itself() -> None:
    factor = Factor(FUNCTIONS["exp"], 1)
    assert not factor.shaped
    torch.testing.assert_close(term_values((factor,), X), X[:, 1].exp())


# ---- powers --------------------------------------------------------------------------------------------------------


def test_a_power_is_the_function_of_its_name() -> None:
    assert sorted(POWERS) == [-3, -2, -1, -0.5, 0.5, 1, 1.5, 2, 3, 4, 5]
    for p, name in POWERS.items():
        torch.testing.assert_close(FUNCTIONS[name].value(X), X**p)


@pytest.mark.parametrize(
    ("x", "powers"),
    [
        (X[:, 0], [-3, -2, -1, -0.5, 0.5, 1, 1.5, 2, 3, 4, 5]),
        (-X[:, 0], [-3, -2, -1, 1, 2, 3, 4, 5]),
        (BOTH[:, 0], [1, 2, 3, 4, 5]),
        (X[:, 0] - X[:, 0].min(), [1, 2, 3, 4, 5]),  # zero in one row
    ],
)
def test_values_have_the_powers_that_are_finite_for_all_of_them(x: Tensor, powers: list[float]) -> None:
    assert allowed_powers(x, FUNCTIONS, few=False) == powers
    assert allowed_powers(x, FUNCTIONS, few=True) == [p for p in powers if p in (-2, -1, 0.5, 1, 2)]
    known = {name: FUNCTIONS[name] for name in ("x", "x^3", "1/x", "sin")}
    assert allowed_powers(x, known, few=False) == [p for p in powers if p in (-1, 1, 3)]


@pytest.mark.parametrize("p", [*range(1, 11), -2])
def test_a_whole_power_is_one_factor_or_two(p: int) -> None:
    term = power(2, p, FUNCTIONS)
    torch.testing.assert_close(term_values(term, X), X[:, 2] ** p)
    assert len(term) == (1 if p in POWERS else 2)


def monomials_by_powers(n: int, powers: list[float], most: int) -> list[tuple[tuple[int, float], ...]]:
    """All products of up to so many of n inputs, each with one of the powers."""
    return [
        tuple(zip(inputs, chosen, strict=True))
        for size in range(most + 1)
        for inputs in combinations(range(n), size)
        for chosen in product(powers if size < 3 or n < 4 else [-1, 1], repeat=size)
    ]


@pytest.mark.parametrize(
    ("n", "most"), [(1, 1), (2, 2), (3, 3), (4, 3), (9, 3), (10, 2), (20, 2), (21, 1), (1000, 1), (1001, 0)]
)
def test_monomials_are_products_of_up_to_three_powers_fewer_where_there_are_many_inputs(n: int, most: int) -> None:
    x = uniform_rows(10, n, seed=4, low=0.5, high=2.0)
    powers = sorted(POWERS) if n < 4 else [-2, -1, 0.5, 1, 2]
    number = {name: p for p, name in POWERS.items()}
    found = monomials(x, FUNCTIONS)
    named = [tuple((f.argument, number[f.function.name]) for f in term) for term in found]
    assert named[0] == ()
    assert len(set(named)) == len(named)
    assert set(named) == set(monomials_by_powers(n, powers, most))
    assert not any(f.shaped for term in found for f in term)


def test_monomials_stay_within_the_domain_of_each_input() -> None:
    x = torch.cat([X[:, :1], BOTH[:, 1:2]], dim=1)
    used: dict[int, set[str]] = {0: set(), 1: set()}
    for term in monomials(x, FUNCTIONS):
        assert bool(torch.isfinite(term_values(term, x)).all())
        for f in term:
            used[f.argument].add(f.function.name)
    assert used == {0: set(POWERS.values()), 1: {"x", "x^2", "x^3", "x^4", "x^5"}}


# ---- where functions begin -----------------------------------------------------------------------------------------


def close(first: tuple[float, float], second: tuple[float, float]) -> bool:
    return math.isclose(first[0], second[0], abs_tol=1e-6) and math.isclose(first[1], second[1], abs_tol=1e-6)


@pytest.mark.parametrize("name", ["gaussian", "abs", "x^2"])
def test_of_an_even_function_one_of_two_ranges_that_are_mirrored_is_left(name: str) -> None:
    function = FUNCTIONS[name]
    found = ranges_of(function, few=False)
    for low, high in start_ranges(function):
        mirrored = (-high, -low)
        assert ((low, high) in found) is (low + high >= 0)
        assert any(close(r, (low, high)) or close(r, mirrored) for r in found)


@pytest.mark.parametrize("name", ["tanh", "log", "sqrt", "1/x", "x^3"])
def test_other_functions_keep_all_their_ranges(name: str) -> None:
    assert ranges_of(FUNCTIONS[name], few=False) == start_ranges(FUNCTIONS[name])


def test_a_sine_begins_in_half_a_period_and_stands_for_the_cosine_too() -> None:
    found, half = ranges_of(FUNCTIONS["sin"], few=False), math.pi
    assert ranges_of(FUNCTIONS["cos"], few=False) == []
    for low, high in start_ranges(FUNCTIONS["sin"]):
        here = [r for r in found if close(r, (low, high)) or close(r, (low - half, high - half))]
        assert len(here) == 1  # half a period further it is the same but for its sign


def test_an_exponential_begins_upwards_and_downwards() -> None:
    found = set(ranges_of(FUNCTIONS["exp"], few=False))
    assert {(high, low) for low, high in found} == found
    assert found >= {(0.0, 1.0), (10.0, 0.0)}


@pytest.mark.parametrize("name", ["sin", "exp", "tanh", "gaussian", "log", "sqrt"])
def test_where_few_are_wanted_about_six_ranges_are_left_evenly_spread(name: str) -> None:
    every, few = (ranges_of(FUNCTIONS[name], few) for few in (False, True))
    step = len(every) // 6
    assert few == [every[i] for i in range(0, len(every), step)]
    assert 6 <= len(few) <= 13


def test_short_lists_are_left_as_they_are_where_few_are_wanted() -> None:
    assert ranges_of(FUNCTIONS["tan"], few=True) == start_ranges(FUNCTIONS["tan"])


def factors(t: Tensor, names: list[str] | None = None, joined: bool = False, few: bool = False) -> list[Factor]:
    functions = dict(FUNCTIONS) if names is None else {name: FUNCTIONS[name] for name in names}
    return list(starting_factors(t, 4, functions, few, joined))


@pytest.mark.parametrize("t", [X[:, 0], -X[:, 0], 5 * BOTH[:, 0] + 1])
@pytest.mark.parametrize("few", [False, True])
def test_functions_with_constants_stretch_the_values_over_their_ranges(t: Tensor, few: bool) -> None:
    low, high = float(t.min()), float(t.max())
    found = factors(t, few=few)
    assert found
    for name, function in FUNCTIONS.items():
        got = [(f.a * low + f.b, f.a * high + f.b) for f in found if f.function is function and f.shaped]
        taken = not (name in PLAIN or name.startswith(("x^", "1/x^3", "1/x^4", "1/x^5")))
        taken = taken and not (name == "abs" and low * high > 0)
        inside = [r for r in ranges_of(function, few) if bool(function.allows(torch.tensor(r)))] if taken else []
        assert len(got) == len(inside)
        assert all(close(one, other) for one, other in zip(got, inside, strict=True))
    assert {f.argument for f in found} == {4}


def test_functions_of_the_values_themselves_stay_within_their_domain() -> None:
    plain = {(f.function.name, f.a) for f in factors(BOTH[:, 0]) if not f.shaped}
    names = {"abs", "sin", "cos", "tanh", "arctan", "gaussian"}
    assert plain == {("exp", 1.0), ("exp", -1.0), *((name, 1.0) for name in names)}
    positive = {(f.function.name, f.a) for f in factors(X[:, 0]) if not f.shaped}
    more = {"log", "sqrt", "1/sqrt(x)", "1/x", "1/x^2"}
    assert positive == (plain | {(name, 1.0) for name in more}) - {("abs", 1.0)}
    assert all(f.b == 0 for f in factors(X[:, 0]) if not f.shaped)


def test_only_a_sum_of_inputs_is_taken_as_it_is_and_squared() -> None:
    t = X[:, 0] - X[:, 1]
    assert factors(t, ["x", "x^2"]) == []
    assert factors(t, ["x", "x^2", "x^3"], joined=True) == [Factor(FUNCTIONS[name], 4) for name in ("x", "x^2")]


def test_values_that_are_all_the_same_have_no_functions() -> None:
    assert factors(torch.full((9,), 0.7, dtype=torch.float64), joined=True) == []


def test_a_function_of_the_users_is_not_stretched_over_ranges_where_it_has_no_value() -> None:
    own = KAN([1, 1], grid=3, functions={"late": "log(x-5)"}).library["late"]
    found = list(starting_factors(X[:, 0], 0, {"late": own}, few=False))
    assert 0 < len(found) < len(ranges_of(own, few=False))
    for factor in found:
        assert bool(torch.isfinite(own.value(factor.a * X[:, 0] + factor.b)).all())
