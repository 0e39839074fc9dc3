"""JSON as columns: an object a line, a list of objects, or an object of lists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kanrun.data.table.encoding import SAMPLE_BYTES
from kanrun.data.table.raw import Raw, Told, of_columns, renamed
from kanrun.data.table.text import as_utf8, encoding_told
from kanrun.errors import ConfigError, shorten

FORM = 'such as {"T": 300, "V": 2.5}'


def read_json(path: Path, folder: Path, told: Told) -> Raw:
    """Read by the engine; what it does not take, such as NaN and columns as lists, by Python."""
    import polars as pl

    with path.open("rb") as stream:
        sample = stream.read(SAMPLE_BYTES)
    source = as_utf8(path, folder, encoding_told(path, told, sample))
    with source.open(encoding="utf-8", errors="replace") as stream_of_text:
        begin = stream_of_text.read(1000).lstrip()
    try:
        if not begin.startswith("["):
            return checked(renamed(pl.scan_ndjson(str(source), infer_schema_length=None), "JSON lines"))
        return checked(renamed(pl.read_json(source.read_bytes(), infer_schema_length=None).lazy(), "JSON"))
    except pl.exceptions.PolarsError:
        try:
            return of_objects(objects_in(source, begin.startswith("[")))
        except RecursionError:
            raise ConfigError("its brackets are too deep within each other to be a table") from None


def checked(raw: Raw) -> Raw:
    """A frame of columns, not one of one row with a list in each. Raises the engine's error for the latter."""
    import polars as pl

    schema = raw.frame.collect_schema()
    nested = [isinstance(schema[f"c{i}"], (pl.List, pl.Struct)) for i in range(len(raw.names))]
    if any(nested) and raw.frame.head(2).collect().height == 1:
        raise pl.exceptions.ComputeError("columns as lists")
    return raw


def objects_in(path: Path, whole: bool) -> Any:
    """What stands in the file: a list of objects, or one object."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if whole or error.msg != "Extra data":
            lines = text.count("\n", 0, error.pos) + 1
            raise ConfigError(f"it is no JSON from line {lines} on ({shorten(error.msg, 60)})") from None
    return list(objects_of_lines(text))


def objects_of_lines(text: str) -> Iterator[Any]:
    """An object a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found = json.loads(line)
            except json.JSONDecodeError as error:
                raise ConfigError(f"line {number} is no JSON ({shorten(error.msg, 60)})") from None
            if not isinstance(found, dict):
                raise ConfigError(f"line {number} is no object {FORM}")
            yield found


def of_objects(found: Any) -> Raw:
    """The columns of a list of objects, or of an object of lists or of objects by the names of rows."""
    if isinstance(found, dict) and found:
        rows = [list(v.values()) if isinstance(v, dict) else v for v in found.values()]
        if not all(isinstance(v, list) for v in rows) or len(set(map(len, rows))) > 1:
            raise ConfigError(f"a list of objects {FORM} is needed, or one object with lists of the same length")
        return of_columns(list(found), [as_column(v) for v in rows], "JSON")
    if not isinstance(found, list):
        raise ConfigError(f"a list of objects {FORM} is needed")
    if strange := next((k for k, row in enumerate(found, 1) if not isinstance(row, dict)), None):
        raise ConfigError(f"row {strange} is no object {FORM}")
    names = list(dict.fromkeys(name for row in found for name in row))
    return of_columns(names, [as_column([row.get(name) for row in found]) for name in names], "JSON")


def as_column(values: list[Any]) -> Any:
    """Values of one kind: truth values, numbers, or else texts."""
    import polars as pl

    there = [v for v in values if v is not None]
    if all(isinstance(v, bool) for v in there):
        return pl.Series(values, dtype=pl.Boolean)
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in there):
        return pl.Series([None if v is None else as_float(v) for v in values], dtype=pl.Float64)
    texts = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    return pl.Series(texts, dtype=pl.String)


def as_float(value: float) -> float:
    """The number, infinite where it is too large."""
    try:
        return float(value)
    except OverflowError:
        return float("inf")
