from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from kanrun.data.losses import MSE
from kanrun.report import look
from kanrun.report.losses import plot_history
from kanrun.report.plots import plot_predictions
from tests.figures import draw, history, svg_of
from tests.planted import regression, truth


def a_figure() -> Figure:
    figure = Figure(figsize=(2, 1))
    axes = figure.add_axes((0.2, 0.2, 0.7, 0.7), xlim=(0, 1), ylim=(0, 1))
    axes.plot([0.2, 0.8], [0.3, 0.6], gid="same")
    axes.plot([0.2, 0.8], [0.6, 0.3], "o", gid="same")
    axes.text(0.5, 0.5, 'a name with id="x" <b>', parse_math=False)
    return figure


def luminance(color: str) -> float:
    """Of WCAG 2.2."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_text_can_be_read_on_white() -> None:
    for color, contrast in ((look.INK, 7), (look.MUTED, 4.5), (look.WORDS, 4.5)):
        assert (1.0 + 0.05) / (luminance(color) + 0.05) >= contrast


def test_text_of_a_picture_that_is_printed_8_cm_wide_has_at_least_6_5_points() -> None:
    assert look.SIZE * (8 / 2.54) / look.WIDTH >= 6.5


def test_an_svg_has_no_background() -> None:
    tree = svg_of(draw(a_figure))
    fills = [e.get("style", "") for e in tree.iter() if "patch" in e.get("id", "") for e in e]
    assert fills and all("fill: none" in style for style in fills)


def test_the_png_has_white_corners(tmp_path: Path) -> None:
    with look.house_style():
        look.save(a_figure(), tmp_path / "p")
    picture = Image.open(tmp_path / "p.png")
    assert picture.size == (2 * look.DPI, look.DPI)
    assert picture.getpixel((0, 0)) == (255, 255, 255)


def test_ids_are_unique_begin_with_the_name_and_lead_to_what_they_name() -> None:
    tree = svg_of(draw(a_figure), "front")
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert all(str(one).startswith("front-") for one in ids)
    assert {"front-same", "front-same-2"} <= set(ids)
    links = [e.get("{http://www.w3.org/1999/xlink}href", "")[1:] for e in tree.iter() if e.tag.endswith("}use")]
    clips = [e.get("clip-path", "")[5:-1] for e in tree.iter() if e.get("clip-path")]
    assert links and clips
    assert {*links, *clips} <= set(ids)
    assert 'a name with id="x" <b>' in [e.text for e in tree.iter()]


def test_marks_have_the_colours_that_they_are_drawn_with() -> None:
    svg = (
        '<svg><path id="m" d="z" style="stroke: #fff"/><path id="n" d="z" style="stroke: #000"/>'
        '<use href="#m" x="1" style="fill: red; stroke: #fff"/><use href="#m" x="2" style="fill: red; stroke: #fff"/>'
        '<use href="#n" style="fill: red"/><use href="#n" style="fill: blue"/></svg>'
    )
    assert look.with_own_ids(svg, "p") == (
        '<svg><path id="p-m" style="fill: red; stroke: #fff" d="z"/><path id="p-n" d="z" style="stroke: #000"/>'
        '<use href="#p-m" x="1"/><use href="#p-m" x="2"/>'
        '<use href="#p-n" style="fill: red"/><use href="#p-n" style="fill: blue"/></svg>'
    )


def test_marks_keep_their_style_where_they_are_defined() -> None:
    tree = svg_of(draw(a_figure))
    uses = {e.get("{http://www.w3.org/1999/xlink}href", "")[1:]: e for e in tree.iter() if e.tag.endswith("}use")}
    defined = {e.get("id"): e for e in tree.iter() if e.tag.endswith("}path") and e.get("id")}
    for link, use in uses.items():
        assert "style" in defined[link].attrib or "style" in use.attrib


@pytest.mark.parametrize("text", ["sin(pi*x_1)", "WWWW", "iiii", "Ω·m", "a long name with spaces"])
def test_text_is_as_wide_as_it_is_drawn(text: str) -> None:
    figure = draw(lambda: Figure(figsize=(6, 1)))
    with look.house_style():
        drawn = figure.text(0, 0, text, fontsize=9)
        figure.draw_without_rendering()
        assert look.text_width(text) == pytest.approx(drawn.get_window_extent().width / figure.dpi, rel=0.02)


def test_letters_that_the_font_lacks_have_room() -> None:
    assert look.text_width("温度温度", 9) >= 4 * 9 / 72


@pytest.mark.parametrize("inches", [0.3, 0.8, 2.0])
def test_what_is_cut_fits_and_keeps_as_much_as_has_room(inches: float) -> None:
    name = "a name of a column that is long enough for every width"
    cut = look.fitted(name, inches)
    assert look.text_width(cut) <= inches
    if cut != name:
        assert look.text_width(look.shortened(name, len(cut) + 2)) > inches
    lines = look.wrapped(name, inches, 3).split("\n")
    assert len(lines) <= 3
    assert all(look.text_width(line) <= inches for line in lines)


def test_wrapping_keeps_every_word_where_there_is_room() -> None:
    text = "the first formula + the second formula"
    assert " ".join(look.wrapped(text, 1.2, 9).split()) == text
    assert "".join(look.wrapped("x*" * 40, 1.0, 9).split("\n")) == "x*" * 40
    assert look.wrapped("one\ntwo", 3.0, 4) == "one\ntwo"


def test_a_long_name_keeps_its_unit() -> None:
    units = {"x_2": "counts/min^2", "x_1": "K"}
    data = replace(regression(), names={"x_2": "a long name of b"}, units=units)
    assert look.labelled(data, "x_2") == "a l…f b (counts/min^2)"
    assert look.labelled(data, "x_1") == "x_1 (K)"


def test_same_bytes_whatever_the_settings_of_the_user(tmp_path: Path) -> None:
    settings: list[dict[str, object]] = [{}, {"font.size": 20, "axes.facecolor": "red", "svg.hashsalt": "other"}]
    for run, changes in enumerate(settings):
        with matplotlib.rc_context(changes):  # type: ignore[arg-type]
            before = dict(matplotlib.rcParams)
            plot_history(history("train", "refit"), tmp_path / str(run) / "history", loss=MSE)
            plot_predictions(regression(), truth, truth, tmp_path / str(run) / "predictions")
            assert dict(matplotlib.rcParams) == before
    for name, ending in itertools.product(("history", "predictions"), ("png", "svg")):
        first, second = ((tmp_path / str(run) / f"{name}.{ending}").read_bytes() for run in (0, 1))
        assert first == second
    assert "DejaVu Sans" in (tmp_path / "0" / "history.svg").read_text() and "sans-serif" in ElementTree.tostring(
        ElementTree.parse(tmp_path / "0" / "history.svg").getroot(), "unicode"
    )
