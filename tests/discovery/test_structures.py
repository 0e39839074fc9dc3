from __future__ import annotations

from itertools import combinations

import pytest
import torch

from kanrun.discovery.structures import GRID, KINDS, grouped, only, structures, with_linear_output
from kanrun.model.network import KAN, Width
from tests.helpers import uniform_rows

Widths = list[int | list[int]]


def built(n: int, name: str) -> KAN:
    [structure] = [s for s in structures(n, torch.float64) if s.name == name]
    return structure.build(0)


def inputs_of(model: KAN) -> list[set[int]]:
    """The inputs from which each subnode of the first layer has edges."""
    return [set(row.nonzero().flatten().tolist()) for row in model.layers[0].alive]


def lines_of(model: KAN) -> list[int]:
    """The nodes before the last layer from which it has a plain line."""
    assert set(model.layers[-1].functions.values()) <= {"x"}
    return sorted(i for _, i in model.layers[-1].functions)


def interaction(model: KAN, i: int, j: int) -> float:
    """The largest mixed difference of the outputs by two inputs."""
    x = uniform_rows(50, model.n_in, 1)
    step_i, step_j = (torch.eye(model.n_in, dtype=x.dtype)[k] * 0.3 for k in (i, j))
    with torch.no_grad():
        return float((model(x) - model(x + step_i) - model(x + step_j) + model(x + step_i + step_j)).abs().max())


@pytest.mark.parametrize("n", range(1, 6))
def test_every_structure_has_a_name_of_its_own_and_builds_a_network_for_the_problem(n: int) -> None:
    found = list(structures(n, torch.float64))
    assert len({s.name for s in found}) == len(found)
    assert found[0].name == "sum"
    for structure in found:
        model = structure.build(3)
        assert (model.n_in, model.n_out, model.grid) == (n, 1, GRID)
        assert model.active_inputs() == list(range(n))
        assert bool(torch.isfinite(model(uniform_rows(20, n))).all())
        assert structure.restarts >= 1


@pytest.mark.parametrize("n", [1, 2, 4])
def test_the_seed_alone_decides_where_a_network_begins(n: int) -> None:
    for structure in structures(n, torch.float64):
        one, same, other = (structure.build(seed).get_vector() for seed in (5, 5, 6))
        assert torch.equal(one, same)
        assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("sum", [4, 1], []),
        ("product", [4, [0, 1], 1], [0]),
        ("sum and product", [4, [1, 1], 1], [0, 1]),
        ("sum and function of a sum", [4, 2, 1], [0]),
        ("function of a sum", [4, 1, 1], []),
        ("function of a product", [4, [0, 1], 1], []),
        ("two products", [4, [0, 2], 1], [0, 1]),
        ("functions of two sums", [4, 2, 1], []),
        ("product of products", [4, [0, 2], [0, 1], 1], [0]),
        ("sum and two products", [4, [1, 2], 1], [0, 1, 2]),
        ("functions of three sums", [4, 3, 1], []),
    ],
)
def test_a_structure_has_the_nodes_edges_and_lines_of_its_name(name: str, width: Widths, lines: list[int]) -> None:
    model = built(4, name)
    assert model.width == width
    assert lines_of(model) == lines
    assert all(bool(layer.alive.all()) for layer in model.layers)
    assert not any(layer.functions for layer in model.layers[:-1])


def test_a_product_of_three_multiplies_a_sum_and_a_product_beside_another_sum() -> None:
    model, x = built(4, "sum and product of three"), uniform_rows(20, 4)
    assert model.width == [4, [2, 1], [1, 1], 1]
    below, result = (trace.nodes for trace in model.trace(x)[::2])
    torch.testing.assert_close(result[:, 0], below[:, 0] + below[:, 1] * below[:, 2])


def test_these_are_all_for_many_inputs_and_simple_ones_come_first() -> None:
    names = [s.name for s in structures(4, torch.float64)]
    assert len(names) == 12
    assert names[:2] == ["sum", "product"]
    sizes = [s.build(0).active_edges() for s in structures(4, torch.float64)]
    assert sizes[0] == min(sizes)


def test_one_input_has_functions_of_functions() -> None:
    widths = {s.name: s.build(0).width for s in structures(1, torch.float64)}
    assert widths == {
        "sum": [1, 1], "product": [1, [0, 1], 1], "function of a function": [1, 1, 1],
        "two functions of functions": [1, 2, 1],
    }  # fmt: skip


@pytest.mark.parametrize("n", [2, 3])
def test_few_inputs_have_every_product_of_two_groups_once(n: int) -> None:
    splits = []
    for structure in structures(n, torch.float64):
        if structure.name.startswith("sum and product of ["):
            model = structure.build(0)
            assert model.width == [n, [1, 1], 1]
            assert lines_of(model) == [0, 1]
            whole, first, second = inputs_of(model)
            assert whole == set(range(n))
            assert structure.name == f"sum and product of {sorted(first)} and {sorted(second)}"
            splits.append(frozenset([frozenset(first), frozenset(second)]))
    expected = {
        frozenset([frozenset(c), frozenset(range(n)) - frozenset(c)])
        for size in range(1, n)
        for c in combinations(range(n), size)
    }
    assert len(splits) == len(expected)
    assert set(splits) == expected


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("width", [[2, 1], [2, [1, 2], 1], [2, 3, 2, 1]])
def test_a_given_width_is_the_only_structure(width: Widths, dtype: torch.dtype) -> None:
    [structure] = structures(2, dtype, width)
    assert structure.name == "the given width"
    model = structure.build(0)
    assert model.width == width
    assert all(not layer.functions and bool(layer.alive.all()) for layer in model.layers)
    assert model(torch.zeros(3, 2, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("n", [1, 2, 4])
def test_networks_have_the_precision_that_is_asked_for(n: int) -> None:
    for structure in structures(n, torch.float32):
        assert structure.build(0)(torch.zeros(3, n)).dtype == torch.float32


# ---- groups --------------------------------------------------------------------------------------------------------

GROUPS = [
    [[0], [1, 2], [3, 4]],
    [[0, 1], [2, 3]],
    [[0, 2], [1], [3]],
    [[0], [1], [2]],
    [[0, 3, 4], [1, 2]],
    [[0, 1, 2], [3]],
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("groups", GROUPS, ids=str)
def test_groups_have_no_edges_and_no_interactions_across(groups: list[list[int]], kind: str) -> None:
    n = sum(map(len, groups))
    single, larger = [g[0] for g in groups if len(g) == 1], [g for g in groups if len(g) > 1]
    model = grouped(n, groups, torch.float64, kind).build(0)
    assert (model.n_in, model.n_out) == (n, 1)
    assert model.active_inputs() == list(range(n))
    expected = [set(single)] * bool(single) + [set(g) for g in larger for _ in range(1 if kind == KINDS[0] else 2)]
    assert inputs_of(model) == expected
    group_of = {i: g for g, group in enumerate(groups) for i in group}
    for i, j in combinations(range(n), 2):
        if group_of[i] == group_of[j]:
            assert interaction(model, i, j) > 1e-6
        else:
            assert interaction(model, i, j) < 1e-12


@pytest.mark.parametrize(
    ("groups", "kind", "width", "lines"),
    [
        ([[0], [1, 2], [3, 4]], "functions of sums", [5, 3, 1], [0]),
        ([[0], [1, 2], [3, 4]], "products", [5, [1, 2], 1], [0, 1, 2]),
        ([[0], [1, 2], [3, 4]], "functions of products", [5, [1, 2], 1], [0]),
        ([[0, 1], [2, 3]], "functions of sums", [4, 2, 1], []),
        ([[0, 1], [2, 3]], "products", [4, [0, 2], 1], [0, 1]),
        ([[0, 1], [2, 3]], "functions of products", [4, [0, 2], 1], []),
    ],
)
def test_single_inputs_share_a_sum_and_larger_groups_have_a_node_each(
    groups: list[list[int]], kind: str, width: Widths, lines: list[int]
) -> None:
    structure = grouped(sum(map(len, groups)), groups, torch.float64, kind)
    model = structure.build(0)
    assert model.width == width
    assert lines_of(model) == lines
    assert structure.name == f"{kind} over groups {[g for g in groups if len(g) > 1]}"
    assert torch.equal(model.get_vector(), structure.build(0).get_vector())


# ---- parts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [[3, 2, 1], [3, [1, 2], 1]])
def test_lines_and_edges_are_put_where_they_are_asked_for(width: Width) -> None:
    model = with_linear_output(KAN(width, grid=3), [1])
    assert lines_of(model) == [1]
    assert lines_of(with_linear_output(KAN(width, grid=3))) == list(range(model.layers[-1].n_in))
    model = only(KAN(width, grid=3), 1, {0, 2})
    assert inputs_of(model)[1] == {0, 2}
    assert all(inputs == {0, 1, 2} for s, inputs in enumerate(inputs_of(model)) if s != 1)
