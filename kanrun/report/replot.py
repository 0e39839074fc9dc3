"""A finished run as what pictures are made of: networks and formulas from its folder, rows from its config."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kanrun.config.schema import Config
from kanrun.data.dataset import Dataset
from kanrun.data.losses import loss_of
from kanrun.errors import ConfigError, KanrunError
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.report.files import finite, load_model, read, read_history
from kanrun.report.load import LoadedRun, formula_of, load_run
from kanrun.report.pictures import LAST, PICTURES, Picture, Scene

FORMATS = ("png", "svg", "pdf")
COMPARED = ("name", "type", "unit", "low", "high", "values", "classes")  # of a column that may have changed


def picture_named(name: str) -> Picture:
    """The picture of that name. Raises KanrunError for another one."""
    known = {**PICTURES, LAST.name: LAST}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    raise KanrunError(
        f"{name}: no picture{f', did you mean {close[0]}?' if close else '.'} There are {', '.join(known)}"
    )


def scene_in(folder: str | Path) -> Scene:
    """What the pictures of a completed run are made of. Raises KanrunError where its folder cannot be read.

    Of its networks a folder keeps the last, and the last of splines.
    """
    folder = Path(folder)
    run = load_run(folder)
    splines = read(folder, "splines.pt", load_model) if (folder / "splines.pt").exists() else None
    stages = [str(entry.get("name")) for entry in run.metrics.get("stages", [])]
    known = folder / "history.csv"
    return Scene(
        rows=lambda: rows_of(run, folder),
        loss=loss_of(run.metrics["stages"][-1].get("train") or {}),
        networks=kept_networks(stages, run.model, splines),
        last=run.model,
        formulas=[formula_of(entry) for entry in run.formulas],
        history=read(folder, known.name, read_history) if known.exists() else (),
        searched=bool(run.metrics.get("search")),
        beta=run.config.plots.beta,
    )


def kept_networks(stages: list[str], last: Network, splines: Network | None) -> dict[str, Network]:
    """The networks that a folder has, by what the stages made them."""
    spline = "pruned" if {"prune", "refit"} & set(stages) else "trained"
    if splines is not None:
        return {spline: splines, "symbolic": last}
    symbolic = "symbolic" in stages and isinstance(last, KAN) and last.is_symbolic()
    return {"symbolic" if symbolic else spline: last}


def rows_of(run: LoadedRun, folder: Path) -> Dataset:
    """The rows of a run, made again. Raises KanrunError where they are not to be had, or are others by now."""
    try:
        data = rebuilt(run.config)
    except ConfigError as error:
        raise KanrunError(f"the rows of {folder} cannot be had again: {error.problems[0]}") from None
    about = run.metrics.get("data") or {}
    if data.of_a_file and fingerprint(about) != fingerprint(json.loads(json.dumps(finite(dict(data.about))))):
        raise KanrunError(f"the rows of {folder} cannot be had again: {about.get('file')} has changed since the run")
    if data.inputs != run.inputs:
        raise KanrunError(f"the rows of {folder} cannot be had again: they have other inputs by now")
    return data


def rebuilt(config: Config) -> Dataset:
    """The rows that a config describes, on the CPU."""
    import torch

    from kanrun.data.build import build_dataset

    return build_dataset(config, getattr(torch, config.dtype), torch.device("cpu"))


def fingerprint(about: Mapping[str, Any]) -> Any:
    """What tells whether a table is the same: its rows, and the range of every column."""
    columns = [{key: column.get(key) for key in COMPARED} for column in about.get("columns", [])]
    return about.get("read"), about.get("rows"), about.get("dropped"), columns


def picture_of(folder: str | Path, name: str, kind: str) -> bytes:
    """A picture of a completed run as a file of one of FORMATS.

    Raises KanrunError, which says what can be made, where it cannot.
    """
    picture, scene = picture_named(name), scene_in(folder)
    try:
        return picture.content(scene, kind)
    except KanrunError as error:
        there = ", ".join(other for other in [*PICTURES, LAST.name] if is_there(other, scene))
        drawn = f"; as the run drew it: {path}" if (path := Path(folder) / "plots" / f"{name}.png").exists() else ""
        raise KanrunError(f"{error}; what can be made of {folder}: {there or 'nothing'}{drawn}") from None


def is_there(name: str, scene: Scene) -> bool:
    """Whether a picture can be made."""
    picture = picture_named(name)
    try:
        if picture.lacking(scene) is None:
            return not picture.of_rows or bool(scene.data)
    except KanrunError:
        pass
    return False
