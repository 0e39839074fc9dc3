"""What a run folder gets: one list of outputs, each a file or a few, written from the result."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kanrun.errors import failure
from kanrun.exporters.source import source_of
from kanrun.exporters.table import exporter
from kanrun.model.network import KAN
from kanrun.report.export import as_entries, as_text
from kanrun.report.files import save_model, write_history, write_json, write_text
from kanrun.report.pictures import PICTURES, Picture, scene_of
from kanrun.state import Result

log = logging.getLogger("kanrun")


def always(result: Result) -> bool:  # noqa: ARG001
    """In every run."""
    return True


@dataclass(frozen=True)
class Output:
    """A part of a run folder: `write` puts it there.

    Its name is that of its file, if it is one: a run that replaces another one takes it away. `takes_time` where an
    interrupted run goes without it; one that fails costs nothing but itself, unless it is `essential`.
    """

    name: str
    write: Callable[[Path, Result], None]
    wanted: Callable[[Result], bool] = always
    takes_time: bool = False
    essential: bool = False

    @property
    def file(self) -> str | None:
        """Its file in the run folder."""
        return self.name if "." in self.name else None


# ---- files ---------------------------------------------------------------------------------------------------------


def history(folder: Path, result: Result) -> None:
    """One row a training step."""
    write_history(folder / "history.csv", list(result.state.history))


def model(folder: Path, result: Result) -> None:
    """The last network."""
    save_model(folder / "model.pt", result.network)


def splines(folder: Path, result: Result) -> None:
    """The last network whose edges are splines, which kanrun refine goes on from."""
    save_model(folder / "splines.pt", spline_networks(result)[-1])


def spline_networks(result: Result) -> list[KAN]:
    """The networks of splines, in the order of the stages."""
    networks = [result.state.networks[entry["name"]] for entry in result.state.entries]
    return [one for one in networks if isinstance(one, KAN) and not one.is_symbolic()]


def became_functions(result: Result) -> bool:
    """Whether the last network has lost its splines."""
    last = result.network
    return isinstance(last, KAN) and last.is_symbolic() and bool(spline_networks(result))


def formula(folder: Path, result: Result) -> None:
    """The formulas with all that is known of them, and the relations."""
    write_json(folder / "formula.json", as_entries(result.formulas, result.state.relations.equations))


def text(folder: Path, result: Result) -> None:
    """The formulas to read."""
    write_text(folder / "formula.txt", as_text(result.formulas, result.state.relations.equations))


def latex(folder: Path, result: Result) -> None:
    """The formulas as LaTeX."""
    export(folder / "formula.tex", "latex", result)


def python(folder: Path, result: Result) -> None:
    """The formulas as a module of Python."""
    export(folder / "formula.py", "python", result)


def export(path: Path, language: str, result: Result) -> None:
    """A file in another language."""
    text = exporter(language).write(source_of(as_entries(result.formulas), result.problem.data.inputs))
    assert isinstance(text, str)
    write_text(path, text)


def metrics(folder: Path, result: Result) -> None:
    """Scores, sizes and times."""
    write_json(folder / "metrics.json", result.metrics)


# ---- pictures ------------------------------------------------------------------------------------------------------


def has_formulas(result: Result) -> bool:
    """Whether there are formulas to write."""
    return bool(result.formulas)


def output_of(picture: Picture) -> Output:
    """A picture as an output of the runs that it can be made of."""

    def draw(folder: Path, result: Result) -> None:
        scene = scene_of(result)
        if picture.lacking(scene) is None:
            picture.save(scene, folder / "plots")

    def wanted(result: Result) -> bool:
        return result.problem.config.plots.enabled

    return Output(f"picture {picture.name}", draw, wanted, takes_time=True)


OUTPUTS: list[Output] = [
    Output("history.csv", history, essential=True),
    Output("model.pt", model, essential=True),
    Output("splines.pt", splines, became_functions),
    Output("formula.json", formula, has_formulas, essential=True),
    Output("formula.txt", text, has_formulas),
    Output("formula.tex", latex, has_formulas),
    Output("formula.py", python, has_formulas),
    *(output_of(picture) for picture in PICTURES.values()),
    Output("metrics.json", metrics, essential=True),
]


def register_output(output: Output) -> None:
    """Adds an output to every run folder; metrics.json stays the last that is written."""
    OUTPUTS.insert(-1, output)


def nobody_hurries() -> bool:
    """There is time for everything."""
    return False


def write_outputs(folder: Path, result: Result, hurry: Callable[[], bool] = nobody_hurries) -> list[str]:
    """Everything that the run folder keeps; in a `hurry` without what takes time. Nothing where no stage is done.

    Gives back a sentence for every output that could not be made. Raises what an essential one raises.
    """
    failed = []
    for output in OUTPUTS if result.state.entries else ():
        try:
            if output.wanted(result) and not (output.takes_time and hurry()):
                output.write(folder, result)
        except Exception as error:
            if output.essential:
                raise
            log.exception("%s failed", output.name)
            failed.append(f"{output.name} could not be made ({failure(error)})")
    return failed
