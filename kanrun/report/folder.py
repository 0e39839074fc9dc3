"""Filling a run folder, part by part."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from torch import Tensor

from kanrun.config.schema import Config
from kanrun.data.dataset import Dataset
from kanrun.errors import ConfigError, wrong
from kanrun.model.network import KAN
from kanrun.model.protocol import Network, without_gradient
from kanrun.relations.relation import Relation
from kanrun.report.export import as_latex, as_python, as_text
from kanrun.report.files import save_model, write_history, write_json, write_text
from kanrun.symbolic.formula import Formula, evaluate_texts
from kanrun.training.history import Record

if TYPE_CHECKING:
    from kanrun.pipeline.searching import Tried

RESULTS = ("config.yaml", "status.json", "metrics.json", "history.csv", "formula.json", "formula.txt", "formula.tex",
           "formula.py", "model.pt")  # fmt: skip


def check_folder(folder: Path, key: str, overwrite: bool, given: str | None = None) -> None:
    """Raises ConfigError, about the setting `key`, where a run in `folder` cannot be or would replace what is there.

    `given` is what the setting was set to, if not to the folder itself. What a run left that failed or was interrupted
    is replaced; a finished one only with `overwrite`.
    """
    given = given or str(folder)
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(wrong(key, given, f"{there} is a file; name a folder"))
    held = [name for name in RESULTS if (folder / name).exists()]
    if overwrite or not held:
        return
    if "status.json" not in held:
        raise ConfigError(wrong(key, given, f"it holds {', '.join(held)} of something else; name another folder"))
    if state_of(folder) == "completed":
        reason = "it holds a completed run; name another folder, or add overwrite=true to replace that run"
        raise ConfigError(wrong(key, given, reason))


def state_of(folder: Path) -> str | None:
    """What status.json says of the run in `folder`; None where it cannot be read."""
    try:
        return str(json.loads((folder / "status.json").read_text(encoding="utf-8"))["state"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clear_folder(folder: Path) -> None:
    """Takes out what an earlier run left in `folder`, so that its results are not taken for those of this one."""
    for path in [*(folder / name for name in RESULTS), *(folder / "plots").glob("*.[ps][nv]g")]:
        path.unlink(missing_ok=True)


def write_config(folder: Path, config: Config) -> None:
    """The whole config, every default included; whoever runs it again has to say anew what may be replaced."""
    config = replace(config, overwrite=False)
    write_text(folder / "config.yaml", yaml.safe_dump(asdict(config), sort_keys=False, allow_unicode=True))


def write_training(folder: Path, history: list[Record], model: Network) -> None:
    """The history and the last network."""
    write_history(folder / "history.csv", history)
    save_model(folder / "model.pt", model)


def write_formula_files(folder: Path, formulas: list[Formula], inputs: list[str], relations: list[Relation]) -> None:
    """formula.json, .txt, .tex and .py."""
    entries = [asdict(f) for f in formulas]
    for entry in entries:
        if entry["decision"] is None:
            del entry["decision"]
    text = as_text(formulas)
    if relations:
        entries[0]["relation"] = [asdict(r) for r in relations]
        text += "".join("relation: " + "\n".join(r.lines()) + "\n" for r in relations)
    write_json(folder / "formula.json", entries)
    write_text(folder / "formula.txt", text)
    write_text(folder / "formula.tex", as_latex(formulas))
    write_text(folder / "formula.py", as_python(formulas, inputs))


def write_plots(
    folder: Path,
    data: Dataset,
    networks: dict[str, Network],
    history: list[Record],
    formulas: list[Formula],
    beta: float,
    tried: Sequence[Tried] = (),
    ended: str = "",
) -> None:
    """The pictures: the network after training, pruning and as formula, the history, the front and the predictions.

    An MLP has no curves that could be drawn. The history of a search is that of the networks it `tried`.
    """
    from kanrun.report.drawing import draw_network  # with matplotlib, so only where pictures are wanted
    from kanrun.report.front import plot_front
    from kanrun.report.losses import plot_history
    from kanrun.report.plots import plot_predictions
    from kanrun.report.search import plot_search

    plots = folder / "plots"
    plots.mkdir(exist_ok=True)
    last = list(networks.values())[-1]
    pruned = networks.get("refit", networks.get("prune"))
    for name, model in (("trained", networks["train"]), ("pruned", pruned), ("symbolic", networks.get("symbolic"))):
        if isinstance(model, KAN):
            draw_network(
                model, data.train.x, plots / f"network_{name}", inputs=data.inputs, outputs=data.outputs, beta=beta
            )
    if tried:
        plot_search(tried, plots / "history", ended=ended)
    else:
        plot_history(history, plots / "history", loss=data.loss)
    if formulas:
        plot_front(formulas, plots / "front", loss=data.loss)
    plot_predictions(data, without_gradient(pruned or last), formula_function(formulas, data), plots / "predictions")


def formula_function(formulas: list[Formula], data: Dataset) -> Callable[[Tensor], Tensor] | None:
    """The formulas' texts as a plain function of rows, None where there are none."""
    if not formulas:
        return None
    return lambda x: evaluate_texts([f.expression for f in formulas], x, data.inputs)
