"""How much memory reading a large table takes: `python benchmarks/tables.py [--rows 10000000] [--folder DIR]`.

Draws a CSV of ten columns of normal numbers (94 MB a million rows), then reads it in fresh processes: with a `where`
that keeps one row of a hundred, and the first million rows whole. Prints Markdown: the peak of memory of each process,
what Python and the engine took before they read anything, what the kept rows are, and seconds of the processor.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COLUMNS, CHUNK, MIB = 10, 100_000, 1 << 20
RARE = 2.326  # which one normal number of a hundred is above
# Most memory over the kept rows that reading may take, in MiB.
LIMITS = {"one row of a hundred": 2048, "all of a million rows": 1536}


def write_table(path: Path, rows: int, seed: int = 0) -> None:
    """Normal numbers with six decimals, c0 to c9."""
    random = np.random.default_rng(seed)
    with path.open("w") as stream:
        stream.write(",".join(f"c{i}" for i in range(COLUMNS)) + "\n")
        for begin in range(0, rows, CHUNK):
            values = random.normal(size=(min(CHUNK, rows - begin), COLUMNS))
            stream.write("\n".join(",".join(f"{v:.6f}" for v in row) for row in values.tolist()) + "\n")


def head(path: Path, target: Path, rows: int) -> None:
    """The first rows of a table, and its header."""
    with path.open() as source, target.open("w") as stream:
        for number, line in enumerate(source):
            if number > rows:
                break
            stream.write(line)


def peak() -> float:
    """The most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024)


def read(path: str, where: str | None) -> dict[str, float]:
    """Reads a table in this process and measures it."""
    import polars as pl

    from kanrun.data.table.asked import Asked
    from kanrun.data.table.read import read_table

    pl.DataFrame({"a": [1.0]}).lazy().select(pl.col("a") * 2).collect()
    before, begin = peak(), time.process_time()
    rows = read_table(Asked(path, ["c9"], where=where))
    kept = (rows.x.nbytes + rows.y.nbytes) / MIB
    return {"before": before, "peak": peak(), "kept": kept, "rows": len(rows.x), "cpu": time.process_time() - begin}


def measured(path: Path, where: str | None) -> dict[str, float]:
    """The same in a fresh process."""
    command = [sys.executable, __file__, "--read", str(path), *(["--where", where] if where else [])]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def report(name: str, found: dict[str, float]) -> str:
    """A line of the table."""
    over = found["peak"] - found["kept"]
    fine = "yes" if over <= LIMITS[name] else "NO"
    return (
        f"| {name} | {found['rows']:.0f} | {found['kept']:.0f} | {found['before']:.0f} | {found['peak']:.0f} | "
        f"{over:.0f} of {LIMITS[name]}, {fine} | {found['cpu']:.0f} |"
    )


def main() -> None:
    """Makes the table and measures both readings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument(
        "--folder", help="where the table is kept for another time; a temporary folder if it is not given"
    )
    parser.add_argument("--read", help=argparse.SUPPRESS)
    parser.add_argument("--where", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        print(json.dumps(read(given.read, given.where)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(given.folder or temporary)
        large, part = folder / "large.csv", folder / "million.csv"
        if not large.exists():
            write_table(large, given.rows)
        head(large, part, min(given.rows, 1_000_000))
        print("| rows kept | number | MiB of them | MiB before | MiB at most | over them | CPU s |")
        print("|---|---|---|---|---|---|---|")
        print(report("one row of a hundred", measured(large, f"c0 > {RARE}")), flush=True)
        print(report("all of a million rows", measured(part, None)), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
