"""What a run works on, what it has reached, and what it gives: the values that its stages pass on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kanrun.config.schema import Config
from kanrun.context import Context
from kanrun.data.dataset import Dataset
from kanrun.model.protocol import Network
from kanrun.relations.relation import Relation, Tie
from kanrun.relations.rounds import Round
from kanrun.symbolic.formula import Formula
from kanrun.training.history import Record
from kanrun.training.target_scaling import TargetScaling


@dataclass(frozen=True)
class Problem:
    """The rows, the network at its beginning, and the config with the optimizer that `auto` stands for.

    `rows` is the same data with targets as they train; `scaling` leads there and back. A network that is `trained`
    already is only pruned and read.
    """

    config: Config
    data: Dataset
    model: Network
    scaling: TargetScaling
    rows: Dataset
    trained: bool = False


@dataclass(frozen=True)
class Relations:
    """What a run has found out about inputs that belong together."""

    related: list[list[int]] | None = None  # groups of inputs, None where nobody has looked for them
    ties: list[Tie] = field(default_factory=list)  # what ties them, with its equation where one was found
    rounds: list[Round] = field(default_factory=list)  # networks that looked for more

    @property
    def equations(self) -> list[Relation]:
        """The equations found."""
        return [tie.relation for tie in self.ties if tie.relation]


@dataclass(frozen=True)
class State:
    """What a run has reached: all that a later stage, a picture or the report needs.

    `current` is the network that the next stage goes on from, with targets as they train; `networks` are those after
    each stage, for the targets themselves. `done` names the work that is finished, `entries` what metrics.json shows:
    a search is one piece of work and has three entries. `follows_noise` says whether validation rows have shown that
    the network goes too far, so that refit listens to some, too. `notes` say what was decided on the way, by stage.
    """

    current: Network | None = None
    networks: Mapping[str, Network] = field(default_factory=dict)
    history: tuple[Record, ...] = ()
    formulas: tuple[Formula, ...] = ()
    relations: Relations = field(default_factory=Relations)
    search: Mapping[str, Any] = field(default_factory=dict)  # what metrics.json says of a search
    tried: tuple[Any, ...] = ()  # the networks of a search, for its picture
    found: tuple[Any, ...] = ()  # what searches for some of the outputs have given
    noise: Mapping[str, Any] = field(default_factory=dict)  # of each output, as metrics.json says of it
    follows_noise: bool = False
    warnings: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    entries: tuple[Mapping[str, Any], ...] = ()
    done: frozenset[str] = frozenset()

    def warned(self, text: str, context: Context) -> State:
        """The state with one more warning, which is told as well."""
        context.events.warning(text)
        return replace(self, warnings=(*self.warnings, text))

    def noted(self, stage: str, text: str, context: Context) -> State:
        """The state with one more note about a stage, which is told as well."""
        context.events.note(text)
        return replace(self, notes=(*self.notes, (stage, text)))


@dataclass(frozen=True)
class Stage:
    """One piece of work, from a state to the next. It is `wanted` or left out."""

    name: str
    wanted: Callable[[Problem, State], bool]
    run: Callable[[Problem, State, Context], State]


@dataclass(frozen=True)
class Result:
    """What a run gives: its problem, what it has reached, and the content of metrics.json.

    `interrupted` says why it ended before all of its stages were done, None where they are.
    """

    problem: Problem
    state: State
    metrics: dict[str, Any]
    interrupted: str | None = None

    @property
    def network(self) -> Network:
        """The last network, for the targets themselves."""
        return self.state.networks[self.metrics["stages"][-1]["name"]]

    @property
    def formulas(self) -> list[Formula]:
        """One formula an output; none where none was looked for."""
        return list(self.state.formulas)
