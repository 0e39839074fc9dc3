"""The steps of a run between data and report, each from a network to a network."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import torch
from torch import Tensor

from kanrun.clock import Over, never
from kanrun.config.schema import (
    AutoConfig,
    Config,
    FixConfig,
    LbfgsConfig,
    LmConfig,
    MlpConfig,
    OptimizerConfig,
    PruneConfig,
)
from kanrun.data.dataset import CLASSIFICATION, Dataset, Rows, at_most
from kanrun.data.losses import Loss
from kanrun.errors import ConfigError, wrong
from kanrun.functions.builtin import Function
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.model.pruning import prune_by_score, simplify
from kanrun.symbolic.search import Symbolic, symbolify
from kanrun.symbolic.snap import EXACT
from kanrun.training.least_squares import MOST_FOR_LM, levenberg_marquardt
from kanrun.training.objective import Penalty

MLP_STEPS = 5  # times as many steps as a KAN: each costs less and gains less
MOST_PARAMETERS = 500  # beyond this a refit by least squares for every removal takes too long
MOST_ROWS = 20_000  # that pruning and the choice of functions look at; more would say the same more slowly
NEGLIGIBLE = 1e-4  # part of the loss' unit (the targets' variance, or a coin's entropy) that pruning may always cost
REFIT_STEPS = 15
LOGITS = 3.0  # mean size of logits with which classes are still weighed against each other
MODERATE = 1e-3  # pull on the coefficients of classes before their curves are read
SEPARATED = 1e-6  # loss of classes, as part of the targets' variance, below which nothing is left to tell apart


def build_network(config: Config, width: list[int | list[int]], rows: Tensor, attempt: int = 0) -> Network:
    """The network that `config.model` describes, with its fixed edges, in the precision and on the device of `rows`.

    Its grid is the first of `optimizer.grids` where these are given. Every further `attempt` begins from other random
    numbers; those beyond `optimizer.restarts`, made because nothing was learned, from ever larger splines.
    """
    m, seed = config.model, config.seed + 1_000_003 * attempt
    if isinstance(m, MlpConfig):
        mlp = MLP(width, m.activation, seed, rows.dtype).to(rows.device)
        mlp.standardize(rows)
        return mlp
    noise = m.noise_scale * 2 ** max(0, attempt + 1 - config.optimizer.restarts)
    model = KAN(width, grids_of(config)[0], m.k, m.base, seed, rows.dtype, noise, m.grid_eps, config.symbolic.functions)
    for f in m.fix:
        model.fix(f.layer, f.input, f.output, f.function, f.a, f.b, f.c, f.d, f.trainable)
    return model.to(rows.device)


def grids_of(config: Config) -> list[int]:
    """The grids to train on, one after the other; none for an MLP."""
    m = config.model
    return config.optimizer.grids or ([] if isinstance(m, MlpConfig) else [m.grid])


def choose_optimizer(config: OptimizerConfig, model: Network) -> OptimizerConfig:
    """`auto` as the optimizer that suits the network. Raises ConfigError where lm is asked for too large a one."""
    finest = model.parameter_count_on(max(config.grids, default=model.grid))
    is_mlp = isinstance(model, MLP)
    if is_mlp:
        config = replace(config, grid_update_until=-1)  # without knots there is nothing for which to start afresh
    if isinstance(config, LmConfig) and finest > MOST_FOR_LM:
        reason = f"the network has {finest} parameters, lm takes up to {MOST_FOR_LM}; use optimizer=lbfgs"
        raise ConfigError(wrong("optimizer", "lm", reason))
    if not isinstance(config, AutoConfig):
        return config
    suits_lm = model.parameter_count() <= MOST_FOR_LM and model.get_vector().dtype == torch.float64
    given = {key: value for key, value in asdict(config).items() if key != "name" and value is not None}
    chosen = LmConfig(**given) if suits_lm else LbfgsConfig(**given)
    return replace(chosen, steps=MLP_STEPS * chosen.steps) if is_mlp and config.steps is None else chosen


def penalty_of(config: Config) -> Penalty:
    """The regularization as numbers."""
    r = config.regularization
    return Penalty(r.lamb, r.lamb_l1, r.lamb_entropy, r.lamb_coef, r.lamb_coefdiff)


def prune(model: KAN, data: Dataset, config: PruneConfig, over: Over = never) -> KAN:
    """A smaller network: thresholds on the scores, then single removals, as far as the refitted loss allows.

    Thresholds that cost too much are halved. The loss is that of the validation rows where the data has some: a refit
    by which they lose is undone. It goes no further when time is `over`.
    """
    data = at_most(data, MOST_ROWS)
    x, y = data.train.x, data.train.y
    judges = data.validation or data.train

    def refit(network: KAN) -> float:
        network.fit_grids(x)
        if network.parameter_count() > MOST_PARAMETERS:
            return loss_on(network, judges, data.loss)
        kept, before = network.get_vector(), loss_on(network, judges, data.loss)
        after = levenberg_marquardt(network, x, y, data.loss, REFIT_STEPS).loss
        if data.validation is None:
            return after
        after = loss_on(network, judges, data.loss)
        if not after < before:
            network.set_vector(kept)
        return min(after, before)

    before = refit(model.clone())
    limit = max(config.tolerance * before, before + NEGLIGIBLE * data.loss.unit(y))
    pruned = model
    for halvings in range(6):
        pruned = prune_by_score(model, x, config.node_threshold / 2**halvings, config.edge_threshold / 2**halvings)
        if refit(pruned) <= limit:
            break
    else:
        pruned = model
    if pruned.parameter_count() <= MOST_PARAMETERS:
        pruned = simplify(pruned, x, refit, limit, over=over)
    return pruned


def lost_inputs(model: KAN, data: Dataset, fix: list[FixConfig]) -> str | None:
    """A sentence where no input is left in the network, so that it is a constant though the targets are none."""
    if model.active_inputs() or not bool((data.train.y != data.train.y[0]).any()):
        return None
    why = "it was no worse without them; prune=none keeps all edges"
    if fix:
        named = ", ".join(f"model.fix[{n}] ({edge.function})" for n, edge in enumerate(fix))
        why = f"the edges of {named} may not suit the data"
    return f"no input is left in the network, so that it is only a constant: {why}"


def loss_on(model: KAN, rows: Rows, loss: Loss) -> float:
    """The loss on these rows, without regularization."""
    with torch.no_grad():
        return float(loss.value(model(rows.x), rows.y))


def temper(model: KAN, data: Dataset) -> None:
    """Scales the logits down, in place, where they are so large that hardly a row has a say any more."""
    with torch.no_grad():
        factor = min(1.0, LOGITS / float(model(data.train.x).abs().mean()))
        if math.isfinite(factor):
            ones = data.train.x.new_ones(model.n_out)
            model.rescale_outputs(factor * ones, 0 * ones)


def find_formula(model: KAN, data: Dataset, functions: list[Function]) -> Symbolic:
    """The network with every edge one of the `functions`.

    For values the search goes on down to rounding; classes are told apart long before.
    """
    data = at_most(data, MOST_ROWS)
    if data.loss.logits and model.parameter_count() <= MOST_PARAMETERS:
        # Logits that grew without end bend the curves where hardly a row lies; moderate ones have simpler shapes.
        model = model.clone()
        temper(model, data)
        levenberg_marquardt(model, data.train.x, data.train.y, data.loss, 2 * REFIT_STEPS, MODERATE)
    variance = float(data.train.y.double().var(0, correction=0).mean())
    enough = (SEPARATED if data.task == CLASSIFICATION else EXACT) * variance
    return symbolify(model, data.train.x, data.train.y, data.loss, functions, enough=enough)
