"""Rows and what is asked of them: their variance, which are held back, and what leaves noise."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from kanrun.data.units import dimension_of
from kanrun.discovery.problem import NEVER, Problem
from kanrun.discovery.scales import Scales
from kanrun.discovery.trial import Discovered
from kanrun.functions.library import library
from kanrun.model.network import KAN
from kanrun.symbolic.adding_up import ODD
from kanrun.symbolic.bare import Verdict
from kanrun.symbolic.dimensions import Units
from kanrun.symbolic.search import Symbolic
from tests.helpers import fixed_network, formula_values, uniform_rows

X = uniform_rows(403, 2, seed=1, low=0.5, high=2.0)
NOISE = torch.randn(403, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def problem(y: Tensor, x: Tensor = X) -> Problem:
    return Problem(x, y, library(["x", "sin"]))


@pytest.mark.parametrize(
    ("y", "told"),
    [
        (torch.zeros(5), "one target a row"),
        (torch.zeros(5, 2), "one target a row"),
        (torch.zeros(4, 1), "one target a row"),
        (1e30 * torch.arange(5.0)[:, None], "finite squares"),
    ],
)
def test_targets_must_be_one_column_of_numbers_that_have_squares(y: torch.Tensor, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Problem(torch.zeros(5, 2), y, [])


def test_the_variance_is_the_mean_square_around_the_mean() -> None:
    y = 3 * X[:, :1] + 7
    assert problem(y[:5], X[:5]).variance == pytest.approx(float(np.var(y[:5].numpy())), rel=1e-12)
    assert problem(y).n == 2


def test_exact_is_what_rounding_leaves_of_targets_of_any_size() -> None:
    y = torch.sin(X[:, :1]) * X[:, 1:]
    rounded = problem(y)
    assert problem(1000 * y).exact == pytest.approx(1e6 * rounded.exact, rel=1e-9, abs=0)
    off = float(((y * (1 / 3) * 3 - y) ** 2).mean())  # as two roundings leave it
    assert off < rounded.exact < 1e-12 * rounded.variance


def test_targets_that_differ_by_rounding_are_all_alike() -> None:
    assert problem(torch.full((403, 1), 0.1, dtype=torch.float64) + 1e-17 * X[:, :1]).alike
    assert problem(torch.zeros(403, 1, dtype=torch.float64)).alike
    assert not problem(1e-9 * X[:, :1]).alike


@pytest.mark.parametrize("size", [1.0, 2.0**20, 2.0**-20])
@pytest.mark.parametrize(("steps", "alike"), [(1, True), (4, False)])
def test_alike_is_what_varies_by_less_than_the_precision_of_its_size(size: float, steps: int, alike: bool) -> None:
    """A number and one that is so many steps of its last digit away: they vary by half of that."""
    numbers = torch.tensor([1.0, 1.0 + steps * 2**-52], dtype=torch.float64)
    assert problem(size * numbers.repeat(200)[:, None], X[:400]).alike is alike


def test_every_fifth_row_is_held_back() -> None:
    held = problem(X[:, :1]).held
    assert torch.equal(held.nonzero()[:, 0], torch.arange(0, 403, 5))


def test_joined_inputs_are_in_the_columns_that_may_hide_in_noise() -> None:
    joined = problem(X[:, :1]).joined
    assert len(joined) == 403
    for expected in (X[:, 0] * X[:, 1], X[:, 0] - X[:, 1], X[:, 0] / X[:, 1]):
        assert any(torch.allclose(column, expected) for column in joined.T)


@pytest.mark.parametrize(
    ("rest", "noise"),
    [
        (NOISE, True),
        (0 * NOISE, True),
        (NOISE + 2 * X[:, :1], False),
        (NOISE + 2 * (X[:, :1] - X[:, 1:] > 0), False),  # seen by the joined columns
    ],
)
def test_what_is_left_of_the_targets_is_noise_or_not(rest: Tensor, noise: bool) -> None:
    explained = 100 * torch.sin(3 * X[:, :1])
    assert problem(explained + rest).leaves_noise(lambda x: 100 * torch.sin(3 * x[:, :1])) is noise


def test_a_product_of_inputs_is_no_noise() -> None:
    """Left by a sum of functions of both."""
    x = uniform_rows(403, 2, seed=3)
    assert not problem(0.1 * NOISE + x[:, :1] * x[:, 1:], x).leaves_noise(lambda x: 0 * x[:, :1])


def test_the_formula_of_targets_that_are_all_the_same_is_their_mean() -> None:
    y = 2.5 + 0.1 * NOISE
    found = problem(y).constant()
    assert found.spline is found.pruned is found.symbolic.model
    assert (found.spline.n_in, found.spline.n_out) == (2, 1)
    assert found.spline.active_edges() == 0
    np.testing.assert_allclose(found.spline(X).detach().numpy(), float(y.mean()), rtol=1e-12)
    assert found.symbolic.loss == pytest.approx(problem(y).variance, rel=1e-12)


def test_a_network_is_described_by_its_loss_alone() -> None:
    model = fixed_network([2, 1], [(0, 0, 0, "sin", 2.0, 0.0, 1.0)])
    y = torch.sin(2 * X[:, :1]) + 0.3
    found = problem(y).described(model)
    assert found.model is model
    assert found.loss == pytest.approx(0.09, rel=1e-12)
    assert found.bits == math.inf


def test_a_width_is_only_there_where_it_is_given() -> None:
    assert problem(X[:, :1]).width is None
    assert Problem(X, X[:, :1], [], [2, 1]).width == [2, 1]
    assert isinstance(problem(X[:, :1].float(), X.float()).constant().spline, KAN)


def test_what_is_left_is_no_noise_beyond_what_noise_may_leave() -> None:
    whole = problem(100 * (X[:, :1] + 0.3 * NOISE))

    def line(rows: Tensor) -> Tensor:
        return 100 * rows[:, :1]

    assert whole.leaves_noise(line)
    assert replace(whole, most=35.0**2).leaves_noise(line)
    assert not replace(whole, most=20.0**2).leaves_noise(line)


@pytest.mark.parametrize("size", [1e-150, 1e6, 1e150])
def test_what_noise_may_leave_goes_with_the_unit_of_the_targets(size: float) -> None:
    whole = replace(problem(size * (X[:, :1] + 0.3 * NOISE)), most=size * 0.09 * size)
    scales = Scales.of(whole.x, whole.y)
    assert scales.problem(whole.x, whole.y, whole).most == pytest.approx(0.09 * (size * 10.0**-scales.target) ** 2)
    assert scales.problem(whole.x, whole.y, problem(whole.y)).most == math.inf


# ---- what is said of a formula ---------------------------------------------------------------------------------------


def wave(size: float = 1.5, often: float = 2.0) -> KAN:
    """size * sin(often * x_1) + x_2."""
    return fixed_network([2, 1], [(0, 0, 0, "sin", often, 0.0, size), (0, 1, 0, "x", 1.0, 0.0, 1.0)])


def rising(factor: float = 1.0, shift: float = 0.0) -> KAN:
    """factor * exp(6 * x_1) + shift, whose values are of four sizes of ten."""
    return fixed_network([2, 1], [(0, 0, 0, "exp", 6.0, 0.0, factor, shift)])


def values(model: KAN) -> Tensor:
    return model(X).detach()


def formula(model: KAN, whole: Problem, bits: float = 100.0) -> Discovered:
    return Discovered(model, model, Symbolic(model, whole.loss(values(model)), bits))


def test_a_formula_is_exact_where_it_leaves_only_rounding_and_no_law_with_other_constants() -> None:
    whole = problem(values(wave()))
    assert whole.verdict(formula(wave(), whole)) is Verdict.EXACT
    assert whole.verdict(formula(wave(1.6), whole)) is Verdict.NOT  # though it would be exact with its constants fitted


def test_rows_that_are_no_more_than_the_numbers_of_a_formula_do_not_decide() -> None:
    few = problem(values(wave())[:3], X[:3])
    assert few.verdict(Discovered(wave(), wave(), Symbolic(wave(), 0.0, 1.0))) is Verdict.UNDECIDED


def test_a_formula_is_written_of_inputs_by_their_numbers_whatever_they_are_called() -> None:
    whole = replace(problem(values(wave())), names=("T", "V"))
    expression = whole.expression(formula(wave(), whole))
    assert {str(s) for s in expression.free_symbols} == {"x_1", "x_2"}
    np.testing.assert_allclose(formula_values(str(expression), X.numpy()), whole.y[:, 0], rtol=1e-12)


@pytest.mark.parametrize("weights", [None, uniform_rows(403, 1, seed=2, low=0.1, high=1.9)[:, 0]])
def test_formulas_of_one_form_are_chosen_by_what_they_leave(weights: Tensor | None) -> None:
    """A part of the loss saves half a bit a row, and costs that for each of both constants, which have more digits."""
    whole = replace(problem(values(wave()) + 0.1 * NOISE), weights=weights)
    near, far = formula(wave(), whole), formula(wave(1.7, 2.1), whole)
    (form, bits), (same, more) = whole.form_and_bits(near), whole.form_and_bits(far)
    ratio = far.symbolic.loss / near.symbolic.loss
    assert more - bits == pytest.approx(0.5 * (403 - 2) * math.log2(ratio), rel=1e-9)
    assert form == same
    other = fixed_network([2, 1], [(0, 1, 0, "sin", 2.0, 0.0, 1.5), (0, 0, 0, "x", 1.0, 0.0, 1.0)])
    assert whole.form_and_bits(formula(other, whole))[0] != form  # the inputs change places


def test_formulas_over_decades_are_chosen_by_their_relative_errors() -> None:
    """Errors of the logarithm count alike on all rows: a tenth more is as wrong everywhere."""
    whole = problem(values(rising()))
    (_, bits), (_, more) = (whole.form_and_bits(formula(rising(factor), whole)) for factor in (1.01, 1.1))
    ratio = (math.log(1.1) / math.log(1.01)) ** 2
    assert more - bits == pytest.approx(0.5 * (403 - 2) * math.log2(ratio), rel=1e-6)
    weighed = replace(whole, weights=torch.ones(403, dtype=torch.float64))  # of which the errors are known
    (_, bits), (_, more) = (weighed.form_and_bits(formula(rising(factor), weighed)) for factor in (1.01, 1.1))
    assert more - bits == pytest.approx(0.5 * (403 - 2) * math.log2((0.1 / 0.01) ** 2), rel=1e-6)


@pytest.mark.parametrize("factor", [1.1, 0.9, 1.001])
def test_over_decades_a_formula_is_described_by_its_relative_errors(factor: float) -> None:
    """They are all the logarithm of the factor, in the unit of the geometric mean of the targets."""
    whole = problem(values(rising()))
    rated = whole.rated(formula(rising(factor), whole))
    y = whole.y.numpy()
    relative = (math.log(factor) * math.exp(np.log(y).mean())) ** 2
    loss = (factor - 1) ** 2 * float((y**2).mean())
    assert rated.bits == pytest.approx(100 + 0.5 * 403 * math.log2(relative / loss), rel=1e-9)
    assert rated.bits < 100
    assert rated.symbolic.loss == pytest.approx(loss, rel=1e-9)


def test_other_formulas_keep_their_description() -> None:
    whole = problem(values(rising()))
    exact, shifted = formula(rising(), whole), formula(rising(shift=1e3), whole)
    assert whole.rated(exact) is exact
    assert whole.rated(shifted) is shifted  # small targets are far off, large ones hardly
    weighed = replace(whole, weights=torch.ones(403, dtype=torch.float64))
    wrong = formula(rising(1.1), weighed)
    assert weighed.rated(wrong) is wrong
    alike = problem(values(wave()))
    near = formula(wave(1.51), alike)
    assert alike.rated(near) is near


def test_a_formula_that_does_not_add_up_in_its_units_stands_back() -> None:
    metres, seconds = dimension_of("m"), dimension_of("s")
    assert metres is not None and seconds is not None
    whole = replace(problem(X[:, 1:] + NOISE), names=("T", "L"), measured=Units({"T": seconds, "L": metres}, metres))
    both = fixed_network([2, 1], [(0, i, 0, "x", 1.0, 0.0, 1.0) for i in range(2)])  # a time and a length
    length = fixed_network([2, 1], [(0, 1, 0, "x", 1.0, 0.0, 1.0)])
    odd, right = formula(both, whole), formula(length, whole)
    assert whole.in_units(odd).bits == whole.rated(odd).bits == 100 + ODD
    assert replace(whole, demanded=True).in_units(odd).bits == 100 + NEVER
    for asked in (whole, replace(whole, demanded=True)):
        assert asked.in_units(right) is right
    for measured in (None, Units({"T": seconds, "L": metres}), Units({}, metres)):  # nothing to hold it against
        assert replace(whole, measured=measured).in_units(odd) is odd
