"""What the files of a run folder say of a job: one row of a sweep's summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kanrun.data.losses import LOSSES
from kanrun.report.files import flat, read_json
from kanrun.report.lock import in_use
from kanrun.report.sound import odd_formulas, odd_in
from kanrun.sweep.pruning import PRUNING
from kanrun.sweep.record import values_in
from kanrun.sweep.resuming import config_of, runs_in

BESIDE = ("rmse", "r2", "accuracy")  # scores beside the losses
PARTS = ("validation", "test")
KILLED = "its process was killed; kanrun -m ... sweep.resume=FOLDER goes on with it"


@dataclass(frozen=True)
class Row:
    """One job: its folder's name, what it has of the swept values, how it ended, and what came of it.

    `error` is why it failed, or what of its files cannot be read.

    `scores` has those of the last stage as validation_rmse, test_r2, ..., and `stages` by stage as train_test_rmse, ...
    """

    job: str
    values: Mapping[str, Any]
    state: str
    error: str | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    formulas: Sequence[Mapping[str, Any]] = ()
    relations: Sequence[str] = ()
    seconds: float | None = None
    stages: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def formula(self) -> str | None:
        """As it is read, all outputs in one text."""
        return "; ".join(entry["rounded"] for entry in self.formulas if entry.get("rounded")) or None

    @property
    def exact(self) -> bool | None:
        """Whether all formulas are the truth; None where that is not known."""
        said = [entry.get("exact") for entry in self.formulas]
        return all(said) if said and all(isinstance(one, bool) for one in said) else None

    @property
    def complexity(self) -> int | None:
        """Nodes of all formulas."""
        sizes = [entry.get("complexity") for entry in self.formulas]
        return sum(sizes) if sizes and all(isinstance(size, int) for size in sizes) else None  # type: ignore[arg-type]


def not_completed(rows: Sequence[Row]) -> list[Row]:
    """Jobs that have failed, or have not come to their end though they were to; those that go on are not counted."""
    return [row for row in rows if row.state not in ("completed", "pruned", "running")]


def rows_in(folder: Path) -> list[Row]:
    """A row for every run directly in a folder, by number.

    The values are those that the sweep varied; where that is not kept, the settings that differ between the runs.
    """
    runs = runs_in(folder)
    kept = values_in(folder)
    values = kept if all(run.name in kept for run in runs) else differing_settings(runs)
    return [row_of(run, values.get(run.name, {})) for run in runs]


def never_begun(folder: Path) -> list[str]:
    """The jobs that a sweep was to have, and that have no run folder yet."""
    there = {run.name for run in runs_in(folder)}
    return [name for name in values_in(folder) if name not in there]


def row_of(run: Path, values: Mapping[str, Any]) -> Row:
    """What there is to say about one run; what cannot be read is not there."""
    status, metrics = content_of(run / "status.json", {}), content_of(run / "metrics.json", {})
    state = str(status.get("state", "unknown"))
    error = status.get("error")
    if state == "running" and not in_use(run):
        state, error = "interrupted", KILLED
    if state == "interrupted" and str(error).startswith(f"interrupted by {PRUNING}"):
        state = "pruned"
    if state != "completed":
        return Row(run.name, values, state, None if error is None else str(error))
    if odd := next(odd_in(metrics), None):
        metrics, error = {}, f"metrics.json: {odd}"
    error = None if error is None else str(error)
    formulas = content_of(run / "formula.json", [])
    if odd := next(odd_formulas(formulas), None):
        formulas, error = [], error or f"formula.json: {odd}"
    listed = metrics.get("stages")
    stages = [stage for stage in listed if isinstance(stage, dict)] if isinstance(listed, list) else []
    return Row(
        run.name, values, state, error, scores_of(stages, metrics.get("cross_validation")),
        [entry for entry in formulas if isinstance(entry, dict)], relations_of(formulas, metrics),
        metrics.get("total_seconds"), by_stage(stages),
    )  # fmt: skip


def content_of(path: Path, otherwise: Any) -> Any:
    """Of a JSON file; `otherwise` where it cannot be read or is of another kind."""
    with suppress(OSError, ValueError, RecursionError):
        found = read_json(path)
        return found if isinstance(found, type(otherwise)) else otherwise
    return otherwise


def scores_of(stages: Sequence[Mapping[str, Any]], left_out: Any) -> dict[str, float | None]:
    """Those of the last stage, and of cross-validation where that is in the place of test rows."""
    parts = {part: stages[-1].get(part) for part in PARTS} if stages else {}
    if isinstance(left_out, dict):
        parts["cross_validation"] = left_out
    return {
        f"{part}_{key}": scores[key]
        for part, scores in parts.items() if isinstance(scores, dict)
        for key in (*LOSSES, *BESIDE) if key in scores
    }  # fmt: skip


def by_stage(stages: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """The most telling score of every stage, on validation and test rows."""
    found: dict[str, float | None] = {}
    for stage in stages:
        for part in PARTS:
            scores = stage.get(part)
            if isinstance(scores, dict):
                key = next((k for k in ("accuracy", "rmse", *LOSSES) if k in scores), None)
                if key:
                    found[f"{stage.get('name')}_{part}_{key}"] = scores[key]
    return found


def relations_of(formulas: Sequence[Any], metrics: Mapping[str, Any]) -> list[str]:
    """The relations that a contrastive run has found; of those that are not exact only which inputs they tie."""
    listed = [entry["relation"] for entry in formulas if isinstance(entry, dict) and entry.get("relation")]
    found = [one for part in listed for one in (part if isinstance(part, list) else [part]) if isinstance(one, dict)]
    if not found:
        return [f"between {', '.join(map(str, group))}" for group in metrics.get("related_inputs") or []]
    return [
        f"between {', '.join(map(str, one.get('inputs', [])))}, not exact" if one.get("exact") is False
        else str(one.get("rounded"))
        for one in found
    ]  # fmt: skip


def differing_settings(runs: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """The settings in which the configs of runs differ, by the name of their folders."""
    configs = {run.name: dict(flat(settings)) for run in runs if (settings := config_of(run))}
    keys = dict.fromkeys(key for config in configs.values() for key in config)
    texts = {key: {repr(config.get(key, "")) for config in configs.values()} for key in keys}
    swept = [key for key in keys if len(texts[key]) > 1]
    return {name: {key: config[key] for key in swept if key in config} for name, config in configs.items()}
