from __future__ import annotations

import math

import numpy as np
import pytest

from kanrun.functions.parser import parse_formula
from kanrun.symbolic.description import (
    PART_OF_A_WAVE,
    PART_OF_ANY,
    bits_of_inputs,
    bits_of_waves,
    description,
    description_at,
)
from kanrun.symbolic.prior import bits_of_form

X = np.linspace(0.1, 6.0, 200)
NOISE = np.random.default_rng(0).normal(size=200)


def test_bits_are_those_of_residuals_form_and_digits() -> None:
    law = parse_formula("1.5*x_1 + 0.5", ["x_1"])
    y = 1.5 * X + 0.5 + 0.1 * NOISE
    left = float(np.mean((y - 1.5 * X - 0.5) ** 2) / np.var(y))
    wanted = 100 * math.log2(left) + bits_of_form(law) + 2 * 0.5 * math.log2(200 / left)
    assert description(law, {"x_1": X}, y) == pytest.approx(wanted, rel=1e-9)


def test_weights_of_one_size_change_nothing() -> None:
    law, y = parse_formula("1.5*x_1 + 0.5", ["x_1"]), 1.5 * X + 0.5 + 0.1 * NOISE
    assert description(law, {"x_1": X}, y, np.full(200, 3.0)) == pytest.approx(description(law, {"x_1": X}, y))


def test_the_law_is_shorter_than_what_only_follows_the_noise() -> None:
    y = 2.4 * np.exp(-0.8 * X) + 0.4 + 0.05 * NOISE
    texts = ["2.4*exp(-0.8*x_1) + 0.4", "2.4*exp(-0.8*x_1) + 0.4 + 0.013*sin(3.1*x_1)", "1.1 - 0.6*log(x_1)", "0.9"]
    bits = [description(parse_formula(text, ["x_1"]), {"x_1": X}, y) for text in texts]
    assert min(bits) == bits[0]


def test_an_input_among_many_takes_bits_of_saying_which() -> None:
    y, law = X.copy(), parse_formula("1.5*x_1", ["x_1"])
    many = {f"x_{k}": X for k in range(1, 9)}
    more = description_at(0.1, law, many, y) - description_at(0.1, law, {"x_1": X}, y)
    assert more == pytest.approx(3.0)


def test_inputs_of_a_line_are_named_as_a_set_and_others_in_their_order() -> None:
    names = [f"x_{k}" for k in range(1, 9)]
    columns = dict.fromkeys(names, X)

    def bits(text: str) -> float:
        return bits_of_inputs(parse_formula(text, names), columns)

    assert bits("1.5*x_1 - x_2 + 0.3*x_7 + 2") == pytest.approx(math.log2(8 * 7 * 6 / 6))
    assert bits(" + ".join(f"{k}.5*{name}" for k, name in enumerate(names))) == pytest.approx(0)
    assert bits("1.5*x_1 + 2") == bits("1.5*x_1*exp(3)") == pytest.approx(3)
    assert bits("x_1*x_2 + x_3**2") == pytest.approx(9)
    assert bits("1.5*x_1 + 2*x_2 + sin(x_3 + x_4)") == pytest.approx(2 * math.log2(28))


def test_a_wave_needs_a_period_of_data() -> None:
    slow, fast = (parse_formula(f"sin({rate}*x_1)", ["x_1"]) for rate in ("0.9", "1.2"))
    assert bits_of_waves(slow, {"x_1": X}) == PART_OF_ANY and bits_of_waves(fast, {"x_1": X}) == 0
    angle = parse_formula("3.1*cos(x_1/2 + 0.3)", ["x_1"])
    assert bits_of_waves(angle, {"x_1": X}) == PART_OF_A_WAVE < PART_OF_ANY


def test_rows_show_nothing_of_a_wave_where_half_a_turn_or_more_lies_between_them() -> None:
    wave = parse_formula("0.19*sin(1.963*x_1)", ["x_1"])
    near = np.array([0.0625, 0.125, 0.25, 0.5, 1.0])
    assert bits_of_waves(wave, {"x_1": np.append(near, 4.0)}) == PART_OF_ANY  # six of its seven radians lie in one gap
    assert bits_of_waves(wave, {"x_1": np.append(near, [2.0, 3.0, 4.0])}) == 0
    assert bits_of_waves(wave, {"x_1": np.append(near, [math.inf, math.nan])}) == PART_OF_ANY


def test_a_power_that_is_only_a_step_at_zero_is_no_formula() -> None:
    x = np.array([0.0, 1.0, 2.0, 3.0])
    y = np.array([0.7, 6.4, 6.3, 6.5])
    assert description(parse_formula("6.4*x_1**7.9e-11", ["x_1"]), {"x_1": x}, y) == math.inf
    assert description(parse_formula("6.4*x_1**0.01", ["x_1"]), {"x_1": x}, y) < math.inf
    assert description(parse_formula("6.4*x_1**7.9e-11", ["x_1"]), {"x_1": x + 1}, y) < math.inf  # a constant


def test_a_formula_without_a_value_on_a_row_is_none() -> None:
    assert description(parse_formula("log(x_1 - 1)", ["x_1"]), {"x_1": X}, X) == math.inf
