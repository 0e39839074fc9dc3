"""Formulas as data and as text to read; in other languages: kanrun/exporters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kanrun.data.losses import loss_of
from kanrun.relations.relation import Relation
from kanrun.report.words import about_lines, decision_lines, exactness, score_line
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.judging import UNDECIDED_REASON


def as_entries(formulas: list[Formula], relations: Sequence[Relation] = ()) -> list[dict[str, Any]]:
    """The content of formula.json: one entry an output, the first of which has the relations."""
    entries = [asdict(f) for f in formulas]
    for entry in entries:
        if entry["decision"] is None:
            del entry["decision"]
    if relations:
        entries[0]["relation"] = [asdict(r) for r in relations]
    return entries


def as_text(formulas: list[Formula], relations: Sequence[Relation] = ()) -> str:
    """One line an output, to four digits, below it its score, whether it is exact and what its constants are.

    Then the decision between two classes, and the relations. Classes have one score together.
    """
    lines = []
    for f in formulas:
        exact = exactness(f)
        about = [score_line(f)] if not of_classes([f]) or f is formulas[0] else []
        doubt = [f.reason] if f.reason == UNDECIDED_REASON else []
        about += [*([exact] if exact else []), *doubt, *about_lines(f)]
        lines += [f"{f.output} = {f.rounded}", *(f"  {line}" for line in about)]
    lines += decision_lines(formulas)
    lines += ["relation: " + "\n".join(relation.lines()) for relation in relations]
    return "".join(f"{line}\n" for line in lines)


def of_classes(formulas: list[Formula]) -> bool:
    """Whether the formulas are logits of classes."""
    return bool(formulas) and loss_of(formulas[0].judged).logits
