from __future__ import annotations

from pathlib import Path

import pytest

from kanrun.report.pages.pictures import EACH, coloured, inline, pictures

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 100 50">'


def svg(content: str) -> str:
    return f"{HEAD}{content}</svg>"


@pytest.mark.parametrize(
    "content",
    [
        "<script>alert(1)</script>",
        "<foreignObject><b>html</b></foreignObject>",
        '<g onclick="alert(1)"/>',
        '<a xlink:href="https://example.org"><text>x</text></a>',
        '<image xlink:href="https://example.org/a.png"/>',
        '<image xlink:href="data:text/html;base64,AAAA"/>',
        '<g style="fill: url(https://example.org)"/>',
        '<animate attributeName="href" to="javascript:alert(1)"/>',
        '<style>@import "https://example.org"</style>',
        '<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>',
    ],
)
def test_nothing_in_a_picture_acts_or_fetches(content: str) -> None:
    shown = inline(svg(f'{content}<path d="M 0 0"/>'), "front")
    assert '<path d="M 0 0"' in shown
    assert not any(word in shown for word in ("script", "alert", "example.org", "html", "import", "animate", "onclick"))


def test_parts_refer_to_each_other_under_names_of_their_own() -> None:
    content = '<defs><path id="m1"/><clipPath id="p1"/></defs><use xlink:href="#m1"/><g clip-path="url(#p1)"/>'
    shown = inline(svg(content), "edges")
    for part in ('id="edges-m1"', 'id="edges-p1"', 'href="#edges-m1"', 'clip-path="url(#edges-p1)"'):
        assert part in shown


def test_numbers_lose_digits_that_nobody_sees_and_texts_none() -> None:
    shown = inline(svg('<path d="M 1.23456 7.5 L 10.999 2"/><text x="1.23456">1.23456</text>'), "front")
    assert 'd="M 1.23 7.5 L 10.99 2"' in shown
    assert ">1.23456</text>" in shown


def test_colours_of_paper_become_those_of_the_page() -> None:
    assert coloured("fill: #1a1a1a; stroke: #0072B2") == "fill: var(--ink); stroke: var(--blue)"
    assert coloured("fill: #777777; stroke: #cccccc") == "fill: var(--muted); stroke: var(--faint)"
    assert coloured("fill: #123456") == "fill: #123456"
    assert coloured("fill: #ffffff", ("#ffffff",)) == "fill: #ffffff"


@pytest.mark.parametrize("text", ["", "no picture", "<html/>", '<!DOCTYPE svg [<!ENTITY a "b">]><svg>&a;</svg>'])
def test_what_is_no_picture_is_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "front.svg").write_text(text, encoding="utf-8")
    (tmp_path / "plots" / "edges.svg").write_text(svg("<path/>"), encoding="utf-8")
    assert [one.name for one in pictures(tmp_path, {"front": "", "edges": "", "history": ""})] == ["edges"]


def test_the_same_picture_is_there_once_with_all_that_it_shows(tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    for name in ("network_trained", "network_pruned"):
        (tmp_path / "plots" / f"{name}.svg").write_text(svg('<path id="a"/>'), encoding="utf-8")
    [one] = pictures(tmp_path, {"network_trained": "Trained.", "network_pruned": "Pruned."})
    assert (one.name, one.about) == ("network_trained", "Trained. Pruned.")


def test_a_large_picture_is_there_as_points_or_stands_beside_the_page(tmp_path: Path) -> None:
    plots = tmp_path / "plots"
    plots.mkdir()
    (plots / "front.svg").write_text(svg(f'<path d="{"M 0 0 " * EACH}"/>'), encoding="utf-8")
    [one] = pictures(tmp_path, {"front": "Formulas."})
    assert one.svg == ""
    (plots / "front.png").write_bytes(b"points")
    [one] = pictures(tmp_path, {"front": '"Formulas"'})
    assert one.svg == '<img alt="&#34;Formulas&#34;" src="data:image/png;base64,cG9pbnRz">'
