"""Formulas from few, noisy and real rows: `python benchmarks/real.py noise ../shared/textbook.json`.

The parts: `laws FILE`, the rows of its laws without noise; `noise FILE`, its first ten laws of one input with noise;
`tables FILE`, real tables with an accepted law each; `folds FILE`, the same found anew without each fifth of the rows;
`odd`, rows that have no formula; `constants`, how often the truth is within two standard errors. judge.py and score.py
lie beside the files and judge without any code of this project; laws without judge.py are judged by
benchmarks/own_judge.py, and with noise by `is_law` of benchmarks/forms.py. `--beside` asks others for the same rows:
the peers of benchmarks/peers.py, and scipy.optimize.curve_fit, which is told the law. `make real` does all of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

PARTS = ("laws", "noise", "tables", "folds", "odd", "constants")
LEVELS, ROWS, LAWS = (0.01, 0.05, 0.2), (30, 100, 1000), 10
COVERED = ("exp_offset", "michaelis", "logistic", "freundlich", "peak_offset")
DRAWS = 50
Case = dict[str, Any]


def cases(part: str, given: argparse.Namespace) -> Iterator[Case]:
    """What a part looks at."""
    if part == "odd":
        yield from ({"name": kind, "kind": kind} for kind in ("noise", "two inputs of noise", "walk", "airy", "swing"))
        return
    content = json.loads(given.file.read_text())
    if part in ("tables", "folds"):
        chosen = [t for t in content["tables"] if t["kind"] != "synthetic"]
        yield from ({"name": t["id"], "table": t["id"]} for t in chosen)
    elif part == "laws":
        yield from ({"name": law["name"], "law": law} for law in content)
    elif part == "constants":
        chosen = [law for law in content if law["name"] in COVERED]
        yield from ({"name": f"{law['name']} {k}", "law": law, "draw": k} for law in chosen for k in range(DRAWS))
    else:
        chosen = [law for law in content if len(law["domain"]) == 1][:LAWS]
        yield from (
            {"name": f"{law['name']} {level:g} {rows}", "law": law, "level": level, "rows": rows}
            for level in LEVELS for rows in ROWS for law in chosen
        )  # fmt: skip


def tried(case: Case, part: str, given: argparse.Namespace) -> Case:
    """A case with what became of it; whatever fails is counted."""
    from benchmarks.real_parts import OF_PARTS

    begin, asked = time.process_time(), argparse.Namespace(**{**vars(given), "system": case["system"]})
    try:
        found = OF_PARTS[part](case, asked)
    except Exception as error:
        found = {**case, "form": False, "text": f"CRASH {type(error).__name__}: {str(error)[:200]}"}
    return {"cpu": time.process_time() - begin, **found}


def line(one: Case) -> str:
    """A row of the table."""
    by_score = one["form"] and not one.get("strict", True)
    state = "score" if by_score else "form" if one["form"] else "listed" if one.get("listed") else "-"
    ratio = f" {one['ratio']:8.3f}" if "ratio" in one else ""
    numbers = f"{ratio} {one.get('nodes', 0):4.1f} {one['cpu']:6.1f} s"
    return f"{one['name']:28} {one['system']:9} {state:6}{numbers}  {one['text'][:200]}"


def totals(found: Sequence[Case]) -> str:
    """The sums."""
    nodes = sorted(one["nodes"] for one in found if "nodes" in one)
    told = [f"{sum(bool(o['form']) for o in found)} of {len(found)} right"]
    told += [f"{sum(bool(o.get('strict')) for o in found)} of them strictly"] * ("strict" in found[0])
    told += [f"{sum(bool(o['listed']) for o in found if 'listed' in o)} chosen or listed"] * ("listed" in found[0])
    told += [f"{sum(bool(o.get('fits')) for o in found)} fit to rounding"] * ("fits" in found[0])
    told += [f"{sum(bool(o.get('false')) for o in found)} falsely called exact"] * ("fits" in found[0])
    told += [f"{np.mean([o.get('others', 0) for o in found]):.1f} others each"] * ("others" in found[0])
    if nodes:
        told.append(f"nodes / truth median {nodes[len(nodes) // 2]:.2f} worst {nodes[-1]:.2f}")
    if ratios := sorted(o.get("ratio", np.inf) for o in found if "ratio" in o or "table" in o):
        told.append("ratios " + " ".join(f"{r:.2f}" for r in ratios))
    if pairs := [(o["within"], o["of"]) for o in found if "within" in o]:
        told.append(f"{sum(w for w, _ in pairs) / max(sum(n for _, n in pairs), 1):.1%} of constants within two errors")
    told.append(f"median {np.median([o['cpu'] for o in found]):.1f} s of CPU")
    return ", ".join(told)


def told(found: Sequence[Case], part: str) -> Iterator[str]:
    """The sums of each system, for noise those of each level too."""
    for system in dict.fromkeys(one["system"] for one in found):
        own = [one for one in found if one["system"] == system]
        for level in LEVELS if part == "noise" else ():
            if of_level := [one for one in own if one["level"] == level]:
                yield f"{system}, noise {level:g}: {totals(of_level)}"
        yield f"{system}: {totals(own)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line a case and the sums."""
    from benchmarks.answers import KANRUN, SYSTEMS, left_out

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("file", type=Path, nargs="?", default=Path())
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--work", type=float, help="units of work instead of seconds, of kanrun")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="cases whose names contain one of these")
    parser.add_argument("--beside", nargs="*", default=[], choices=SYSTEMS[1:], help="who is asked for the same rows")
    given = parser.parse_args(arguments)
    reasons = {system: left_out(system, given.part) for system in given.beside}
    print("".join(f"{reason}\n" for reason in reasons.values() if reason), end="")
    systems = [KANRUN, *(system for system, reason in reasons.items() if not reason)]
    chosen = [c for c in cases(given.part, given) if not given.only or any(o in c["name"] for o in given.only)]
    asked, found = [{**case, "system": system} for case in chosen for system in systems], []
    with ProcessPoolExecutor(given.jobs) if given.jobs > 1 else nullcontext() as pool:
        for one in (pool.map if pool else map)(partial(tried, part=given.part, given=given), asked):
            found.append(one)
            print(line(one), flush=True)
    print("\n".join(told(found, given.part)))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
