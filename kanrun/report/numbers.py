"""Numbers as they are shown; imports nothing heavy."""

from __future__ import annotations

import math

MOST_NINES = 8  # digits of an R2, beyond which it is shown as what lacks to 1


def shown(value: float | None) -> str:
    """A score to four digits."""
    return "-" if value is None else f"{value:.4g}"


def r2_shown(value: float | None) -> str:
    """An R2 to four digits, or to the first that is no nine; what is not 1 is not shown as 1."""
    text = shown(value)
    if value is None or value == 1 or float(text) != 1:
        return text
    digits = math.floor(-math.log10(abs(1 - value))) + 1
    return f"{value:.{digits}f}" if value < 1 and digits <= MOST_NINES else f"1 - {1 - value:.1g}"
