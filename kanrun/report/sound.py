"""Whether what a file of a run says is of the kind that it should be: numbers where numbers belong, and so on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from kanrun.data.losses import LOSSES
from kanrun.errors import shorten

PARTS = ("train", "validation", "test")
SCORES = (*LOSSES, "rmse", "r2", "accuracy", "balanced_accuracy")
NAMES = {str: "a text", int: "a whole number", bool: "true or false"}
OF_STAGE = ("seconds", "cpu_seconds", "parameters", "active_edges")


def is_number(value: Any) -> bool:
    """Whether it is one: true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def odd_in(metrics: Mapping[str, Any]) -> Iterator[str]:
    """What of the content of metrics.json is something else where a number should be, a sentence each."""
    yield from odd_numbers(metrics, ("total_seconds", "peak_memory_mib"), "")
    for part in ("final", "cross_validation"):
        yield from odd_scores(metrics.get(part), part)
    stages = metrics.get("stages") or []
    for place, stage in enumerate(stages if isinstance(stages, list) else [stages]):
        where = f"stages[{place}]"
        if not isinstance(stage, Mapping):
            yield f"{where} is {shorten(repr(stage), 40)}, not a stage"
            continue
        yield from odd_numbers(stage, OF_STAGE, f"{where}.")
        for part in PARTS:
            yield from odd_scores(stage.get(part), f"{where}.{part}")


def odd_formulas(formulas: Any) -> Iterator[str]:
    """What of the content of formula.json is of another kind than it should be, a sentence each."""
    if not isinstance(formulas, list):
        yield f"is {shorten(repr(formulas), 40)}, not a list of formulas"
        return
    kinds = {"output": str, "expression": str, "rounded": str, "complexity": int, "exact": bool}
    for place, entry in enumerate(formulas):
        if not isinstance(entry, Mapping):
            yield f"[{place}] is {shorten(repr(entry), 40)}, not a formula"
            continue
        for key, kind in kinds.items():
            value = entry.get(key)
            if value is not None and not fits(value, kind):
                yield f"[{place}].{key} is {shorten(repr(value), 40)}, not {NAMES[kind]}"


def odd_scores(scores: Any, where: str) -> Iterator[str]:
    """The same of scores, which may be missing."""
    if scores is None:
        return
    if not isinstance(scores, Mapping):
        yield f"{where} is {shorten(repr(scores), 40)}, not scores"
        return
    yield from odd_numbers(scores, SCORES, f"{where}.")


def odd_numbers(content: Mapping[str, Any], keys: tuple[str, ...], where: str) -> Iterator[str]:
    """The same of some keys: what JSON has no number for is null."""
    for key in keys:
        value = content.get(key)
        if value is not None and not is_number(value):
            yield f"{where}{key} is {shorten(repr(value), 40)}, not a number"


def odd_field(value: Any) -> str | None:
    """A sentence about the first field of a dataclass that is not of its type; None where all are."""
    hints = get_type_hints(type(value))
    for one in fields(value):
        content = getattr(value, one.name)
        if not fits(content, hints[one.name]):
            return f"{one.name} is {shorten(repr(content), 40)}"
    return None


def fits(value: Any, hint: Any) -> bool:
    """Whether a value read from JSON is of a type: a list may stand for a tuple, null for a number within others."""
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if kind in (Any, NoneType):
        return kind is Any or value is None
    if kind in (int, float):
        return is_number(value) and (kind is float or isinstance(value, int))
    if kind in (list, tuple):
        own = inner[0] if inner else Any
        return isinstance(value, list | tuple) and all(one is None or fits(one, own) for one in value)
    if kind in (dict, Mapping):
        own = inner[1] if inner else Any
        return isinstance(value, dict) and all(isinstance(k, str) and fits(v, own) for k, v in value.items())
    return isinstance(value, kind) and (not is_dataclass(value) or odd_field(value) is None)
