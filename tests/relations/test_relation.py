from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from kanrun.config.datasets import ContrastiveConfig
from kanrun.data.contrastive import make_contrastive
from kanrun.data.dataset import CLASSIFICATION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.functions.library import FUNCTIONS, library
from kanrun.functions.parser import parse_formula, symbol
from kanrun.model.network import KAN
from kanrun.relations.relation import (
    Relation,
    Tie,
    find_relations,
    is_implied,
    real_rows,
    related_groups,
    related_inputs,
    ties_within,
)
from tests.helpers import Array, fixed_network, formula_values, uniform_rows

TWO_RELATIONS = ["x_3 = exp(sin(pi*x_1)+x_2**2)", "x_4 = x_5**3"]
# log x_3 - sin(pi x_1) - x_2^2 and x_4 - x_5^3 are constant on real rows; x_6 is free.
TWO_SUMS = [
    (0, 0, 0, "sin", math.pi, 0.0, -2.0), (0, 1, 0, "x^2", 1.0, 0.0, -2.0), (0, 2, 0, "log", 1.0, 0.0, 2.0, 0.3),
    (0, 3, 0, "x", 1.0, 0.0, 3.0), (0, 4, 0, "x^3", 1.0, 0.0, -3.0), (0, 5, 0, "tanh", 1.0, 0.2, 0.7),
    (1, 0, 0, "gaussian", 1.0, 0.0, 1.0),
]  # fmt: skip


def contrastive(relations: list[str], inputs: int, rows: int = 100, domain: Any = (-1.0, 1.0)) -> Dataset:
    """Real and shuffled rows."""
    config = ContrastiveConfig(relations=relations, n_inputs=inputs, domain=list(domain), n_train=rows, n_test=rows)
    return make_contrastive(config, 3, torch.float64)


# All that the relations here need, and some that look like it.
SEVERAL = ["x", "x^2", "x^3", "sqrt", "1/x", "exp", "log", "sin", "cos", "tanh", "gaussian"]


def relations(data: Dataset, groups: list[list[int]], names: list[str] = SEVERAL) -> list[Relation]:
    """The equations of these groups."""
    ties = find_relations(data, groups, library(names))
    assert all(tie.relation is None or tie.relation.inputs == [data.inputs[i] for i in tie.inputs] for tie in ties)
    return [tie.relation for tie in ties if tie.relation]


def fresh_rows(data: Dataset) -> Array:
    """Real rows that no fit has seen."""
    return data.test.x[data.test.y[:, 0] > 0.5].numpy()


def assert_holds(relation: Relation, data: Dataset, tolerance: float = 1e-8) -> None:
    """Equation and solutions are true on fresh real rows; every solution is real on most of them."""
    x = fresh_rows(data)
    left, right = (formula_values(side, x) for side in relation.equation.split("="))
    np.testing.assert_allclose(left, right, atol=tolerance * max(1.0, float(np.ptp(x))))
    assert len(set(right.tolist())) == 1
    names = {f"x_{i + 1}": i for i in range(x.shape[1])}
    assert {s.name for s in parse_formula(relation.equation.split("=")[0]).free_symbols} == set(relation.inputs)
    for name, text in relation.solutions.items():
        assert name in relation.inputs
        assert symbol(name) not in parse_formula(text).free_symbols
        found, column = formula_values(text, x), x[:, names[name]]
        finite = np.isfinite(found)
        assert finite.mean() > 0.8
        np.testing.assert_allclose(found[finite], column[finite], atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def six() -> tuple[KAN, Dataset]:
    """Two relations among six inputs, and a network that knows them."""
    return fixed_network([6, 1, 1], TWO_SUMS), contrastive(TWO_RELATIONS, 6, 200)


def test_inputs_of_one_relation_are_grouped_and_free_ones_are_alone(six: tuple[KAN, Dataset]) -> None:
    model, data = six
    assert related_inputs(model, real_rows(data)) == [[0, 1, 2], [3, 4]]
    assert related_groups(model, real_rows(data)) == [(0, 1, 2), (3, 4)]


def test_both_relations_are_written_and_solved(six: tuple[KAN, Dataset]) -> None:
    model, data = six
    found = relations(data, related_inputs(model, real_rows(data)))
    assert [relation.inputs for relation in found] == [["x_1", "x_2", "x_3"], ["x_4", "x_5"]]
    for relation in found:
        assert_holds(relation, data)
        assert relation.residual < 1e-20
        assert relation.exact is True
    assert set(found[0].solutions) == {"x_3"}  # the sine and the square cannot be undone
    assert set(found[1].solutions) == {"x_4", "x_5"}
    assert "pi" in found[0].equation
    assert parse_formula(found[1].solutions["x_4"]) == parse_formula("x_5**3")


def test_only_real_rows_of_the_training_set_are_used(six: tuple[KAN, Dataset]) -> None:
    _, data = six
    real = real_rows(data)
    assert torch.equal(real, data.train.x[:200])
    others = replace(data, test=Rows(data.test.x * 7, data.test.y))
    groups, few = [[0, 1, 2], [3, 4]], ["x", "x^2", "x^3", "log", "sin"]
    assert relations(others, groups, few) == relations(data, groups, few)


def test_edges_that_hardly_move_the_sum_do_not_count() -> None:
    data = contrastive(["x_2 = x_1"], 3)
    edges = [(0, 0, 0, "x", 1, 0, 1), (0, 1, 0, "x", 1, 0, -1), (0, 2, 0, "x", 1, 0, 1)]
    assert related_inputs(fixed_network([3, 1], edges), real_rows(data)) == [[0, 1]]
    weak = [edges[0], (0, 1, 0, "x", 1, 0, -1e-5), edges[2]]
    assert related_inputs(fixed_network([3, 1], weak), real_rows(data)) == []


def test_overlapping_groups_of_several_sums_are_merged() -> None:
    data = contrastive(["x_2 = x_1**3", "x_3 = exp(x_2)", "x_5 = x_4"], 6)
    edges = [
        (0, 0, 0, "x^3", 1, 0, 1), (0, 1, 0, "x", 1, 0, -1), (0, 1, 1, "exp", 1, 0, 1), (0, 2, 1, "x", 1, 0, -1),
        (0, 3, 2, "x", 1, 0, 1), (0, 4, 2, "x", 1, 0, -1), (0, 5, 0, "x", 1, 0, 1),
    ]  # fmt: skip
    model = fixed_network([6, 3, 1], edges)
    assert sorted(related_groups(model, real_rows(data))) == [(0, 1), (1, 2), (3, 4)]
    assert related_inputs(model, real_rows(data)) == [[0, 1, 2], [3, 4]]


def test_grouping_does_not_need_every_edge_to_be_a_function(six: tuple[KAN, Dataset]) -> None:
    _, data = six
    model = KAN([6, 1, 1], grid=8, seed=1)
    layer = model.layers[0]
    real = real_rows(data)
    model.fit_grids(real)
    for sub, i, name, a, c in [(0, 0, "sin", math.pi, -1), (0, 1, "x^2", 1, -1), (0, 2, "log", 1, 1)]:
        model.fix(0, i, sub, name, a, 0, c)
    layer.remove(0, 3)
    assert related_inputs(model, real) == [[0, 1, 2]]


@pytest.mark.parametrize("seed", range(12))
def test_independent_inputs_are_not_related(seed: int) -> None:
    x = uniform_rows(400, 6, seed)
    edges = [(0, i, 0, name, 1, 0.1, 1) for i, name in enumerate(["x", "x^2", "sin", "exp", "tanh", "cos"])]
    assert related_inputs(fixed_network([6, 1], edges), x) == []


def independent(rows: int = 100) -> Dataset:
    """Rows without any relation, all called real."""
    x = uniform_rows(rows, 3, 8)
    part = Rows(x, torch.ones(rows, 1, dtype=x.dtype))
    return Dataset("d", part, part, ["x_1", "x_2", "x_3"], ["real"], CLASSIFICATION, MSE)


@pytest.mark.parametrize("groups", [[], [[0, 1]], [[0, 1, 2]], [[0, 2], [0, 1, 2]]])
def test_without_a_relation_nothing_is_written(groups: list[list[int]]) -> None:
    assert find_relations(independent(), groups, library()) == []


def test_a_network_without_edges_relates_nothing() -> None:
    model = fixed_network([3, 2, 1], [])
    assert related_inputs(model, independent().train.x) == []


# name: the range of its argument
UNDONE = {
    "x": (-1, 1), "x^3": (-1, 1), "x^5": (-1, 1), "1/x": (0.4, 2), "1/x^3": (0.7, 1.5), "sqrt": (0.1, 2),
    "x^1.5": (0.1, 2), "1/sqrt(x)": (0.2, 2), "exp": (-1, 1), "log": (0.2, 2), "tanh": (-1, 1), "arctanh": (-0.8, 0.8),
    "arcsin": (-0.9, 0.9), "arccos": (-0.9, 0.9), "arctan": (-1.2, 1.2), "1/x^2": (0.7, 1.5), "tan": (-1, 1),
}  # fmt: skip
KEPT = {"x^2": (-1, 1), "x^4": (-1, 1), "abs": (-1, 1), "cos": (-1, 1), "gaussian": (-1, 1)}


def three(name: str, low: float, high: float) -> Dataset:
    """x_3 = 2 f(x_1) - x_2."""
    text = re.sub(r"\bx\b", "x_1", FUNCTIONS[name].text)
    return contrastive([f"x_3 = 2*{text}-x_2"], 3, 100, [[low, high], [-1, 1], [-1, 1]])


@pytest.mark.parametrize("name", [*UNDONE, *KEPT])
def test_relations_are_solved_for_what_can_be_undone(name: str) -> None:
    data = three(name, *{**UNDONE, **KEPT}[name])
    (relation,) = relations(data, [[0, 1, 2]], list(dict.fromkeys(["x", "x^2", name])))
    assert relation.exact is True
    assert_holds(relation, data)
    assert set(relation.solutions) == {"x_2", "x_3"} | ({"x_1"} if name in UNDONE else set())


@pytest.mark.parametrize(
    ("text", "domain", "solved"),
    [
        ("x_2 = x_1", (-1.0, 1.0), {"x_1", "x_2"}),
        ("x_2 = 3*x_1-0.5", (-1.0, 1.0), {"x_1", "x_2"}),
        ("x_2 = x_1**3", (-1.0, 1.0), {"x_1", "x_2"}),
        ("x_2 = exp(2*x_1)", (-1.0, 1.0), {"x_1", "x_2"}),
        ("x_2 = 1/(x_1+3)", (-1.0, 1.0), {"x_1", "x_2"}),
        ("x_2 = x_1**2", (-1.0, 1.0), {"x_2"}),
        ("x_2 = exp(-x_1**2)", (-1.0, 1.0), {"x_2"}),
        ("x_1 = 0.7*cos(2*x_2)", (-1.0, 1.0), {"x_1"}),
    ],
)
def test_relations_of_two_inputs_are_exact_functions(text: str, domain: tuple[float, float], solved: set[str]) -> None:
    data = contrastive([text], 3, 80, domain)
    (relation,) = relations(data, [[0, 1]])
    assert relation.exact is True
    assert relation.inputs == ["x_1", "x_2"]
    assert_holds(relation, data)
    assert relation.residual < 1e-18
    assert solved <= set(relation.solutions)
    if len(solved) == 1:
        assert set(relation.solutions) == solved


def test_a_relation_with_noise_is_written_with_what_it_leaves() -> None:
    x = uniform_rows(200, 2, 4)
    noise = 0.01 * torch.randn(200, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    x[:, 1] = torch.exp(x[:, 0]) + noise
    part = Rows(x, torch.ones(200, 1, dtype=x.dtype))
    data = Dataset("d", part, part, ["x_1", "x_2"], ["real"], CLASSIFICATION, MSE)
    (relation,) = relations(data, [[0, 1]], ["x", "x^2", "exp", "log", "sin"])
    assert relation.exact is None
    assert 1e-6 < relation.residual < 1e-3
    left, right = (formula_values(side, x.numpy()) for side in relation.equation.split("="))
    assert abs(float(np.mean(left - right))) < 0.02
    assert float(np.std(left)) < 0.2 * float(x[:, 1].std())


def test_a_relation_of_three_inputs_with_noise_keeps_its_form() -> None:
    noise = 0.01
    x = uniform_rows(150, 4, 6)
    errors = torch.randn(150, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    x[:, 2] = torch.exp(torch.sin(torch.pi * x[:, 0]) + x[:, 1] ** 2) * (1 + noise * errors)
    part = Rows(x, torch.ones(150, 1, dtype=x.dtype))
    data = Dataset("d", part, part, [f"x_{i + 1}" for i in range(4)], ["real"], CLASSIFICATION, MSE)
    (relation,) = relations(data, [[0, 1, 2]], ["x", "x^2", "exp", "log", "sin", "tanh"])
    assert re.search(r"sin\((pi|3\.1\d*)\*x_1\)", relation.equation), relation.equation
    assert all(text in relation.equation for text in ("x_2**2", "log("))
    assert set(relation.solutions) == {"x_3"}
    assert 0.01 * noise**2 < relation.residual < 3 * noise**2


def test_the_rounded_equation_says_the_same() -> None:
    data = three("tanh", -1, 1)
    (relation,) = relations(data, [[0, 1, 2]])
    left, right = (formula_values(side, fresh_rows(data)) for side in relation.rounded.split("="))
    np.testing.assert_allclose(left, right, atol=2e-3)


@pytest.mark.parametrize(
    ("texts", "domain", "groups", "expected"),
    [
        (["x_3 = x_1*x_2"], [-1, 1], [[0, 1, 2]], [{1, 2, 3}]),
        (["x_3 = x_1*x_2"], [0.5, 2], [[0, 1, 2]], [{1, 2, 3}]),
        (["x_4 = exp(x_1)*x_2"], [-1, 1], [[0, 1, 3]], [{1, 2, 4}]),
        (["x_3 = sqrt(1-x_1**2-x_2**2)"], [-0.7, 0.7], [[0, 1, 2]], [{1, 2, 3}]),
        (["x_3 = (x_1+x_2)**3"], [-1, 1], [[0, 1, 2]], [{1, 2, 3}]),
        (["x_4 = x_1+x_2**2+sin(2*x_3)"], [-1, 1], [[0, 1, 2, 3]], [{1, 2, 3, 4}]),
        (["x_2 = exp(sin(2*x_1))"], [-1, 1], [[0, 1]], [{1, 2}]),
        # more inputs in the group than belong together
        (["x_3 = exp(x_1)+x_2"], [-1, 1], [[0, 1, 2, 3, 4]], [{1, 2, 3}]),
        # fewer
        (["x_3 = exp(x_1)+x_2"], [-1, 1], [[0, 2]], [{1, 2, 3}]),
        # several in one group, with a shared input
        (["x_3 = sin(pi*x_1)+x_2", "x_5 = x_1**2-x_4"], [-1, 1], [[0, 1, 2, 3, 4]], [{1, 2, 3}, {1, 4, 5}]),
        # the sum of both, and {1, 3, 4}, would follow from these two
        (["x_2 = x_1", "x_3 = x_1+x_4"], [-1, 1], [[0, 1, 2, 3, 4]], [{1, 2}, {2, 3, 4}]),
    ],
)
def test_relations_are_found_in_groups_of_any_size(
    texts: list[str], domain: list[float], groups: list[list[int]], expected: list[set[int]]
) -> None:
    data = contrastive(texts, 6, 100 * len(texts), domain)
    found = relations(data, groups)
    assert sorted(sorted(r.inputs) for r in found) == sorted(sorted(f"x_{i}" for i in group) for group in expected)
    for relation in found:
        assert relation.exact is True
        assert relation.residual < 1e-20
        assert_holds(relation, data)


def test_a_product_is_solved_with_its_sign() -> None:
    (relation,) = relations(contrastive(["x_3 = x_1*x_2"], 3), [[0, 1, 2]])
    assert parse_formula(relation.solutions["x_3"]) == parse_formula("x_1*x_2")
    assert parse_formula(relation.solutions["x_1"]) == parse_formula("x_3/x_2")


def test_what_is_known_is_not_found_again() -> None:
    data = contrastive(["x_3 = sin(pi*x_1)+x_2", "x_5 = x_1**2-x_4"], 6, 200)
    functions = library(["x", "x^2", "sin", "exp"])
    known = find_relations(data, [[0, 1, 2]], functions)
    assert [tie.inputs for tie in known] == [[0, 1, 2]]
    assert ties_within(data, [0, 1, 2], functions, known) == []
    assert [tie.inputs for tie in ties_within(data, [0, 1, 2, 3, 4], functions, known)] == [[0, 3, 4]]


def test_inputs_tied_by_no_function_of_the_library_are_a_tie_without_equation() -> None:
    data = contrastive(["x_3 = sin(5*x_1)+x_2"], 3)
    functions = library(["x", "exp"])
    (tie,) = find_relations(data, [[0, 1, 2]], functions)
    assert tie.inputs == [0, 1, 2]
    assert tie.relation is None


def test_a_lookalike_is_not_exact() -> None:
    data = contrastive(["x_3 = sin(x_1)+x_2"], 3)
    ties: list[Tie] = find_relations(data, [[0, 1, 2]], library(["x", "tanh"]))
    assert [t.relation.exact for t in ties if t.relation] == [False]


def test_the_lines_to_read_have_the_equation_and_its_solutions() -> None:
    (relation,) = relations(contrastive(["x_2 = x_1**3"], 2), [[0, 1]])
    assert relation.lines()[0].endswith(" = 0 (exact)")
    assert "  x_2 = x_1**3" in relation.lines()


def test_an_equation_that_always_holds_or_whose_solution_is_wrong_is_not_implied() -> None:
    data = contrastive(["x_3 = x_1*x_2"], 3)
    zero, solution = (parse_formula(text) for text in ("x_3 - x_1*x_2", "x_1*x_2"))
    x_3 = symbol("x_3").name
    assert is_implied(zero, {x_3: solution}, data) is True
    assert is_implied(zero, {x_3: solution + 1e-3}, data) is False
    assert is_implied(zero, {x_3: solution + parse_formula("1e-30*log(x_1+1.1)")}, data) is True
    assert is_implied(zero, {x_3: solution + parse_formula("1e-30*log(x_1-0.9)")}, data) is False  # true of few rows
    assert is_implied(parse_formula("sin(x_1)**2 + cos(x_1)**2 - 1"), {}, data) is False
