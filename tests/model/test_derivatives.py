from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kanrun.model.derivatives import DerivativePass, chunks
from kanrun.model.jets import Index
from kanrun.model.network import KAN, Width
from tests.helpers import fixed_network, tangled_network, uniform_rows
from tests.plain_network import by_autograd, gradient_of

quickly = settings(deadline=None, max_examples=8, derandomize=True)
ALL = [(), (0,), (1,), (2,), (0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]


def assert_close(ours: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    """Equal but for rounding, relative to the largest number."""
    scale = max(1.0, float(expected.detach().abs().max())) if expected.numel() else 1.0
    torch.testing.assert_close(ours / scale, expected.detach() / scale, rtol=0, atol=tolerance)


def check_against_autograd(model: KAN, x: Tensor, wanted: Sequence[Index]) -> None:
    """All derivatives, and one random sum over rows and outputs of the derivatives of each by the entries."""
    kept = DerivativePass.through(model, x, wanted)
    jacobian, expected = kept.jacobian(), by_autograd(model, x, wanted)
    assert list(kept.outputs) == list(jacobian) == list(wanted)
    for number, index in enumerate(wanted):
        assert_close(kept.outputs[index], expected[index])
        weights = uniform_rows(len(x), model.n_out, seed=number)
        gradient = gradient_of(model, (weights * expected[index]).sum())
        assert_close(torch.einsum("ro,rop->p", weights, jacobian[index]), gradient)


# ---- against autograd --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "k"), [*(("silu", k) for k in (1, 4, 5)), ("identity", 0), ("identity", 3), ("zero", 2), ("zero", 5)]
)
def test_derivatives_and_those_by_the_entries_equal_autograd(base: str, k: int) -> None:
    model = tangled_network(base, k, seed=10 + k)
    x = uniform_rows(12, 3, seed=1, low=-1.5, high=1.5)
    assert bool((x[:, 0] > model.layers[0].grid[0, -1]).any())
    check_against_autograd(model, x, ALL)


@given(
    seed=st.integers(0, 10**6), width=st.sampled_from([(1, 1), (2, (0, 2), 2), (2, 2, 2, 1), (2, (2, 1), (1, 2), 2)])
)
@quickly
def test_many_shapes_equal_autograd(seed: int, width: Width) -> None:
    model = tangled_network(seed=seed, width=width)
    last = model.n_in - 1
    x = uniform_rows(5, model.n_in, seed, low=-1.5, high=1.5)
    check_against_autograd(model, x, list(dict.fromkeys([(), (last,), (0, last), (last, last)])))


def test_every_row_and_output_has_its_own_derivatives_by_the_entries() -> None:
    model = tangled_network(seed=3)
    x = uniform_rows(2, 3, seed=1, low=-1.2, high=1.2)
    jacobian = DerivativePass.through(model, x, ALL).jacobian()
    for index, values in by_autograd(model, x, ALL).items():
        expected = torch.stack([torch.stack([gradient_of(model, value) for value in row]) for row in values])
        assert float(expected.abs().max()) > 1e-3
        assert_close(jacobian[index], expected)


@pytest.mark.parametrize("k", [3, 5])
def test_third_and_fourth_derivatives_equal_autograd(k: int) -> None:
    model = tangled_network(k=k, seed=k, width=(2, (2, 1), 2))
    check_against_autograd(model, uniform_rows(6, 2, seed=2), [(0, 0, 0), (0, 1, 1), (0, 0, 1, 1), (1, 1, 1, 1)])


def test_an_untouched_network_equals_autograd() -> None:
    model = KAN([2, 3, [1, 1], 2], seed=3)
    check_against_autograd(model, uniform_rows(8, 2, seed=1, low=-1.5, high=1.5), [(), (0,), (1,), (1, 1), (0, 1)])


# ---- against finite differences and the Jacobian of values --------------------------------------------------------


def moved(x: Tensor, i: int, step: float) -> Tensor:
    return x + step * torch.eye(x.shape[1], dtype=x.dtype)[i]


@pytest.mark.parametrize("i", range(3))
def test_derivatives_agree_with_finite_differences_of_the_lower_ones(i: int) -> None:
    model, step = tangled_network(k=5, seed=4), 1e-5
    x = uniform_rows(20, 3, seed=5, low=-0.9, high=0.9)
    lower = [(), (0,), (1,)]
    kept = DerivativePass.through(model, x, [tuple(sorted((*index, i))) for index in lower])
    ends = [DerivativePass.through(model, moved(x, i, s * step), lower) for s in (1, -1)]
    jacobian, sides = kept.jacobian(), [end.jacobian() for end in ends]
    for index in lower:
        higher = tuple(sorted((*index, i)))
        differences = (ends[0].outputs[index] - ends[1].outputs[index]) / (2 * step)
        assert_close(kept.outputs[higher], differences, tolerance=1e-6)
        assert_close(jacobian[higher], (sides[0][index] - sides[1][index]) / (2 * step), tolerance=1e-6)


def test_the_derivatives_by_the_entries_predict_small_changes_of_the_vector() -> None:
    model, step = tangled_network(seed=8), 1e-6
    x, wanted = uniform_rows(10, 3, seed=1), [(), (1,), (0, 0), (0, 2)]
    jacobian, vector = DerivativePass.through(model, x, wanted).jacobian(), model.get_vector()
    direction = torch.randn(len(vector), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ends = []
    for sign in (1, -1):
        model.set_vector(vector + sign * step * direction)
        ends.append(DerivativePass.through(model, x, wanted).outputs)
    for index in wanted:
        assert_close(jacobian[index] @ direction, (ends[0][index] - ends[1][index]) / (2 * step), tolerance=1e-6)


def test_values_and_their_jacobian_are_those_of_the_network() -> None:
    model = tangled_network(seed=5)
    x = uniform_rows(9, 3, seed=2, low=-1.4, high=1.4)
    kept, (outputs, jacobian) = DerivativePass.through(model, x, [(0, 1), ()]), model.jacobian(x)
    torch.testing.assert_close(kept.outputs[()], outputs, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(kept.jacobian()[()], jacobian, rtol=1e-12, atol=1e-12)


# ---- closed forms ------------------------------------------------------------------------------------------------


def test_a_solution_of_the_heat_equation_leaves_no_residual() -> None:
    # u = exp(-4 t) sin(2 x), a product of two sums; (x, t) are the inputs
    model = fixed_network([2, [0, 1]], [(0, 1, 0, "exp", -4.0), (0, 0, 1, "sin", 2.0)])
    x = uniform_rows(30, 2, seed=1)
    u = DerivativePass.through(model, x, [(), (0,), (1,), (0, 0), (0, 0, 0), (0, 1)]).outputs
    decay, angle = torch.exp(-4 * x[:, 1:]), 2 * x[:, :1]
    torch.testing.assert_close(u[()], decay * angle.sin())
    torch.testing.assert_close(u[0, 1], -8 * decay * angle.cos())
    torch.testing.assert_close(u[1,], u[0, 0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(u[0, 0, 0], -4 * u[0,], rtol=1e-12, atol=1e-12)


def test_a_users_function_is_differentiated_too() -> None:
    model = KAN([1, 1], functions={"lorentz": "1/(1+x**2)"})
    model.fix(0, 0, 0, "lorentz", 2.0, 0.5, 3.0)
    x = uniform_rows(10, 1)
    kept, z = DerivativePass.through(model, x, [(0, 0)]), 2 * x + 0.5
    second, third = (6 * z**2 - 2) / (1 + z**2) ** 3, 24 * z * (1 - z**2) / (1 + z**2) ** 4
    torch.testing.assert_close(kept.outputs[0, 0], 12 * second)
    by_b, by_c = kept.jacobian()[0, 0][:, 0, 1:3].unbind(1)
    torch.testing.assert_close(by_b, 12 * third[:, 0])
    torch.testing.assert_close(by_c, 4 * second[:, 0])


@pytest.mark.parametrize("k", range(1, 6))
def test_splines_have_no_second_derivative_beyond_their_grid(k: int) -> None:
    model = KAN([1, 1], grid=4, k=k, base="zero", seed=k)
    kept = DerivativePass.through(model, torch.tensor([[-3.0], [-1.5], [1.5], [3.0]]).double(), [(0,), (0, 0)])
    low, other_low, high, other_high = kept.outputs[0,].flatten().tolist()
    assert (low, high) == (pytest.approx(other_low), pytest.approx(other_high))
    assert abs(low) > 1e-3
    assert kept.outputs[0, 0].flatten().tolist() == [0.0] * 4
    assert not bool(kept.jacobian()[0, 0].any())


def test_an_infinite_slope_stays_with_the_input_that_has_it() -> None:
    model = fixed_network([2, 1], [(0, 0, 0, "sqrt"), (0, 1, 0, "x^2")])
    x = torch.tensor([[0.0, 0.3], [0.25, 0.5]], dtype=torch.float64)
    kept = DerivativePass.through(model, x, [(), (0,), (1,), (0, 1), (1, 1)])
    assert kept.outputs[0,].flatten().tolist() == [math.inf, 1.0]
    assert kept.outputs[1,].flatten().tolist() == pytest.approx([0.6, 1.0])
    assert kept.outputs[0, 1].flatten().tolist() == [0.0, 0.0]
    assert kept.outputs[1, 1].flatten().tolist() == [2.0, 2.0]
    jacobian = kept.jacobian()
    assert all(bool(torch.isfinite(jacobian[index]).all()) for index in kept.outputs)


def test_an_infinite_slope_tells_the_entries_of_earlier_layers_nothing() -> None:
    model = fixed_network([2, 2, 1], [(0, 0, 0, "x"), (0, 1, 1, "x"), (1, 0, 0, "sqrt"), (1, 1, 0, "x^2")])
    x = torch.tensor([[0.0, 0.3], [0.25, 0.5]], dtype=torch.float64)
    jacobian = DerivativePass.through(model, x, [(), (1,), (1, 1)]).jacobian()
    torch.testing.assert_close(jacobian[()], model.jacobian(x)[1])
    by_inner = jacobian[1,][:, 0, 3:6]  # of 2 c^2 a (a x_1 + b) by a, b, c of the edge from x_1
    expected = torch.stack([4 * x[:, 1], torch.full((2,), 2.0).double(), 4 * x[:, 1]], dim=1)
    torch.testing.assert_close(by_inner, expected)
    assert bool(torch.isfinite(jacobian[1, 1]).all())


# ---- what is wanted, residuals and chunks -------------------------------------------------------------------------


def test_only_what_is_wanted_is_computed() -> None:
    model, x = tangled_network(), uniform_rows(4, 3)
    kept = DerivativePass.through(model, x, [(2, 0), (1,)])
    assert list(kept.outputs) == [(2, 0), (1,)]
    assert kept.indices == [(), (0,), (1,), (2,), (0, 2)]
    torch.testing.assert_close(kept.outputs[2, 0], DerivativePass.through(model, x, [(0, 2)]).outputs[0, 2])
    values = DerivativePass.through(model, x, [()])
    assert values.indices == [()]
    assert all(len(layer.slopes) == 0 and len(layer.features) <= 1 for layer in values.layers)


def residual_weights(rows: int, outputs: int) -> dict[Index, Tensor]:
    """Derivatives of three residuals by what is wanted: [rows, 3, outputs] each."""
    sizes = enumerate([(), (0,), (1, 2), (2, 2)])
    return {index: uniform_rows(rows, 3 * outputs, seed=n).view(rows, 3, outputs) for n, index in sizes}


def test_combined_is_the_weighted_sum_of_all_derivatives_by_the_entries() -> None:
    model, x = tangled_network(seed=2), uniform_rows(7, 3, seed=3, low=-1.2, high=1.2)
    weights = residual_weights(7, model.n_out)
    kept = DerivativePass.through(model, x, list(weights))
    jacobian = kept.jacobian()
    into = torch.full((7, 3, model.parameter_count()), math.nan, dtype=torch.float64)
    assert kept.combined(weights, into) is into
    expected = {index: weight @ jacobian[index] for index, weight in weights.items()}
    torch.testing.assert_close(into, sum(expected.values()), rtol=1e-11, atol=1e-11)
    for index, weight in weights.items():
        torch.testing.assert_close(kept.combined({index: weight}), expected[index], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("rows", [1, 4, 10, 100])
def test_chunks_give_the_same_matrix_as_all_rows_at_once(rows: int) -> None:
    model, x = tangled_network(seed=2), uniform_rows(10, 3, seed=3, low=-1.2, high=1.2)
    weights = residual_weights(10, model.n_out)
    whole = DerivativePass.through(model, x, list(weights))
    jacobian, flat = whole.jacobian(), whole.combined(weights).flatten(0, 1)
    matrix, seen = torch.zeros_like(flat.T @ flat), []
    for own, kept in chunks(model, x, list(weights), rows):
        part = kept.combined({index: weight[own] for index, weight in weights.items()}).flatten(0, 1)
        matrix += part.T @ part
        seen += list(range(10))[own]
        by_entries = kept.jacobian()
        for index, values in whole.outputs.items():
            torch.testing.assert_close(kept.outputs[index], values[own], rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(by_entries[index], jacobian[index][own], rtol=1e-10, atol=1e-10)
    assert seen == list(range(10))
    torch.testing.assert_close(matrix, flat.T @ flat, rtol=1e-10, atol=1e-10)


def test_a_single_row_and_a_single_wanted_derivative() -> None:
    model, x = tangled_network(seed=7), uniform_rows(5, 3, seed=1)
    alone = DerivativePass.through(model, x[:1], [(1, 1)])
    assert alone.jacobian()[1, 1].shape == (1, 2, model.parameter_count())
    whole = DerivativePass.through(model, x, [(1, 1)])
    torch.testing.assert_close(alone.outputs[1, 1], whole.outputs[1, 1][:1])
    torch.testing.assert_close(alone.jacobian()[1, 1], whole.jacobian()[1, 1][:1])


def test_a_network_without_trained_entries_has_derivatives_by_none() -> None:
    edge: tuple[Any, ...] = (0, 0, 0, "sin", 2.0, 0.1, 1.5, 0.0, False)
    model, x = fixed_network([1, 1], [edge]), uniform_rows(4, 1)
    kept = DerivativePass.through(model, x, [(), (0, 0)])
    torch.testing.assert_close(kept.outputs[0, 0], -6 * torch.sin(2 * x + 0.1))
    assert model.parameter_count() == 0
    assert [part.shape for part in kept.jacobian().values()] == [(4, 1, 0), (4, 1, 0)]
    assert kept.combined({(0, 0): torch.ones(4, 2, 1, dtype=torch.float64)}).shape == (4, 2, 0)


def test_single_precision_stays_single() -> None:
    single, double = KAN([2, 2, 1], seed=1, dtype=torch.float32), KAN([2, 2, 1], seed=1)
    x, wanted = uniform_rows(20, 2), [(), (0,), (1, 1)]
    ours, exact = (DerivativePass.through(m, rows, wanted) for m, rows in ((single, x.float()), (double, x)))
    for index in wanted:
        assert ours.outputs[index].dtype == ours.jacobian()[index].dtype == torch.float32
        np.testing.assert_allclose(ours.outputs[index], exact.outputs[index], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("index", [(3,), (0, 3), (-1,)])
def test_inputs_that_there_are_not_are_refused(index: Index) -> None:
    with pytest.raises(ValueError, match=r"whose inputs are 0 to 2"):
        DerivativePass.through(tangled_network(), uniform_rows(4, 3), [(), index])


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"takes \[rows, 3\]"):
        DerivativePass.through(tangled_network(), uniform_rows(4, 1), [()])


@pytest.mark.parametrize("indices", [[], [(1, 1)]])
def test_weights_of_what_was_not_wanted_are_refused(indices: list[Index]) -> None:
    kept = DerivativePass.through(tangled_network(), uniform_rows(4, 3), [(0,)])
    with pytest.raises(ValueError, match="weights of"):
        kept.combined({index: torch.ones(4, 1, 2, dtype=torch.float64) for index in indices})
