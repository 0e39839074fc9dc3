"""Units as people write them, understood by pint."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

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
        except Exception:  # pint raises whatever its parts raise
            continue
        quantity = found if hasattr(found, "units") else registry().Quantity(found)
        if quantity.magnitude > 0:
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


def temperature(name: str, unit: str) -> str:
    """C and F are coulombs and farads, but of a temperature degrees."""
    return TEMPERATURES.get(unit.lower(), unit) if re.search(r"temp", name, re.IGNORECASE) else unit
