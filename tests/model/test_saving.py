from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from kanrun.functions.library import FUNCTIONS
from kanrun.model.mlp import ACTIVATIONS, MLP
from kanrun.model.network import KAN
from kanrun.model.pruning import prune_by_score, remove_edges
from kanrun.model.saving import content_of, network_of
from tests.helpers import tangled_network, uniform_rows

Content = dict[str, Any]


def back(model: KAN) -> KAN:
    """The network taken apart and put together again."""
    loaded = network_of(content_of(model))
    assert isinstance(loaded, KAN)
    return loaded


# ---- there and back ----------------------------------------------------------------------------------------------


def pruned_network() -> KAN:
    model = tangled_network(seed=4)
    return prune_by_score(model, uniform_rows(30, 3), 0.02, 0.05)


def single_precision_network() -> KAN:
    model = KAN([3, [2, 1], 2], grid=4, seed=6, dtype=torch.float32)
    model.fit_grids(uniform_rows(40, 3).float() ** 3)
    model.fix(0, 1, 3, "tanh", 0.7, 0.1, -0.3, 0.2, trainable=False)
    model.fix(1, 0, 1, "exp", 0.7, 0.1, -0.3, 0.2)
    return remove_edges(model, ((0, 2, 0), (1, 0, 2)), uniform_rows(20, 3).float())


def constant_network() -> KAN:
    model = KAN([2, 1], grid=3)
    return remove_edges(model, ((0, 0, 0), (0, 0, 1)), uniform_rows(10, 2))


NETWORKS = {
    "plain": lambda: KAN([3, 4, 2], grid=5, k=3, seed=1),
    "tangled": lambda: tangled_network(seed=2),
    "other base and order": lambda: tangled_network("zero", k=1, seed=3),
    "steps": lambda: tangled_network("identity", k=0, seed=5),
    "single precision": single_precision_network,
    "products alone": lambda: KAN([3, [0, 2], [1, 1]], grid=2, k=2, seed=7),
    "refined": lambda: tangled_network(seed=8).refine(9),
    "pruned": pruned_network,
    "constant": constant_network,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_loaded_network_is_the_saved_one(name: str) -> None:
    model = NETWORKS[name]()
    loaded = back(model)
    x = uniform_rows(40, model.n_in, seed=9, low=-1.5, high=1.5).to(model.layers[0].coef.dtype)
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))
    assert loaded.width == model.width
    assert (loaded.grid, loaded.k, loaded.base, loaded.grid_eps) == (model.grid, model.k, model.base, model.grid_eps)
    assert loaded.parameter_count() == model.parameter_count()
    assert torch.equal(loaded.get_vector(), model.get_vector())
    assert (loaded.active_edges(), loaded.active_inputs()) == (model.active_edges(), model.active_inputs())
    for one, two in zip(loaded.layers, model.layers, strict=True):
        assert one.functions == two.functions
        assert torch.equal(one.is_trainable, two.is_trainable)


@pytest.mark.parametrize("name", ["tangled", "pruned"])
def test_a_loaded_network_can_be_trained_on_like_the_saved_one(name: str) -> None:
    model = NETWORKS[name]()
    loaded = back(model)
    x = uniform_rows(30, model.n_in, seed=9)
    gradients = []
    for network in (model, loaded):
        network.fit_grids(x)
        (network(x) ** 2).mean().backward()
        gradients.append([p.grad for p in network.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 3
    assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-14) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("width", [[3, 1], [3, 4, 2], [3, 1, 5, 2]])
def test_a_perceptron_comes_back_with_its_scale(width: list[int], activation: str) -> None:
    model = MLP(width, activation, seed=3)
    model.standardize(uniform_rows(20, 3, low=1.0, high=4.0))
    loaded, x = network_of(content_of(model)), uniform_rows(10, 3, seed=1)
    assert isinstance(loaded, MLP)
    assert (loaded.width, loaded.activation) == (width, activation)
    assert torch.equal(loaded(x), model(x))
    single = network_of(content_of(MLP(width, activation, dtype=torch.float32)))
    assert {p.dtype for p in single.parameters()} == {torch.float32}


def test_the_functions_of_a_user_come_back_and_none_are_needed() -> None:
    model = KAN([1, 1], functions={"lorentz": "1/(1+x**2)"})
    model.fix(0, 0, 0, "lorentz", 2.0)
    content, x = content_of(model), uniform_rows(8, 1)
    assert content["functions"] == {"lorentz": "1/(1+x**2)"}
    torch.testing.assert_close(network_of(content)(x), 1 / (1 + (2 * x) ** 2))
    old = content_of(KAN([1, 1]))
    del old["functions"]  # as in files of before there were any
    loaded = network_of(old)
    assert isinstance(loaded, KAN)
    assert loaded.library is FUNCTIONS


def test_a_grid_of_one_interval_and_knots_that_coincide_come_back() -> None:
    model = KAN([2, 1], grid=1, seed=1)
    assert back(model).grid == 1
    repeated = KAN([1, 1], grid=3, seed=1)
    repeated.layers[0].grid = torch.tensor([[-1.0, 0.2, 0.2, 1.0]], dtype=torch.float64)
    assert torch.equal(back(repeated).layers[0].grid, repeated.layers[0].grid)


def tensors_in(content: Any) -> list[torch.Tensor]:
    if isinstance(content, torch.Tensor):
        return [content]
    inner = content.values() if isinstance(content, dict) else content if isinstance(content, list) else []
    return [tensor for part in inner for tensor in tensors_in(part)]


@pytest.mark.parametrize("model", [tangled_network(), MLP([2, 3, 1])])
def test_what_is_kept_has_no_gradients_and_the_network_that_is_made_of_it_shares_nothing(model: KAN | MLP) -> None:
    content = content_of(model)
    tensors = tensors_in(content)
    assert len(tensors) >= 6
    assert not any(tensor.requires_grad for tensor in tensors)
    before, loaded = [tensor.clone() for tensor in tensors], network_of(content)
    loaded.set_vector(loaded.get_vector() + 1)
    assert all(torch.equal(tensor, old) for tensor, old in zip(tensors, before, strict=True))


# ---- what is no network ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [torch.nn.Linear(2, 1), torch.nn.Sequential(KAN([1, 1])), None])
def test_a_network_of_another_kind_has_no_content(model: Any) -> None:
    with pytest.raises(TypeError, match=f"no file for {type(model).__name__}"):
        content_of(model)


@pytest.mark.parametrize("content", [None, [], "kan", torch.zeros(2)])
def test_what_is_no_mapping_holds_no_network(content: Any) -> None:
    with pytest.raises(ValueError, match="it holds no network"):
        network_of(content)


def changed(name: str, change: Callable[[Any], Any]) -> Callable[[Content], None]:
    """A change of what the first layer has by a name."""

    def apply(content: Content) -> None:
        content["layers"][0][name] = change(content["layers"][0][name])

    return apply


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (changed("grid", lambda grid: grid.flip(1)), "knots are not in order"),
        (changed("grid", lambda grid: grid.index_fill(1, torch.tensor(1), torch.nan)), "knots are not in order"),
        (changed("grid", lambda grid: grid[:1]), "knots are not in order"),
        (changed("grid", lambda grid: torch.cat([grid, grid[:, -1:] + 1], dim=1)), "knots are not in order"),
        (changed("base_scale", lambda scale: scale[:1]), "base_scale is of another shape or kind"),
        (changed("base_scale", lambda scale: scale.float()), "base_scale is of another shape or kind"),
        (changed("bias", lambda bias: bias[:1]), "bias is of another shape or kind"),
        (changed("affine", lambda affine: affine[..., :1]), "affine is of another shape or kind"),
        (changed("alive", lambda alive: alive.double()), "alive is of another shape or kind"),
        (changed("is_trainable", lambda mask: mask.long()), "is_trainable is of another shape or kind"),
        (changed("functions", lambda _: []), "not those of its fixed edges"),
        (changed("functions", lambda known: [*known, [1, 0, "sin"]]), "not those of its fixed edges"),
        (changed("functions", lambda known: [[*edge[:2], "sine"] for edge in known]), "not those of its fixed edges"),
        (changed("functions", lambda known: [[i, s, name] for s, i, name in known]), "not those of its fixed edges"),
        (changed("is_fixed", torch.ones_like), "not those of its fixed edges"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(damage: Callable[[Content], None], said: str) -> None:
    model = KAN([2, 3], grid=4)
    model.fix(0, 1, 0, "exp")
    content = copy.deepcopy(content_of(model))
    damage(content)
    with pytest.raises(ValueError, match=said):
        network_of(content)


@pytest.mark.parametrize("width", [[2, 3, 2], [2, 4, 1], [3, 3, 1], [3, 1]])
def test_a_width_that_is_not_that_of_the_weights_is_refused(width: list[int]) -> None:
    with pytest.raises(ValueError, match="does not fit its weights"):
        network_of({**content_of(MLP([2, 3, 1])), "width": width})
