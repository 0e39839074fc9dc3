"""The stages of a run, each from a state to the next, and the two lists that say what comes after what."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from kanrun.config.datasets import ContrastiveConfig
from kanrun.config.schema import ModelConfig
from kanrun.context import Context, Events, Silent
from kanrun.data.dataset import Dataset
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.pipeline.noise import NOISE
from kanrun.pipeline.problem import build_network, grids_of, penalty_of
from kanrun.pipeline.reaching import reached
from kanrun.pipeline.reading import read_formulas
from kanrun.pipeline.searching import search
from kanrun.pipeline.starting import has_start
from kanrun.pipeline.weighing import as_counted
from kanrun.pipeline.writing import functions_of
from kanrun.relations.relation import find_relations, merged, real_rows, related_inputs
from kanrun.relations.rounds import all_relations
from kanrun.state import Problem, Relations, Stage, State
from kanrun.training.history import Record
from kanrun.training.loop import Training
from kanrun.training.objective import Objective
from kanrun.training.optimizers import can_smooth
from kanrun.training.pruning import prune_each_output
from kanrun.training.schedule import Schedule, train_by_schedule, train_pruned, with_validation
from kanrun.training.target_scaling import TargetScaling

ROBUST_ROUNDS = 2  # of training again with other weights of the rows: the first is decided by what lies near a row

# ---- what several stages need --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ForTargets(Silent):
    """Tells of training steps with the losses of the targets themselves."""

    events: Events
    scaling: TargetScaling

    def step(self, record: Record, steps: int) -> None:
        self.events.step(self.scaling.restored_record(record), steps)


def begun_network(problem: Problem, seed: int, attempt: int) -> Network:
    """The network of another run, as it begins here; for other attempts its edges with other random splines."""
    model, config = problem.model, problem.config.model
    assert isinstance(model, KAN) and isinstance(config, ModelConfig)
    return model.begun_anew(seed + 1_000_003 * attempt, config.noise_scale) if attempt else model.clone()


def trained_on(problem: Problem, rows: Dataset, seed: int, context: Context) -> Training:
    """A whole training of the problem's network on these rows, from its beginning."""
    config = replace(problem.config, seed=seed)
    begun = has_start(config) and rows.train.x is problem.rows.train.x
    schedule = Schedule(
        lambda attempt: begun_network(problem, seed, attempt)
        if begun
        else build_network(config, problem.model.width, rows.train.x, attempt),
        Objective(rows.loss, penalty_of(config)), config.optimizer, grids_of(config), len(config.optimizer.grids) > 0,
        config.optimizer.restarts, config.regularization.warmup, seed, problem.model.parameter_count(),
        begun,
    )  # fmt: skip
    return train_by_schedule(schedule, rows, replace(context, events=ForTargets(context.events, problem.scaling)))


def recorded(problem: Problem, state: State, stage: str, result: Training, context: Context) -> State:
    """The state with the history of a training, and with what was decided and mended in it."""
    own = (replace(problem.scaling.restored_record(record), stage=stage) for record in result.history)
    state = replace(state, history=(*state.history, *own))
    for message in result.messages:
        state = state.warned(message, context)
    return state.noted(stage, result.choice, context) if result.choice else state


def current_kan(state: State) -> KAN:
    """The network to go on with, where it has curves that can be pruned and read."""
    assert isinstance(state.current, KAN)
    return state.current


# ---- a network that is given ---------------------------------------------------------------------------------------


def train(problem: Problem, state: State, context: Context) -> State:
    """The network at its best; by a robust loss trained again with rows that count by what it has left of them."""
    result = trained_on(problem, as_counted(problem.rows, problem), problem.config.seed, context)
    for _ in range(ROBUST_ROUNDS if problem.rows.robust else 0):
        if context.over():
            break
        result = trained_on(problem, as_counted(problem.rows, problem, result.model), problem.config.seed, context)
    state = replace(recorded(problem, state, "train", result, context), follows_noise=result.overfits or result.smooth)
    return reached(problem, state, "train", result.model, context)


def as_trained(problem: Problem, state: State, context: Context) -> State:
    """The network as the user has trained it."""
    return reached(problem, state, "train", problem.model, context)


def prune(problem: Problem, state: State, context: Context) -> State:
    """A smaller network, as far as the loss of rows that it was not trained on allows."""
    kan, config = current_kan(state), problem.config
    smooth = state.follows_noise and can_smooth(kan, config.optimizer)
    rows = as_counted(problem.rows, problem, kan)
    rows = rows if smooth else with_validation(rows, kan.parameter_count(), config.seed)
    return reached(problem, state, "prune", prune_each_output(kan, rows, config.prune, context, smooth), context)


def refit(problem: Problem, state: State, context: Context) -> State:
    """The pruned network trained on; it listens to validation rows where the training has followed noise."""
    kan, config = current_kan(state), problem.config
    rows = as_counted(problem.rows, problem, kan)
    assert isinstance(config.model, ModelConfig)
    smooth = state.follows_noise and can_smooth(kan, config.optimizer)
    if state.follows_noise and (rows.loss.nats or not smooth):
        rows = with_validation(rows, kan.parameter_count(), config.seed)
    if rows.loss.nats and rows.validation is not None and not smooth and is_as_trained(state):
        return reached(problem, state, "refit", kan, context)  # the same rows have ended its training
    told = replace(context, events=ForTargets(context.events, problem.scaling))
    result = train_pruned(
        kan,
        rows,
        config.optimizer,
        seed=config.seed,
        noise_scale=config.model.noise_scale,
        context=told,
        smooth=smooth,
    )
    return reached(problem, recorded(problem, state, "refit", result, context), "refit", result.model, context)


def is_as_trained(state: State) -> bool:
    """Whether pruning has left the network as a training did that followed noise."""
    before, after = state.networks.get("train"), state.networks.get("prune")
    if not (state.follows_noise and isinstance(before, KAN) and isinstance(after, KAN)):
        return False
    return torch.equal(before.get_vector(), after.get_vector())


def look_at_inputs(problem: Problem, state: State, context: Context) -> State:
    """Whether any input is left in the network, and which belong together where that was the question."""
    kan = current_kan(state)
    if lost := lost_inputs(kan, problem):
        state = state.warned(lost, context)
    if not problem.data.relations:
        return state
    return replace(state, relations=Relations(related_inputs(kan, real_rows(problem.data))))


def lost_inputs(model: KAN, problem: Problem) -> str | None:
    """A sentence where no input is left in the network, so that it is a constant though the targets are none."""
    y, config = problem.data.train.y, problem.config.model
    if model.active_inputs() or not bool((y != y[0]).any()):
        return None
    why = "it was no worse without them; prune=none keeps all edges"
    if isinstance(config, ModelConfig) and config.fix:
        named = ", ".join(f"model.fix[{n}] ({edge.function})" for n, edge in enumerate(config.fix))
        why = f"the edges of {named} may not suit the data"
    return f"no input is left in the network, so that it is only a constant: {why}"


def symbolic(problem: Problem, state: State, context: Context) -> State:
    """The formulas of the network, and these as a network."""
    state, network = read_formulas(problem, state, current_kan(state), context)
    return reached(problem, state, "symbolic", network, context)


def equations(problem: Problem, state: State, context: Context) -> State:  # noqa: ARG001
    """The equations that tie the inputs which belong together."""
    groups = state.relations.related or []
    ties = find_relations(problem.data, groups or [current_kan(state).active_inputs()], functions_of(problem.config))
    related = merged([*groups, *(tie.inputs for tie in ties)])
    return replace(state, relations=Relations(related, ties))


def relations(problem: Problem, state: State, context: Context) -> State:
    """More relations, each from a new network once those that are known are set aside."""
    trainings: list[Training] = []

    def train_again(rest: Dataset, number: int) -> KAN:
        trainings.append(trained_on(problem, rest, problem.config.seed + 7919 * number, context))
        network = trainings[-1].model
        assert isinstance(network, KAN)
        return network

    ties, rounds = all_relations(
        problem.data, state.relations.ties, functions_of(problem.config), train_again, problem.config.seed, context.over
    )
    for training in trainings:
        state = recorded(problem, state, "relations", training, context)
    state = replace(state, relations=Relations([tie.inputs for tie in ties], ties, rounds))
    return reached(problem, state, "relations", current_kan(state), context)


# ---- what comes after what -----------------------------------------------------------------------------------------


def always(problem: Problem, state: State) -> bool:  # noqa: ARG001
    """In every run."""
    return True


def can_be_read(problem: Problem, state: State) -> bool:  # noqa: ARG001
    """Only the curves of a KAN can be pruned and read."""
    return isinstance(state.current, KAN)


def wants_pruning(problem: Problem, state: State) -> bool:
    return can_be_read(problem, state) and problem.config.prune.enabled


def wants_refit(problem: Problem, state: State) -> bool:
    return wants_pruning(problem, state) and problem.config.optimizer.refit_steps > 0


def wants_formulas(problem: Problem, state: State) -> bool:
    return can_be_read(problem, state) and problem.config.symbolic.enabled


def wants_equations(problem: Problem, state: State) -> bool:
    return wants_formulas(problem, state) and bool(problem.data.relations)


def wants_all_relations(problem: Problem, state: State) -> bool:
    dataset = problem.config.dataset
    return can_be_read(problem, state) and isinstance(dataset, ContrastiveConfig) and dataset.all_relations


GIVEN = (
    Stage("train", always, train),
    NOISE,
    Stage("prune", wants_pruning, prune),
    Stage("refit", wants_refit, refit),
    Stage("inputs", can_be_read, look_at_inputs),
    Stage("symbolic", wants_formulas, symbolic),
    Stage("equations", wants_equations, equations),
    Stage("relations", wants_all_relations, relations),
)

TRAINED = (Stage("train", always, as_trained), *GIVEN[1:])

SEARCH = (NOISE, Stage("search", always, search))
