"""What of a Markdown page is run: its console and Python blocks, and the last column of tables that ask for it.

A comment in the line before says more: `<!-- long -->` (by `make docs-check` only), `<!-- not run: why -->`,
`<!-- fails -->` (the command ends with a mistake), `<!-- file: NAME -->` (the block is a file beside the others),
`<!-- run the last column -->` (of the table that follows; `, long` may stand behind it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^(`{3,})\s*(\{?[\w-]*\}?)\s*$")
MARK = re.compile(r"^<!--\s*(.*?)\s*-->$")
RUNS = ("console", "python")


@dataclass(frozen=True)
class Block:
    """A fenced block, or a row's last cell, with the numbers (from 0) of its lines between the fences."""

    kind: str  # console, python, text, ...; cell for code in a table
    first: int
    lines: tuple[str, ...]
    mark: str = ""

    @property
    def long(self) -> bool:
        """Whether it is too long for the suite."""
        return "long" in self.mark.split(": ")[0]

    @property
    def reason(self) -> str | None:
        """Why it is not run; None where it is."""
        return self.mark.partition(":")[2].strip() if self.mark.startswith("not run") else None

    @property
    def file(self) -> str | None:
        """The file that it is."""
        return self.mark.removeprefix("file:").strip() if self.mark.startswith("file:") else None


def blocks_of(text: str) -> list[Block]:
    """The blocks of a page, in order."""
    lines, found, mark, at = text.splitlines(), [], "", 0
    while at < len(lines):
        fence = FENCE.match(lines[at])
        if fence:
            end = next((n for n in range(at + 1, len(lines)) if lines[n].strip() == fence[1]), len(lines))
            found.append(Block(fence[2] or "text", at + 1, tuple(lines[at + 1 : end]), mark))
            mark, at = "", end + 1
            continue
        told = MARK.match(lines[at])
        if told:
            mark = told[1]
        elif lines[at].startswith("|") and mark.startswith("run the last column"):
            found += cells_of(lines[at], at, mark)
        elif lines[at].strip() or lines[at - 1].startswith("|"):  # a paragraph, or the end of a table
            mark = ""
        at += 1
    return found


def cells_of(row: str, at: int, mark: str) -> list[Block]:
    """The code in the last cell of a row of a table."""
    cell = re.split(r"(?<!\\)\|", row.rstrip().removesuffix("|"))[-1]
    return [Block("cell", at, (code.replace("\\|", "|"),), mark) for code in re.findall(r"`([^`]+)`", cell)]


def commands_of(block: Block) -> list[tuple[str, int, int]]:
    """Each command of a console block with the lines of its output, as the numbers of the first and behind the last."""
    found, at = [], 0
    while at < len(block.lines):
        if not block.lines[at].startswith("$ "):
            raise ValueError(f"line {block.first + at + 1}: a console block begins with '$ '")
        command = block.lines[at][2:]
        while command.endswith("\\"):
            at += 1
            command = command[:-1] + block.lines[at].strip()
        end = next((n for n in range(at + 1, len(block.lines)) if block.lines[n].startswith("$ ")), len(block.lines))
        found.append((command, at + 1, end))
        at = end
    return found


def pages(root: Path) -> list[Path]:
    """README and all pages of the documentation."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]
