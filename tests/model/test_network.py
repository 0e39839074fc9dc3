from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.config.schema import ModelConfig
from kanrun.functions.library import FUNCTIONS
from kanrun.model import grids
from kanrun.model.network import KAN, Width
from tests.helpers import plain_forward, tangled_network, uniform_rows
from tests.marks import bases, orders

quickly = settings(deadline=None, max_examples=15, derandomize=True)


# ---- values ----------------------------------------------------------------------------------------------------


@bases
@orders
def test_forward_equals_plain_loops_with_scipy(base: str, k: int) -> None:
    model = tangled_network(base, k, seed=k)
    x = uniform_rows(30, 3, seed=9, low=-1.5, high=1.5)
    np.testing.assert_allclose(model(x).detach(), plain_forward(model, x.numpy()), rtol=1e-10, atol=1e-10)


@given(
    seed=st.integers(0, 10**6), width=st.sampled_from([(2, 1), (1, (0, 2), 2), (3, 2, 2, 1), (2, (2, 2), (1, 0), 3)])
)
@quickly
def test_forward_equals_plain_loops_for_many_shapes(seed: int, width: Width) -> None:
    model = tangled_network(seed=seed, width=width)
    x = uniform_rows(10, model.n_in, seed)
    np.testing.assert_allclose(model(x).detach(), plain_forward(model, x.numpy()), rtol=1e-9, atol=1e-9)


def test_rows_do_not_influence_each_other() -> None:
    model = tangled_network(seed=2)
    x = uniform_rows(20, 3, seed=1, low=-3.0, high=3.0)
    one_by_one = torch.cat([model(row[None]) for row in x])
    torch.testing.assert_close(one_by_one, model(x), rtol=1e-12, atol=1e-12)


def test_single_precision_agrees_with_double() -> None:
    width = [2, [2, 1], 1]
    single, double = KAN(width, dtype=torch.float32, seed=4), KAN(width, seed=4)
    x = uniform_rows(40, 2, seed=1)
    assert single(x.float()).dtype == torch.float32
    torch.testing.assert_close(single(x.float()).double(), double(x), rtol=1e-4, atol=1e-5)
    single.fit_grids(x.float())
    double.fit_grids(x)
    torch.testing.assert_close(single(x.float()).double(), double(x), rtol=1e-3, atol=1e-4)
    outputs, jacobian = single.jacobian(x.float())
    assert outputs.dtype == jacobian.dtype == torch.float32
    torch.testing.assert_close(jacobian.double(), double.jacobian(x)[1], rtol=1e-2, atol=1e-3)


def test_a_step_along_the_input_gradient_agrees_with_finite_differences() -> None:
    model = tangled_network(seed=6)
    x = uniform_rows(15, 3, seed=1, low=-1.3, high=1.3).requires_grad_()
    (gradient,) = torch.autograd.grad(model(x).sum(), x)
    direction = uniform_rows(15, 3, seed=2)
    step = 1e-6
    with torch.no_grad():
        differences = (model(x + step * direction) - model(x - step * direction)).sum(1) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(1), differences, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("symbolic", [False, True])
def test_rows_with_too_few_or_too_many_columns_are_refused(columns: int, symbolic: bool) -> None:
    model = KAN([2, 1])
    for i in range(2 * symbolic):
        model.fix(0, i, 0, "sin")
    with pytest.raises((ValueError, RuntimeError, IndexError)):
        model(uniform_rows(5, columns))


# ---- making one ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [[2, 1], [3, 5, 2], [2, [3, 1], 1], [1, [0, 2], [1, 1], 4], [2, 2, [0, 1]]])
def test_width_goes_in_and_comes_out(width: list[Any]) -> None:
    model = KAN(width)
    assert model.width == width
    assert KAN(model.width).width == width
    assert model(torch.zeros(4, width[0], dtype=torch.float64)).shape == (4, model.n_out)


@pytest.mark.parametrize(
    "width",
    [
        [], [2], [0, 1], [2, 0], [2, -1, 1], [2, [0, 0], 1], [2, [3, -1], 1], [[2, 1], 1], [2, [1], 1],
        [2, [1, 2, 3], 1], [2, 2.5, 1],
    ],
)  # fmt: skip
def test_wrong_widths_raise_value_error(width: list[Any]) -> None:
    with pytest.raises(ValueError, match="width"):
        KAN(width)


@pytest.mark.parametrize("setting", [{"grid": 0}, {"k": -1}, {"k": 6}, {"base": "relu"}])
def test_wrong_settings_raise_value_error_with_the_given_value(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(setting.values())))):
        KAN([2, 1], **setting)


def test_the_callers_width_stays_as_it_was() -> None:
    width = [2, [3, 1], 1]
    model = KAN(width)
    model.width[1] = 7
    model.fix(0, 0, 0, "sin")
    assert width == [2, [3, 1], 1]
    assert model.width == width


def test_the_same_seed_gives_the_same_network_and_another_one_another() -> None:
    x = uniform_rows(10, 2)
    first, second, other = KAN([2, 3, 1], seed=5), KAN([2, 3, 1], seed=5), KAN([2, 3, 1], seed=6)
    assert torch.equal(first(x), second(x))
    assert torch.equal(first.get_vector(), second.get_vector())
    assert not torch.allclose(first(x), other(x))


def test_no_global_random_state_is_read_or_touched() -> None:
    torch.manual_seed(1)
    numpy_before = np.random.get_state()[1].copy()
    before = torch.get_rng_state()
    x = uniform_rows(10, 2)
    first = KAN([2, 3, 1], seed=5)
    first.fit_grids(x)
    first.refine(10)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()
    torch.manual_seed(2)
    again = KAN([2, 3, 1], seed=5)
    again.fit_grids(x)
    assert torch.equal(first.get_vector(), again.get_vector())


def test_a_clone_shares_nothing() -> None:
    model = tangled_network(seed=1)
    x = uniform_rows(10, 3)
    before = model(x).detach()
    twin = model.clone()
    assert torch.equal(twin(x), model(x))
    twin.set_vector(twin.get_vector() + 1)
    twin.fix(0, 1, 1, "exp")
    twin.layers[1].remove(0, 0, 5.0)
    twin.layers[0].grid += 1
    assert torch.equal(model(x), before)
    assert not torch.allclose(twin(x), before)


# ---- the trained entries ---------------------------------------------------------------------------------------


def test_the_vector_goes_out_and_in() -> None:
    model = tangled_network(seed=4)
    x = uniform_rows(10, 3)
    before, vector = model(x).detach(), model.get_vector()
    assert vector.shape == (model.parameter_count(),)
    other = torch.arange(len(vector), dtype=torch.float64)
    model.set_vector(other)
    assert torch.equal(model.get_vector(), other)
    assert not torch.allclose(model(x), before)
    model.set_vector(vector)
    assert torch.equal(model(x), before)


def test_every_entry_of_the_vector_can_change_the_outputs() -> None:
    model = KAN([2, [1, 1], 2], seed=4)
    model.fix(0, 0, 0, "sin")
    model.fix(0, 1, 1, "exp", trainable=False)
    model.layers[0].remove(2, 0)
    x = uniform_rows(200, 2, seed=3)
    model.fit_grids(x)
    assert bool((model.jacobian(x)[1].abs().amax((0, 1)) > 0).all())


def test_parameter_count_by_hand() -> None:
    model = KAN([2, [1, 1], 1], grid=5, k=3)
    per_edge = 5 + 3 + 1
    assert model.parameter_count() == 8 * per_edge
    assert KAN([2, [1, 1], 1], grid=5, k=3, base="zero").parameter_count() == 8 * 8
    model.layers[0].remove(0, 0)
    assert model.parameter_count() == 7 * per_edge
    model.fix(0, 0, 1, "sin")  # its a, b, c and the constant of its sum
    assert model.parameter_count() == 6 * per_edge + 4
    model.fix(0, 1, 1, "sin", trainable=False)
    assert model.parameter_count() == 5 * per_edge + 4
    assert model.active_edges() == 7
    assert model.parameter_count() == len(model.get_vector()) == model.jacobian(uniform_rows(2, 2))[1].shape[2]


def test_locked_edges_get_no_gradient_and_never_change() -> None:
    model = KAN([2, 2, 1], seed=1)
    model.fix(0, 0, 0, "sin", 1.5, 0.2, 2.0, 0.3, trainable=False)
    model.fix(0, 1, 0, "exp", 0.5, 0.1, 1.0, 0.0, trainable=False)
    model.fix(0, 0, 1, "tanh", 1.0, 0.0, 1.0, 0.0, trainable=True)
    first = model.layers[0]
    model(uniform_rows(10, 2)).sum().backward()
    assert torch.equal(first.affine.grad[0], torch.zeros(2, 3, dtype=torch.float64))
    assert float(first.bias.grad[0]) == 0
    assert bool((first.affine.grad[1, 0] != 0).all())
    locked, bias = first.affine.detach()[0].clone(), float(first.bias.detach()[0])
    model.set_vector(model.get_vector() + 1)
    assert torch.equal(first.affine.detach()[0], locked)
    assert float(first.bias.detach()[0]) == bias
    assert first.affine.detach()[1, 0].tolist() == [2.0, 1.0, 2.0]


def test_removed_and_fixed_splines_get_no_gradient() -> None:
    model = KAN([2, 1], seed=1)
    model.layers[0].remove(0, 0)
    model.fix(0, 1, 0, "sin")
    model(uniform_rows(10, 2)).sum().backward()
    layer = model.layers[0]
    for parameter in (layer.coef, layer.base_scale):
        assert parameter.grad is None or not bool(parameter.grad.any())
    assert not bool(layer.affine.grad[0, 0].any())
    assert bool(layer.affine.grad[0, 1].all())


# ---- structure -------------------------------------------------------------------------------------------------


def test_active_inputs_are_those_that_reach_an_output() -> None:
    model = KAN([4, [2, 1], 2])
    first, second = model.layers
    assert model.active_inputs() == [0, 1, 2, 3]
    for sub in range(first.n_sub):
        first.remove(sub, 1)
    assert model.active_inputs() == [0, 2, 3]
    for sub in (0, 2, 3):  # input 3 now enters node 1 only
        first.remove(sub, 3)
    for output in range(2):
        second.remove(output, 1)
    assert model.active_inputs() == [0, 2]
    for sub in (0, 1, 2):  # input 2 now enters the second factor of the product only
        first.remove(sub, 2)
    assert model.active_inputs() == [0, 2]
    second.remove(0, 2)
    assert model.active_inputs() == [0, 2]
    second.remove(1, 2)
    assert model.active_inputs() == [0]
    for output in range(2):
        second.remove(output, 0)
    assert model.active_inputs() == []


def test_each_product_reaches_its_own_inputs() -> None:
    model = KAN([4, [0, 2], 1])
    for sub in range(4):
        for i in range(4):
            if i != sub:
                model.layers[0].remove(sub, i)
    assert model.active_inputs() == [0, 1, 2, 3]
    model.layers[1].remove(0, 1)
    assert model.active_inputs() == [0, 1]


def test_active_inputs_are_those_with_a_gradient() -> None:
    for seed in range(8):
        model = tangled_network(seed=seed)
        x = uniform_rows(30, 3, seed=seed).requires_grad_()
        (gradient,) = torch.autograd.grad((model(x) ** 2).sum(), x, materialize_grads=True, allow_unused=True)
        assert model.active_inputs() == gradient.abs().amax(0).nonzero().flatten().tolist()


def test_a_network_is_symbolic_once_no_spline_is_left() -> None:
    model = KAN([2, 1])
    model.fix(0, 0, 0, "sin")
    assert not model.is_symbolic()
    model.layers[0].remove(0, 1)
    assert model.is_symbolic()


# ---- grids -----------------------------------------------------------------------------------------------------


def test_fitted_grids_keep_what_the_new_knots_can_hold() -> None:
    model = KAN([2, 1], grid=6, seed=3)
    x = uniform_rows(200, 2, seed=1)
    model.fit_grids(x)
    before = model(x).detach()
    model.fit_grids(x)  # the same rows, so the same knots
    torch.testing.assert_close(model(x).detach(), before, rtol=0, atol=1e-12)
    straight = KAN([2, 2, 1], grid=5, seed=3, noise_scale=0.0)
    beyond = uniform_rows(50, 2, seed=2, low=-4.0, high=6.0)
    before = straight(beyond).detach()
    straight.fit_grids(beyond**3 / 30)
    torch.testing.assert_close(straight(beyond).detach(), before, rtol=0, atol=1e-12)


def test_fitted_grids_hardly_change_a_smooth_function() -> None:
    model = KAN([2, 3, 1], grid=3, seed=3).refine(30)
    x = uniform_rows(300, 2, seed=1)
    before = model(x).detach()
    model.fit_grids(x)
    change = (model(x).detach() - before).std() / before.std()
    assert 0 < float(change) < 1e-3


def test_fitted_grids_span_the_likely_range_of_the_rows_of_every_layer() -> None:
    model = KAN([2, 3, [1, 1], 1], grid=5, seed=3)
    x = uniform_rows(80, 2, seed=1, low=-0.4, high=0.6)
    model.fit_grids(x)
    for layer, trace in zip(model.layers, model.trace(x), strict=True):
        ordered = trace.inputs.sort(0).values
        low, high = grids.likely_range(ordered, 5)
        torch.testing.assert_close(layer.grid[:, :1], low, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(layer.grid[:, -1:], high, rtol=1e-9, atol=1e-9)
        assert bool((layer.grid[:, 0] < ordered[0]).all())
        assert bool((layer.grid[:, -1] > ordered[-1]).all())
        assert bool((layer.grid[:, -1] - layer.grid[:, 0] < 1.4 * (ordered[-1] - ordered[0])).all())


def test_knots_that_stay_only_make_room_for_new_rows() -> None:
    model = KAN([2, 2, 1], grid=5, seed=3)
    x = uniform_rows(80, 2, seed=1)
    model.fit_grids(x)
    model.knots_stay = True
    before, near = [layer.grid.clone() for layer in model.layers], model(x / 2).detach()
    model.fit_grids(x / 2)
    assert all(torch.equal(layer.grid, grid) for layer, grid in zip(model.layers, before, strict=True))
    torch.testing.assert_close(model(x / 2).detach(), near, rtol=0, atol=1e-12)
    model.fit_grids(3 * x)
    for layer, grid, trace in zip(model.layers, before, model.trace(3 * x), strict=True):
        assert torch.equal(layer.grid[:, 1:-1], grid[:, 1:-1])
        assert bool((layer.grid[:, 0] <= torch.minimum(trace.inputs.amin(0), grid[:, 0])).all())
        assert bool((layer.grid[:, -1] >= torch.maximum(trace.inputs.amax(0), grid[:, -1])).all())
    model.knots_stay = False
    model.fit_grids(x)
    torch.testing.assert_close(model.layers[0].grid, before[0], rtol=0, atol=1e-12)


def test_fitted_grids_depend_on_nothing_but_the_given_rows() -> None:
    x = uniform_rows(80, 2, seed=1)
    fresh, other = KAN([2, 3, 1], seed=3), KAN([2, 3, 1], seed=3)
    other(x * 100)
    fresh.fit_grids(x)
    other.fit_grids(x[torch.randperm(80, generator=torch.Generator().manual_seed(1))])
    torch.testing.assert_close(other.layers[0].grid, fresh.layers[0].grid, rtol=0, atol=0)
    torch.testing.assert_close(other.layers[1].grid, fresh.layers[1].grid, rtol=0, atol=1e-12)


def test_fitting_grids_survives_constant_inputs_and_dead_nodes() -> None:
    x = uniform_rows(50, 2, seed=1)
    x[:, 1] = 3.0
    model = KAN([2, 2, 1], seed=1)
    for i in range(2):
        model.layers[0].remove(0, i, 1.0)
    before = model(x).detach()
    model.fit_grids(x)
    assert bool(torch.isfinite(model(x)).all())
    assert float((model(x).detach() - before).abs().max()) < 0.5
    assert bool(torch.isfinite(model(x + 1)).all())


@orders
@pytest.mark.parametrize("grid", [8, 12, 20])
def test_refining_to_a_multiple_keeps_the_function(k: int, grid: int) -> None:
    model = tangled_network(k=k, seed=k + 3)
    x = uniform_rows(100, 3, seed=1, low=-2.0, high=2.0)
    before, knots = model(x).detach(), model.layers[0].grid.clone()
    finer = model.refine(grid)
    assert (finer.grid, model.grid) == (grid, 4)
    torch.testing.assert_close(finer(x).detach(), before, rtol=1e-10, atol=1e-10)
    assert torch.equal(model(x), before)
    assert torch.equal(model.layers[0].grid, knots)


def test_the_parameters_on_another_grid_are_counted_without_it() -> None:
    model = KAN([2, [2, 1], 1], grid=4)
    model.layers[0].remove(0, 1)
    model.fix(1, 0, 0, "sin")
    for grid in (2, 4, 9):
        assert model.parameter_count_on(grid) == model.refine(grid).parameter_count()


def test_refining_to_any_finer_grid_stays_close() -> None:
    model = KAN([2, 2, 1], grid=3, seed=1)
    x = uniform_rows(100, 2, seed=1)
    errors = [float((model.refine(grid)(x) - model(x)).detach().abs().max()) for grid in (4, 10, 50)]
    assert errors[2] < errors[1] < errors[0] < 0.5
    assert errors[2] < 1e-3


def test_state_survives_a_round_trip_through_the_state_dict() -> None:
    model = tangled_network(seed=5)
    x = uniform_rows(10, 3)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    before = model(x).detach()
    model.set_vector(model.get_vector() * 2)
    model.fit_grids(x)
    model.load_state_dict(state)
    assert torch.equal(model(x), before)


def test_a_clone_whose_functions_are_exchanged_computes_the_new_ones() -> None:
    x = uniform_rows(10, 1)
    model = KAN([1, 1])
    for count in range(4):  # however often the original was changed and evaluated before
        model.fix(0, 0, 0, "sin")
        model(x)
        for changes in range(1, 6):
            copied = model.clone()
            for name in ["cos", "exp", "x^2", "x^3", "tanh"][:changes]:
                copied.fix(0, 0, 0, name)
            values = FUNCTIONS[copied.layers[0].functions[0, 0]].value(x)
            torch.testing.assert_close(copied(x), values, msg=f"{count} {changes}")


# ---- other beginnings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [3, 8])
def test_a_network_begun_anew_has_the_same_edges_and_other_splines(grid: int) -> None:
    model = KAN([3, 2, 1], grid=grid, seed=1)
    model.fix(0, 0, 1, "sin", 1.5, 0.2, 2.0, d=0.7)
    model.layers[0].remove(0, 2, constant=40.0)
    x = uniform_rows(60, 3)
    model.fit_grids(x)
    before = model(x).detach()
    anew, again, other = (model.begun_anew(seed, 0.3) for seed in (5, 5, 6))
    assert torch.equal(model(x), before)
    assert torch.equal(anew.get_vector(), again.get_vector())
    assert not torch.allclose(anew.layers[1].coef, other.layers[1].coef)
    for old, new in zip(model.layers, anew.layers, strict=True):
        for name in ("grid", "alive", "is_fixed", "affine"):
            assert torch.equal(getattr(old, name), getattr(new, name))
        assert not torch.allclose(old.coef, new.coef)
    assert anew.layers[0].bias.tolist() == [0.0, 0.7]  # 40 belonged to the old splines, 0.7 to the fixed edge


def test_a_network_begun_anew_is_as_large_as_a_new_one() -> None:
    new, other = KAN([4, 3, 1], grid=5, seed=1, noise_scale=0.7), KAN([4, 3, 1], grid=5, seed=2, noise_scale=9.0)
    anew = other.begun_anew(1, 0.7)
    assert torch.equal(anew.get_vector(), new.get_vector())


def test_a_network_is_what_the_settings_say_where_nothing_else_is_asked_for() -> None:
    width, s = [2, 2, 1], ModelConfig()
    own, asked = KAN(width), KAN(width, s.grid, s.k, s.base, 0, torch.float64, s.noise_scale, s.grid_eps)
    assert own.extra_repr() == asked.extra_repr() and own.grid_eps == asked.grid_eps
    assert torch.equal(own.get_vector(), asked.get_vector())


@bases
@pytest.mark.parametrize("width", [(3, 2), (3, 2, (1, 2)), (3, (1, 1), (0, 3))])
def test_the_outputs_alone_are_rescaled_and_products_are_not_shifted(base: str, width: Width) -> None:
    model, x = tangled_network(base, seed=6, width=width), uniform_rows(9, 3, low=-1.2, high=1.2)
    sums = model.layers[-1].n_sum
    scale = torch.tensor([3.0, -0.5, 2.0], dtype=torch.float64)[: model.n_out]
    shift = torch.tensor([-1.0, 7.0, 0.3], dtype=torch.float64)[: model.n_out]
    with torch.no_grad():
        model.layers[-1].bias += 0.4
    outputs, inner = model(x).detach(), [trace.nodes for trace in model.trace(x)][:-1]
    model.rescale_outputs(scale, shift)
    wanted = scale * outputs + torch.where(torch.arange(model.n_out) < sums, shift, 0.0)
    torch.testing.assert_close(model(x).detach(), wanted, rtol=1e-12, atol=1e-12)
    for one, other in zip(model.trace(x), inner, strict=False):
        assert torch.equal(one.nodes, other)


def test_a_network_tells_its_grid_and_its_order() -> None:
    assert KAN([2, 1], grid=4, k=2).description == "grid 4, k 2"
