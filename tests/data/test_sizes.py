from __future__ import annotations

import math

import pytest
import torch

from kanrun.data.sizes import decimal, input_units
from tests.helpers import uniform_rows

X = uniform_rows(400, 1, seed=1)


@pytest.mark.parametrize("x", [X, 3 * X + 2, 0.5 * X, 10 * X, torch.full((5, 1), 2.0).double(), torch.zeros(4, 1)])
def test_inputs_of_a_moderate_size_stay_as_they_are(x: torch.Tensor) -> None:
    shift, scale = input_units(x)
    assert (float(shift), float(scale)) == (0.0, 1.0)


@pytest.mark.parametrize("size", [1e-30, 2e-7, 50.0, 1e6, 7e30])
@pytest.mark.parametrize("middle", [0.0, 1e6, -3e3])
def test_others_come_near_one_by_a_power_of_ten_and_a_shift_where_they_lie_far(size: float, middle: float) -> None:
    shift, scale = input_units(size * (X + middle))
    assert float(scale) == pytest.approx(10.0 ** round(math.log10(float(scale))), rel=1e-15)
    inside = (size * (X + middle) - shift) / scale
    assert 0.2 < float(inside.abs().amax()) < 4
    assert (float(shift) == 0.0) == (middle == 0.0)


def test_a_power_of_ten_changes_nothing_but_the_scale() -> None:
    for n in (-30, -6, 6, 30):
        shift, scale = input_units(float(f"1e{n}") * X)
        assert (float(shift), float(scale)) == (0.0, float(f"1e{n}"))


def test_a_wild_row_has_no_say() -> None:
    wild = torch.cat([X, torch.tensor([[1e12]]).double()])
    assert input_units(wild)[1].tolist() == [1.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_single_precision_has_room_for_large_and_small_inputs(dtype: torch.dtype) -> None:
    x = torch.cat([1e30 * X, 1e-30 * X], dim=1).to(dtype)
    shift, scale = input_units(x)
    assert scale.dtype == dtype
    assert torch.isfinite((x - shift) / scale).all()
    assert float(((x - shift) / scale).abs().amax()) < 2


@pytest.mark.parametrize("size", [0.0, math.inf, math.nan, 1.0])
def test_no_size_has_no_scale(size: float) -> None:
    assert decimal(size) == 1.0
