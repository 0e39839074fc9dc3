from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kanrun.context import UNLIMITED
from kanrun.discovery.fits import PROMISING, Fits
from kanrun.discovery.links import LINKS
from kanrun.discovery.problem import Problem
from kanrun.discovery.structures import structures
from kanrun.discovery.trial import Trial, with_link
from tests.helpers import uniform_rows


def fits_of(x: Tensor, y: Tensor) -> Fits:
    return Fits(Problem(x, y[:, None], []), UNLIMITED, lambda _: None)


@pytest.mark.parametrize("name", ["x", "exp", "1/x", "sqrt", "log"])
def test_a_trial_with_its_link_function_says_what_its_network_says(name: str) -> None:
    x = uniform_rows(60, 2, low=0.0)
    fits = fits_of(x, 2 + x.sum(1))
    [link] = [o for o in LINKS if o.name == name]
    trial = fits.coarse(next(structures(2, torch.float64)), link, 0)[0]
    y, held = fits.problem.y, fits.problem.held
    predicted = trial.predicted(y)
    torch.testing.assert_close(with_link(trial, y)(x).detach(), predicted(x), rtol=1e-10, atol=1e-10)
    missed = predicted(x[held]) - y[held]
    assert trial.unexplained == pytest.approx(float((missed**2).mean()) / fits.problem.variance, rel=1e-6)


def test_finer_grids_are_kept_only_where_rows_held_back_gain() -> None:
    x = uniform_rows(400, 2)
    fits = fits_of(x, torch.sin(3 * x[:, 0]) + x[:, 1] ** 2)
    trial = fits.coarse(next(structures(2, torch.float64)), LINKS[0], 0)[0]
    assert trial.unexplained < PROMISING
    sharp = fits.sharpened(trial)
    assert sharp.unexplained < trial.unexplained
    assert sharp.model.grid > trial.model.grid
    bad = replace(trial, unexplained=0.0)
    assert fits.sharpened(bad) == bad


def test_networks_are_judged_by_rows_they_were_not_fitted_to_and_told_of() -> None:
    x = uniform_rows(200, 1)
    noise = torch.randn(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    told: list[Trial] = []
    fits = Fits(Problem(x, noise[:, None], []), UNLIMITED, told.append)
    trials = fits.coarse(next(structures(1, torch.float64)), LINKS[0], 0)
    assert told == trials
    assert trials[0].unexplained > 0.9  # of what is noise alone, however well the other rows are followed


def test_targets_that_a_link_function_cannot_undo_have_no_fits() -> None:
    x = uniform_rows(50, 1)
    fits = fits_of(x, x[:, 0])
    [log] = [o for o in LINKS if o.name == "exp"]
    fits.problem.y[0] = 0.0
    assert fits.coarse(next(structures(1, torch.float64)), log, 0) == []
