"""What the pages show is so: whatever is not marked as long is run here, the rest by `make docs-check`."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from docs._tools.blocks import blocks_of, commands_of, pages
from docs._tools.check import ROOT, check
from kanrun.config.schema import GROUPS

PAGES = pages(ROOT)
KINDS = {"console", "python", "cell", "text", "yaml", "{toctree}", "{include}"}
KEY = re.compile(rf"\b({'|'.join(GROUPS)})\.([a-z_]+)=")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_shows_what_happens(path: Path, tmp_path: Path) -> None:
    assert check(path, tmp_path, long=False) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_command_of_a_page_goes_unrun_without_a_reason(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for block in blocks_of(text):
        assert block.kind in KINDS
        assert block.reason != ""
        if block.kind == "console":
            assert commands_of(block)
        elif block.kind == "text":
            assert not any(line.startswith("$ ") for line in block.lines)
    assert re.findall(r"^(?:    |\t)(?:\$ )?kanrun .*", text, flags=re.MULTILINE) == []


@pytest.mark.parametrize("path", [p for p in PAGES if p.name != "settings.md"], ids=lambda path: path.stem)
def test_settings_that_a_page_names_are_there(path: Path) -> None:
    known = {group: {f.name for kind in kinds.values() for f in fields(kind)} for group, kinds in GROUPS.items()}
    text = path.read_text(encoding="utf-8")
    mistakes = "\n".join(line for block in blocks_of(text) if "fails" in block.mark for line in block.lines)
    for group, key in set(KEY.findall(text)) - set(KEY.findall(mistakes)):
        assert key in known[group], f"{group}.{key}"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_outside_of_the_site_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", (ROOT / name).read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
