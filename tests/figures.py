"""What tests of pictures share."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase

from kanrun.report.look import content_of, house_style
from kanrun.training.history import Record


def draw(build: Callable[..., Figure], *args: Any, **options: Any) -> Figure:
    """The figure with its layout settled."""
    with house_style():
        figure = build(*args, **options)
        figure.draw_without_rendering()
    return figure


def assert_is_png(path: Path) -> None:
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def words_in_files(stem: Path) -> str:
    """The words of the SVG, once both files are known to be valid."""
    assert_is_png(Path(f"{stem}.png"))
    tree = ET.parse(f"{stem}.svg")
    assert tree.getroot().tag == "{http://www.w3.org/2000/svg}svg"
    return " ".join(e.text or "" for e in tree.iter() if e.tag.endswith(("}text", "}tspan")))


def assert_apart(boxes: list[Bbox], within: BboxBase) -> None:
    for a, b in itertools.combinations(boxes, 2):
        overlap = Bbox.intersection(a, b)
        assert overlap is None or overlap.width < 0.5 or overlap.height < 0.5, (a, b)
    for box in boxes:
        assert within.x0 <= box.x0 <= box.x1 <= within.x1 and within.y0 <= box.y0 <= box.y1 <= within.y1


def assert_nothing_overlaps(figure: Figure) -> None:
    """No two texts touch, and none leaves the picture."""
    assert_apart([t.get_window_extent() for t in texts(figure)], figure.bbox)


def svg_of(figure: Figure, name: str = "picture") -> ET.Element:
    """The SVG of a figure as a tree."""
    with house_style():
        return ET.fromstring(content_of(figure, "svg", name))


def texts(figure: Figure) -> list[Text]:
    return [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]


def history(*stages: str, steps: int = 10, loss: float = 0.5, regularization: float = 0.0) -> list[Record]:
    return [Record(s, k, loss, 2 * loss, regularization, 0.1 * k) for s in stages for k in range(steps)]
