"""One run, front to back: dataset, network, train, prune, refit, symbolic, report."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from kanrun.clock import never
from kanrun.config.schema import Config, ContrastiveConfig, ModelConfig
from kanrun.config.search_settings import unused_by_search
from kanrun.config.validation import read_config
from kanrun.data.dataset import Dataset, at_most
from kanrun.data.scores import scores
from kanrun.functions.library import extended, library
from kanrun.model.network import KAN
from kanrun.model.protocol import Network, without_gradient
from kanrun.pipeline.problem import make_problem
from kanrun.pipeline.progress import Progress, logged_to, status_of
from kanrun.pipeline.searching import Watched
from kanrun.pipeline.stages import MOST_ROWS, build_network, find_formula, grids_of, lost_inputs, penalty_of, prune
from kanrun.pipeline.units import units_of
from kanrun.relations.relation import find_relations, merged, real_rows, related_inputs
from kanrun.relations.rounds import all_relations
from kanrun.report.console import Console
from kanrun.report.files import SCHEMA_VERSION, write_json
from kanrun.report.folder import (
    clear_folder,
    formula_function,
    write_config,
    write_formula_files,
    write_plots,
    write_training,
)
from kanrun.symbolic.formula import write_formulas
from kanrun.training.history import Record
from kanrun.training.objective import Objective
from kanrun.training.schedule import Schedule, train_by_schedule, train_pruned, with_validation
from kanrun.training.train import Training

log = logging.getLogger("kanrun")
N = TypeVar("N", bound=Network)


def run(config: Config | Mapping[str, Any], folder: str | Path, quiet: bool = False) -> dict[str, Any]:
    """Does what the command does: the whole way from `config` to a run folder. Gives back the metrics.

    Raises KanrunError for a mistake in the config. Whatever goes wrong, `status.json` says so.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    clear_folder(folder)
    console = Console(quiet)
    progress = Progress()
    with logged_to(folder / "kanrun.log"), status_of(folder, progress):
        config = read_config(asdict(config) if isinstance(config, Config) else config)
        write_config(folder, config)
        unused = unused_by_search(config) if config.search.seconds else []
        problem = make_problem(config)
        config, data, model = problem.config, problem.data, problem.model
        console.begin(data, model, config.optimizer.name, config.search.seconds)
        if unused:
            warn(console, f"a search trains and prunes in its own way, without {', '.join(unused)}")
        begin = time.perf_counter()
        work_through(config, data, model, progress, console)
        metrics = summary(config, data, progress, time.perf_counter() - begin)
        progress.enter("report")
        report(folder, config, data, progress, metrics, begin)
        console.end(data, progress.formulas, progress.relations, metrics, folder)
    return metrics


def work_through(config: Config, data: Dataset, model: Network, progress: Progress, console: Console) -> None:
    """The stages in order; each adds its scores to `progress`."""

    def stage(name: str, work: Callable[[], N]) -> N:
        progress.enter(name)
        console.stage(name)
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        delivered = units.restored(result) if units else result
        # What a run gives is its formulas: once they are written, their texts are scored, not the network behind them.
        outputs = formula_function(progress.formulas, data) or without_gradient(delivered)
        progress.stages.append(stage_entry(name, delivered, outputs, data, seconds, cpu_seconds))
        progress.networks[name] = delivered
        log.info("%s: %s", name, progress.stages[-1])
        console.stage_done(progress.stages[-1])
        return result

    optimizer = config.optimizer
    units = None if config.search.seconds else units_of(data, model)  # a search has last functions for every size
    rows = units.standardized(data) if units else data
    functions = library(config.symbolic.library, extended(config.symbolic.functions))

    def restored(record: Record) -> Record:
        return units.restored_record(record) if units else record

    careful = False  # whether the training has followed noise

    def noted(result: Training) -> Network:
        progress.history += [restored(replace(record, stage=progress.stage)) for record in result.history]
        for message in result.messages:
            warn(console, message)
        if result.choice:
            log.info("%s: %s", progress.stage, result.choice)
            console.remarks.append(result.choice)
        return result.model

    def training(on: Dataset, own: Config) -> Network:
        schedule = Schedule(
            lambda attempt: build_network(own, model.width, on.train.x, attempt),
            Objective(data.loss, penalty_of(config)), optimizer, grids_of(config), optimizer.restarts,
            config.regularization.warmup, own.seed, model.parameter_count(),
            lambda record: console.step(restored(record), optimizer.steps),
        )  # fmt: skip
        nonlocal careful
        result = train_by_schedule(schedule, on)
        careful = result.overfits
        return noted(result)

    def refit() -> KAN:
        assert isinstance(config.model, ModelConfig)
        again = train_pruned(
            kan, rows, optimizer, seed=config.seed, noise_scale=config.model.noise_scale, careful=careful,
            on_record=lambda record: console.step(restored(record), optimizer.refit_steps),
        )  # fmt: skip
        noted(again)
        assert isinstance(again.model, KAN)
        return again.model

    def symbolic() -> KAN:
        found = search.run().symbolic if search else find_formula(kan, rows, functions)
        whole = units.restored_formula(found) if units else found
        progress.formulas = write_formulas(whole, at_most(data, MOST_ROWS), search.over if search else never)
        return found.model

    def searched() -> KAN:
        assert search
        found = search.run()
        progress.history, progress.tried, progress.search = search.history, search.tried, search.summary()
        log.info("search: %s", search.sentence())
        console.search_done(search.sentence())
        return found.spline

    def more_relations() -> KAN:
        def train_again(rest: Dataset, number: int) -> KAN:
            network = training(rest, replace(config, seed=config.seed + 7919 * number))
            assert isinstance(network, KAN)
            return network

        progress.ties, progress.rounds = all_relations(data, progress.ties, functions, train_again, config.seed)
        progress.related = [tie.inputs for tie in progress.ties]
        return kan

    search = Watched.of(config, data, functions, console.searching)
    if search:
        stage("train", searched)
        stage("prune", lambda: search.run().pruned)
        stage("symbolic", symbolic)
        return
    trained = stage("train", lambda: training(rows, config))
    if not isinstance(trained, KAN):
        return  # only the curves of a KAN can be pruned and read
    kan = trained
    if config.prune.enabled:
        kan = stage(
            "prune", lambda: prune(kan, with_validation(rows, kan.parameter_count(), config.seed), config.prune)
        )
        if optimizer.refit_steps:
            kan = stage("refit", refit)
    lost = lost_inputs(kan, data, config.model.fix if isinstance(config.model, ModelConfig) else [])
    if lost:
        warn(console, lost)
    if data.relations:
        progress.related = related_inputs(kan, real_rows(data))
    if config.symbolic.enabled:
        kan = stage("symbolic", symbolic)
        if progress.related is not None:
            progress.ties = find_relations(data, progress.related or [kan.active_inputs()], functions)
            progress.related = merged([*progress.related, *(tie.inputs for tie in progress.ties)])
    if isinstance(config.dataset, ContrastiveConfig) and config.dataset.all_relations:
        stage("relations", more_relations)


def warn(console: Console, message: str) -> None:
    """Says something that stands out, in the log too."""
    log.warning(message)
    console.warn(message)


def stage_entry(
    name: str, model: Network, outputs: Callable[[Tensor], Tensor], data: Dataset, seconds: float, cpu_seconds: float
) -> dict[str, Any]:
    """One entry of `stages` in metrics.json: the size of the network, and the scores of these outputs."""
    parts = {
        part: scores(data, outputs(rows.x).cpu(), rows.y.cpu())
        for part, rows in (("train", data.train), ("test", data.test))
    }
    return {
        "name": name, "seconds": seconds, "cpu_seconds": cpu_seconds, "parameters": model.parameter_count(),
        "width": model.width, "grid": model.grid, "active_edges": model.active_edges(),
        "active_inputs": [data.inputs[i] for i in model.active_inputs()], **parts,
    }  # fmt: skip


def summary(config: Config, data: Dataset, progress: Progress, seconds: float) -> dict[str, Any]:
    """The content of metrics.json."""
    first, last = progress.stages[0], progress.stages[-1]
    metrics = {
        "schema_version": SCHEMA_VERSION, "task": data.task, "dataset": data.name, "width": first["width"],
        "parameters": first["parameters"], "optimizer": config.optimizer.name, "seed": config.seed,
        "stages": progress.stages, "final": last["test"],
        "total_seconds": seconds, "peak_memory_mib": peak_memory(),
    }  # fmt: skip
    if progress.related is not None:
        metrics["related_inputs"] = [[data.inputs[i] for i in group] for group in progress.related]
    if progress.search:
        metrics["search"] = progress.search
    if progress.rounds:
        metrics["relation_rounds"] = [asdict(r) for r in progress.rounds]
    return metrics


def report(
    folder: Path, config: Config, data: Dataset, progress: Progress, metrics: dict[str, Any], begin: float
) -> None:
    """Everything that the run folder keeps."""
    last = progress.networks[progress.stages[-1]["name"]]
    write_training(folder, progress.history, last)
    if progress.formulas:
        write_formula_files(folder, progress.formulas, data.inputs, progress.relations)
    if config.plots.enabled:
        shown = progress.networks, progress.history, progress.formulas
        write_plots(folder, data, *shown, config.plots.beta, progress.tried, progress.search.get("ended", ""))
    metrics["total_seconds"], metrics["peak_memory_mib"] = time.perf_counter() - begin, peak_memory()
    write_json(folder / "metrics.json", metrics)


def peak_memory() -> float:
    """The most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
