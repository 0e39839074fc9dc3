"""The files of a run folder: status, metrics, history, formulas and the model."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from kanrun.errors import KanrunError, shorten
from kanrun.training.history import Record

if TYPE_CHECKING:
    from kanrun.model.mlp import MLP
    from kanrun.model.network import KAN
    from kanrun.model.protocol import Network

SCHEMA_VERSION = (
    5  # 2: kanrun, warnings; 3: outputs, final_of, cross_validation, data; 4: noise; 5: advice, versions, residuals
)
NOT_COMPLETED = "not the folder of a completed run"
LARGEST = 200_000_000  # bytes of a text file of a run
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in an eighth of the time, where it is there
LARGEST_YAML, DEEPEST_YAML = 2_000_000, 200
T = TypeVar("T")


def write_text(path: Path, text: str) -> None:
    """Writes a file in one go: a reader sees the old one or the new one, never half."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """The same for what is no text."""
    with in_one_go(path) as part:
        part.write_bytes(content)


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
    return json.loads(text_of(path))


def read_yaml(path: Path) -> Any:
    """The content of a YAML file as plain values. Raises ValueError for one whose parts refer to each other."""
    text = yaml_text(path)
    # Most texts have no star that could be one, but in formulas; to look at every part takes as long as to read them.
    may_refer = re.search(r"(?<![\w)*])\*\S", text)
    if may_refer and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=LOADER)):
        raise ValueError("an alias in it stands for another part of it")
    return in_texts(yaml.load(text, Loader=LOADER), lambda t: re.sub(HELD, lambda m: m[1][: len(m[1]) // 2] + "${", t))


HELD = r"(\\*)\\\$\{"  # a reference that is to be read as a text, behind twice its backslashes and one


def without_references(value: Any) -> Any:
    """Plain values for a YAML file that Hydra reads again: `${` in a text, as in the name of a column, stays one."""
    return in_texts(value, lambda text: re.sub(r"(\\*)\$\{", lambda m: 2 * m[1] + "\\${", text))


def in_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Plain values with every text in them changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {in_texts(k, change): in_texts(v, change) for k, v in value.items()}
    return [in_texts(v, change) for v in value] if isinstance(value, (list, tuple)) else value


def flat(content: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Values with their dotted keys."""
    for key, value in content.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            yield from flat(value, here)
        else:
            yield here, value


def yaml_text(path: Path) -> str:
    """The text of a YAML file. Raises ValueError for one that could not be read soon: brackets cost their square."""
    text = text_of(path)
    brackets = re.findall(r"[\[\]{}]", text)
    deepest = max(accumulate(1 if c in "[{" else -1 for c in brackets), default=0)
    if len(text) > LARGEST_YAML or deepest > DEEPEST_YAML:
        raise ValueError(f"it has more than {LARGEST_YAML} characters, or is nested more than {DEEPEST_YAML} deep")
    return text


def text_of(path: Path) -> str:
    """The text of a plain file. Raises ValueError for a device, a pipe, and what is too large to be one of a run."""
    check_plain(path)
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has more than {LARGEST} bytes")
    return path.read_text(encoding="utf-8")


def read(folder: Path, name: str, reader: Callable[[Path], T], lacking: str = NOT_COMPLETED) -> T:
    """What `reader` makes of a file of the run; every way in which that can fail is a KanrunError.

    What is `lacking` a file is told where it is missing.
    """
    try:
        return reader(folder / name)
    except (FileNotFoundError, NotADirectoryError):
        raise KanrunError(f"{folder}: {lacking}, {name} is missing") from None
    except Exception as error:  # a damaged file can make a reader raise whatever it likes
        raise KanrunError(f"{folder / name}: cannot be read ({shorten(str(error) or repr(error), 120)})") from None


def check_plain(path: Path) -> None:
    """Raises ValueError for a folder, a device or a pipe, which may have no end."""
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")


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
    table.writerows(vars(record) for record in history)
    write_text(path, text.getvalue())


def read_history(path: Path) -> list[Record]:
    """The rows of history.csv. Raises ValueError, KeyError or TypeError for another file."""
    table = csv.DictReader(io.StringIO(text_of(path)))
    return [Record(**{f.name: cell_of(f.name, row[f.name]) for f in fields(Record)}) for row in table]


def cell_of(name: str, text: str) -> Any:
    """What a cell of history.csv says."""
    if name == "stage":
        return text
    return (int if name in ("step", "grid", "attempt") else float)(text) if text else None


def save_model(path: Path, model: Network) -> None:
    """Weights and structure as tensors and plain values, in one go."""
    import torch  # not before there is a network: a mistake or a config is told without it

    from kanrun.model.saving import content_of

    buffer = io.BytesIO()
    torch.save(content_of(model), buffer)
    with in_one_go(path) as part:
        part.write_bytes(buffer.getbuffer())


def load_model(path: Path) -> KAN | MLP:
    """The network of a run folder; reads data only, no code. Raises ValueError for one that is not finite."""
    import torch

    from kanrun.model.saving import network_of

    check_plain(path)
    model = network_of(torch.load(path, weights_only=True, map_location="cpu"))
    if not all(bool(torch.isfinite(entry).all()) for entry in model.state_dict().values()):
        raise ValueError("its entries are not finite")
    return model
