"""What tests of pictures share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from kanrun.report import plots


def draw(build: Callable[..., Figure], *args: Any, **options: Any) -> Figure:
    """The figure with its layout settled."""
    with plots.house_style():
        figure = build(*args, **options)
        figure.draw_without_rendering()
    return figure


def assert_is_png(path: Path) -> None:
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
