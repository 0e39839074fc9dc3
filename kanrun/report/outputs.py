"""What a run folder gets: one list of outputs, each a file or a few, written from the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kanrun.model.network import KAN
from kanrun.model.protocol import without_gradient
from kanrun.report.files import save_model, write_history, write_json
from kanrun.report.folder import write_formula_files
from kanrun.state import Result
from kanrun.symbolic.formula import formula_function


def always(result: Result) -> bool:  # noqa: ARG001
    """In every run."""
    return True


@dataclass(frozen=True)
class Output:
    """A part of a run folder: `write` puts it there. `takes_time` where an interrupted run goes without it."""

    name: str
    write: Callable[[Path, Result], None]
    wanted: Callable[[Result], bool] = always
    takes_time: bool = False


# ---- files ---------------------------------------------------------------------------------------------------------


def history(folder: Path, result: Result) -> None:
    """One row a training step."""
    write_history(folder / "history.csv", list(result.state.history))


def model(folder: Path, result: Result) -> None:
    """The last network."""
    save_model(folder / "model.pt", result.network)


def formula(folder: Path, result: Result) -> None:
    """The formulas in four forms, with the relations."""
    write_formula_files(folder, result.formulas, result.problem.data.inputs, result.state.relations.equations)


def metrics(folder: Path, result: Result) -> None:
    """Scores, sizes and times."""
    write_json(folder / "metrics.json", result.metrics)


# ---- pictures: matplotlib is imported only where they are wanted ---------------------------------------------------


def pictured(result: Result) -> bool:
    """Whether pictures are wanted."""
    return result.problem.config.plots.enabled


def with_formulas(result: Result) -> bool:
    """Whether there is a formula to draw."""
    return pictured(result) and bool(result.state.formulas)


def network_of(*stages: str) -> Output:
    """The picture of the network after the first of these stages that there was; an MLP has no curves to draw."""

    def draw(folder: Path, result: Result) -> None:
        from kanrun.report.drawing import draw_network

        data, networks = result.problem.data, result.state.networks
        network = next(networks[stage] for stage in stages if stage in networks)
        assert isinstance(network, KAN)
        draw_network(
            network, data.train.x, folder / "plots" / name, inputs=data.inputs, outputs=data.outputs,
            beta=result.problem.config.plots.beta,
        )  # fmt: skip

    def drawable(result: Result) -> bool:
        found = [result.state.networks[stage] for stage in stages if stage in result.state.networks]
        return pictured(result) and bool(found) and isinstance(found[0], KAN)

    name = f"network_{NETWORKS[stages]}"
    return Output(name, draw, drawable, takes_time=True)


NETWORKS = {("train",): "trained", ("refit", "prune"): "pruned", ("symbolic",): "symbolic"}


def picture_of_history(folder: Path, result: Result) -> None:
    """The losses step by step, or what the networks of a search have left unexplained."""
    from kanrun.report.losses import plot_history
    from kanrun.report.search import plot_search

    state = result.state
    if state.tried:
        plot_search(state.tried, folder / "plots" / "history", ended=state.search.get("ended", ""))
    else:
        plot_history(list(state.history), folder / "plots" / "history", loss=result.problem.data.loss)


def picture_of_front(folder: Path, result: Result) -> None:
    """Complexity against error of the formulas."""
    from kanrun.report.front import plot_front

    plot_front(result.formulas, folder / "plots" / "front", loss=result.problem.data.loss)


def picture_of_predictions(folder: Path, result: Result) -> None:
    """The pruned network and the formula against the test rows."""
    from kanrun.report.plots import plot_predictions

    state, data = result.state, result.problem.data
    network = state.networks.get("refit", state.networks.get("prune", result.network))
    formulas = formula_function(state.formulas, data)
    plot_predictions(data, without_gradient(network), formulas, folder / "plots" / "predictions")


OUTPUTS: list[Output] = [
    Output("history", history),
    Output("model", model),
    Output("formula", formula, lambda result: bool(result.state.formulas)),
    *(network_of(*stages) for stages in NETWORKS),
    Output("picture of the history", picture_of_history, pictured, takes_time=True),
    Output("picture of the front", picture_of_front, with_formulas, takes_time=True),
    Output("picture of the predictions", picture_of_predictions, pictured, takes_time=True),
    Output("metrics", metrics),
]


def register_output(output: Output) -> None:
    """Adds an output to every run folder; metrics.json stays the last that is written."""
    OUTPUTS.insert(-1, output)


def nobody_hurries() -> bool:
    """There is time for everything."""
    return False


def write_outputs(folder: Path, result: Result, hurry: Callable[[], bool] = nobody_hurries) -> None:
    """Everything that the run folder keeps; in a `hurry` without what takes time. Nothing where no stage is done."""
    if not result.state.entries:
        return
    for output in OUTPUTS:
        if output.wanted(result) and not (output.takes_time and hurry()):
            output.write(folder, result)
