from __future__ import annotations

import math
import time
import warnings

import numpy as np
import pint
import pytest

from kanrun.data.units import conversion, dimension_of, is_unit, meant, nearest_unit, product_of, unit_of

REGISTRY = pint.UnitRegistry()
SPELLED = {
    "m s-1": "m/s", "m/s": "m/s", "ft3": "ft**3", "m^3": "m**3", "m³": "m**3", "J/(K mol)": "J/K/mol", "µm": "um",
    "μm": "um", "kg·m²": "kg*m**2", "N m": "N*m", "mol/L": "mol/l", "cm⁻¹": "1/cm", "counts/min^2": "counts/min**2",
    "km/h": "km/hour", "%": "percent", "kWh": "kilowatt_hour",
}  # fmt: skip


@pytest.mark.parametrize("text", SPELLED)
def test_units_as_people_write_them_mean_what_pint_means(text: str) -> None:
    ours, wanted = dimension_of(text), REGISTRY.parse_expression(SPELLED[text])
    factor, base = REGISTRY.get_base_units(wanted.units)
    assert is_unit(text) and ours is not None
    assert math.isclose(math.exp(ours[-1]), float(factor) * wanted.magnitude, rel_tol=1e-9)
    assert {k: v for k, v in zip(("[length]", "[mass]", "[time]", "[temperature]"), ours, strict=False) if v} == {
        k: float(v) for k, v in REGISTRY.Quantity(1, base).dimensionality.items() if k in
        ("[length]", "[mass]", "[time]", "[temperature]")
    }  # fmt: skip


@pytest.mark.parametrize("text", ["foo", "upper", "2", "2020", "", " ", "1e5", "kelvinn", "m;s", "x" * 61, "-", "0 m"])
def test_what_is_no_unit_is_none(text: str) -> None:
    assert not is_unit(text)


@pytest.mark.parametrize("text", ["9**9**9", "1e999 m", "m**999999999", "10^10^10 m", "((((" * 15, "m^(9^9)",
                                  "2**10000 m", "__import__('os')", "m if 1 else s"])  # fmt: skip
def test_towers_of_powers_and_code_are_no_units_and_end_at_once(text: str) -> None:
    begin = time.process_time()
    assert not is_unit(text) and dimension_of(text) is None
    assert time.process_time() - begin < 1


def test_c_and_f_are_degrees_of_temperatures_only() -> None:
    assert (meant("Temp", "C"), meant("charge", "C"), meant("temperature", "F")) == ("degC", "C", "degF")
    assert (meant("distance", "AU"), meant("absorbance", "AU")) == ("au", "AU")


def test_the_nearest_unit_is_offered() -> None:
    assert nearest_unit("kelvinn") == "kelvin"
    assert nearest_unit("metre/sekond") == "metre"
    assert nearest_unit("qqqqqq") is None


def test_sizes_count_and_zeros_of_temperature_do_not() -> None:
    metre, foot, kelvin, celsius = (np.array(dimension_of(u)) for u in ("m", "ft", "K", "degC"))
    assert np.array_equal(metre[:-1], foot[:-1]) and math.isclose(foot[-1] - metre[-1], math.log(0.3048))
    assert np.array_equal(kelvin, celsius)


@pytest.mark.parametrize(
    ("unit", "given"),
    [("J/(K mol)", ["m^3", "K", "Pa", "mol"]), ("m/s^2", ["m", "s"]), ("Pa m^3/K", ["Pa", "m^3", "K"]), ("1/s", ["s"]),
     ("kg m^2/s^2", ["kg"]), ("V/A", []), ("ft/min", ["ft", "min"]), ("m^0.5", ["m"]), ("N/m^2", ["m", "N"])],
)  # fmt: skip
def test_a_unit_in_words_has_the_dimension_that_was_asked_for(unit: str, given: list[str]) -> None:
    dimension = dimension_of(unit)
    assert dimension is not None
    words = unit_of(dimension, given)
    assert words is not None
    assert np.allclose(dimension_of(words) or (), dimension, atol=1e-6)


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [("degC", "K"), ("K", "degF"), ("°C", "°F"), ("cm", "m"), ("%", "1"), ("100 kg", "t"), ("J/(K mol)", "kJ/(K mol)"),
     ("m^3", "m³"), ("l", "dm^3")],
)  # fmt: skip
def test_numbers_in_one_unit_are_had_in_another_as_pint_has_them(unit: str, wanted: str) -> None:
    found = conversion(unit, wanted)
    assert found is not None
    pairs = {"°C": "degC", "°F": "degF", "%": "percent", "1": "", "m³": "m**3"}
    for number in (-3.0, 0.0, 250.0):
        size, name = (100 * number, "kg") if unit == "100 kg" else (number, pairs.get(unit, unit))
        truth = REGISTRY.Quantity(size, name).to(pairs.get(wanted, wanted)).magnitude
        assert number * found[0] + found[1] == pytest.approx(truth, rel=1e-13, abs=1e-12)


def test_units_that_mean_the_same_change_no_number_and_others_cannot_be_had() -> None:
    assert conversion("m^3", "m**3") == conversion("hPa", "mbar") == conversion("l", "dm^3") == (1.0, 0.0)
    assert conversion("C", "K") == (1.0, 273.15) and conversion("C", "A s") == (1.0, 0.0)
    for unit, wanted in (("m", "s"), ("dB", "1"), ("degC", "delta_degC"), ("foo", "m"), ("m", "foo"), ("C", "m")):
        assert conversion(unit, wanted) is None


@pytest.mark.parametrize("text", ["9^99*9^99*9^99*9^99 m", "Ym^99", "ym^99"])
def test_units_that_are_larger_or_smaller_than_all_numbers_are_none(text: str) -> None:
    assert not is_unit(text) and dimension_of(text) is None and conversion(text, text) is None


def test_numbers_that_only_overflow_between_two_units_cannot_be_had() -> None:
    assert conversion("km^99", "km^99") == (1.0, 0.0)
    assert conversion("km^99", "mm^99") is None and conversion("mm^99", "km^99") is None


def test_units_of_a_logarithm_cannot_be_had_and_nothing_is_told_of_it() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert conversion("W", "dBm") is None and conversion("dBm", "W") is None
    assert not told


def test_a_unit_of_no_dimension_of_physics_has_none_here() -> None:
    assert is_unit("pixel") and dimension_of("pixel") is None


def test_what_has_no_dimension_has_no_unit_and_what_has_no_words_none() -> None:
    assert unit_of(dimension_of("m/m") or (), ["m"]) == ""
    assert unit_of((0.123, 0, 0, 0, 0, 0, 0, 5.0), ["s"]) is None


def test_products_in_words() -> None:
    assert product_of(["J", "K", "mol"], [1, -1, -1]) == "J/(K mol)"
    assert product_of(["s"], [-1]) == "1/s"
    assert product_of(["m/s", "kg"], [2, 1]) == "(m/s)^2 kg"
