"""Numbers as they are shown; imports nothing heavy."""

from __future__ import annotations

import math

MOST_NINES = 8  # digits of an R2, beyond which it is shown as what lacks to 1


def shown(value: float | None) -> str:
    """A score to four digits."""
    return "-" if value is None else f"{value:.4g}"


def part_shown(value: float | None, whole: int = 1, digits: int = 4) -> str:
    """An R2, an accuracy or another part of a whole, to some digits, or to the first that is no nine.

    What is not all is not shown as all.
    """
    text = "-" if value is None else f"{value:.{digits}g}"
    if value is None or not value < whole or float(text) != whole:
        return text
    places = math.floor(-math.log10(whole - value)) + 1
    return f"{value:.{places}f}" if places <= MOST_NINES else f"{whole} - {whole - value:.1g}"
