"""What an exporter is given: formulas as expressions over identifiers, and what the user calls their columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from kanrun.data.losses import loss_of
from kanrun.errors import KanrunError, shorten
from kanrun.functions.parser import parse_formula
from kanrun.model.protocol import Network
from kanrun.symbolic.values import OWN_LENGTH


@dataclass(frozen=True)
class Law:
    """One output with its formula. `latex` is its rounded form, empty where it is still to be made."""

    output: str
    expression: sp.Expr
    latex: str = ""


@dataclass(frozen=True)
class Source:
    """The formulas of a run, in the order of its outputs.

    `inputs` are the identifiers in the expressions, in the order of the rows' columns; `symbols` and `units` say what
    the user calls them and in which unit they are. The formulas are logits where they tell `classes` apart; two of
    them have a `decision`, above 0 for the second. `network` is there for exporters that write the network.
    """

    laws: list[Law]
    inputs: list[str]
    symbols: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    classes: bool = False
    decision: Law | None = None
    network: Network | None = None

    def name(self, identifier: str) -> str:
        """The user's name of an input; outputs have theirs."""
        return self.symbols.get(identifier, identifier)


def source_of(entries: Sequence[Mapping[str, Any]], inputs: Sequence[str], network: Network | None = None) -> Source:
    """The source of entries of formula.json. Raises KanrunError for an expression that cannot be read."""
    inputs = list(inputs)
    laws = [law_of(entry["output"], entry, inputs) for entry in entries]
    classes = bool(entries) and loss_of(judged(entries[0])).logits
    decision = None
    if entries and entries[0].get("decision"):
        decision = law_of(entries[1]["output"].removeprefix("logit_"), entries[0]["decision"], inputs)
    elif classes and len(laws) == 2:
        difference = laws[1].expression - laws[0].expression
        decision = Law(laws[1].output.removeprefix("logit_"), difference)
    symbols: dict[str, str] = {}
    units: dict[str, str] = {}
    for entry in entries:
        symbols |= texts(entry.get("symbols"))
        units |= texts(entry.get("units"))
    return Source(laws, inputs, symbols, units, classes, decision, network)


def judged(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The scores that an entry has: on test rows, else cross-validated, else on the training rows."""
    found: Mapping[str, Any] = entry.get("test") or entry.get("cross_validation") or entry.get("train") or {}
    return found


def law_of(output: str, entry: Mapping[str, Any], inputs: list[str]) -> Law:
    """One formula of formula.json."""
    return Law(output, parse_formula(entry["expression"], inputs, output, OWN_LENGTH), str(entry.get("latex") or ""))


def texts(given: Any) -> dict[str, str]:
    """The texts of a mapping, whatever else a file has in it."""
    pairs = given.items() if isinstance(given, Mapping) else ()
    return {key: value for key, value in pairs if isinstance(key, str) and isinstance(value, str)}


class CannotExportError(KanrunError):
    """What is to be exported cannot be said in that language."""


def safe_names(names: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """For every name an identifier of ASCII letters, digits and _ that is neither `taken` nor that of another one."""
    used, safe = set(taken), {}
    for name in names:
        clean = re.sub(r"[^A-Za-z0-9_]", "_", name)
        clean = clean if re.match(r"[A-Za-z]", clean) else f"v{clean}"
        number, free = 1, clean
        while free in used:
            number += 1
            free = f"{clean}_{number}"
        safe[name] = free
        used.add(free)
    return safe


def glossary(source: Source, safe: Mapping[str, str], *, everything: bool = False) -> list[str]:
    """A line for each input and output: its identifier in the code, then the user's name in quotes, and the unit.

    Without `everything` only for those whose name or unit the identifier does not say. They are data from elsewhere:
    a line has no end of line, no mark that a comment could end with, and ends with a quote.
    """
    lines = []
    for name in [*source.inputs, *(law.output for law in source.laws)]:
        own, unit = source.name(name) if name in source.inputs else name, source.units.get(name, "")
        if everything or own != safe[name] or unit:
            lines.append(f"{safe[name]}: {quoted(own)}" + (f" in {quoted(unit)}" if unit else ""))
    return lines


def quoted(text: str) -> str:
    """A text from elsewhere as part of a comment of one line, in quotes."""
    return f'"{one_line(text).replace("*/", "* /")}"'


def one_line(text: str) -> str:
    """A text from elsewhere on one line, of characters that can be seen."""
    return "".join(c if c.isprintable() else "?" for c in shorten(text, 120))
