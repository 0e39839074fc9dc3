"""scikit-learn's checks of the estimators, trained and read in full: `python benchmarks/estimator_checks.py`.

Names of estimators choose some of them. Exit status 1 where a check fails; what takes longest is shown.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
import warnings
from typing import Any

from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator

from kanrun.estimators import FormulaRegressor, KANClassifier, KANRegressor

ESTIMATORS: dict[str, Any] = {
    "KANRegressor": KANRegressor(),
    "KANClassifier": KANClassifier(),
    "FormulaRegressor": FormulaRegressor(work=200),
}
SHOWN = 5


def failures_of(estimator: Any) -> int:
    """Runs all checks of one estimator and says how they ended; gives how many failed."""
    begun = last = time.process_time()
    taken: list[tuple[float, str, str]] = []

    def note(check_name: str, exception: BaseException | None, status: str, **_: Any) -> None:
        nonlocal last
        now = time.process_time()
        taken.append((now - last, check_name, status))
        last = now
        if status != "passed":
            print(f"  {status}: {check_name}: {exception}", flush=True)
        if status == "failed":
            traceback.print_exception(exception)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        check_estimator(estimator, on_fail=None, callback=note)
    counts = {status: sum(s == status for _, _, s in taken) for status in ("passed", "skipped", "failed")}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    print(f"{estimator}: {told}, {time.process_time() - begun:.0f} CPU seconds")
    for seconds, name, _ in sorted(taken, reverse=True)[:SHOWN]:
        print(f"  {seconds:5.1f} {name}")
    return counts["failed"]


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join(ESTIMATORS))
    names = parser.parse_args(arguments).names or list(ESTIMATORS)
    if wrong := [name for name in names if name not in ESTIMATORS]:
        parser.error(f"unknown {', '.join(wrong)}; known: {', '.join(ESTIMATORS)}")
    return int(sum([failures_of(ESTIMATORS[name]) for name in names]) > 0)


if __name__ == "__main__":
    sys.exit(main())
