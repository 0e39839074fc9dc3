"""Names of columns: what a header says, what a user may call it by, and the symbol that stands for it in formulas."""

from __future__ import annotations

import difflib
import keyword
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from kanrun.data.units import is_unit, meant
from kanrun.errors import ConfigError, shorten, wrong

UNNAMED = re.compile(r"(unnamed:? ?\d*|)", re.IGNORECASE)  # also as pandas calls the index that it has written
IN_BRACKETS = re.compile(r"(.*\S)\s*[(\[]([^()\[\]]*(?:\([^()]*\)[^()\[\]]*)?)[)\]]\s*")


MOST_NEAR = 1000  # names among which a similar one is looked for
MOST_TOLD = 8  # names that are told to be there twice


@dataclass(frozen=True)
class Name:
    """A column's header as the user wrote it, and what it says: a name and a unit."""

    header: str
    name: str
    unit: str | None = None


def plain_header(text: str) -> str:
    """A header on one line, without letters that cannot be seen; those that steer a terminal are spelled out."""
    seen = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(seen.split()))


def name_of(header: str, unit: str | None = None) -> Name:
    """`E (eV)` is E in eV; brackets that hold no unit belong to the name. `unit` is that of a units row."""
    header = plain_header(header)
    match = IN_BRACKETS.fullmatch(header)
    if match and is_unit(meant(*match.groups())):
        return Name(header, match.group(1), meant(*match.groups()))
    cleaned = (unit or "").strip().strip("()[]")
    return Name(header, header, meant(header, cleaned) if cleaned and cleaned not in ("-", "?") else None)


def distinct(headers: Sequence[str]) -> tuple[list[str], list[str]]:
    """Headers that are all different, and a sentence for every name that had to be made."""
    taken, found, notes = set(headers), dict[str, None](), list[str]()
    for number, header in enumerate(headers, 1):
        plain = header or f"column {number}"
        name, count = plain, 2
        while name in found or (name != header and name in taken):
            name, count = f"{plain} {count}", count + 1
        if header and name != header:
            notes.append(f"two columns are called {shorten(header, 60)!r}: the second is {shorten(name, 64)!r} here")
        found[name] = None
    more = [f"and {len(notes) - MOST_TOLD} more names twice"] if len(notes) > MOST_TOLD else []
    return list(found), [*notes[:MOST_TOLD], *more]


def numbers_called(spellings: Sequence[str], names: Sequence[Name]) -> list[int]:
    """The numbers of the columns that go by one of these spellings, the first that any goes by: whole headers first."""
    ways = (lambda n: n.header, lambda n: n.name, lambda n: IN_BRACKETS.sub(r"\1", n.header))
    for spelled, fold in [(s, f) for f in (str, str.casefold) for s in ways]:
        for wanted in spellings:
            if found := [i for i, n in enumerate(names) if fold(spelled(n)) == fold(wanted)]:
                return found
    return []


def column_asked(asked: str, names: Sequence[Name], key: str) -> int:
    """The number of the column that a user means by its header or its name.

    Raises ConfigError where there is none, with the nearest, or more than one.
    """
    wanted = plain_header(str(asked))
    found = numbers_called([wanted], names)
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        several = ", ".join(repr(names[i].header) for i in found)
        raise ConfigError(wrong(key, asked, f"several columns have that name: {several}; give the whole header"))
    known = {n.header: n.header for n in names[:MOST_NEAR]} | {n.name: n.header for n in names[:MOST_NEAR]}
    close = difflib.get_close_matches(wanted[:100], known, n=1, cutoff=0.5)
    listed = ", ".join(shorten(n.header, 40) for n in names[:8]) + (", ..." if len(names) > 8 else "")
    meant = f"did you mean {shorten(known[close[0]], 60)!r}? " if close else ""
    raise ConfigError(wrong(key, asked, f"no such column; {meant}there are {listed}"))


def symbols_of(names: Sequence[str]) -> list[str]:
    """A different identifier for every name, like it, that is neither a word of Python nor known to SymPy."""
    found: dict[str, None] = {}
    for number, name in enumerate(names, 1):
        plain = identifier(name) or f"x_{number}"
        symbol, count = plain, 2
        while symbol in found:
            symbol, count = f"{plain}_{count}", count + 1
        found[symbol] = None
    return list(found)


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
