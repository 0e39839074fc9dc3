"""The plain command on many formulas, whether each run ends well: `python benchmarks/plain.py --random 300`.

`--laws FILE ...` takes formulas with their domains from JSON files such as benchmarks/formulas.json. A run ends well
with exit status 0, in time, and with scores; what takes longest is shown. Where judge.py lies beside a file, its
`verdict` says which formulas are the law.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST = 600.0  # seconds after which a run is taken for one that hangs
ONE = ("sin", "cos", "exp", "log", "sqrt", "tanh", "abs", "atan")
POWERS = ("2", "3", "-1", "0.5", "-2", "1.5")


@dataclass(frozen=True)
class Law:
    """A formula and the domain of its inputs."""

    name: str
    formula: str
    domain: list[list[float]]
    judged_by: Path | None = None  # the file that it is from, with judge.py beside it


def random_text(draw: random.Random, inputs: int, depth: int) -> str:
    """A formula over x_1 ... with constants of any digits."""
    if depth == 0 or draw.random() < 0.2:
        return (
            f"x_{draw.randint(1, inputs)}" if draw.random() < 0.7 else f"{draw.uniform(0.1, 9):.{draw.randint(1, 4)}g}"
        )
    first, kind = random_text(draw, inputs, depth - 1), draw.random()
    if kind < 0.3:
        return f"{draw.choice(ONE)}({first})"
    if kind < 0.42:
        return f"({first})**({draw.choice(POWERS)})"
    return f"({first}{draw.choice('+-**/')}{random_text(draw, inputs, depth - 1)})"


def random_laws(count: int, seed: int) -> list[Law]:
    """Formulas of one to four inputs that have values on their whole domain, and not only one."""
    import torch

    from kanrun.config.datasets import SymbolicConfig
    from kanrun.config.schema import Config
    from kanrun.data.build import build_dataset
    from kanrun.errors import KanrunError

    draw, laws = random.Random(seed), list[Law]()
    while len(laws) < count:
        inputs = draw.randint(1, 4)
        text = random_text(draw, inputs, draw.randint(2, 4))
        if len(text) < 8:
            continue
        domain = [
            sorted((draw.uniform(-3, 3), draw.choice([1, 1, 10, 100]) * draw.uniform(0.5, 3))) for _ in range(inputs)
        ]
        if draw.random() < 0.5:
            domain = [[abs(low) + 0.1, abs(low) + 0.1 + abs(high)] for low, high in domain]
        domain = [[float(f"{v:.4g}") for v in pair] for pair in domain]
        section = SymbolicConfig(formula=text, domain=domain)
        try:
            y = build_dataset(Config(dataset=section), torch.float64, torch.device("cpu")).train.y
        except KanrunError:
            continue
        if float(y.max() - y.min()) > 0 and float(y.abs().max()) < 1e12:
            laws.append(Law(f"random {len(laws)}", text, domain))
    return laws


def outcome(law: Law, more: list[str]) -> dict[str, Any]:
    """What has become of the run: its exit status (None where it hangs), CPU of the symbolic stage, complaints."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "run"
        inputs = [f"dataset.formula={law.formula}", f"dataset.domain={json.dumps(law.domain)}".replace(" ", "")]
        command = [sys.executable, "-m", "kanrun", *inputs, "plots=none", f"hydra.run.dir={folder}", *more]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)
        except subprocess.TimeoutExpired:
            return {"status": None, "cpu": LONGEST, "said": "still going on"}
        if done.returncode:
            return {"status": done.returncode, "cpu": 0.0, "said": (done.stderr or done.stdout)[-300:]}
        metrics = json.loads((folder / "metrics.json").read_text())
        cpu = {stage["name"]: stage["cpu_seconds"] for stage in metrics["stages"]}
        formulas = folder / "formula.json"
        formula = json.loads(formulas.read_text())[0] if formulas.exists() else {}
        said = "; ".join(metrics.get("warnings", []))
        if metrics["final"]["rmse"] is None and not said:
            said = "NO SCORE WITHOUT A WORD"
        found = {
            "status": 0, "cpu": cpu.get("symbolic", 0.0), "whole": sum(cpu.values()), "said": said,
            "r2": metrics["final"]["r2"], "network": network_r2(metrics["stages"]),
            "expression": formula.get("expression"), "exact": formula.get("exact"),
        }  # fmt: skip
        if law.judged_by and found["expression"]:
            from benchmarks.laws import beside

            entry = next(e for e in json.loads(law.judged_by.read_text()) if e["name"] == law.name)
            found |= beside(law.judged_by, "judge").verdict(found["expression"], entry)
        return found


def network_r2(stages: list[dict[str, Any]]) -> float | None:
    """The test R2 of the last network of splines."""
    scores = [stage["test"]["r2"] for stage in stages if stage["name"] != "symbolic"]
    return scores[-1] if scores else None


def told(outcomes: list[dict[str, Any]]) -> str:
    """How many formulas are the law, and what is claimed of others."""
    judged = [one for one in outcomes if "form" in one]
    right, fits = (sum(bool(one[key]) for one in judged) for key in ("form", "fits"))
    false = sum(bool(one["exact"]) and not one["form"] for one in judged)
    worse = sum((one["network"] or 0) - (one["r2"] if one["r2"] is not None else -9) > 1e-3 for one in judged)
    seconds = sorted(one["whole"] for one in judged)[len(judged) // 2]
    return (
        f"{right} of {len(judged)} are the law, {fits} fit; {false} are called exact and are not; {worse} are worse "
        f"than their network by 0.001 of R2; median {seconds:.1f} s of CPU a run, beside the start"
    )


def main(arguments: list[str] | None = None) -> int:
    """Prints a line for every run with something to say, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--laws", nargs="*", default=[])
    parser.add_argument("--jobs", type=int, default=1)
    given, more = parser.parse_known_args(arguments)
    laws = random_laws(given.random, given.seed)
    for file in map(Path, given.laws):
        judge = file if (file.parent / "judge.py").exists() else None
        laws += [Law(e["name"], e["formula"], e["domain"], judge) for e in json.loads(file.read_text())]
    with ThreadPoolExecutor(given.jobs) as pool:
        outcomes = []
        for law, one in zip(laws, pool.map(lambda law: outcome(law, more), laws), strict=True):
            outcomes.append(one)
            if one["said"] or one["cpu"] > 30 or one.get("form") is False:
                line = f"status {one['status']}, symbolic {one['cpu']:.1f} s: {one.get('expression')} {one['said']}"
                print(f"{law.name}: {law.formula} on {law.domain}: {line}", flush=True)
    failed = sum(one["status"] not in (0, None) for one in outcomes)
    hung = sum(one["status"] is None for one in outcomes)
    longest = max((one["cpu"] for one in outcomes), default=0.0)
    print(f"{len(outcomes)} runs: {failed} failed, {hung} hung, symbolic stage at most {longest:.1f} s of CPU")
    if any("form" in one for one in outcomes):
        print(told(outcomes))
    return min(failed + hung, 1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    sys.exit(main())
