"""Names of columns in formulas: symbols that every formula can have within, the user's own names in what is shown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kanrun.functions.naming import shown_name

SYMBOL = re.compile(r"\bx_(\d+)\b")


def symbols(count: int) -> list[str]:
    """x_1, x_2, ...: what columns are called within."""
    return [f"x_{i + 1}" for i in range(count)]


def shown(text: str, names: Sequence[str] | None) -> str:
    """A formula over x_1, x_2, ... with the names of the columns, in their order; as it is where there are none."""
    if names is None:
        return text
    return SYMBOL.sub(lambda match: shown_name(names[int(match.group(1)) - 1]), text)
