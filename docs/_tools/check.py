"""Runs what the pages show and compares: `python -m docs._tools.check [--update] [--quick] [PAGE ...]`.

Each page has a fresh folder, in which its blocks are run in order, and the example tables beneath docs/. Commands of
kanrun are called in this process, others by bash. With --update real outputs take the place of those that differ.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs._tools.blocks import Block, blocks_of, commands_of, pages
from docs._tools.compare import agree, updated

ROOT = Path(__file__).resolve().parents[2]
OVERRIDE = re.compile(r"^[+~]*[a-z_]+([./][a-z_]+)*=\S")


class Page:
    """A page that is being run: its blocks, its folder, the names of its Python, and what is to be said of it."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self.lines = path.read_text(encoding="utf-8").splitlines()
        self.blocks = blocks_of("\n".join(self.lines))
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.wrong: list[str] = []
        self.new: list[tuple[int, int, list[str]]] = []  # first line, line behind the last, what is to stand there

    def say(self, line: int, text: str) -> None:
        """Something is wrong in a line, numbered from 0."""
        self.wrong.append(f"{self.path.name}:{line + 1}: {text}")

    def compare(self, first: int, end: int, real: list[str]) -> None:
        """The output that is shown in these lines, if any, against the real one."""
        shown = self.lines[first:end]
        if shown and not agree(shown, real):
            self.new.append((first, end, updated(shown, real)))
            self.say(first, "shows another output:\n    " + "\n    ".join(updated(shown, real)))


def check(path: Path, folder: Path, long: bool, update: bool = False) -> list[str]:
    """Runs a page in an empty folder and says what is wrong, a line each; `long` takes in what takes long."""
    (folder / "docs").mkdir()
    for table in (ROOT / "docs").glob("*.csv"):
        shutil.copy(table, folder / "docs")
    page = Page(path, folder)
    with working_in(folder):
        for number, block in enumerate(page.blocks):
            if block.file:
                Path(block.file).write_text("\n".join(block.lines) + "\n", encoding="utf-8")
            if block.reason is not None or (block.long and not long):
                continue
            if block.kind == "console":
                console_block(page, block)
            elif block.kind == "python":
                after = page.blocks[number + 1] if number + 1 < len(page.blocks) else None
                python_block(page, block, after)
            elif block.kind == "cell":
                cell(page, block)
    if update and page.new:
        for first, end, lines in reversed(page.new):
            page.lines[first:end] = lines
        path.write_text("\n".join(page.lines) + "\n", encoding="utf-8")
    return page.wrong


def console_block(page: Page, block: Block) -> None:
    """Its commands, one after the other."""
    for command, first, end in commands_of(block):
        status, output = run(command, page.folder)
        if (status != 0) != ("fails" in block.mark):
            page.say(block.first + first - 1, f"ends with status {status}:\n" + "\n".join(output))
            continue
        page.compare(block.first + first, block.first + end, output)


def python_block(page: Page, block: Block, after: Block | None) -> None:
    """Its code; a text block that follows at once is what it prints."""
    status, output = run_python("\n" * block.first + "\n".join(block.lines), page)
    behind = block.first + len(block.lines) + 1
    if status:
        page.say(block.first, "fails:\n" + "\n".join(output))
    elif after and after.kind == "text" and not "".join(page.lines[behind : after.first - 1]).strip():
        page.compare(after.first, after.first + len(after.lines), output)


def cell(page: Page, block: Block) -> None:
    """A command, settings to compose, or Python, in a table."""
    text = block.lines[0]
    if text.startswith("kanrun "):
        status, output = run(text, page.folder)
    elif OVERRIDE.match(text):
        status, output = read_settings(text)
    else:
        status, output = run_python(text, page)
    if status:
        page.say(block.first, f"{text} fails:\n" + "\n".join(output))


def read_settings(text: str) -> tuple[int, list[str]]:
    """Whether the settings, as they are typed, come to a config that is allowed; nothing is run."""
    from kanrun.cli.compose import compose_job, settings_of
    from kanrun.cli.quoting import prepared
    from kanrun.config.packaged import config_folder
    from kanrun.config.validation import read_config

    try:
        read_config(settings_of(compose_job(prepared(shlex.split(text)), config_folder())))
    except Exception as error:
        return 1, str(error).splitlines()
    return 0, []


def run(command: str, folder: Path) -> tuple[int, list[str]]:
    """The exit status of a command, and what it has written to both streams, with paths relative to the folder."""
    if command.startswith("kanrun ") and not is_for_a_shell(command):
        status, output = run_here(shlex.split(command, comments=True)[1:])
    else:
        paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        done = subprocess.run(
            ["bash", "-c", command], env=os.environ | {"PATH": paths}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        status, output = done.returncode, done.stdout
    return status, lines_of(output, folder)


def lines_of(output: str, folder: Path) -> list[str]:
    """The lines, with paths relative to the folder, and without blanks at their ends."""
    return [line.rstrip() for line in output.replace(f"{folder}/", "").rstrip().splitlines()]


def is_for_a_shell(command: str) -> bool:
    """Whether it has a pipe, a redirection or the like outside quotation marks."""
    words = shlex.shlex(command, posix=True, punctuation_chars="|&;<>")
    words.whitespace_split = True
    return any(not set(word) - set("|&;<>") for word in words if word)


def run_here(arguments: list[str]) -> tuple[int, str]:
    """kanrun with these arguments, in this process as if it were a new one."""
    from hydra.core.hydra_config import HydraConfig

    from kanrun.cli.main import main

    before, said, status = list(sys.argv), io.StringIO(), 0
    sys.argv, HydraConfig.instance().cfg = ["kanrun", *arguments], None
    os.environ["HYDRA_FULL_ERROR"] = "0"  # the command changes it for its own process
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main()
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.argv = before
        os.environ.pop("HYDRA_FULL_ERROR", None)
        logging.captureWarnings(False)
    return status, said.getvalue()


def run_python(code: str, page: Page) -> tuple[int, list[str]]:
    """Executes code with the names of the page; a traceback is the output of one that fails."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            exec(compile(code, page.path.name, "exec"), page.names)
    except Exception:
        return 1, traceback.format_exc().splitlines()
    return 0, lines_of(said.getvalue(), page.folder)


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """The folder is the current one within the block."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def main() -> int:
    """The command. Ends with status 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--update", action="store_true", help="write real outputs into the pages")
    parser.add_argument("--quick", action="store_true", help="without what is marked as long")
    given = parser.parse_args()
    wrong = 0
    for path in given.pages or pages(ROOT):
        begun = cpu_seconds()
        with tempfile.TemporaryDirectory() as name:
            found = check(path.resolve(), Path(name).resolve(), not given.quick, given.update)
        wrong += len(found)
        print(f"{path.name}: {len(found) or 'nothing'} wrong, {cpu_seconds() - begun:.1f} s of CPU", flush=True)
        for text in found:
            print(text, flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
