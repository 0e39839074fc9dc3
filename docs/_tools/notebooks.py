"""Runs the notebooks and compares their outputs: `python -m docs._tools.notebooks [--update]`.

Each is run by nbclient in a fresh folder with the example tables. Texts are compared as on the pages; pictures are not.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from docs._tools.compare import agree, texts

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "notebooks"


def run_notebook(path: Path, folder: Path) -> tuple[Any, list[str]]:
    """The notebook with new outputs, run in an empty folder, and what is wrong with those that it had."""
    shown = nbformat.read(path, as_version=4)
    real = nbformat.read(path, as_version=4)
    for table in (ROOT / "docs").glob("*.csv"):
        shutil.copy(table, folder)
    try:
        NotebookClient(real, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    except CellExecutionError as error:
        return shown, [f"{path.name}: {error}"]
    wrong = []
    for number, (before, after) in enumerate(zip(shown.cells, real.cells, strict=True)):
        after.metadata = before.metadata  # without the times
        for output in after.get("outputs", []):
            if output.output_type == "stream":
                output.text = output.text.replace(f"{folder}/", "")
        if not agree(texts(before), texts(after)):
            wrong.append(f"{path.name}, cell {number}: shows another output:\n    " + "\n    ".join(texts(after)))
    real.metadata = shown.metadata
    return real, wrong


def main() -> int:
    """The command. Ends with status 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="write the real outputs into the notebooks")
    given = parser.parse_args()
    failures = 0
    for path in sorted(FOLDER.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as name:
            real, wrong = run_notebook(path, Path(name).resolve())
        if given.update and wrong:
            nbformat.write(real, path)
        print("\n".join([f"{path.name}: {len(wrong) or 'nothing'} wrong", *wrong]), flush=True)
        failures += len(wrong)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
