"""Pictures of a run folder as parts of a page: SVG without anything that could act or fetch, in the page's colours."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from kanrun.report.files import text_of

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
# What matplotlib draws with; all else is left out: scripts, links, animations, foreign content.
ELEMENTS = {
    "svg", "g", "defs", "path", "use", "text", "tspan", "rect", "circle", "ellipse", "line", "polyline", "polygon",
    "clipPath", "title", "image", "pattern", "linearGradient", "stop",
}  # fmt: skip
ATTRIBUTES = {
    "id", "d", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "width", "height", "viewBox", "transform",
    "style", "clip-path", "fill", "stroke", "points", "class", "offset", "preserveAspectRatio", "href",
}  # fmt: skip
NUMBERS = ATTRIBUTES - {"id", "style", "clip-path", "class", "href"}  # a hundredth of a point is enough
# Colours of pictures on white paper, and what they are called in style.css, where dark pages have others.
COLOURS = {
    "#000000": "ink", "#1a1a1a": "ink", "#ffffff": "paper", "#5f6368": "muted", "#c4c7cb": "faint",
    "#0072b2": "blue", "#d55e00": "vermillion", "#a84a00": "words", "#009e73": "green", "#cc79a7": "purple",
    "#e69f00": "orange", "#56b4e9": "sky",
}  # fmt: skip
FIXED = {"confusion": ("#0072b2", "#ffffff")}  # white numbers stand on fields of that blue
MOST = 750_000  # characters of all pictures of a page together
EACH = 300_000
COLUMN = 560  # pixels that half of a page has room for
LARGER = 1.6  # pixels of a screen for a point of a picture, at most: letters as large as those around it


class UnusableError(ValueError):
    """A picture that cannot stand in a page."""


@dataclass(frozen=True)
class InPage:
    """A picture as it stands in a page, with what it shows.

    `name` is that in plots/, `svg` is empty where it is too large for a page.
    """

    name: str
    about: str
    svg: Markup
    broad: bool = False


def pictures(folder: Path, wanted: dict[str, str]) -> list[InPage]:
    """Those of `wanted` (name and what it shows) that are in plots/ of a run folder, in this order.

    Pictures that are the same are there once, with all that they show.
    """
    found: list[InPage] = []
    known: dict[str, int] = {}
    room = MOST
    for name, about in wanted.items():
        path = folder / "plots" / f"{name}.svg"
        if not path.is_file():
            continue
        try:
            svg = inline(text_of(path), name)
        except (ValueError, OSError, ElementTree.ParseError):
            continue
        plain = svg.replace(f"{name}-", "")
        if plain in known:  # as after the pruning of what was pruned already
            twin = known[plain]
            found[twin] = replace(found[twin], about=f"{found[twin].about} {about}")
            continue
        known[plain] = len(found)
        if len(svg) > min(room, EACH):
            svg = of_points(path.with_suffix(".png"), about, room)
        room -= len(svg)
        found.append(InPage(name, about, Markup(svg), is_broad(svg)))
    return found


def of_points(path: Path, about: str, room: int) -> str:
    """The same picture as points, empty where there is no room for these either."""
    if not path.is_file() or path.stat().st_size > room * 3 // 4:
        return ""
    content = base64.b64encode(path.read_bytes()).decode()
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(about, content)


def is_broad(svg: str) -> bool:
    """Whether a picture needs the whole page for itself."""
    size = re.search(r'viewBox="0 0 ([\d.]+) ', svg[:1000])
    return size is not None and LARGER * float(size[1]) > COLUMN


def inline(text: str, name: str) -> str:
    """An SVG file as an element of a page; its ids begin with `name`. Raises ValueError for what is no SVG."""
    if "<!ENTITY" in text:
        raise UnusableError("it defines entities")
    root = ElementTree.fromstring(text)
    if local(root.tag) != "svg":
        raise UnusableError("it is no SVG")
    clean(root, name)
    size = re.match(r"0 0 (\d+)", root.get("viewBox", ""))
    root.set("style", f"max-width:{LARGER * int(size[1]):.0f}px" if size else "")
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.set("xmlns", SVG)
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    strip_namespaces(root)
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode"))


def local(tag: str) -> str:
    """The name of an element without its namespace; that of others is no name of ours."""
    return tag.removeprefix(f"{{{SVG}}}") if isinstance(tag, str) else ""


def clean(element: ElementTree.Element, name: str) -> None:
    """Takes away what matplotlib does not draw with, below an element and in its attributes."""
    for child in list(element):
        if local(child.tag) in ELEMENTS:
            clean(child, name)
        else:
            element.remove(child)
    for key, value in list(element.attrib.items()):
        plain = "href" if key == f"{{{XLINK}}}href" else key
        del element.attrib[key]
        kept = attribute(plain, value, name)
        if plain in ATTRIBUTES and kept is not None:
            element.set(plain, kept)


def attribute(key: str, value: str, name: str) -> str | None:
    """What an attribute is in a page, None where it may not be there."""
    if key == "href":
        return f"#{name}-{value[1:]}" if value.startswith("#") else value if embedded(value) else None
    if key == "id":
        return f"{name}-{value}"
    value = re.sub(r"url\(\s*#", f"url(#{name}-", value)
    if re.search(r"url\(\s*[^#\s]|@import|expression\(", value, re.IGNORECASE):
        return None
    if key in ("style", "fill", "stroke"):
        return coloured(value, FIXED.get(name, ()))
    return re.sub(r"(\d+\.\d\d)\d+", r"\1", value) if key in NUMBERS else value


def embedded(value: str) -> bool:
    """Whether a reference is a picture of points that it brings with it."""
    return value.startswith("data:image/png;base64,")


def coloured(style: str, fixed: Collection[str] = ()) -> str:
    """The same with the page's own colours, but for those that are `fixed`."""

    def named(found: re.Match[str]) -> str:
        colour = found.group().lower()
        if colour in fixed:
            return colour
        if known := COLOURS.get(colour):
            return f"var(--{known})"
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        grey = max(red, green, blue) - min(red, green, blue) < 8
        return "var(--muted)" if grey and 0x50 <= red <= 0x90 else "var(--faint)" if grey and red > 0x90 else colour

    return re.sub(r"#[0-9a-fA-F]{6}\b", named, style)


def strip_namespaces(element: ElementTree.Element) -> None:
    """HTML knows its elements without."""
    for one in element.iter():
        one.tag = local(one.tag)
