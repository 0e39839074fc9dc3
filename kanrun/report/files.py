"""The files of a run folder: status, metrics, history, formulas and the model."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.model.saving import content_of, network_of
from kanrun.training.history import Record

SCHEMA_VERSION = 1


def write_text(path: Path, text: str) -> None:
    """Writes a file in one go: a reader sees the old one or the new one, never half."""
    with in_one_go(path) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def in_one_go(path: Path) -> Iterator[Path]:
    """A file beside `path` that takes its place when it is complete, and goes where that fails."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """JSON that every reader accepts: numbers that are not finite become null."""
    write_text(path, json.dumps(finite(content), indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def finite(content: Any) -> Any:
    """The same structure with None for numbers that JSON does not know."""
    if isinstance(content, dict):
        return {k: finite(v) for k, v in content.items()}
    if isinstance(content, (list, tuple)):
        return [finite(v) for v in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def write_history(path: Path, history: list[Record]) -> None:
    """One row a training step."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [f.name for f in fields(Record)], lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(record) for record in history)
    write_text(path, text.getvalue())


def save_model(path: Path, model: Network) -> None:
    """Weights and structure as tensors and plain values, in one go."""
    with in_one_go(path) as part:
        torch.save(content_of(model), part)


def load_model(path: Path) -> KAN | MLP:
    """The network of a run folder; reads data only, no code."""
    return network_of(torch.load(path, weights_only=True, map_location="cpu"))
