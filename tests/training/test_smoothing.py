from __future__ import annotations

import math

import pytest
import torch

from kanrun.data.losses import MSE
from kanrun.model.network import KAN
from kanrun.training.objective import Objective
from kanrun.training.smoothing import Smoothing, edges_of, forms_of
from tests.helpers import uniform_rows


def of_curve(model: KAN, power: int) -> torch.Tensor:
    """Entries of the edges of a layer by which each is x^power across its grid."""
    x = torch.linspace(-1, 1, 400, dtype=torch.float64)[:, None]
    design = model.layers[0].features(x)[:, 0]
    return torch.linalg.lstsq(design, x[:, 0] ** power, driver="gelsd").solution


def test_straight_lines_are_not_rough_and_parabolas_have_no_slope() -> None:
    model = KAN([1, 1], grid=4, base="zero", seed=0)
    rough, slope = (form[0] for form in forms_of(model.layers[0]))
    line, parabola = of_curve(model, 1), of_curve(model, 2)
    assert float(line @ rough @ line) == pytest.approx(0, abs=1e-10)
    assert float(parabola @ rough @ parabola) == pytest.approx(8.0**2, rel=1e-6)  # (2 u - 1)^2 has 8 everywhere
    assert float(parabola @ slope @ parabola) == pytest.approx(0, abs=1e-10)
    assert float(line @ slope @ line) == pytest.approx(1 / 3, rel=0.02)  # the mean square of the line itself


def test_the_places_of_edges_are_those_of_their_entries() -> None:
    model = KAN([2, 2, 1], grid=3, seed=1)
    model.layers[0].remove(1, 0)
    vector = model.get_vector()
    first = edges_of(model)[0]
    subs, inputs = model.layers[0].is_spline.nonzero(as_tuple=True)
    assert torch.equal(vector[first.places[:, :-1]], model.layers[0].coef.detach()[subs, inputs])
    assert torch.equal(vector[first.places[:, -1]], model.layers[0].base_scale.detach()[subs, inputs])


def test_edges_without_a_base_function_have_the_places_of_their_splines_alone() -> None:
    model = KAN([2, 2], grid=3, base="zero", seed=1)
    (found,) = edges_of(model)
    assert found.places.shape == (4, model.layers[0].coef.shape[2])
    assert torch.equal(model.get_vector()[found.places], model.layers[0].coef.detach().flatten(0, 1))


def test_one_of_a_network_that_has_followed_the_noise_begins_with_hidden_nodes_of_about_one() -> None:
    x = uniform_rows(60, 2, seed=1)
    y = 10 * x[:, :1]
    optimizer = Smoothing(KAN([2, 2, 1], grid=3, seed=1), x, y, MSE)
    hidden, last = optimizer.weights
    assert bool((hidden == 1.0).all())
    torch.testing.assert_close(last, torch.full_like(last, 1 / float(y.var(correction=0))))
    assert not math.isfinite(optimizer.effective)  # nothing was chosen yet
    smooth = Smoothing(KAN([2, 2, 1], grid=3, seed=1), x, y, MSE, smooth=True)
    assert math.isfinite(smooth.effective) and not bool((smooth.weights[0] == 1.0).any())


def test_weights_that_cannot_be_chosen_end_it() -> None:
    model, x = KAN([1, 1], grid=3, seed=1), uniform_rows(30, 1, seed=1)
    optimizer = Smoothing(model, x, x**2, MSE)
    assert optimizer.chosen_anew(0.1, -1e9 * torch.eye(model.parameter_count(), dtype=torch.float64)) is None
    assert optimizer.finished


def test_one_that_takes_up_what_another_remembers_goes_on_as_it_would_have() -> None:
    x = uniform_rows(60, 1, seed=1)
    y, objective = torch.sin(3 * x) + 0.1 * uniform_rows(60, 1, seed=2), Objective(MSE)
    model = KAN([1, 1], grid=6, seed=0)
    first = Smoothing(model, x, y, MSE)
    first.step(objective)
    copied = model.clone()
    second = Smoothing(copied, x, y, MSE)
    remembered = first.state()
    third = first.step(objective)
    second.resume(remembered)
    assert third == second.step(objective)
    assert torch.equal(model.get_vector(), copied.get_vector())


def test_an_edge_of_which_the_targets_know_nothing_vanishes_and_a_line_becomes_straight() -> None:
    x, noise = uniform_rows(300, 2, seed=1), uniform_rows(300, 1, seed=2)
    y = 2 * x[:, :1] + 0.5 * noise
    model = KAN([2, 1], grid=8, seed=0)
    model.fit_grids(x)
    optimizer, work = Smoothing(model, x, y, MSE), 0.0
    while not optimizer.finished:
        found = optimizer.step(Objective(MSE))
        work += optimizer.work()
    assert found is not None
    assert optimizer.effective < 5  # of 24: a slope and a constant are two
    edges = model.trace(x)[0].edges
    assert float(edges[:, 0, 1].std()) < 0.05
    assert float((edges[:, 0, 0] - edges[:, 0, 0].mean() - 2 * (x[:, 0] - x[:, 0].mean())).abs().max()) < 0.2
    assert sum(found) == pytest.approx(0.25 / 3, rel=0.2)  # the variance of the noise
    assert optimizer.used == pytest.approx(work) and work > 0
