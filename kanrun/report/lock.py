"""The lock of a folder: held while a run, or a sweep, goes on in it, let go by the system however its process ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from kanrun.errors import KanrunError

NAME = "run.lock"


@contextmanager
def held(folder: Path, what: str = "run") -> Iterator[None]:
    """The folder for this run, or this sweep, alone. Raises KanrunError where another one has it."""
    lock = FileLock(folder / NAME, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise KanrunError(f"{folder}: another {what} is going on in this folder; name another one") from None
    try:
        yield
    finally:
        lock.release()
        (folder / NAME).unlink(missing_ok=True)


def in_use(folder: Path) -> bool:
    """Whether a run, or a sweep, is going on in `folder`."""
    if not (folder / NAME).exists():
        return False
    try:
        with held(folder):
            return False
    except KanrunError:
        return True
