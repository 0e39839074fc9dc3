from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kanrun.config import ContrastiveConfig
from kanrun.data.contrastive import make_contrastive
from kanrun.data.dataset import CLASSIFICATION, MSE, Dataset, Rows
from kanrun.model.network import KAN
from kanrun.symbolic.library import FUNCTIONS, library
from kanrun.symbolic.parser import parse_formula, symbol
from kanrun.symbolic.relation import Relation, find_relations, real_rows, related_groups, related_inputs, solve_for
from tests.helpers import Array, fixed_network, formula_values, uniform_rows

TWO_RELATIONS = ["x_3 = exp(sin(pi*x_1)+x_2**2)", "x_4 = x_5**3"]
# log x_3 - sin(pi x_1) - x_2^2 and x_4 - x_5^3 are constant on real rows; x_6 is free.
TWO_SUMS = [
    (0, 0, 0, "sin", math.pi, 0.0, -2.0), (0, 1, 0, "x^2", 1.0, 0.0, -2.0), (0, 2, 0, "log", 1.0, 0.0, 2.0, 0.3),
    (0, 3, 0, "x", 1.0, 0.0, 3.0), (0, 4, 0, "x^3", 1.0, 0.0, -3.0), (0, 5, 0, "tanh", 1.0, 0.2, 0.7),
    (1, 0, 0, "gaussian", 1.0, 0.0, 1.0),
]  # fmt: skip


def contrastive(relations: list[str], inputs: int, rows: int = 400, domain: Any = (-1.0, 1.0)) -> Dataset:
    """Real and shuffled rows."""
    config = ContrastiveConfig(relations=relations, n_inputs=inputs, domain=list(domain), n_train=rows, n_test=rows)
    return make_contrastive(config, 3, torch.float64)


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
    return fixed_network([6, 1, 1], TWO_SUMS), contrastive(TWO_RELATIONS, 6)


def test_inputs_of_one_relation_are_grouped_and_free_ones_are_alone(six: tuple[KAN, Dataset]) -> None:
    model, data = six
    assert related_inputs(model, real_rows(data)) == [[0, 1, 2], [3, 4]]
    assert [group.inputs for group in related_groups(model, real_rows(data))] == [(0, 1, 2), (3, 4)]


def test_both_relations_are_written_and_solved(six: tuple[KAN, Dataset]) -> None:
    model, data = six
    found = find_relations(model, data, related_inputs(model, real_rows(data)), library())
    assert [relation.inputs for relation in found] == [["x_1", "x_2", "x_3"], ["x_4", "x_5"]]
    for relation in found:
        assert_holds(relation, data)
        assert relation.residual < 1e-20
    assert set(found[0].solutions) == {"x_3"}  # the sine and the square cannot be undone
    assert set(found[1].solutions) == {"x_4", "x_5"}
    assert "pi" in found[0].equation
    assert parse_formula(found[1].solutions["x_4"]) == parse_formula("x_5**3")


def test_only_real_rows_of_the_training_set_are_used(six: tuple[KAN, Dataset]) -> None:
    model, data = six
    real = real_rows(data)
    assert torch.equal(real, data.train.x[:400])
    others = Dataset(
        data.name, data.train, Rows(data.test.x * 7, data.test.y), data.inputs, data.outputs, data.task, data.loss
    )
    groups = [[0, 1, 2], [3, 4]]
    assert find_relations(model, others, groups, library()) == find_relations(model, data, groups, library())


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
    assert sorted(group.inputs for group in related_groups(model, real_rows(data))) == [(0, 1), (1, 2), (3, 4)]
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


def independent(rows: int = 300) -> Dataset:
    """Rows without any relation, all called real."""
    x = uniform_rows(rows, 3, 8)
    part = Rows(x, torch.ones(rows, 1, dtype=x.dtype))
    return Dataset("d", part, part, ["x_1", "x_2", "x_3"], ["real"], CLASSIFICATION, MSE)


@pytest.mark.parametrize("groups", [[], [[0, 1]], [[0, 1, 2]], [[0, 2], [0, 1, 2]]])
def test_without_a_relation_nothing_is_written(groups: list[list[int]]) -> None:
    model = fixed_network([3, 1], [(0, 0, 0, "x", 1, 0, 1), (0, 1, 0, "sin", 1, 0, -1), (0, 2, 0, "x^2", 1, 0, 1)])
    assert find_relations(model, independent(), groups, library()) == []


def test_a_network_without_edges_relates_nothing() -> None:
    model = fixed_network([3, 2, 1], [])
    assert related_inputs(model, independent().train.x) == []
    assert find_relations(model, independent(), [], library()) == []


# name: the range of its argument
UNDONE = {
    "x": (-1, 1), "x^3": (-1, 1), "x^5": (-1, 1), "1/x": (0.4, 2), "1/x^3": (0.7, 1.5), "sqrt": (0.1, 2),
    "x^1.5": (0.1, 2), "1/sqrt(x)": (0.2, 2), "exp": (-1, 1), "log": (0.2, 2), "tanh": (-1, 1), "arctanh": (-0.8, 0.8),
    "arcsin": (-0.9, 0.9), "arccos": (-0.9, 0.9), "arctan": (-1.2, 1.2),
}  # fmt: skip
KEPT = {"x^2": (-1, 1), "x^4": (-1, 1), "abs": (-1, 1), "cos": (-1, 1), "gaussian": (-1, 1), "1/x^2": (0.7, 1.5)}


def three(name: str, low: float, high: float) -> tuple[KAN, Dataset]:
    """x_3 = 2 f(x_1) - x_2 with its network, each term times 1.3."""
    text = re.sub(r"\bx\b", "x_1", FUNCTIONS[name].text)
    data = contrastive([f"x_3 = 2*{text}-x_2"], 3, 200, [[low, high], [-1, 1], [-1, 1]])
    edges = [(0, 0, 0, name, 1, 0, 2.6), (0, 1, 0, "x", 1, 0, -1.3), (0, 2, 0, "x", 1, 0, -1.3)]
    return fixed_network([3, 1], edges), data


@pytest.mark.parametrize("name", [*UNDONE, *KEPT])
def test_relations_are_solved_for_what_can_be_undone(name: str) -> None:
    model, data = three(name, *{**UNDONE, **KEPT}[name])
    (relation,) = find_relations(model, data, [[0, 1, 2]], library())
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
    data = contrastive([text], 3, 300, domain)
    # What the network makes of it need not be simple: the same monotone function on both sides.
    model = fixed_network([3, 1], [(0, 0, 0, "x", 1, 0, 1), (0, 1, 0, "x", 1, 0, 1)])
    (relation,) = find_relations(model, data, [[0, 1]], library())
    assert relation.inputs == ["x_1", "x_2"]
    assert_holds(relation, data)
    assert relation.residual < 1e-18
    assert solved <= set(relation.solutions)
    if len(solved) == 1:
        assert set(relation.solutions) == solved


def test_a_relation_with_noise_is_written_with_what_it_leaves() -> None:
    x = uniform_rows(500, 2, 4)
    noise = 0.01 * torch.randn(500, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    x[:, 1] = torch.exp(x[:, 0]) + noise
    part = Rows(x, torch.ones(500, 1, dtype=x.dtype))
    data = Dataset("d", part, part, ["x_1", "x_2"], ["real"], CLASSIFICATION, MSE)
    model = fixed_network([2, 1], [(0, 0, 0, "x", 1, 0, 1), (0, 1, 0, "x", 1, 0, 1)])
    (relation,) = find_relations(model, data, [[0, 1]], library())
    assert 1e-6 < relation.residual < 1e-3
    left, right = (formula_values(side, x.numpy()) for side in relation.equation.split("="))
    assert abs(float(np.mean(left - right))) < 0.02
    assert float(np.std(left)) < 0.2 * float(x[:, 1].std())


def test_the_rounded_equation_says_the_same() -> None:
    model, data = three("tanh", -1, 1)
    (relation,) = find_relations(model, data, [[0, 1, 2]], library())
    left, right = (formula_values(side, fresh_rows(data)) for side in relation.rounded.split("="))
    np.testing.assert_allclose(left, right, atol=2e-3)


@pytest.mark.parametrize(
    ("left", "right", "solution"),
    [
        ("x_1+x_2", "3", "3-x_2"),
        ("2*x_1+x_2", "0", "-x_2/2"),
        ("x_2-exp(2*x_1+1)", "1", "log(x_2-1)/2-1/2"),
        ("5*x_1**3+x_2", "0", "sign(-x_2/5)*Abs(x_2/5)**(1/3)"),
        ("1/x_1+x_2", "2", "1/(2-x_2)"),
        ("sqrt(x_1)-x_2", "0", "x_2**2"),
        ("log(3*x_1)+x_2", "0", "exp(-x_2)/3"),
        ("x_1**2+x_2", "0", None),
        ("sin(x_1)+x_2", "0", None),
        ("x_1+exp(x_1)+x_2", "0", None),
        ("cos(x_1)+x_2", "0", None),
        ("x_2", "1", None),
        ("Abs(x_1)+x_2", "1", None),
        ("exp(-x_1**2)+x_2", "1", None),
    ],
)
def test_solving_undoes_one_function_after_the_other(left: str, right: str, solution: str | None) -> None:
    found = solve_for(parse_formula(left), parse_formula(right), symbol("x_1"))
    if solution is None:
        assert found is None
    else:
        assert found is not None
        assert check_solution(str(found), left, right)
        x = uniform_rows(50, 2, 1, low=1.1, high=1.9).numpy()
        np.testing.assert_allclose(formula_values(str(found), x), formula_values(solution, x), rtol=1e-10)


def check_solution(text: str, left: str, right: str) -> bool:
    """Whether the equation holds with the solution put in, at some rows."""
    x: Tensor = uniform_rows(50, 2, 1, low=1.1, high=1.9)
    x[:, 0] = torch.from_numpy(formula_values(text, x.numpy()).copy())
    x = x[torch.isfinite(x).all(1)]
    difference = formula_values(left, x.numpy()) - formula_values(right, x.numpy())
    finite = np.isfinite(difference)
    return bool(finite.any()) and bool(np.allclose(difference[finite], 0, atol=1e-9))
