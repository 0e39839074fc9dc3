"""The package is imported on any system: nothing of it needs modules that only some of them have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import kanrun

# What Windows does not have.
ELSEWHERE = ("resource", "fcntl", "pwd", "grp", "pty", "termios", "posix", "readline", "syslog")


def test_no_module_names_them_at_its_top() -> None:
    top = Path(kanrun.__file__).parent
    lines = [
        f"{path.relative_to(top)}: {line}"
        for path in top.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(("import ", "from ")) and line.split()[1].split(".")[0] in ELSEWHERE
    ]
    assert lines == []


def test_what_is_large_is_imported_when_it_is_needed() -> None:
    program = "import sys, kanrun; sys.exit(str([m for m in ('torch', 'sklearn', 'sympy') if m in sys.modules]))"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stderr
    assert told.strip() == "[]"
