"""Names of columns in formulas: symbols that every formula can have within, the user's own names in what is shown."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence

from kanrun.functions.parser import CONSTANTS, FUNCTIONS

SYMBOL = re.compile(r"\bx_(\d+)\b")


def symbols(count: int) -> list[str]:
    """x_1, x_2, ...: what columns are called within."""
    return [f"x_{i + 1}" for i in range(count)]


def shown(text: str, names: Sequence[str] | None) -> str:
    """A formula over x_1, x_2, ... with the names of the columns, in their order; as it is where there are none."""
    if names is None:
        return text
    return SYMBOL.sub(lambda match: quoted(names[int(match.group(1)) - 1]), text)


def quoted(name: str) -> str:
    """A name as a formula can have it: in backquotes, as pandas reads it, where it is none or means something else."""
    taken = keyword.iskeyword(name) or name in FUNCTIONS or name in CONSTANTS
    return name if name.isidentifier() and not taken else "`" + name.replace("`", "``") + "`"
