"""Names of columns: what a header says, what a user may call it by, and the symbol that stands for it in formulas."""

from __future__ import annotations

import difflib
import keyword
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from kanrun.data.units import is_unit, meant
from kanrun.errors import ConfigError, wrong

UNNAMED = re.compile(r"(unnamed:? ?\d*|)", re.IGNORECASE)  # also as pandas calls the index that it has written
IN_BRACKETS = re.compile(r"(.*\S)\s*[(\[]([^()\[\]]*(?:\([^()]*\)[^()\[\]]*)?)[)\]]\s*")


@dataclass(frozen=True)
class Name:
    """A column's header as the user wrote it, and what it says: a name and a unit."""

    header: str
    name: str
    unit: str | None = None


def name_of(header: str, unit: str | None = None) -> Name:
    """`E (eV)` is E in eV; brackets that hold no unit belong to the name. `unit` is that of a units row."""
    header = " ".join(header.split())
    match = IN_BRACKETS.fullmatch(header)
    if match and is_unit(meant(*match.groups())):
        return Name(header, match.group(1), meant(*match.groups()))
    cleaned = (unit or "").strip().strip("()[]")
    return Name(header, header, meant(header, cleaned) if cleaned and cleaned not in ("-", "?") else None)


def distinct(headers: Sequence[str]) -> tuple[list[str], list[str]]:
    """Headers that are all different, and a sentence for every name that had to be made."""
    taken, found, notes = set(headers), list[str](), list[str]()
    for number, header in enumerate(headers, 1):
        name = header or f"column {number}"
        count = 2
        while name in found or (name != header and name in taken):
            name, count = f"{header or f'column {number}'} {count}", count + 1
        if header and name != header:
            notes.append(f"two columns are called {header!r}: the second is {name!r} here")
        found.append(name)
    return found, notes


def column_asked(asked: str, names: Sequence[Name], key: str) -> int:
    """The number of the column that a user means by its header or its name.

    Raises ConfigError where there is none, with the nearest, or more than one.
    """
    wanted = " ".join(str(asked).split())
    for spelled in (lambda n: n.header, lambda n: n.name, lambda n: n.header.lower(), lambda n: n.name.lower()):
        aim = wanted if spelled(names[0]) in (names[0].header, names[0].name) else wanted.lower()
        found = [i for i, n in enumerate(names) if spelled(n) == aim]
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            several = ", ".join(repr(names[i].header) for i in found)
            raise ConfigError(wrong(key, asked, f"several columns have that name: {several}; give the whole header"))
    known = {n.header: n.header for n in names} | {n.name: n.header for n in names}
    close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    listed = ", ".join(n.header for n in names[:8]) + (", ..." if len(names) > 8 else "")
    meant = f"did you mean {known[close[0]]!r}? " if close else ""
    raise ConfigError(wrong(key, asked, f"no such column; {meant}there are {listed}"))


def symbols_of(names: Sequence[str]) -> list[str]:
    """A different identifier for every name, like it, that is neither a word of Python nor known to SymPy."""
    found: list[str] = []
    for number, name in enumerate(names, 1):
        symbol = identifier(name) or f"x_{number}"
        while symbol in found:
            symbol += "_"
        found.append(symbol)
    return found


def identifier(name: str) -> str:
    """Letters, digits and _ of a name in ASCII, Greek letters by their names; empty where none is left."""
    import sympy

    letters = []
    for c in unicodedata.normalize("NFKD", name):
        if c.isascii():
            letters.append(c if c.isalnum() else " ")
        elif not unicodedata.combining(c):
            words = unicodedata.name(c, "").split()
            letters.append(f"{words[-1].lower()} " if words[:1] == ["GREEK"] else " ")
    clean = "_".join("".join(letters).split())
    if not clean or not clean[0].isalpha():
        return f"x_{clean}" if clean and len(clean) <= 40 else ""
    clean = clean[:40]
    taken = keyword.iskeyword(clean) or hasattr(sympy, clean) or clean in RESERVED
    return f"{clean}_" if taken else clean


RESERVED = frozenset(["x", "e", "pi", "inf", "nan", "none", "true", "false"])
