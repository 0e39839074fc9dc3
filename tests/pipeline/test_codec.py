from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kanrun.config.schema import LbfgsConfig, LmConfig
from kanrun.context import Context, Unrecorded
from kanrun.functions.builtin import Function
from kanrun.functions.library import FUNCTIONS, extended
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.pipeline.codec import ALIGNED, Unpacker, packed
from kanrun.pipeline.saved_types import SAVED_TYPES, register_saved
from kanrun.state import Relations, State
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.front import Alternative
from kanrun.training.history import Record
from kanrun.training.loop import train
from kanrun.training.objective import Objective
from kanrun.training.train_state import Plan, TrainState
from tests.helpers import tangled_network, uniform_rows
from tests.training.test_loop import planted


def back(value: Any, library: Any = FUNCTIONS) -> Any:
    text, content = packed(value)
    return Unpacker(content, SAVED_TYPES.values(), library).unpack(json.loads(text))


def alike(one: Any, two: Any) -> bool:
    """Whether two values are the same, bit for bit, and of the same types."""
    if type(one) is not type(two):
        return False
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", two)
    if isinstance(one, Tensor):
        same = one.dtype == two.dtype and one.shape == two.shape
        return same and one.detach().numpy().tobytes() == two.detach().numpy().tobytes()
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(alike, one, two))
    if isinstance(one, dict):
        return list(one) == list(two) and all(alike(one[key], two[key]) for key in one)
    if isinstance(one, nn.Module):
        return alike(dict(one.state_dict()), dict(two.state_dict()))
    if is_dataclass(one):
        return all(alike(getattr(one, f.name), getattr(two, f.name)) for f in fields(one))
    return bool(one == two)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -(2**70), 0.1, -0.0, 5e-324, math.inf, -math.inf, "", 'é "\n\\\u2028', [], [[1.5], "x"], (),
        (1, (2.0, None)), {}, {"a": 1, (0, 1): "sin", 3: {}}, {"tensor": 1}, set(), {1, 2, 3}, {("x", "y"), ("z",)},
        frozenset({"train", "prune"}),
    ],
)  # fmt: skip
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert alike(back(value), value)


def test_what_is_no_number_comes_back() -> None:
    assert math.isnan(back([math.nan])[0])
    text, _ = packed([math.nan, math.inf])
    assert "NaN" not in text and "Infinity" not in text  # which JSON does not know


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor([math.nan, math.inf, -0.0, 5e-324]), torch.tensor([0.1]).double(), torch.tensor(7),
        torch.tensor([[True, False]]), torch.empty(0, 3), torch.arange(6).reshape(2, 3).T,
        torch.arange(5, dtype=torch.uint8), torch.rand(3, requires_grad=True).half(), torch.Generator().get_state(),
    ],
    ids=lambda t: f"{t.dtype}{list(t.shape)}",
)  # fmt: skip
def test_tensors_come_back_bit_for_bit(value: Tensor) -> None:
    one, two = back([value, value])  # of which the second begins behind the first
    assert alike(one, value.detach()) and alike(two, value.detach())
    one.zero_()  # its own memory
    assert alike(two, value.detach())


def test_tensors_begin_at_aligned_places() -> None:
    text, content = packed([torch.ones(1), torch.ones(100), torch.ones(2)])
    begins = [about["tensor"][2] for about in json.loads(text)]
    assert begins == [0, ALIGNED, 8 * ALIGNED]
    assert len(content) % ALIGNED == 0


@pytest.mark.parametrize("base", ["silu", "identity", "zero"])
def test_a_network_with_fixed_and_removed_edges_comes_back(base: str) -> None:
    model, x = tangled_network(base), uniform_rows(20, 3)
    found = back(model)
    assert alike(found, model)
    assert (found.width, found.grid, found.k, found.base) == (model.width, model.grid, model.k, model.base)
    assert [layer.functions for layer in found.layers] == [layer.functions for layer in model.layers]
    assert torch.equal(found(x), model(x))
    assert found.knots_stay is False


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_placed_knots_stay_placed(dtype: torch.dtype) -> None:
    model = KAN([2, 2, 1], grid=4, dtype=dtype, grid_eps=0.5)
    model.fit_grids(uniform_rows(30, 2).to(dtype) ** 3)
    model.knots_stay = True
    found = back(model)
    assert alike(found, model) and found.knots_stay and found.grid_eps == 0.5
    found.fit_grids(uniform_rows(30, 2, seed=9).to(dtype))
    assert alike(found.layers[0].grid, model.layers[0].grid)


def test_functions_are_those_of_the_run() -> None:
    own = {"damped": "exp(-x)*sin(x)"}
    library = extended(own)
    model = KAN([1, 1], grid=3, functions=own)
    model.fix(0, 0, 0, "damped")
    x = uniform_rows(5, 1)
    found = back(model, library)
    assert torch.equal(found(x), model(x))
    function = library["damped"]
    assert isinstance(function, Function)
    assert back([function], library)[0] is function
    with pytest.raises(KeyError):
        back([function])


def test_an_mlp_comes_back() -> None:
    model = MLP([2, 5, 1], "tanh", seed=3, dtype=torch.float32)
    model.standardize(uniform_rows(20, 2).float())
    found = back(model)
    assert alike(found, model) and (found.width, found.activation) == ([2, 5, 1], "tanh")


def test_the_state_of_a_run_comes_back() -> None:
    formula = Formula("y", "x_1", "x_1", "x_{1}", 1, {"mse": None}, None, [Alternative(1, 0.5, "x_1", "x_1", True)])
    model = KAN([2, 1], grid=3)
    state = State(
        model, {"train": model}, (Record("train", 0, 0.5, math.inf, 0.0, 0.1, None, 3, 2),), (formula,),
        Relations([[0, 1]]), {"ended": "exact"}, follows_noise=True, warnings=("w",), notes=(("train", "n"),),
        entries=({"name": "train", "test": {"r2": None}},), done=frozenset({"train"}),
    )  # fmt: skip
    assert alike(back(state), state)


@pytest.mark.parametrize("optimizer", [LmConfig(), LbfgsConfig(iterations=3)], ids=lambda o: o.name)
def test_the_state_of_a_training_with_its_optimizer_comes_back(optimizer: Any) -> None:
    kept: list[TrainState] = []

    class Kept(Unrecorded):
        def progress(self, partial: Any, last: bool = False) -> None:  # noqa: ARG002
            kept.append(partial())

    train(
        KAN([2, 2, 1], grid=3), Plan(planted(), Objective(planted().loss), optimizer, "train", 3, 0),
        Context(journal=Kept()),
    )  # fmt: skip
    assert len(kept) == 3 and kept[-1].optimizer_state
    assert alike(back(kept[-1]), kept[-1])


@pytest.mark.parametrize(
    "value", [object(), 1j, b"x", lambda: 0, Record, np.float64(1).astype(np.float32), torch.nn.Linear(1, 1)],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=f"a checkpoint cannot hold {type(value).__name__}"):
        packed({"a": [value]})


def test_only_known_dataclasses_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Mine:
        size: float

    with pytest.raises(KeyError, match="Mine"):
        back(Mine(0.5))
    monkeypatch.setitem(SAVED_TYPES, "Mine", Mine)
    assert register_saved(Mine) is Mine
    assert back((Mine(0.5),)) == (Mine(0.5),)
    with pytest.raises(ValueError, match="another Mine"):
        register_saved(type("Mine", (), {}))


@pytest.mark.parametrize(
    "value",
    [{"no": 1}, {"float": "x"}, {"tensor": ["float32", [9], 0]}, {"tensor": ["no", [], 0]}, {}, {"a": 1, "b": 2}],
)
def test_what_no_packer_has_made_is_refused(value: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        Unpacker(b"", ()).unpack(value)
