"""Telling noise from what is left to explain."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import chi2

from kanrun.discovery.whiteness import chi_square, is_noise, waves
from tests.helpers import uniform_rows


def noise(rows: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def no_columns(x: torch.Tensor) -> torch.Tensor:
    return x.new_zeros(len(x), 0)


def test_noise_is_taken_for_noise() -> None:
    x = uniform_rows(1000, 3, seed=0)
    joined = torch.stack([x[:, 0] * x[:, 1], x[:, 1] - x[:, 2]], dim=1)
    assert sum(is_noise(noise(1000, seed), x, joined) for seed in range(40)) >= 38


@pytest.mark.parametrize("rows", [1000, 2000])
def test_a_function_within_the_noise_is_seen(rows: int) -> None:
    x = uniform_rows(rows, 3, seed=1)
    kinds = [torch.sin(4 * x[:, 1]), 3 * x[:, 0] * x[:, 2], torch.sign(x[:, 2] - 0.5)]
    for kind in kinds:
        part = kind / kind.std() * 0.35  # a tenth of what is left
        assert sum(is_noise(noise(rows, seed) + part, x, no_columns(x)) for seed in range(10)) <= 1


def test_what_depends_on_a_joined_column_is_seen() -> None:
    x = uniform_rows(1000, 2, seed=2)
    ratio = x[:, 0] / (2 + x[:, 1])
    rest = noise(1000, 3) + 0.4 * math.sqrt(2) * torch.sin(25 * ratio)
    assert not is_noise(rest, x, ratio[:, None])


def test_nothing_left_is_noise() -> None:
    x = uniform_rows(10, 1, seed=3)
    assert is_noise(torch.zeros(10, dtype=torch.float64), x, no_columns(x))
    assert is_noise(torch.full((10,), 0.25, dtype=torch.float64), x, no_columns(x))  # beside a constant


def test_waves_are_orthonormal_over_the_ranks() -> None:
    w = waves(uniform_rows(400, 1, seed=4) ** 3)[:, 0]
    assert torch.allclose(w.T @ w / 400, torch.eye(w.shape[1], dtype=torch.float64), atol=1e-10)


def test_chi_square_is_scipys() -> None:
    assert chi_square(8, 1e-4) == pytest.approx(chi2.isf(1e-4, 8))


def test_a_few_large_residuals_do_not_hide_what_the_others_are() -> None:
    x = uniform_rows(1000, 1, seed=4)
    rest = torch.exp(6 * noise(1000, 5)) * torch.sign(x[:, 0])
    assert not is_noise(rest, x, no_columns(x))
    alone = torch.zeros(1000, dtype=torch.float64)
    alone[:3] = 1.0
    assert not is_noise(alone + 1e-6 * noise(1000, 6), x, no_columns(x))


def test_residuals_without_a_value_are_no_noise_and_tiny_ones_may_be() -> None:
    x = uniform_rows(1000, 1, seed=5)
    rest = noise(1000, 7)
    assert is_noise(1e-200 * rest, x, no_columns(x))
    rest[3] = math.nan
    assert not is_noise(rest, x, no_columns(x))
