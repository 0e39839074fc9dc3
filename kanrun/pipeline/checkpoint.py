"""The checkpoint of a run: its state after the last finished stage and the journal of the one in progress, on disk."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kanrun.context import Entry, Journal, Meter
from kanrun.functions.library import Library
from kanrun.pipeline.codec import Unpacker, packed
from kanrun.pipeline.saved_types import SAVED_TYPES
from kanrun.report.files import in_one_go
from kanrun.state import State
from kanrun.version import __version__

FORMAT = 1  # of what is written here; grows with each change
FOLDER, CURRENT, BEFORE = "checkpoint", "state.npz", "state_before.npz"
SOONEST, LATEST = 2.0, 10.0  # seconds between two saves within a stage
SHARE = 0.01  # of the time that saving may take, as long as LATEST allows it

Packed = tuple[str, bytes]


class DamagedError(Exception):
    """A checkpoint that cannot be read; the message says why."""


@dataclass(frozen=True)
class Begun:
    """A stage that was interrupted: its name, its journal, and the seconds that it has taken so far."""

    stage: str
    journal: Journal
    seconds: float
    cpu_seconds: float


class Checkpoint:
    """Keeps what a run has reached in `folder`/checkpoint, the last file and the one before it.

    `library` has the functions that the run's networks may have, `device` is where its tensors belong.
    """

    def __init__(self, folder: Path, library: Library, device: torch.device) -> None:
        self.folder = folder / FOLDER
        self.library, self.device = library, device
        self.state: Packed = packed(State())
        self.stage = ""
        self.journal: Journal | None = None
        self.meter = Meter()
        self.saved_at, self.took = time.perf_counter(), 0.0

    # ---- writing ---------------------------------------------------------------------------------------------

    def keep(self, state: State) -> None:
        """A stage is finished: saves the state that it has led to."""
        self.state, self.journal = packed(state), None
        self.save()

    def begin(self, stage: str, meter: Meter, begun: Begun | None = None) -> Journal:
        """The journal of a stage that begins, or goes on from where it was interrupted."""
        journal = begun.journal if begun else Journal(self.save, self.due, packed, self.unpacked)
        self.stage, self.journal, self.meter = stage, journal, meter
        self.saved_at = time.perf_counter()
        return journal

    def due(self) -> bool:
        """Whether it is time to save: seldom enough to cost next to nothing, often enough to lose little."""
        between = min(max(SOONEST, self.took / SHARE), LATEST)
        return time.perf_counter() - self.saved_at >= between

    def save(self) -> None:
        """Writes all of it in one go, and keeps the file before."""
        begin = time.perf_counter()
        about: dict[str, Any] = {"format": FORMAT, "version": __version__, "stage": None}
        parts = {"state": self.state}
        if self.journal is not None:
            about |= {
                "stage": self.stage, "seconds": self.meter.seconds(),
                "cpu_seconds": self.meter.cpu_seconds(), "work": self.journal.work,
                "entries": [[e.value[0], len(e.value[1]), e.depth, e.work] for e in self.journal.entries],
            }  # fmt: skip
            parts["base"] = self.journal.base or packed(None)
            parts["partial"] = packed(self.journal.partial() if self.journal.partial else None)
            parts["entries"] = ("", b"".join(e.value[1] for e in self.journal.entries))
        self.folder.mkdir(exist_ok=True)
        write(self.folder / CURRENT, about, parts)
        self.saved_at = time.perf_counter()
        self.took = self.saved_at - begin

    def remove(self) -> None:
        """The run is over: nothing has to be taken up again."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- reading ---------------------------------------------------------------------------------------------

    def load(self, tell: Callable[[str], None]) -> tuple[State, Begun | None]:
        """What was reached, from the last file that can be read, else nothing; `tell` hears of what cannot be."""
        for name in (CURRENT, BEFORE):
            path = self.folder / name
            if not path.exists():
                continue
            try:
                return self.read(path)
            except DamagedError as error:
                tell(f"{path.parent.name}/{name} cannot be read ({error})")
        tell("nothing of it was kept yet that can be read: the run begins anew")
        return State(), None

    def read(self, path: Path) -> tuple[State, Begun | None]:
        """The state and the stage in progress of one file. Raises DamagedError."""
        try:
            about, parts = opened(path)
            state = self.unpacked(parts["state"])
            if about["stage"] is None:
                self.state = parts["state"]
                return state, None
            entries = finished_pieces(about, parts["entries"][1])
            journal = Journal(
                self.save, self.due, packed, self.unpacked, parts["base"], entries, self.unpacked(parts["partial"]),
                about["work"],
            )  # fmt: skip
            self.state = parts["state"]
            return state, Begun(about["stage"], journal, about["seconds"], about["cpu_seconds"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError) as error:
            raise DamagedError(f"{type(error).__name__}: {error}") from None
        except (zipfile.BadZipFile, RecursionError, EOFError) as error:
            raise DamagedError(str(error) or type(error).__name__) from None

    def unpacked(self, value: Packed) -> Any:
        """A value from its JSON and its bytes."""
        return Unpacker(value[1], SAVED_TYPES.values(), self.library, self.device).unpack(json.loads(value[0]))


def finished_pieces(about: dict[str, Any], content: bytes) -> list[Entry]:
    """The finished pieces of a journal."""
    found, begin = [], 0
    for text, size, depth, work in about["entries"]:
        found.append(Entry((text, content[begin : begin + size]), depth, work))
        begin += size
    return found


def write(path: Path, about: dict[str, Any], parts: dict[str, Packed]) -> None:
    """Writes a file in one go: a reader finds the old one, the new one, or the old one under its second name."""
    arrays = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
    for name, (text, content) in parts.items():
        arrays[f"{name}_text"] = np.frombuffer(text.encode(), np.uint8)
        arrays[f"{name}_bytes"] = np.frombuffer(content, np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    with in_one_go(path) as part:
        part.write_bytes(buffer.getbuffer())
        if path.exists():
            os.replace(path, path.with_name(BEFORE))


def opened(path: Path) -> tuple[dict[str, Any], dict[str, Packed]]:
    """What `write` has put into a file; the checksums of its parts are looked at."""
    file = io.BytesIO(path.read_bytes())
    if not zipfile.is_zipfile(file):
        raise zipfile.BadZipFile("it is cut off, or no checkpoint")
    with np.load(file, allow_pickle=False) as arrays:
        content = {name: arrays[name].tobytes() for name in arrays.files}
    about = json.loads(content.pop("about"))
    names = [name.removesuffix("_text") for name in content if name.endswith("_text")]
    return about, {name: (content[f"{name}_text"].decode(), content[f"{name}_bytes"]) for name in names}


def version_of(folder: Path) -> tuple[int, str] | None:
    """The format and the version of kanrun that a run's checkpoint was written with; None where none can be read."""
    for name in (CURRENT, BEFORE):
        try:
            about, _ = opened(folder / FOLDER / name)
            return int(about["format"]), str(about["version"])
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError):
            continue
    return None
