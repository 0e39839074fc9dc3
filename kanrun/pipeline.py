"""One run, front to back: dataset, network, train, prune, refit, symbolic, report."""

from __future__ import annotations

import logging
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import torch

from kanrun.config import Config, ContrastiveConfig, ModelConfig
from kanrun.data.build import build_dataset, network_width
from kanrun.data.dataset import Dataset, at_most
from kanrun.discovery.discover import Discovery, Trial
from kanrun.errors import ConfigError, KanrunError, wrong
from kanrun.metrics import scores
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.report.console import Console
from kanrun.report.files import SCHEMA_VERSION, write_json
from kanrun.report.folder import clear_folder, write_config, write_formula_files, write_plots, write_training
from kanrun.rounds import Round, all_relations
from kanrun.stages import MOST_ROWS, build_network, choose_optimizer, find_formula, grids_of, penalty_of, prune
from kanrun.symbolic.formula import Formula, write_formulas
from kanrun.symbolic.library import extended, library
from kanrun.symbolic.relation import Relation, Tie, find_relations, merged, real_rows, related_inputs
from kanrun.training.history import Record
from kanrun.training.objective import Objective
from kanrun.training.schedule import Schedule, train_by_schedule, train_pruned
from kanrun.training.steppers import Compiler
from kanrun.training.train import Training
from kanrun.validation import read_config

log = logging.getLogger("kanrun")
N = TypeVar("N", bound=Network)


@dataclass
class Progress:
    """What a run has reached: the stages' scores, the history, the networks for the pictures."""

    stages: list[dict[str, Any]] = field(default_factory=list)
    history: list[Record] = field(default_factory=list)
    networks: dict[str, Network] = field(default_factory=dict)
    formulas: list[Formula] = field(default_factory=list)
    related: list[list[int]] | None = None  # inputs that belong together, where a contrastive run looked for them
    ties: list[Tie] = field(default_factory=list)  # what ties them, with its equation where one was found
    rounds: list[Round] = field(default_factory=list)  # networks that looked for more
    stage: str = "start"
    on_stage: Callable[[], None] = lambda: None

    @property
    def relations(self) -> list[Relation]:
        """The equations found."""
        return [tie.relation for tie in self.ties if tie.relation]

    def enter(self, stage: str) -> None:
        """A stage begins."""
        self.stage = stage
        self.on_stage()


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
        dtype, device = set_up_torch(config)
        data = build_dataset(config, dtype, device)
        model = build_network(config, network_width(config, data), data.train.x)
        check_start(model, data, config)
        config = replace(config, optimizer=choose_optimizer(config.optimizer, model))
        console.begin(data, model)
        begin = time.perf_counter()
        work_through(config, data, model, progress, console)
        metrics = summary(config, data, model, progress, time.perf_counter() - begin)
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
        progress.stages.append(stage_entry(name, result, data, seconds, cpu_seconds))
        progress.networks[name] = result
        log.info("%s: %s", name, progress.stages[-1])
        console.stage_done(progress.stages[-1])
        return result

    optimizer = config.optimizer
    functions = library(config.symbolic.library, extended(config.symbolic.functions))

    def noted(result: Training) -> Network:
        progress.history += [replace(record, stage=progress.stage) for record in result.history]
        for message in result.messages:
            log.warning(message)
            console.warn(message)
        return result.model

    def training(rows: Dataset, own: Config) -> Network:
        schedule = Schedule(
            lambda attempt: build_network(own, model.width, rows.train.x, attempt),
            Objective(data.loss, penalty_of(config)), optimizer, grids_of(config), optimizer.restarts,
            config.regularization.warmup, own.seed,
            lambda record: console.step(record, optimizer.steps),
        )  # fmt: skip
        return noted(train_by_schedule(schedule, rows))

    def refit() -> KAN:
        assert isinstance(config.model, ModelConfig)
        again = train_pruned(
            kan, data, optimizer, seed=config.seed, noise_scale=config.model.noise_scale,
            on_record=lambda record: console.step(record, optimizer.refit_steps),
        )  # fmt: skip
        noted(again)
        assert isinstance(again.model, KAN)
        return again.model

    def symbolic() -> KAN:
        found = search.run().symbolic if search else find_formula(kan, data, functions)
        progress.formulas = write_formulas(found, at_most(data, MOST_ROWS))
        return found.model

    def noted_trial(trial: Trial) -> None:
        assert search
        at, seconds = search.predicted(trial), time.perf_counter() - begin
        train_loss, test_loss = (float(((at(r.x) - r.y) ** 2).mean()) for r in (data.train, data.test))
        held = trial.unexplained * search.variance
        number, name = len(progress.history), f"{trial.structure.name} under {trial.outer.name}"
        losses = (train_loss, test_loss, 0.0, seconds, held)
        progress.history.append(Record("train", 0, *losses, trial.model.grid, attempt=number))
        log.info("trial %d: %s leaves %.3g unexplained", number, name, trial.unexplained)
        console.trial(name, trial.unexplained)

    def more_relations() -> KAN:
        def train_again(rest: Dataset, number: int) -> KAN:
            network = training(rest, replace(config, seed=config.seed + 7919 * number))
            assert isinstance(network, KAN)
            return network

        progress.ties, progress.rounds = all_relations(data, progress.ties, functions, train_again, config.seed)
        progress.related = [tie.inputs for tie in progress.ties]
        return kan

    begin = time.perf_counter()
    search = Discovery.of(config, data, functions, noted_trial)
    if search:
        stage("train", lambda: search.run().spline)
        stage("prune", lambda: search.run().pruned)
        stage("symbolic", symbolic)
        return
    trained = stage("train", lambda: training(data, config))
    if not isinstance(trained, KAN):
        return  # only the curves of a KAN can be pruned and read
    kan = trained
    if config.prune.enabled:
        kan = stage("prune", lambda: prune(kan, data, config.prune))
        if optimizer.refit_steps:
            kan = stage("refit", refit)
    if data.relations:
        progress.related = related_inputs(kan, real_rows(data))
    if config.symbolic.enabled:
        kan = stage("symbolic", symbolic)
        if progress.related is not None:
            progress.ties = find_relations(data, progress.related or [kan.active_inputs()], functions)
            progress.related = merged([*progress.related, *(tie.inputs for tie in progress.ties)])
    if isinstance(config.dataset, ContrastiveConfig) and config.dataset.all_relations:
        stage("relations", more_relations)


def stage_entry(name: str, model: Network, data: Dataset, seconds: float, cpu_seconds: float) -> dict[str, Any]:
    """One entry of `stages` in metrics.json."""
    with torch.no_grad():
        parts = {
            part: scores(data, model(rows.x).cpu(), rows.y.cpu())
            for part, rows in (("train", data.train), ("test", data.test))
        }
    return {
        "name": name, "seconds": seconds, "cpu_seconds": cpu_seconds, "parameters": model.parameter_count(),
        "width": model.width, "active_edges": model.active_edges(),
        "active_inputs": [data.inputs[i] for i in model.active_inputs()], **parts,
    }  # fmt: skip


def summary(config: Config, data: Dataset, model: Network, progress: Progress, seconds: float) -> dict[str, Any]:
    """The content of metrics.json."""
    metrics = {
        "schema_version": SCHEMA_VERSION, "task": data.task, "dataset": data.name, "width": model.width,
        "parameters": progress.stages[0]["parameters"], "seed": config.seed, "stages": progress.stages,
        "final": progress.stages[-1]["test"], "total_seconds": seconds, "peak_memory_mib": peak_memory(),
    }  # fmt: skip
    if progress.related is not None:
        metrics["related_inputs"] = [[data.inputs[i] for i in group] for group in progress.related]
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
        write_plots(folder, data, progress.networks, progress.history, progress.formulas, config.plots.beta)
    metrics["total_seconds"], metrics["peak_memory_mib"] = time.perf_counter() - begin, peak_memory()
    write_json(folder / "metrics.json", metrics)


def check_start(model: Network, data: Dataset, config: Config) -> None:
    """Raises ConfigError where fixed edges leave the network without finite outputs, which no training mends."""
    with torch.no_grad():
        lost = int((~torch.isfinite(model(data.train.x)).all(1)).sum())
    if lost and isinstance(config.model, ModelConfig):
        functions, rows = ", ".join(f.function for f in config.model.fix), len(data.train.x)
        reason = f"with it the network has no finite output on {lost} of {rows} training rows; a shift b may help"
        raise ConfigError(wrong("model.fix", functions, reason))


def set_up_torch(config: Config) -> tuple[torch.dtype, torch.device]:
    """Threads, precision and device. Raises ConfigError for a device that is not there."""
    torch.set_num_threads(config.threads)
    Compiler.mode = config.compile
    try:
        device = torch.device(config.device)
        if device.type not in ("cpu", "cuda", "mps"):
            raise RuntimeError
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        found = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        found += ["mps"] if torch.backends.mps.is_available() else []
        raise ConfigError(wrong("device", config.device, f"not there; here are {', '.join(found)}")) from None
    return getattr(torch, config.dtype), device


def peak_memory() -> float:
    """The most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Sends the package's log to a file of the run folder."""
    handler = logging.FileHandler(path, mode="a", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = (log, logging.getLogger("py.warnings"))
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handler.close()


@contextmanager
def status_of(folder: Path, progress: Progress) -> Iterator[None]:
    """Keeps status.json: running, then completed, failed or interrupted; the log gets the traceback."""
    started = datetime.now(UTC).isoformat()

    def write(state: str, error: str | None = None) -> None:
        ended = None if state == "running" else datetime.now(UTC).isoformat()
        content = {"state": state, "stage": progress.stage, "error": error, "started": started, "ended": ended}
        write_json(folder / "status.json", content)

    write("running")
    progress.on_stage = lambda: write("running")
    log.info("run in %s", folder)
    try:
        yield
    except KeyboardInterrupt:
        write("interrupted", "interrupted by the user")
        log.error("interrupted in stage %s", progress.stage)
        raise
    except KanrunError as error:
        write("failed", str(error))
        log.error("%s", error)
        raise
    except BaseException as error:
        write("failed", f"{type(error).__name__}: {error}")
        log.error("failed in stage %s\n%s", progress.stage, traceback.format_exc())
        raise
    progress.stage = "done"
    write("completed")
