"""How many laws in natural units a search finds, and whether it claims more: `python benchmarks/laws.py FILE`.

FILE is a list of laws in JSON: `name`, `formula`, and for every input either `domain` [low, high] or its `sampling`.
A file beside it, judge.py, draws the rows (`rows`) and says whether a formula is the law (`verdict`); no code of this
project has a part in that. Prints a line a law: whether the search crashed, whether it has found the law's form or at
least its values, whether it claims to be exact, and the units of work; then the totals. A claim of being exact where
the form is another one is a false one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

Law = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of one law."""

    name: str
    law: str
    found: str = ""
    crash: str = ""
    form: bool = False
    fits: bool = False
    claims: bool = False
    stopped: str = ""
    work: float = 0.0
    seconds: float = 0.0

    @property
    def false_claim(self) -> bool:
        """Whether it is called exact without being the law."""
        return self.claims and not self.form

    def line(self) -> str:
        """As a row of a table."""
        state = "CRASH" if self.crash else "form" if self.form else "fits" if self.fits else "-"
        claim = "FALSE CLAIM" if self.false_claim else "exact" if self.claims else ""
        told = self.crash or self.found
        numbers = f"{self.work:8.0f} {self.seconds:6.1f} s"
        return f"{self.name:12} {state:6} {claim:12} {self.stopped:8} {numbers}  {self.law}  ->  {told[:160]}"


def beside(file: Path, name: str) -> Any:
    """The module of this name in the folder of a file. Raises FileNotFoundError where there is none."""
    path = file.parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def searched(law: Law, file: Path, work: float, rows: int, seed: int) -> Outcome:
    """One law's rows searched and judged."""
    from kanrun import fit

    judge, begin, name, formula = beside(file, "judge"), time.process_time(), str(law["name"]), str(law["formula"])
    x, y = judge.rows(law, rows, seed)
    config = {"search": {"work": work}, "plots": {"enabled": False}, "seed": seed, "threads": 1}
    try:
        result = fit(x, y, config)
        found = result.state.formulas[0]
        told = result.metrics["search"]
        failed = [text for text in result.metrics.get("warnings", []) if "failed" in text]
    except Exception as error:  # whatever it is, it is counted
        crash = f"{type(error).__name__}: {error}".splitlines()[0]
        return Outcome(name, formula, crash=crash, seconds=time.process_time() - begin)
    seconds = time.process_time() - begin
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verdict = judge.verdict(found.expression, law)
    claims = "exact" in (found.reason.split()[0], told["stopped"]) or found.exact is True
    return Outcome(
        name, formula, found.expression, "; ".join(failed), verdict["form"], verdict["fits"], claims,
        told["stopped"], told["work"], seconds,
    )  # fmt: skip


def outcomes(laws: Sequence[Law], one: Callable[[Law], Outcome], jobs: int) -> list[Outcome]:
    """Those of all laws, each told when it is known."""
    found = []
    if jobs == 1:
        for law in laws:
            found.append(one(law))
            print(found[-1].line(), flush=True)
        return found
    with ProcessPoolExecutor(jobs) as pool:
        for outcome in pool.map(one, laws):
            found.append(outcome)
            print(outcome.line(), flush=True)
    return found


def summary(found: Sequence[Outcome]) -> str:
    """The totals."""
    counted = {
        "laws": len(found), "crashes": sum(bool(o.crash) for o in found), "form": sum(o.form for o in found),
        "fits": sum(o.fits for o in found), "claims of exact": sum(o.claims for o in found),
        "false claims": sum(o.false_claim for o in found),
    }  # fmt: skip
    return ", ".join(f"{count} {name}" for name, count in counted.items())


def main(arguments: Sequence[str]) -> int:
    """Searches the laws that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--work", type=float, default=40_000, help="units of work a law, about 1000 a second")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of laws")
    parser.add_argument("--every", type=int, default=1, help="only every so many laws")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the place of the first of them")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    asked = parser.parse_args(arguments)
    laws = json.loads(asked.file.read_text())[asked.first :: asked.every]
    if asked.only:
        laws = [law for law in json.loads(asked.file.read_text()) if law["name"] in asked.only]
    one = partial(searched, file=asked.file, work=asked.work, rows=asked.rows, seed=asked.seed)
    found = outcomes(laws, one, asked.jobs)
    print(summary(found))
    return int(any(o.crash or o.false_claim for o in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
