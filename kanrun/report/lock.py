"""The lock of a run folder: held while a run goes on, let go by the system however its process ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from kanrun.errors import KanrunError

NAME = "run.lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder for this run alone. Raises KanrunError where another one has it."""
    lock = FileLock(folder / NAME, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise KanrunError(f"{folder}: another run is going on in this folder; name another one") from None
    try:
        yield
    finally:
        lock.release()
        (folder / NAME).unlink(missing_ok=True)


def in_use(folder: Path) -> bool:
    """Whether a run is going on in `folder`."""
    if not (folder / NAME).exists():
        return False
    try:
        with held(folder):
            return False
    except KanrunError:
        return True
