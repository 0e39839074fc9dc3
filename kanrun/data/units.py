"""Units as people write them, understood by pint."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from kanrun.errors import ConfigError, wrong

LONGEST = 60  # characters of a unit
TEMPERATURES = {"c": "degC", "f": "degF", "°c": "degC", "°f": "degF"}


@cache
def registry() -> Any:
    """pint's units; made when the first unit is met, which takes a third of a second."""
    import pint

    return pint.UnitRegistry()


def is_safe(text: str) -> bool:
    """Whether a text can be read in no time: short, of the signs of units, without towers of powers."""
    signs = re.fullmatch(r"[\w\s°%·*/^().,⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹+\-]+", text)
    towers = re.search(r"(\^|\*\*)[^*/\s)]*(\^|\*\*)|\d{7}|(\^|\*\*)\s*[-+(]*\s*\d{3}", text)
    return len(text) <= LONGEST and bool(signs) and not towers


@cache
def quantity_of(text: str) -> Any | None:
    """What a text means as a quantity of pint's, None where it is no unit."""
    if not is_safe(text):
        return None
    for spelled in spellings(text):
        try:
            found = registry().parse_expression(spelled)
            quantity = found if hasattr(found, "units") else registry().Quantity(found)
            size = float(registry().get_base_units(quantity.units)[0]) * float(quantity.magnitude)
        except Exception:  # pint raises whatever its parts raise
            continue
        if 0 < size < math.inf:
            return quantity
    return None


def spellings(text: str) -> list[str]:
    """A unit as it is written, and with powers that are written without a sign: ft3, m s-1."""
    plain = text.strip().replace("·", " ").replace("\u03bc", "\u00b5").strip(" .")
    powers = re.sub(r"(?<=[^\W\d_])([-+]?\d)(?![\d.])", r"**\1", plain)
    return [plain] if powers == plain else [plain, powers] if "-" not in plain else [powers, plain]


def is_unit(text: str) -> bool:
    """Whether pint knows it; a plain number is no unit, except 1 and %."""
    quantity = quantity_of(text)
    return quantity is not None and (text.strip() in ("1", "%") or bool(re.search(r"[^\d\s.eE+\-*^]", text)))


def nearest_unit(text: str) -> str | None:
    """A unit that is spelled like this one."""
    import difflib

    word = re.split(r"[*/^\s().]+", text.strip())[0]
    known = [str(name) for name in registry()._units]
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.7)
    return lower[close[0]] if close else None


def check_unit(key: str, unit: str) -> None:
    """Raises ConfigError, about the setting `key`, for a text that is no unit, with the nearest."""
    if not is_unit(unit):
        close = nearest_unit(unit)
        raise ConfigError(wrong(key, unit, "no unit that is known" + (f"; did you mean {close}?" if close else "")))


def meant(name: str, unit: str) -> str:
    """The unit of a column of this name: C and F are coulombs and farads, but of a temperature degrees.

    AU is that of absorbance, but of a distance the astronomical one.
    """
    if re.search(r"temp", name, re.IGNORECASE):
        return TEMPERATURES.get(unit.lower(), unit)
    if unit == "AU" and re.search(r"dist|axis|orbit|radius|helion", name, re.IGNORECASE):
        return "au"
    return unit


@cache
def conversion(unit: str, wanted: str) -> tuple[float, float] | None:
    """Factor and shift that make numbers in `unit` numbers in `wanted`, (1, 0) where both mean the same.

    None where there are none: other dimensions, no units, decibels. C and F are degrees beside a temperature.
    """
    given, aim = quantity_of(unit), quantity_of(wanted)
    if given is None or aim is None:
        return None
    if given.dimensionality != aim.dimensionality:
        degrees = [TEMPERATURES.get(u.strip().lower(), u) for u in (unit, wanted)]
        return None if degrees == [unit, wanted] else conversion(*degrees)
    try:
        with np.errstate(divide="ignore"):  # 0 W is no number of dBm
            zero, one, two = (float(registry().Quantity(n * given.magnitude, given.units).to(aim.units).magnitude)
                              / float(aim.magnitude) for n in (0, 1, 2))  # fmt: skip
        sizes = [float(registry().get_base_units(q.units)[0]) * float(q.magnitude) for q in (given, aim)]
    except Exception:  # pint raises whatever its parts raise
        return None
    factor = sizes[0] / sizes[1]
    size, off = abs(zero) + factor, max(abs(one - zero - factor), abs(two - zero - 2 * factor))
    if not (factor > 0 and off <= 1e-9 * size < math.inf):
        return None
    same = abs(factor - 1) < 1e-12 and zero == 0
    return (1.0, 0.0) if same else (factor, zero)


BASES = ("[length]", "[mass]", "[time]", "[temperature]", "[current]", "[substance]", "[luminosity]")
# Units that people write for products of others, the first that fits is taken.
NAMED = ("J", "N", "W", "Pa", "V", "C", "ohm", "F", "T", "Hz")


def dimension_of(unit: str) -> tuple[float, ...] | None:
    """Exponents of the base units and the logarithm of the factor that leads to them; None for what is no unit.

    Degrees of temperature count by their size, whatever their zero.
    """
    quantity = quantity_of(unit)
    if quantity is None:
        return None
    factor, _ = registry().get_base_units(quantity.units)
    exponents = dict(quantity.units.dimensionality)
    if set(exponents) - set(BASES):
        return None
    return (*(float(exponents.get(b, 0)) for b in BASES), math.log(float(factor) * float(quantity.magnitude)))


def unit_of(dimension: Sequence[float], given: Sequence[str]) -> str | None:
    """A unit of this dimension and size in words: a product of powers of `given` units, or of these and a named one.

    None where there is none with whole or half powers; empty where it has no dimension.
    """
    aim = np.array(dimension, dtype=float)
    if np.abs(aim).max() < 1e-6:
        return ""
    known = [u for u in dict.fromkeys([*given, *NAMED, "kg", "m", "s", "K", "mol", "A"]) if dimension_of(u)]
    vectors = [np.array(dimension_of(u)) for u in known]
    best: tuple[float, str] | None = None
    for size in (1, 2, 3):
        for chosen in combinations(range(len(known)), size):
            matrix = np.stack([vectors[k] for k in chosen], axis=1)
            powers, *_ = np.linalg.lstsq(matrix, aim, rcond=None)
            powers = np.round(powers * 12) / 12
            if np.abs(matrix @ powers - aim).max() > 1e-6 or (np.abs(powers) < 1e-9).any():
                continue
            cost = sum(abs(p) + (0.5 if abs(p) % 1 else 0) + (0 if known[k] in given else 0.3)
                       for p, k in zip(powers, chosen, strict=True))  # fmt: skip
            text = product_of([known[k] for k in chosen], powers.tolist())
            if best is None or (cost, text) < best:
                best = cost, text
    return best[1] if best else None


def product_of(units: Sequence[str], powers: Sequence[float]) -> str:
    """`J/(K mol)`."""

    def power(unit: str, exponent: float) -> str:
        inner = f"({unit})" if re.search(r"[\s*/^·]", unit) and exponent != 1 else unit
        return inner if exponent == 1 else f"{inner}^{exponent:g}"

    above = [power(u, p) for u, p in zip(units, powers, strict=True) if p > 0]
    below = [power(u, -p) for u, p in zip(units, powers, strict=True) if p < 0]
    bottom = below[0] if len(below) == 1 else f"({' '.join(below)})"
    return (" ".join(above) or "1") + (f"/{bottom}" if below else "")
