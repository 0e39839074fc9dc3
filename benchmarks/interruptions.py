"""Runs that are killed or interrupted at random moments: `python benchmarks/interruptions.py --kills 50 --signals 30`.

A run that is killed with -9 and resumed has to end with the numbers of an undisturbed one; one that gets SIGTERM has to
end within two seconds as interrupted, with scores, model and history of every stage that it had finished.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RUNS = {
    "hello": ["experiment=hello"],
    "contrastive": ["experiment=contrastive"],
    "contrastive_all": ["experiment=contrastive_all"],
    "discover": ["experiment=discover", "search.work=9000"],
}
CHANGES = ("seconds", "cpu_seconds", "total_seconds", "peak_memory_mib")  # from one run to the next
PROMISED = 2.0  # seconds from a signal to the end
STARTING = 60.0  # seconds at most until status.json is there


def lasting(content: Any) -> Any:
    """The same without times and memory."""
    if isinstance(content, dict):
        return {k: lasting(v) for k, v in content.items() if k not in CHANGES}
    return [lasting(v) for v in content] if isinstance(content, list) else content


def outcome(folder: Path) -> list[Any]:
    """What has to be the same however often a run was killed."""
    return [lasting(json.loads((folder / name).read_text())) for name in ("metrics.json", "formula.json")]


def state_of(folder: Path) -> str:
    return str(json.loads((folder / "status.json").read_text())["state"])


def begun(name: str, folder: Path) -> subprocess.Popen[bytes]:
    """A run whose status.json is there."""
    arguments = [*RUNS[name], "plots=none", f"hydra.run.dir={folder}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "kanrun", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + STARTING
    while not (folder / "status.json").exists() and time.monotonic() < until:
        time.sleep(0.01)
    return process


def undisturbed(name: str, folder: Path) -> tuple[float, list[Any]]:
    """Seconds that the run takes once status.json is there, and its outcome."""
    process = begun(name, folder)
    start = time.monotonic()
    process.wait()
    return time.monotonic() - start, outcome(folder)


def killed_and_resumed(name: str, moment: float, folder: Path, expected: list[Any]) -> str:
    """What has become of it: the same, other numbers, or a failure."""
    process = begun(name, folder)
    time.sleep(moment)
    process.kill()
    process.wait()
    resumed = subprocess.run([sys.executable, "-m", "kanrun", "resume", str(folder)], capture_output=True, check=False)
    if resumed.returncode:
        return f"failed: {resumed.stderr.decode()[-200:]}"
    return "the same" if outcome(folder) == expected else "other numbers"


def interrupted(name: str, moment: float, folder: Path) -> str:
    """What has become of it: in time, late, without what was finished, or over before the signal."""
    process = begun(name, folder)
    time.sleep(moment)
    done = [row["name"] for row in json.loads((folder / "metrics.json").read_text())["stages"]] if (
        folder / "metrics.json"
    ).exists() else []  # fmt: skip
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait()
    seconds = time.monotonic() - start
    state = state_of(folder)
    if state == "completed":
        return "over before"
    if state != "interrupted" or seconds > PROMISED:
        return f"{state} after {seconds:.2f} s"
    missing = [f for f in ("metrics.json", "history.csv", "model.pt") if done and not (folder / f).exists()]
    if "symbolic" in done and not (folder / "formula.json").exists():
        missing.append("formula.json")
    return f"without {', '.join(missing)}" if missing else "in time"


def main(arguments: list[str] | None = None) -> int:
    """Prints a line each and the sums; 1 where one of them was not as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--signals", type=int, default=30)
    parser.add_argument("--runs", nargs="+", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    draw, wrong = random.Random(given.seed), 0
    with tempfile.TemporaryDirectory() as top:
        whole = {name: undisturbed(name, Path(top) / name) for name in given.runs}
        for number, name in zip(range(given.kills), itertools.cycle(given.runs), strict=False):
            seconds, expected = whole[name]
            moment = draw.uniform(0.0, seconds)
            became = killed_and_resumed(name, moment, Path(top) / f"kill{number}", expected)
            wrong += became != "the same"
            print(f"{name} killed at {moment:.2f} of {seconds:.2f} s, resumed: {became}", flush=True)
        for number, name in zip(range(given.signals), itertools.cycle(given.runs), strict=False):
            moment = draw.uniform(0.0, whole[name][0])
            became = interrupted(name, moment, Path(top) / f"signal{number}")
            wrong += became not in ("in time", "over before")
            print(f"{name} SIGTERM at {moment:.2f} of {whole[name][0]:.2f} s: {became}", flush=True)
    print(f"{given.kills} killed, {given.signals} interrupted, {wrong} not as promised")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
