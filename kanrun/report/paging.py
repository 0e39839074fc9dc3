"""report.html, put into a folder when all else is there; the templates are not read before."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kanrun.report.files import write_text

log = logging.getLogger("kanrun")

PAGE = "report.html"
ONE_BY_ONE = threading.Lock()  # a run that a signal ends has its page made at once, maybe while it makes it itself


@contextmanager
def paged(folder: Path) -> Iterator[None]:
    """Puts the page into a run folder at the end of the block, however that ends: it says how.

    A page that cannot be made costs nothing but itself.
    """
    try:
        yield
    finally:
        try:
            write_page(folder)
        except Exception:
            log.exception("%s could not be made", PAGE)


def write_page(folder: Path) -> None:
    """Puts the page into a run folder. Raises KanrunError where there is no run."""
    from kanrun.report.pages.run import page_of

    with ONE_BY_ONE:
        write_text(folder / PAGE, page_of(folder))
