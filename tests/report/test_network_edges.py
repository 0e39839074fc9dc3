from __future__ import annotations

import itertools
import math

import pytest
import torch

from kanrun.model.network import KAN
from kanrun.report.network_edges import (
    alive_nodes,
    curves_of,
    edges_of,
    in_words,
    node_of,
    number_of_paths,
    scores_of,
    some_rows,
    strongest_paths,
    unit,
    unit_curve,
)
from tests.planted import rows


def test_curves_lie_on_the_edges_in_the_units_of_the_inputs() -> None:
    model = KAN([2, 1, 1])
    model.standardize(rows(2) * 100 + 500)
    x = rows(2) * 100 + 500
    model.fix(0, 1, 0, "sin", 0.01, 0.3, 2.0)
    edges = edges_of(model, scores_of(model, x))
    along, values = dict(zip([e.key for e in edges], curves_of(model, x, edges), strict=True))[0, 0, 1]
    assert (float(along.min()), float(along.max())) == pytest.approx((float(x[:, 1].min()), float(x[:, 1].max())))
    torch.testing.assert_close(values, 2 * torch.sin(0.01 * along + 0.3))


def test_a_narrow_peak_among_the_rows_is_seen() -> None:
    model = KAN([1, 1])
    model.fix(0, 0, 0, "gaussian", 1e4)
    x = torch.cat([torch.zeros(20, 1), torch.linspace(-1, 0.9, 20)[:, None]]).double()
    [(_, values)] = curves_of(model, x, edges_of(model, scores_of(model, x)))
    assert float(values.max()) == pytest.approx(1.0)


def paths_by_trying(model: KAN, x: torch.Tensor) -> list[float]:
    scores = scores_of(model, x)
    sizes = [model.n_in, *(layer.n_out for layer in model.layers)]
    found = []
    for nodes in itertools.product(*(range(n) for n in sizes)):
        product = 1.0
        for depth, (i, o) in enumerate(itertools.pairwise(nodes)):
            product *= float(scores.edges[depth][o, i] / scores.nodes[depth + 1][o])
        found.append(product)
    return sorted(found, reverse=True)


def test_the_strongest_paths_are_those_among_all() -> None:
    model = KAN([4, 3, 3, 2], seed=2)
    scores = scores_of(model, rows(4))
    paths = strongest_paths(model, scores, edges_of(model, scores), 10)
    products = [
        math.prod(e.score / float(scores.nodes[e.layer + 1][node_of(model, e.layer, e.sub)]) for e in path)
        for path in paths
    ]
    assert products == pytest.approx(paths_by_trying(model, rows(4))[:10])
    for path in paths:
        assert [e.layer for e in path] == [0, 1, 2]
        assert all(node_of(model, a.layer, a.sub) == b.input for a, b in itertools.pairwise(path))


def test_paths_are_counted_through_products_too() -> None:
    model = KAN([3, [2, 1], 2])
    assert number_of_paths(model) == 2 * (2 * 3 + 2 * 3)
    model.layers[0].remove(0, 1)
    assert number_of_paths(model) == 2 * (2 * 3 + 2 * 3 - 1)
    assert in_words(25_000) == "25 000"
    assert in_words(3.2e11) == "about 10^11"


def test_scores_that_are_not_known_are_0_and_few_rows_stay() -> None:
    model = KAN([2, 1])
    model.fix(0, 0, 0, "log")
    assert all(math.isfinite(e.score) for e in edges_of(model, scores_of(model, rows(2))))
    assert some_rows(model, rows(2)) is not None and len(some_rows(model, rows(2, 5000))) == 1000
    torch.testing.assert_close(some_rows(model, rows(2)), rows(2))


def test_nodes_without_edges_are_known() -> None:
    model = KAN([2, [1, 1], 1])
    model.layers[0].alive[1:] = False
    model.layers[1].alive[0, 1] = False
    assert alive_nodes(model) == [[True, True], [True, False], [True]]


def test_a_curve_that_does_not_vary_lies_in_the_middle() -> None:
    assert unit(torch.tensor([3.0, 3.0])) == [0.5, 0.5]
    assert unit(torch.tensor([1.0, 3.0, 2.0])) == [0.0, 1.0, 0.5]


def test_a_curve_without_a_value_is_none_and_others_fill_their_box() -> None:
    nowhere = torch.zeros(0)
    assert unit_curve((nowhere, nowhere)) == []
    curve = torch.tensor([2.0, 4.0]), torch.tensor([1.0, -1.0])
    assert unit_curve(curve) == [(0.0, 1.0), (1.0, 0.0)]
