"""The look of every picture: colours, text, numbers on axes, and how a figure becomes a file.

A picture is at most `WIDTH` inches wide where it can be, so that its text of `SIZE` points still has 6.7 points when it
is printed 8 cm wide. Colours have names, so that a page can put others in their place: `INK`, `MUTED` and `PAPER` are
those that change in the dark.
"""

from __future__ import annotations

import contextlib
import io
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from PIL import Image

from kanrun.data.dataset import Dataset
from kanrun.report.files import in_one_go

INK, MUTED, FAINT, PAPER = "#1a1a1a", "#5f6368", "#c4c7cb", "#ffffff"  # MUTED has a contrast of 6 on white
# Okabe and Ito, Color Universal Design (2008): told apart by colour-blind readers too.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, YELLOW = "#E69F00", "#56B4E9", "#F0E442"
WORDS = "#A84A00"  # VERMILLION for text, which needs more contrast than lines do
CLASSES = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW, INK]
MARKERS = "os^DvPX*"
WIDTH, SIZE = 4.2, 9.0  # inches of a picture, points of its text
DPI = 150
STYLE = {
    "font.size": SIZE,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial"],
    "axes.titlesize": SIZE,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "legend.fontsize": SIZE,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 3.0),
    **dict.fromkeys(("xtick.major.pad", "ytick.major.pad"), 2.5),
    "text.hinting": "no_hinting",  # text is as wide at any resolution
    "svg.fonttype": "none",  # names stay text that can be searched
    "svg.hashsalt": "kanrun",
    "pdf.fonttype": 42,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}
LOSS_FLOOR = 1e-32  # a loss of 0 has no place on a log axis
MAX_POINTS = 300  # of one kind: more hide each other and make large files


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """The look of every picture, whatever the user's own matplotlib settings are; they are back afterwards."""
    with matplotlib.style.context(STYLE, after_reset=True), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes in the PNG; the SVG has the letters.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


# ---- files ---------------------------------------------------------------------------------------------------------


def save(figure: Figure, path_stem: Path) -> None:
    """Writes `path_stem`.png and .svg, the same bytes for the same figure."""
    path_stem.parent.mkdir(parents=True, exist_ok=True)
    for kind in ("png", "svg"):
        save_as(figure, Path(f"{path_stem}.{kind}"), kind, path_stem.name)


def save_as(figure: Figure, path: Path, kind: str, name: str) -> None:
    """Writes one file in one go, png, svg or pdf; ids in an SVG begin with the `name` of the picture."""
    with in_one_go(path) as part:
        part.write_bytes(content_of(figure, kind, name))


def content_of(figure: Figure, kind: str, name: str) -> bytes:
    """The file of a figure whose layout is settled: drawn once, by the canvas itself."""
    out = io.BytesIO()
    if kind == "png":
        figure.set(facecolor=PAPER, dpi=DPI)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(out, format="png", dpi=(DPI, DPI))
    elif kind == "svg":
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        figure.set(facecolor="none")
        text = io.StringIO()
        FigureCanvasSVG(figure).print_svg(text, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
        out.write(with_own_ids(text.getvalue(), name).encode())
    else:
        from matplotlib.backends.backend_pdf import FigureCanvasPdf

        figure.set(facecolor="none")
        FigureCanvasPdf(figure).print_pdf(out, metadata={"CreationDate": None})
    return out.getvalue()


def with_own_ids(svg: str, name: str) -> str:
    """An SVG whose ids are its own and begin with the name of its picture, so that several can stand on one page.

    Marks that are used again have their style, if that is the same everywhere, where they are defined.
    """
    prefix = re.sub(r"\W", "_", name)
    styles: dict[str, set[str]] = {}
    for tag in re.findall(r"<use [^>]*>", svg):
        own = re.search(r' style="([^"]*)"', tag)
        for link in re.findall(r'href="#([^"]+)"', tag):
            styles.setdefault(link, set()).add(own[1] if own else "")
    shared = {link: found.pop() for link, found in styles.items() if len(found) == 1}
    seen: Counter[str] = Counter()

    def renamed(match: re.Match[str]) -> str:
        start, own = match[1], match[2]
        own = own if own.startswith(f"{prefix}-") else f"{prefix}-{own}"
        if start == ' id="':
            seen[own] += 1
            own += f"-{seen[own]}" if seen[own] > 1 else ""
        return start + own

    def changed(match: re.Match[str]) -> str:
        tag = match[0]
        used = re.match(r'<use [^>]*href="#([^"]+)"', tag)
        defined = re.match(r'<path id="([^"]+)"', tag)
        if used and used[1] in shared:
            tag = re.sub(r' style="[^"]*"', "", tag)
        elif defined and shared.get(defined[1]):
            tag = re.sub(r' style="[^"]*"', "", tag).replace(defined[0], f'{defined[0]} style="{shared[defined[1]]}"')
        return re.sub(r'( id="|url\(#|href="#)([^")]*)', renamed, tag)

    return re.sub(r"<[^!?][^>]*>", changed, svg)


# ---- text ----------------------------------------------------------------------------------------------------------


@lru_cache(4096)
def line_width(line: str) -> float:
    """Width of a line as a multiple of the size of its letters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        found = text_to_path.get_text_width_height_descent(line, FontProperties(family="DejaVu Sans", size=100), False)
    # The font may lack letters that are as wide as high, which whoever shows an SVG has.
    return max(float(found[0]) / 100, float(sum(unicodedata.east_asian_width(c) in "WF" for c in line)))


def text_width(text: str, size: float = SIZE) -> float:
    """Width in inches of the longest line of a text of `size` points."""
    return max(map(line_width, text.split("\n"))) * size / 72


def shortened(name: str, limit: int = 22) -> str:
    """A name of at most `limit` letters, those in the middle left out, where there are more."""
    return name if len(name) <= limit else f"{name[: limit // 2]}…{name[len(name) + limit // 2 + 1 - limit :]}"


def fitted(text: str, inches: float, size: float = SIZE) -> str:
    """A text of one line that is at most so wide, letters in the middle left out where it is wider."""
    low, high = 1, len(text)
    if text_width(text, size) <= inches or high < 2:
        return text
    while high - low > 1:  # the longest that fits
        middle = (low + high) // 2
        low, high = (middle, high) if text_width(shortened(text, middle), size) <= inches else (low, middle)
    return shortened(text, low)


def wrapped(text: str, inches: float, most: int = 2, size: float = SIZE) -> str:
    """A text over at most so many lines of that width; what does not fit is left out in its middle."""
    lines: list[str] = []
    for part in text.split("\n"):
        line = ""
        for word in re.findall(r"\S+\s*", part):
            if line and text_width((line + word).rstrip(), size) > inches:
                lines.append(line.rstrip())
                line = ""
            while text_width(word.rstrip(), size) > inches and len(lines) < most - 1:
                fits = max((k for k in range(1, len(word)) if text_width(word[:k], size) <= inches), default=1)
                lines.append(word[:fits])
                word = word[fits:]
            line += word
        lines.append(line.rstrip())
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return "\n".join(fitted(line, inches, size) for line in lines)


def labelled(data: Dataset, symbol: str, limit: int = 22) -> str:
    """What the user calls an input or an output, with its unit; of more than `limit` letters the name loses some."""
    name, unit = " ".join(data.names.get(symbol, symbol).split()), data.units.get(symbol)
    behind = f" ({unit})" if unit else ""
    return shortened(shortened(name, max(6, limit - len(behind))) + behind, limit)


# ---- marks ---------------------------------------------------------------------------------------------------------


def add_dots(
    axes: Axes, x: np.ndarray, y: np.ndarray, size: float, color: str, gid: str, most: int = MAX_POINTS, **how: Any
) -> Line2D:
    """Dots of `size` points, at most so many, evenly taken; `how` may say more about them."""
    step = -(-len(x) // most) or 1
    how = {"marker": "o", "markeredgewidth": 0.0, **how}
    dots = Line2D(x[::step], y[::step], linestyle="", color=color, markersize=size, gid=gid)
    dots.set(**how)
    axes.add_line(dots)
    return dots
