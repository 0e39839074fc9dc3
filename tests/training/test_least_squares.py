from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares, minimize, minimize_scalar
from torch import Tensor

from kanrun.data.losses import CROSS_ENTROPY, MSE, Loss
from kanrun.model.jacobian import Extent
from kanrun.model.network import KAN
from kanrun.model.prepared import Prepared
from kanrun.training.least_squares import CHUNK, LevenbergMarquardt, extent, levenberg_marquardt, normal_equations
from kanrun.training.objective import Objective, Penalty
from tests.helpers import Array, additive_network, autograd_jacobian, tangled_network, trained_gradient, uniform_rows


def targets(loss: Loss, rows: int, outputs: int) -> Tensor:
    return uniform_rows(rows, outputs, seed=7) if loss == MSE else torch.arange(rows) % outputs


def loss_at(model: KAN, vector: Tensor, x: Tensor, y: Tensor, loss: Loss) -> float:
    """The loss with these trained entries; the network keeps its own."""
    probe = model.clone()
    probe.set_vector(vector)
    with torch.no_grad():
        return float(loss.value(probe(x), y))


# ---- the normal equations --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_squared_loss_gives_the_dense_product_of_jacobians(seed: int) -> None:
    model = tangled_network(seed=seed)
    x, y = uniform_rows(9, 3, seed=1), targets(MSE, 9, 2)
    gradient, matrix = normal_equations(model, x, y, MSE)
    jacobian = autograd_jacobian(model, x).flatten(0, 1)
    residual = (model(x) - y).detach().flatten()
    torch.testing.assert_close(matrix, 2 / y.numel() * jacobian.T @ jacobian, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(gradient, 2 / y.numel() * jacobian.T @ residual, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_the_gradient_is_that_of_the_mean_loss(loss: Loss) -> None:
    model = tangled_network(seed=4)
    x, y = uniform_rows(12, 3, seed=1), targets(loss, 12, 2)
    gradient, _ = normal_equations(model, x, y, loss)
    expected = trained_gradient(model, loss.value(model(x), y))
    assert float(expected.abs().max()) > 1e-3
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_the_matrix_is_the_hessian_where_outputs_are_linear_in_the_entries(loss: Loss) -> None:
    model = KAN([2, 3], grid=2, seed=1)  # one layer of splines
    x, y = uniform_rows(15, 2, seed=1), targets(loss, 15, 3)
    _, matrix = normal_equations(model, x, y, loss)
    jacobian = autograd_jacobian(model, x)
    vector = model.get_vector()
    rest = model(x).detach() - jacobian @ vector
    assert float(rest.abs().max()) < 1e-12  # linear indeed

    def mean_loss(v: Tensor) -> Tensor:
        return loss.value(jacobian @ v, y)

    hessian = torch.autograd.functional.hessian(mean_loss, vector)
    torch.testing.assert_close(matrix, hessian, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
@pytest.mark.parametrize("chunk", [1, 7, 20, 1000])
def test_chunks_of_rows_add_up_to_the_whole(loss: Loss, chunk: int) -> None:
    model = tangled_network(seed=2)
    x, y = uniform_rows(20, 3, seed=1), targets(loss, 20, 2)
    for part, whole in zip(
        normal_equations(model, x, y, loss, chunk=chunk), normal_equations(model, x, y, loss), strict=True
    ):
        torch.testing.assert_close(part, whole, rtol=1e-11, atol=1e-13)


# ---- what it reaches -------------------------------------------------------------------------------------------


def scipy_loss(model: KAN, x: Tensor, y: Tensor) -> float:
    """The mean squared error that SciPy reaches from the same beginning."""
    probe = model.clone()

    def residuals(v: Array) -> Array:
        probe.set_vector(torch.from_numpy(v))
        with torch.no_grad():
            return (probe(x) - y).flatten().numpy()

    def jacobian(v: Array) -> Array:
        probe.set_vector(torch.from_numpy(v))
        return probe.jacobian(x)[1].flatten(0, 1).numpy()

    found = least_squares(
        residuals, model.get_vector().numpy(), jacobian, method="lm", xtol=1e-13, ftol=1e-13, gtol=1e-13
    )
    return float((found.fun**2).mean())


def test_one_layer_of_splines_reaches_the_linear_optimum() -> None:
    model = KAN([2, 1], grid=3, seed=1)
    x = uniform_rows(60, 2, seed=1)
    y = torch.sin(3 * x).sum(1, keepdim=True) + 0.1 * uniform_rows(60, 1, seed=5)
    design = autograd_jacobian(model, x).flatten(0, 1).numpy()
    _, _, rank, _ = np.linalg.lstsq(design, y.numpy())
    projected = design @ np.linalg.pinv(design, rcond=1e-10) @ y.numpy()
    optimum = ((projected - y.numpy()) ** 2).mean()
    assert rank < design.shape[1]  # the constants of the two edges are interchangeable
    fit = levenberg_marquardt(model, x, y, MSE, steps=100)
    assert fit.loss == pytest.approx(optimum, rel=1e-7)
    assert fit.loss == pytest.approx(loss_at(model, model.get_vector(), x, y, MSE), rel=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_functions_with_noise_reach_what_scipy_reaches(seed: int) -> None:
    x = uniform_rows(80, 2, seed=seed)
    y = 2 * torch.sin(1.5 * x[:, :1] + 0.3) + torch.exp(0.8 * x[:, 1:]) + 0.1 * uniform_rows(80, 1, seed=seed + 9)
    model = additive_network([("sin", 1.2, 0.1, 1.5), ("exp", 0.5, 0.0, 1.0)])
    expected = scipy_loss(model, x, y)
    fit = levenberg_marquardt(model, x, y, MSE, steps=300, tolerance=1e-14)
    assert expected > 1e-4
    assert fit.loss == pytest.approx(expected, rel=1e-6)


def test_a_spline_network_reaches_what_scipy_reaches() -> None:
    x = uniform_rows(60, 2, seed=3)
    y = torch.exp(torch.sin(2 * x[:, :1]) + x[:, 1:] ** 2)
    model = KAN([2, 1, 1], grid=3, seed=4)
    model.fit_grids(x)
    expected = scipy_loss(model, x, y)
    assert 1e-6 < expected < 1e-3
    assert levenberg_marquardt(model, x, y, MSE, steps=400).loss == pytest.approx(expected, rel=1e-6)


def test_an_exact_structure_reaches_machine_precision() -> None:
    x = uniform_rows(60, 2, seed=3)
    y = 3 * torch.tanh(1.5 * x[:, :1] - 0.2) * (x[:, 1:] + 0.5) ** 2 + 1
    model = KAN([2, [0, 1], 1])
    model.fix(0, 0, 0, "tanh", a=1.2)
    model.layers[0].remove(0, 1)
    model.fix(0, 1, 1, "x^2", b=0.2)
    model.layers[0].remove(1, 0)
    model.fix(1, 0, 0, "x")
    assert levenberg_marquardt(model, x, y, MSE, steps=200).loss < 1e-28


def test_cross_entropy_reaches_what_scipy_reaches() -> None:
    x = uniform_rows(100, 2, seed=3)
    noisy = x[:, 0] + torch.sin(3 * x[:, 1]) + uniform_rows(100, 1, seed=5, low=-0.7, high=0.7)[:, 0]
    y = (noisy > 0).long()
    model = KAN([2, 2], grid=2, k=1, seed=1)
    ridge = 1e-2
    start = model.get_vector().numpy()

    def objective(v: Array) -> float:
        return loss_at(model, torch.from_numpy(v), x, y, CROSS_ENTROPY) + ridge * float((v**2).mean())

    expected = minimize(objective, start, method="BFGS", options={"gtol": 1e-7}).fun
    fit = levenberg_marquardt(model, x, y, CROSS_ENTROPY, steps=200, ridge=ridge, tolerance=1e-13)
    reached = model.get_vector()
    assert objective(reached.numpy()) == pytest.approx(expected, rel=1e-6)
    assert fit.loss == pytest.approx(loss_at(model, reached, x, y, CROSS_ENTROPY), rel=1e-12)  # without the ridge


def test_classes_are_told_apart_no_further_than_their_number_tells() -> None:
    x = torch.linspace(-1, 1, 40, dtype=torch.float64)[:, None]
    y = (x[:, 0] > 0).long()
    loss = levenberg_marquardt(KAN([1, 2], seed=1), x, y, CROSS_ENTROPY, 200).loss
    assert loss < 1 / 40  # where all of 40 are right, one of 41 may be wrong
    assert levenberg_marquardt(KAN([1, 2], seed=1), x, y, CROSS_ENTROPY, 200, ridge=0.0).loss < 0.01 * loss


def test_ridge_bounds_the_constants_of_separable_classes() -> None:
    x = torch.linspace(-1, 1, 40, dtype=torch.float64)[:, None]
    y = (x[:, 0] > 0).long()

    def largest(ridge: float) -> float:
        model = KAN([1, 2])
        model.fix(0, 0, 0, "x", c=-0.1)
        model.fix(0, 0, 1, "x", c=0.1)
        assert math.isfinite(levenberg_marquardt(model, x, y, CROSS_ENTROPY, 200, ridge, tolerance=0.0).loss)
        return float(model.get_vector().abs().max())

    assert largest(0.0) > 100
    for ridge in (1e-4, 1e-2):
        # At the best, by symmetry, both a are t and the c are -t and t; a, b, c and the bias make 8 entries.
        def objective(t: float, ridge: float = ridge) -> float:
            return float(np.log1p(np.exp(-2 * t**2 * x.abs().numpy())).mean() + ridge * 4 * t**2 / 8)

        expected = minimize_scalar(objective, bounds=(0.1, 50.0), method="bounded").x
        assert largest(ridge) == pytest.approx(expected, rel=1e-3)


# ---- what it never does ----------------------------------------------------------------------------------------


@given(
    shift=st.floats(0.01, 0.5),
    slope=st.floats(0.2, 3.0),
    pulled=st.floats(-3.0, 3.0),
    name=st.sampled_from(["log", "1/sqrt(x)", "x^1.5", "1/x"]),
)
@settings(deadline=None, max_examples=20, derandomize=True)
def test_steps_out_of_a_domain_never_make_it_worse(shift: float, slope: float, pulled: float, name: str) -> None:
    x = torch.linspace(0, 1, 25, dtype=torch.float64)[:, None]
    y = pulled * torch.cos(4 * x) - 10 * (x < 0.1)
    model = additive_network([(name, slope, shift, 1.0)])
    before = loss_at(model, model.get_vector(), x, y, MSE)
    fit = levenberg_marquardt(model, x, y, MSE, steps=20)
    after = loss_at(model, model.get_vector(), x, y, MSE)
    assert bool(torch.isfinite(model.get_vector()).all())
    assert after <= before
    assert fit.loss == pytest.approx(after, rel=1e-12)


@given(seed=st.integers(0, 10**6), loss=st.sampled_from([MSE, CROSS_ENTROPY]), steps=st.integers(0, 4))
@settings(deadline=None, max_examples=10, derandomize=True)
def test_no_network_ends_worse_than_it_started(seed: int, loss: Loss, steps: int) -> None:
    model = tangled_network(seed=seed)
    x, y = uniform_rows(15, 3, seed=seed), targets(loss, 15, 2)
    before = loss_at(model, model.get_vector(), x, y, loss)
    fit = levenberg_marquardt(model, x, y, loss, steps)
    after = loss_at(model, model.get_vector(), x, y, loss)
    assert fit.steps <= steps
    assert after < before if fit.steps else after == before
    assert fit.loss == pytest.approx(after, rel=1e-12)


def test_a_step_into_nan_is_undone() -> None:
    x = torch.linspace(0, 1, 20, dtype=torch.float64)[:, None]
    y = 3 * torch.log(x + 0.001)  # the best b is far below the first
    model = additive_network([("log", 1.0, 0.3, 1.0)])
    tried: list[bool] = []
    forward = model.layers[0].forward

    def watched(rows: Tensor, first: Prepared | None = None) -> Tensor:
        outputs: Tensor = forward(rows, first)
        tried.append(bool(torch.isfinite(outputs).all()))
        return outputs

    model.layers[0].forward = watched
    fit = levenberg_marquardt(model, x, y, MSE, steps=100)
    assert not all(tried)  # some steps did leave the domain
    assert fit.loss < 1e-20


def test_where_every_step_fails_the_network_stays_as_it_was() -> None:
    model = additive_network([("sin", 1.0, 0.3, 1.0)])
    before, forward = model.get_vector(), model.layers[0].forward
    calls: list[int] = []

    def only_once(rows: Tensor, first: Prepared | None = None) -> Tensor:
        calls.append(len(rows))
        outputs: Tensor = forward(rows, first)
        return outputs if len(calls) == 1 else outputs * math.nan

    model.layers[0].forward = only_once
    fit = levenberg_marquardt(model, uniform_rows(20, 1), uniform_rows(20, 1, seed=1), MSE)
    assert len(calls) > 3
    assert fit.steps == 0
    assert torch.equal(model.get_vector(), before)


def test_a_start_that_is_not_finite_is_left_as_it_is() -> None:
    model = additive_network([("log", 1.0, -0.5, 1.0)])
    before = model.get_vector()
    x = torch.linspace(0, 1, 20, dtype=torch.float64)[:, None]
    fit = levenberg_marquardt(model, x, x, MSE)
    assert not math.isfinite(fit.loss)
    assert fit.steps == 0
    assert torch.equal(model.get_vector(), before)


def test_a_row_where_a_slope_is_infinite_does_not_stop_the_training() -> None:
    x = torch.linspace(0, 2, 30, dtype=torch.float64)[:, None]
    model = additive_network([("sqrt", 1.0, 0.0, 1.0)])
    y = 2 * model(x).detach() + 1
    assert levenberg_marquardt(model, x, y, MSE, steps=50).loss < 1e-2


def test_no_rows_have_no_normal_equations() -> None:
    x = uniform_rows(3, 2)[:0]
    with pytest.raises(ValueError, match="no rows"):
        normal_equations(KAN([2, 1]), x, x[:, :1], MSE)


def test_nothing_to_train_changes_nothing() -> None:
    model = additive_network([("sin", 2.0, 0.3, 1.5)], trainable=False)
    x, y = uniform_rows(10, 1), uniform_rows(10, 1, seed=1)
    fit = levenberg_marquardt(model, x, y, MSE)
    assert fit.steps == 0
    assert fit.loss == pytest.approx(loss_at(model, model.get_vector(), x, y, MSE))


def test_locked_and_removed_edges_stay_while_the_rest_is_trained() -> None:
    x = uniform_rows(60, 3, seed=1)
    y = torch.sin(2 * x[:, :1]) + 3 * x[:, 1:2] + 1
    model = KAN([3, 1], grid=3, seed=1)
    model.fix(0, 0, 0, "sin", a=2.0, trainable=False)
    model.layers[0].remove(0, 2)
    layer = model.layers[0]
    locked, removed = layer.affine.detach()[0, 0].clone(), layer.coef.detach()[0, 2].clone()
    fit = levenberg_marquardt(model, x, y, MSE, steps=50)
    assert fit.loss < 1e-20
    assert torch.equal(layer.affine.detach()[0, 0], locked)
    assert torch.equal(layer.coef.detach()[0, 2], removed)


def test_a_perfect_fit_stays_perfect() -> None:
    model = additive_network([("sin", 2.0, 0.3, 1.5)])
    x = uniform_rows(20, 1)
    fit = levenberg_marquardt(model, x, model(x).detach(), MSE)
    assert fit.loss == 0
    assert fit.steps == 0


# ---- what is kept from step to step ----------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_a_known_pass_and_a_used_buffer_change_nothing(loss: Loss) -> None:
    model = tangled_network(seed=3)
    x, y = uniform_rows(11, 3, seed=1), targets(loss, 11, 2)
    buffer = torch.full((11, 2, model.parameter_count()), math.nan, dtype=torch.float64)
    expected = normal_equations(model, x, y, loss)
    for _ in range(2):
        given = normal_equations(model, x, y, loss, known=model.passed(x), buffer=buffer)
        for one, other in zip(given, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rows", [50, CHUNK + 10])
@pytest.mark.parametrize("lamb", [0.0, 0.01])
def test_a_step_tells_what_the_network_is_worth_after_it(rows: int, lamb: float) -> None:
    model = KAN([2, 2, 1], grid=3, seed=1)
    x = uniform_rows(rows, 2, seed=1)
    y = torch.sin(3 * x[:, :1]) + x[:, 1:]
    objective = Objective(MSE, Penalty(lamb))
    optimizer = LevenbergMarquardt(model, x, y)
    losses = []
    for _ in range(4):
        told = optimizer.step(objective)
        assert told is not None
        with torch.no_grad():
            expected = [float(part) for part in objective.parts(model, x, y)]
        assert list(told) == pytest.approx(expected, rel=1e-12)
        losses.append(sum(told))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.7 * losses[0]


# ---- rows that do not count alike ----------------------------------------------------------------------------------


def test_weighted_rows_lead_where_weighted_least_squares_does() -> None:
    x, y = uniform_rows(40, 1, seed=1), uniform_rows(40, 1, seed=2)
    weights = 0.1 + uniform_rows(40, 1, seed=3)[:, 0].abs()
    weights = weights / weights.mean()
    model = KAN([1, 1], grid=3)  # linear in its entries
    design = autograd_jacobian(model, x)[:, 0]
    root = weights.sqrt()[:, None]
    wanted = torch.linalg.lstsq(root * design, root * y, driver="gelsd").solution
    fit = levenberg_marquardt(model, x, y, MSE, 50, weights=weights)
    torch.testing.assert_close(model(x).detach(), design @ wanted, rtol=1e-6, atol=1e-6)
    assert fit.loss == pytest.approx(float((weights[:, None] * (design @ wanted - y) ** 2).mean()))


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY])
def test_a_row_of_weight_two_trains_as_two_rows(loss: Loss) -> None:
    x, y = uniform_rows(30, 3, seed=1), targets(loss, 30, 2)
    times = torch.arange(30) % 2 + 1
    one, two = tangled_network(seed=1), tangled_network(seed=1)
    levenberg_marquardt(one, x, y, loss, 3, weights=times / times.double().mean())
    levenberg_marquardt(two, x.repeat_interleave(times, 0), y.repeat_interleave(times, 0), loss, 3)
    torch.testing.assert_close(one.get_vector(), two.get_vector(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("width", [[2, 3, 6], [2, 3], [2, [1, 3]]])
def test_the_extent_is_that_of_the_jacobian_as_it_is_held(width: list[int | list[int]]) -> None:
    model, x = KAN(width, grid=3, seed=0), uniform_rows(7, 2)
    blocks, size = model.passed(x).blocks(), model.parameter_count()
    whole = extent(model, 7)
    if blocks is None:
        assert whole == Extent(7 * model.n_out * size, 7 * model.n_out * size**2)
    else:
        assert whole.numbers == blocks.slopes.numel() + blocks.inner.numel() + blocks.own.numel()
        assert whole.products > 7 * size**2 and whole.sums == sum(layer.n_sub for layer in model.layers)
