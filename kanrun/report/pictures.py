"""Every picture of a run by its name: what it is made of, and why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanrun.data.dataset import Dataset
from kanrun.data.losses import Loss
from kanrun.errors import KanrunError
from kanrun.model.network import KAN
from kanrun.model.protocol import Network, without_gradient
from kanrun.state import Result
from kanrun.symbolic.formula import Formula
from kanrun.training.history import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

STAGES = {"trained": ("train",), "pruned": ("refit", "prune"), "symbolic": ("symbolic",)}


@dataclass(frozen=True)
class Scene:
    """What pictures are made of. `rows` gives the data, or raises KanrunError where they are not to be had.

    `networks` are those that are known, by `trained`, `pruned` and `symbolic`; `last` is the last of the run.
    `searched` says that there was a search, of which the networks `tried` are not always known.
    """

    rows: Callable[[], Dataset]
    loss: Loss
    networks: Mapping[str, Network]
    last: Network
    formulas: Sequence[Formula] = ()
    history: Sequence[Record] = ()
    searched: bool = False
    tried: Sequence[Any] = ()
    ended: str = ""
    beta: float = 3.0
    names: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def data(self) -> Dataset:
        """The rows."""
        return self.rows()

    @property
    def fitted(self) -> Network:
        """The network that the formulas were read from."""
        return self.networks.get("pruned", self.networks.get("trained", self.last))

    @cached_property
    def expressions(self) -> list[Any]:
        """The formulas, for computing."""
        from kanrun.functions.parser import parse_formula
        from kanrun.symbolic.values import OWN_LENGTH

        return [parse_formula(f.expression, self.data.inputs, "expression", OWN_LENGTH) for f in self.formulas]

    @cached_property
    def formula(self) -> Callable[[Tensor], Tensor] | None:
        """The formulas as a function of rows; None where there are none."""
        from kanrun.symbolic.values import evaluate_all

        return (lambda x: evaluate_all(self.expressions, x, self.data.inputs)) if self.formulas else None

    @property
    def best(self) -> tuple[str, Callable[[Tensor], Tensor]]:
        """The formula, or the network where there is none, with its name."""
        return ("network", without_gradient(self.fitted)) if self.formula is None else ("formula", self.formula)

    def labels(self, network: KAN) -> dict[tuple[int, int, int], list[str]]:
        """What the formulas say of the edges of a network."""
        from kanrun.report.edge_labels import edge_labels
        from kanrun.report.network_edges import edges_of, scores_of, some_rows

        edges = edges_of(network, scores_of(network, some_rows(network, self.data.train.x)))
        return edge_labels(network, self.data, self.expressions, edges)


def scene_of(result: Result) -> Scene:
    """What the pictures of a run that has just ended are made of."""
    state, data = result.state, result.problem.data
    found = {name: [state.networks[s] for s in stages if s in state.networks] for name, stages in STAGES.items()}
    return Scene(
        rows=lambda: data, loss=data.loss, networks={name: own[0] for name, own in found.items() if own},
        last=result.network, formulas=state.formulas, history=state.history, searched=bool(state.tried),
        tried=state.tried, ended=state.search.get("ended", ""), beta=result.problem.config.plots.beta,
    )  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A picture: the figure of a scene, why there is none, and whether it is made of rows."""

    name: str
    figure: Callable[[Scene], Figure]
    lacking: Callable[[Scene], str | None]
    of_rows: bool = True

    def save(self, scene: Scene, folder: Path) -> None:
        """Writes it as PNG and SVG into a folder."""
        from kanrun.report.look import house_style, save

        with house_style():
            save(self.figure(scene), folder / self.name)

    def content(self, scene: Scene, kind: str) -> bytes:
        """Its file as png, svg or pdf. Raises KanrunError where there is none."""
        from kanrun.report.look import content_of, house_style

        if reason := self.lacking(scene):
            raise KanrunError(f"no picture {self.name}: {reason}")
        with house_style():
            return content_of(self.figure(scene), kind, self.name)


# ---- the pictures: matplotlib is imported only where one is drawn --------------------------------------------------


def network_picture(name: str, which: str | None) -> Picture:
    """The network after pruning and so on, or the last one; an MLP has no curves to draw."""

    def network(scene: Scene) -> Network | None:
        return scene.networks.get(which) if which else scene.last

    def figure(scene: Scene) -> Figure:
        from kanrun.report.drawing import network_figure
        from kanrun.report.look import labelled

        model, data = network(scene), scene.data
        assert isinstance(model, KAN)
        inputs, outputs = ([labelled(data, one, 60) for one in names] for names in (data.inputs, data.outputs))
        labels = scene.labels(model) if any(layer.functions for layer in model.layers) else None
        return network_figure(model, data.train.x, inputs=inputs, outputs=outputs, beta=scene.beta, labels=labels)

    def lacking(scene: Scene) -> str | None:
        model = network(scene)
        if model is None:
            return f"the {which} network is not kept, or there was none"
        return None if isinstance(model, KAN) else "an MLP has no curves"

    return Picture(name, figure, lacking)


def history_figure(scene: Scene) -> Figure:
    """The losses step by step, or what the networks of a search have left unexplained."""
    from kanrun.report.losses import history_figure as of_training
    from kanrun.report.search import search_figure

    if scene.tried:
        return search_figure(scene.tried, ended=scene.ended)
    return of_training(list(scene.history), loss=scene.loss)


def no_history(scene: Scene) -> str | None:
    """Why there is none."""
    if scene.searched and not scene.tried:
        return "the networks of a search are not kept"
    return None if scene.tried or scene.history else "nothing was trained"


def front_figure(scene: Scene) -> Figure:
    """Complexity against error of the formulas."""
    from kanrun.report.front import front_figure as of_formulas

    return of_formulas(list(scene.formulas), loss=scene.loss)


def no_front(scene: Scene) -> str | None:
    """Why there is none."""
    several = any(sum(p.error is not None for p in f.front) > 1 for f in scene.formulas)
    return None if several else "there are no formulas to choose from" if scene.formulas else "there is no formula"


def predictions_figure(scene: Scene) -> Figure:
    """The pruned network and the formula against the test rows."""
    from kanrun.report.plots import predictions_figure as of_functions

    return of_functions(scene.data, without_gradient(scene.fitted), scene.formula)


def edges_figure(scene: Scene) -> Figure:
    """Curves beside their functions."""
    from kanrun.report.edges import edges_figure as of_networks

    network, symbolic = scene.fitted, scene.networks.get("symbolic")
    assert isinstance(network, KAN)
    if not isinstance(symbolic, KAN):
        return of_networks(scene.data, network, None, {})
    return of_networks(scene.data, network, None if symbolic is network else symbolic, scene.labels(symbolic))


def residuals_figure(scene: Scene) -> Figure:
    """What the formula leaves, or the network where there is none."""
    from kanrun.report.residuals import residuals_figure as of_function

    return of_function(scene.data, *scene.best)


def confusion_figure(scene: Scene) -> Figure:
    """Which classes are taken for which."""
    from kanrun.report.confusion import confusion_figure as of_function

    return of_function(scene.data, *scene.best)


def roc_figure(scene: Scene) -> Figure:
    """How well each class is told."""
    from kanrun.report.confusion import roc_figure as of_function

    return of_function(scene.data, *scene.best)


def importance_figure(scene: Scene) -> Figure:
    """How much each input contributes."""
    from kanrun.report.importance import importance_figure as of_network

    assert isinstance(scene.fitted, KAN)
    return of_network(scene.data, scene.fitted)


def never(scene: Scene) -> str | None:  # noqa: ARG001
    """There always is one."""
    return None


def not_values(scene: Scene) -> str | None:
    """Why there are no residuals."""
    return "classes have no residuals" if scene.data.task != "regression" else None


def not_classes(scene: Scene) -> str | None:
    """Why there is nothing about classes."""
    return "the targets are values, not classes" if scene.data.task == "regression" else None


def no_edges(scene: Scene) -> str | None:
    """Why there are no curves of edges."""
    if not isinstance(scene.fitted, KAN):
        return "an MLP has no curves"
    return None if scene.fitted.active_edges() else "no edge is left"


def no_importance(scene: Scene) -> str | None:
    """Why there are no bars."""
    if not isinstance(scene.fitted, KAN):
        return "an MLP has no attribution scores"
    return None if scene.fitted.n_in > 1 else "there is one input"


PICTURES = {
    picture.name: picture
    for picture in (
        *(network_picture(f"network_{which}", which) for which in STAGES),
        Picture("history", history_figure, no_history, of_rows=False),
        Picture("front", front_figure, no_front, of_rows=False),
        Picture("predictions", predictions_figure, never),
        Picture("edges", edges_figure, no_edges),
        Picture("residuals", residuals_figure, not_values),
        Picture("confusion", confusion_figure, not_classes),
        Picture("roc", roc_figure, not_classes),
        Picture("importance", importance_figure, no_importance),
    )
}
LAST = network_picture("network", None)  # what a run folder has under another name
