"""A search for settings by Optuna: trials are jobs, chosen by the scores of those before, and none is lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from weakref import finalize

from kanrun.errors import ConfigError, KanrunError, shorten, wrong
from kanrun.report.status import InterruptedRun
from kanrun.sweep.pools import Pool
from kanrun.sweep.pruning import bounds_of, curve_of
from kanrun.sweep.resuming import runs_in
from kanrun.sweep.rows import Row, row_of
from kanrun.sweep.running import Watcher, signals_raised
from kanrun.sweep.tasks import Outcome, Task

JOURNAL = "study.journal"
OBJECTIVES: dict[str, Callable[[Row], float | None]] = {
    "validation": lambda row: next((v for k, v in row.scores.items() if k.startswith("validation_")), None),
    "complexity": lambda row: row.complexity,
    "seconds": lambda row: row.seconds,
}
SAMPLERS = {
    "tpe": lambda optuna, seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP),
    "nsga2": lambda optuna, seed: optuna.samplers.NSGAIISampler(seed=seed),
    "random": lambda optuna, seed: optuna.samplers.RandomSampler(seed=seed),
}
OWN = "kanrun"  # the study of a journal in the folder of its sweep, which has no other
STARTUP = 10  # trials that are drawn before there is anything to learn from


@dataclass(frozen=True)
class Dimension:
    """A setting that is chosen: among `texts`, or a number from `low` to `high`, both included, in steps if given."""

    key: str
    texts: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    whole: bool = False

    def distribution(self) -> Any:
        """The same in Optuna's words."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.texts:
            return CategoricalDistribution(self.texts)
        if self.whole:
            return IntDistribution(int(self.low), int(self.high), self.log, int(self.step or 1))
        return FloatDistribution(self.low, self.high, self.log, self.step)


@dataclass(frozen=True)
class Study:
    """What is asked for: so many trials in all, what they are to be good at, and how values are drawn."""

    trials: int
    objectives: tuple[str, ...]
    sampler: str
    storage: str | None
    prune: bool
    seed: int
    name: str = OWN


def study_of(trials: Any, objectives: Any, sampler: Any, storage: Any, prune: Any, seed: Any) -> Study:
    """What is asked for, from what is typed. Raises ConfigError for what is not allowed."""
    several = isinstance(objectives, Sequence) and not isinstance(objectives, str)
    listed = list(objectives) if several else [objectives]
    known = bool(listed) and all(isinstance(one, str) and one in OBJECTIVES for one in listed)
    for key, value, good, needed in (
        ("trials", trials, type(trials) is int and trials >= 1, "1 or more"),
        ("objectives", listed, known, f"some of {', '.join(OBJECTIVES)}"),
        ("sampler", sampler, isinstance(sampler, str) and sampler in SAMPLERS, f"one of {', '.join(SAMPLERS)}"),
        ("storage", storage, storage is None or isinstance(storage, str), "an address such as sqlite:///FILE, or null"),
        ("prune", prune, isinstance(prune, bool), "true or false"),
        ("seed", seed, type(seed) is int and 0 <= seed < 2**31, "a whole number, 0 or more"),
    ):
        if not good:
            raise ConfigError(wrong(f"hydra.sweeper.{key}", value, needed))
    return Study(trials, tuple(listed), sampler, storage, prune and listed == ["validation"], seed)


def search(
    study: Study, space: Sequence[Dimension], folder: Path, task_of: Callable[[int, Mapping[str, Any]], Task],
    pool: Pool, watcher: Watcher, resumed: bool = False,
) -> list[Outcome]:  # fmt: skip
    """Does trials until there are as many as asked for, those of before included; each is a job in its own folder.

    Trials that were begun and not told of, since the search was killed, are done first, from their checkpoints. Raises
    InterruptedRun where a signal comes, and ConfigError where the storage is that of another search.
    """
    optuna, opened = open_study(study, folder)
    distributions = {dimension.key: dimension.distribution() for dimension in space}
    check_place(study, folder, len(opened.trials), resumed)
    running = opened.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
    unfinished = [(trial.number, trial.params) for trial in running][::-1]
    ended = sum(trial.state.is_finished() for trial in opened.get_trials(deepcopy=False))
    curves = [curve_of(run) for run in folder.glob("*") if (run / "metrics.json").exists()] if study.prune else []
    going, found = dict[int, Task](), list[Outcome]()

    def begin() -> None:
        again = bool(unfinished)
        number, values = unfinished.pop() if again else asked(opened, distributions, folder)
        bounds = bounds_of([curve for curve in curves if curve]) if study.prune else []
        going[number] = replace(task_of(number, values), again=again, bounds=tuple(bounds))
        pool.submit(going[number])

    with signals_raised():
        try:
            while ended + len(going) < study.trials or going:
                while ended + len(going) < study.trials and len(going) < pool.size:
                    begin()
                watcher.began(len(going))
                outcome = pool.next()
                task = going.pop(outcome.number)
                if outcome.state == "interrupted":
                    raise InterruptedRun("SIGTERM")
                if lacking := tell(optuna, opened, study, task, outcome):
                    outcome = replace(outcome, error=f"no {', '.join(lacking)}, which the search is for")
                if study.prune and outcome.state == "completed":
                    curves.append(curve_of(task.folder))
                ended += 1
                found.append(outcome)
                watcher.ended(task, outcome)
        except BaseException as error:
            signal = "SIGINT" if isinstance(error, KeyboardInterrupt) else "SIGTERM"
            for outcome in pool.close(getattr(error, "signal", signal)):
                if outcome.state == "completed":
                    with suppress(Exception):  # of a storage that is what has failed; a resumed search tells it
                        tell(optuna, opened, study, going[outcome.number], outcome)
                watcher.ended(going[outcome.number], outcome)
            raise
        pool.close()
    return found


def check_place(study: Study, folder: Path, trials: int, resumed: bool) -> None:
    """Raises ConfigError where the folder has runs of something else, or a search that is not to be gone on with."""
    if trials and not resumed:
        reason = f"a search with {trials} trials is there; sweep.resume={folder} goes on with it"
        raise ConfigError(wrong("hydra.sweep.dir", folder, reason))
    if resumed and not trials and study.storage and runs_in(folder):
        raise ConfigError(wrong("hydra.sweeper.storage", study.storage, f"the search of {folder} is not in it"))
    others = [run.name for run in runs_in(folder) if not run.name.isdigit() or int(run.name) >= trials]
    if others:
        key = "sweep.resume" if resumed else "hydra.sweep.dir"
        raise ConfigError(wrong(key, folder, f"it holds runs of something else, such as {others[0]}"))


def asked(opened: Any, distributions: Mapping[str, Any], folder: Path) -> tuple[int, dict[str, Any]]:
    """The next trial."""
    try:
        trial = opened.ask(dict(distributions))
    except ValueError as error:
        reason = f"its search was among other values ({shorten(str(error), 120)})"
        raise ConfigError(wrong("sweep.resume", folder, reason)) from None
    return trial.number, trial.params


def tell(optuna: Any, opened: Any, study: Study, task: Task, outcome: Outcome) -> list[str]:
    """What became of a trial: its values, or that it has none. Gives what a job that is completed lacks of them."""
    states = optuna.trial.TrialState
    if outcome.state == "pruned":
        opened.tell(task.number, state=states.PRUNED)
        return []
    row = row_of(task.folder, task.values)
    values = {name: OBJECTIVES[name](row) for name in study.objectives}
    lacking = [name for name, value in values.items() if value is None or not math.isfinite(value)]
    if row.state != "completed" or lacking:
        opened.tell(task.number, state=states.FAIL)
    else:
        opened.tell(task.number, [float(value) for value in values.values() if value is not None])
    return lacking if row.state == "completed" else []


def open_study(study: Study, folder: Path) -> tuple[Any, Any]:
    """Optuna, and the study in its storage. Raises KanrunError where either is not there."""
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise KanrunError(
            "hydra/sweeper=kanrun_optuna: Optuna is not installed; pip install 'kanrun[optuna]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage: Any
    try:
        if study.storage:
            storage = optuna.storages.RDBStorage(study.storage)
            finalize(storage, storage.engine.dispose)  # the database is let go with it, and not by chance
        else:
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
        opened = optuna.create_study(
            storage=storage, study_name=study.name, directions=["minimize"] * len(study.objectives), load_if_exists=True
        )
    except Exception as error:
        given = study.storage or folder / JOURNAL
        raise ConfigError(wrong("hydra.sweeper.storage", given, shorten(f"{error}", 200))) from None
    if len(opened.directions) != len(study.objectives):
        reason = f"the search there has {len(opened.directions)} of them"
        raise ConfigError(wrong("hydra.sweeper.objectives", list(study.objectives), reason))
    # Another seed each time, or what goes on would draw what it has drawn before.
    opened.sampler = SAMPLERS[study.sampler](optuna, study.seed + len(opened.trials))
    return optuna, opened


def best_lines(study: Study, folder: Path) -> list[str]:
    """The best trial, or those of which no other is better at everything, a line each."""
    _, opened = open_study(study, folder)
    lines = []
    for trial in sorted(opened.best_trials, key=lambda one: one.values):
        scores = ", ".join(f"{name} {value:.4g}" for name, value in zip(study.objectives, trial.values, strict=True))
        chosen = " ".join(f"{key}={value}" for key, value in trial.params.items())
        lines.append(f"job {trial.number}: {scores}   {chosen}")
    return lines
