"""Tables with an accepted law each, searched by the command: `python benchmarks/real_tables.py tables.json`.

The file has `tables`: for each its `file` beside it, `target`, `kind` and `columns` with name, unit and role. A run
ends well with status 0, the columns' own names, units where the file says them, a cross-validated score and the other
forms that the rows allow.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def lacks(folder: Path, table: dict[str, Any]) -> list[str]:
    """What a run folder does not have."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    [formula] = json.loads((folder / "formula.json").read_text(encoding="utf-8"))
    known = {c["name"].split(" (")[0] for c in table["columns"]} | {c["name"] for c in table["columns"]}
    found = []
    if not set(formula["symbols"].values()) <= known:
        found.append(f"names: {formula['symbols']}")
    if any("(" in c["name"] and c["unit"] for c in table["columns"] if c["role"] != "label") and not formula["units"]:
        found.append("units")
    if (metrics.get("cross_validation") or {}).get("rmse") is None:
        found.append("cross-validated score")
    return found + ([] if "alternatives" in formula else ["alternatives"])


def outcome(table: dict[str, Any], home: Path, seconds: float) -> dict[str, Any]:
    """How the search of a table has ended."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "run"
        labels = [c["name"] for c in table["columns"] if c["role"] == "label"]
        arguments = [str(home / table["file"]), f"target={table['target']}", f"search.seconds={seconds:g}"]
        more = ["plots=none", f"hydra.run.dir={folder}", *([f"ignore=[{','.join(labels)}]"] if labels else [])]
        command = [sys.executable, "-m", "kanrun", *arguments, *more]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10 * seconds + 120)
        except subprocess.TimeoutExpired:
            return {"id": table["id"], "well": False, "said": "hung"}
        if done.returncode:
            return {"id": table["id"], "well": False, "said": done.stderr.strip()[-300:]}
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        [formula] = json.loads((folder / "formula.json").read_text(encoding="utf-8"))
        missing = lacks(folder, table)
        return {
            "id": table["id"], "well": not missing, "said": ", ".join(missing), "formula": formula["rounded"],
            "r2": (metrics.get("cross_validation") or {}).get("r2"), "others": len(formula["alternatives"]),
        }  # fmt: skip


def main() -> None:
    """Runs the tables and shows each with its formula."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--synthetic", action="store_true", help="those that are made up, too")
    given = parser.parse_args()
    tables = json.loads(given.tables.read_text(encoding="utf-8"))["tables"]
    chosen = [t for t in tables if given.synthetic or t["kind"] != "synthetic"]
    with ThreadPoolExecutor(given.jobs) as pool:
        found = list(pool.map(lambda t: outcome(t, given.tables.parent, given.seconds), chosen))
    for one in found:
        r2 = "-" if one.get("r2") is None else f"{one['r2']:.4f}"
        told = f"CV R2 {r2:<8} {one.get('formula', '')} {one['said']}"
        print(f"{one['id']:<26} {'well' if one['well'] else 'NOT':<5} {told}")
    print(f"{sum(one['well'] for one in found)} of {len(found)} ended well")


if __name__ == "__main__":
    main()
