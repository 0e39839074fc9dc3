from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from kanrun.data.losses import MSE
from kanrun.model.mlp import ACTIVATIONS, MLP, matched_width
from kanrun.model.network import KAN
from kanrun.training.least_squares import levenberg_marquardt
from tests.helpers import autograd_jacobian, trained_gradient, uniform_rows

ROWS = uniform_rows(17, 3, seed=4, low=-2.0, high=5.0)


def standardized(width: list[int], activation: str = "silu", seed: int = 0) -> MLP:
    model = MLP(width, activation, seed)
    model.standardize(uniform_rows(30, width[0], seed=9, low=0.0, high=4.0))
    return model


def plain_forward(model: MLP, x: torch.Tensor) -> torch.Tensor:
    """The outputs by torch's own layers, from the meaning of the numbers."""
    activation = {"silu": torch.nn.SiLU(), "tanh": torch.nn.Tanh(), "relu": torch.nn.ReLU()}[model.activation]
    x = (x - model.shift) / model.scale
    for depth, (weight, bias) in enumerate(zip(model.weights, model.biases, strict=True)):
        x = torch.nn.functional.linear(activation(x) if depth else x, weight, bias)
    return x


# ---- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("width", [[3, 1], [3, 4, 2], [3, 1, 5, 4, 2]])
def test_the_outputs_are_those_of_torchs_layers(width: list[int], activation: str) -> None:
    model = standardized(width, activation)
    assert model(ROWS).shape == (17, width[-1])
    assert torch.allclose(model(ROWS), plain_forward(model, ROWS), atol=1e-14)
    assert (model.width, model.n_in, model.n_out, model.grid) == (width, 3, width[-1], 0)
    assert model.parameter_count() == sum((a + 1) * b for a, b in pairwise(width))
    assert model.active_edges() == sum(a * b for a, b in pairwise(width))
    assert model.active_inputs() == [0, 1, 2]


@pytest.mark.parametrize("shape", [(5, 2), (5, 4), (3,)])
def test_another_number_of_columns_is_refused_as_by_a_kan(shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape, dtype=torch.float64)
    messages = []
    for model in (MLP([3, 4, 1]), KAN([3, 4, 1])):
        with pytest.raises(ValueError, match=r"the network takes \[rows, 3\]") as caught:
            model(x)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("width", [[3], [], [3, 0, 1], [3, (2, 1), 1], [3, -1]])
def test_what_is_no_width_is_refused(width: list[int]) -> None:
    with pytest.raises(ValueError, match="width"):
        MLP(width)


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="silu, tanh, relu"):
        MLP([2, 1], "sigmoid")


def test_inputs_are_taken_relative_to_the_rows_that_were_given() -> None:
    x = uniform_rows(50, 2, seed=1)
    stretched = 1e5 + 1e3 * x
    one, other = MLP([2, 6, 1], seed=3), MLP([2, 6, 1], seed=3)
    one.standardize(x)
    other.standardize(stretched)
    assert torch.allclose(one(x), other(stretched), atol=1e-8)


def test_an_input_that_never_changes_does_no_harm() -> None:
    x = torch.cat([uniform_rows(20, 1), torch.full((20, 1), 7.0, dtype=torch.float64)], dim=1)
    model = MLP([2, 4, 1])
    model.standardize(x)
    assert bool(torch.isfinite(model(x)).all())


# ---- random numbers --------------------------------------------------------------------------------------------------


def test_all_random_numbers_come_from_the_seed() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = MLP([2, 5, 1], seed=7).get_vector()
    torch.manual_seed(2)
    same, other = MLP([2, 5, 1], seed=7).get_vector(), MLP([2, 5, 1], seed=8).get_vector()
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    torch.manual_seed(1)
    MLP([2, 5, 1], seed=7)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_network_in_single_precision_is_the_rounded_one() -> None:
    exact, rounded = MLP([2, 5, 1], seed=3), MLP([2, 5, 1], seed=3, dtype=torch.float32)
    assert {p.dtype for p in rounded.parameters()} == {torch.float32}
    assert torch.equal(exact.get_vector().float(), rounded.get_vector())
    assert rounded(torch.zeros(4, 2)).dtype == torch.float32


# ---- the number of parameters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [[2, 5, 1], [2, 5, 2], [6, 5, 1], [1, 4, 1], [4, 20, 20, 3], [100, 5, 10], [2, 2, 1]])
@pytest.mark.parametrize("grid", [5, 20])
def test_the_parameters_of_a_kan_are_matched_within_ten_percent(width: list[int], grid: int) -> None:
    wanted = KAN(width, grid).parameter_count()
    matched = matched_width(wanted, width[0], width[-1])
    assert matched[0] == width[0]
    assert matched[-1] == width[-1]
    assert matched[1] == matched[2]
    assert MLP(matched).parameter_count() == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize("parameters", [0, 1, 5])
def test_no_layer_is_empty_however_few_parameters_are_wanted(parameters: int) -> None:
    assert matched_width(parameters, 4, 3) == [4, 1, 1, 3]


# ---- trained entries -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("width", [[3, 1], [3, 4, 2], [3, 4, 5, 2], [3, 1, 1, 1]])
def test_the_jacobian_is_that_of_autograd(width: list[int], activation: str) -> None:
    model = standardized(width, activation, seed=2)
    outputs, jacobian = model.jacobian(ROWS)
    assert jacobian.shape == (17, width[-1], model.parameter_count())
    assert not outputs.requires_grad
    assert torch.allclose(outputs, model(ROWS).detach(), atol=1e-14)
    assert torch.allclose(jacobian, autograd_jacobian(model, ROWS), rtol=1e-10, atol=1e-12)


def test_the_jacobian_is_in_the_order_of_the_vector() -> None:
    model = standardized([3, 4, 2], seed=5)
    step = 1e-6 * torch.randn(
        model.parameter_count(), generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )  # fmt: skip
    outputs, jacobian = model.jacobian(ROWS)
    model.set_vector(model.get_vector() + step)
    assert torch.allclose(model(ROWS) - outputs, jacobian @ step, atol=1e-10)


def test_a_vector_that_is_put_back_changes_nothing_and_another_one_everything() -> None:
    model = standardized([3, 4, 5, 2])
    before = model.get_vector()
    assert before.shape == (model.parameter_count(),)
    model.set_vector(before)
    assert torch.equal(model.get_vector(), before)
    new = torch.arange(len(before), dtype=torch.float64)
    model.set_vector(new)
    assert torch.equal(model.get_vector(), new)
    new += 1
    assert not torch.equal(model.get_vector(), new)  # nothing is shared


def test_the_gradient_is_in_the_order_of_the_vector_and_zero_where_there_is_none() -> None:
    model = standardized([3, 4, 2])
    assert torch.equal(model.gradient_vector(), torch.zeros(model.parameter_count(), dtype=torch.float64))
    value = model(ROWS).square().sum()
    expected = trained_gradient(model, value)
    value.backward()
    assert torch.allclose(model.gradient_vector(), expected)


def test_a_clone_shares_nothing_and_a_network_becomes_another() -> None:
    one, other = standardized([3, 4, 2], "silu", 1), MLP([3, 7, 2], "tanh", 2)
    copy = one.clone()
    one.set_vector(torch.zeros_like(one.get_vector()))
    assert not torch.equal(copy(ROWS), one(ROWS))
    other.become(copy)
    assert torch.equal(other(ROWS), copy(ROWS))
    assert (other.width, other.activation) == ([3, 4, 2], "silu")
    other.set_vector(torch.zeros_like(other.get_vector()))
    assert not torch.equal(other(ROWS), copy(ROWS))


def test_there_are_no_grids() -> None:
    model = standardized([3, 4, 2])
    before = model(ROWS)
    model.fit_grids(ROWS)
    assert torch.equal(model(ROWS), before)
    with pytest.raises(ValueError, match="no grids"):
        model.refine(10)


@pytest.mark.parametrize("activation", ["silu", "tanh"])
def test_levenberg_marquardt_finds_the_numbers_of_another_network(activation: str) -> None:
    x = uniform_rows(200, 2, seed=6)
    y = MLP([2, 2, 1], activation, seed=1)(x).detach()
    model = MLP([2, 6, 1], activation, seed=2)
    assert levenberg_marquardt(model, x, y, MSE, steps=200).loss < 1e-8


@pytest.mark.parametrize("width", [[3, 2], [3, 2, 2], [3, 2, 2, 2]])
def test_the_outputs_alone_are_rescaled(width: list[int]) -> None:
    model, scale, shift = standardized(width), torch.tensor([3.0, -0.5]).double(), torch.tensor([-1.0, 7.0]).double()
    with torch.no_grad():
        for bias in model.biases:
            bias += 0.3
    before, inner = model(ROWS), model.passed(ROWS).sums[:-1]
    model.rescale_outputs(scale, shift)
    assert torch.allclose(model(ROWS), scale * before + shift, atol=1e-13)
    for one, other in zip(model.passed(ROWS).sums[:-1], inner, strict=True):
        assert torch.equal(one, other)


def test_weights_begin_on_both_sides_of_zero_with_a_variance_of_one_over_the_inputs() -> None:
    model = MLP([50, 40, 30], seed=1)
    for weight, bias in zip(model.weights, model.biases, strict=True):
        weight, bias, inputs = weight.detach(), bias.detach(), weight.shape[1]
        assert float(weight.abs().max()) < (3 / inputs) ** 0.5 and float(bias.abs().max()) < (1 / inputs) ** 0.5
        assert abs(float(weight.mean())) < 4 / (inputs * weight.numel()) ** 0.5  # standard errors of a mean of 0
        assert float(weight.var()) == pytest.approx(1 / inputs, rel=0.1)
        assert bool((bias > 0).any() and (bias < 0).any())
