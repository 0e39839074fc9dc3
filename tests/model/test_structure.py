from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kanrun.model.network import KAN
from kanrun.model.structure import Structure, places_of, shape_of, structure_of
from tests.helpers import tangled_network

YES, NO = torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3, dtype=torch.bool)
FUNCTIONS = {(0, 1): "sin", (1, 2): "exp", (1, 0): "sin", (0, 0): "exp"}


def structure(
    is_spline: Tensor = NO, trains_bias: Tensor = NO[:, 0], alive: Tensor = YES, **masks: Tensor
) -> Structure:
    return structure_of(is_spline, trains_bias, alive, FUNCTIONS, masks)


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=4))
@settings(deadline=None, max_examples=30, derandomize=True)
def test_places_and_shape_are_those_of_what_the_mask_picks(rows: list[list[bool]]) -> None:
    mask = torch.tensor(rows)
    places = places_of(mask)
    assert (places is None) == all(all(row) for row in rows)
    for p in (torch.randn(*mask.shape), torch.randn(*mask.shape, 5), torch.randn(*mask.shape, 2, 4)):
        there = p if places is None else p[places]
        assert shape_of(p, places) == there.shape
        assert torch.equal(there.flatten(), p[mask].flatten())


def test_the_shape_of_some_biases_is_their_number() -> None:
    assert shape_of(torch.zeros(4), places_of(torch.tensor([True, False, True, False]))) == (2,)


def test_splines_are_counted_and_placed_in_the_order_of_the_mask() -> None:
    mask = torch.tensor([[True, False, True], [False, True, False]])
    some = structure(mask)
    assert some.splines == 3
    assert some.edges is not None
    assert [part.tolist() for part in some.edges] == [[0, 0, 1], [0, 2, 1]]
    assert (structure(YES).splines, structure(YES).edges) == (6, None)
    nothing = structure(NO)
    assert nothing.splines == 0
    assert nothing.edges is not None
    assert [len(part) for part in nothing.edges] == [0, 0]


def test_fixed_edges_that_are_alive_are_grouped_by_their_function() -> None:
    alive = YES.clone()
    alive[1, 2] = False
    groups = {name: (subs.tolist(), inputs.tolist()) for name, subs, inputs in structure(alive=alive).groups}
    assert groups == {"sin": ([0, 1], [1, 0]), "exp": ([0], [0])}
    assert structure(alive=NO).groups == []


def test_only_parameters_of_which_something_is_trained_have_entries_in_their_order() -> None:
    some = torch.tensor([[False, True, False], [False, False, False]])
    entries = structure(coef=some, base_scale=NO, affine=YES, bias=some[:, 1]).entries
    assert [name for name, _ in entries] == ["coef", "affine", "bias"]
    coef, affine, bias = (places for _, places in entries)
    assert affine is None
    assert coef is not None and [part.tolist() for part in coef] == [[0], [1]]
    assert bias is not None and [part.tolist() for part in bias] == [[0]]


def test_biases_are_named_where_one_is_trained() -> None:
    some = torch.tensor([False, True])
    assert structure(trains_bias=some).trains_bias is some
    assert structure(trains_bias=~some | some).trains_bias is not None
    assert structure(trains_bias=some & ~some).trains_bias is None


def test_a_structure_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        structure().splines = 3  # type: ignore[misc]


@pytest.mark.parametrize("model", [KAN([2, [2, 1], 1]), tangled_network(seed=3), tangled_network("zero", seed=6)])
def test_the_entries_of_a_layer_are_those_of_its_masks(model: KAN) -> None:
    for layer in model.layers:
        masks = [(p, mask) for p, mask in layer.trained() if bool(mask.any())]
        assert len(layer.entries()) == len(masks)
        for (p, places), (masked, mask) in zip(layer.entries(), masks, strict=True):
            assert p is masked
            assert torch.equal((p if places is None else p[places]).flatten(), p[mask])
        fixed = {
            (s, i): name for name, subs, inputs in layer.structure().groups
            for s, i in zip(subs.tolist(), inputs.tolist(), strict=True)
        }  # fmt: skip
        assert fixed == {edge: name for edge, name in layer.functions.items() if bool(layer.alive[edge])}
