"""Where Hydra finds kanrun's launchers and its sweeper; what they do is in kanrun.sweep, imported when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from kanrun.sweep.pools import Pool


class KanrunLauncher(Launcher):
    """Jobs on this machine, `jobs` at a time; null: as many as there are cores."""

    config: DictConfig
    task_function: Any

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """What Hydra gives."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Does the jobs; those that fail are counted and said, and keep no other from being done."""
        from kanrun.cli.launching import launch

        return [
            JobReturn(overrides=list(job), _return_value=loss, status=JobStatus.COMPLETED)
            for job, loss in zip(job_overrides, launch(self, job_overrides, initial_job_idx), strict=True)
        ]

    def pool(self, jobs: int, folder: Path) -> Pool:  # noqa: ARG002
        """For so many jobs in the folder of a sweep."""
        from kanrun.sweep.pools import local_pool

        return local_pool(self.jobs, jobs, self.task_function.end_at_once)


class KanrunRay(KanrunLauncher):
    """Jobs on Ray: on this machine, or on the cluster at `address`, which sees the same folders."""

    def __init__(self, address: str | None = None, jobs: int | None = None, cpus: float = 1, gpus: float = 0) -> None:
        super().__init__(jobs)
        self.address, self.cpus, self.gpus = address, cpus, gpus

    def pool(self, jobs: int, folder: Path) -> Pool:  # noqa: ARG002
        """For so many jobs in the folder of a sweep."""
        from kanrun.sweep.pools import checked
        from kanrun.sweep.ray_pool import OnRay

        return OnRay(self.address, checked(self.jobs) or jobs, self.cpus, self.gpus)


class KanrunSlurm(KanrunLauncher):
    """Jobs through submitit: on Slurm, or with cluster=local as processes of this machine."""

    def __init__(
        self, cluster: str = "slurm", jobs: int | None = None, minutes: int = 60, cpus: int = 1,
        memory_gib: float = 2, partition: str | None = None, more: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(jobs)
        self.cluster, self.minutes, self.cpus, self.memory = cluster, minutes, cpus, memory_gib
        self.partition, self.more = partition, more

    def pool(self, jobs: int, folder: Path) -> Pool:
        """For so many jobs in the folder of a sweep."""
        from kanrun.sweep.pools import checked, free_cores
        from kanrun.sweep.slurm_pool import OnSlurm, check_settings

        check_settings(self.minutes, self.cpus, self.memory, self.more)
        at_once = checked(self.jobs) or (free_cores() if self.cluster == "local" else jobs)
        return OnSlurm(folder / ".submitit", self.cluster, at_once, {
            "timeout_min": self.minutes, "cpus_per_task": self.cpus, "mem_gb": self.memory,
            **({"slurm_partition": self.partition} if self.partition else {}), **(self.more or {}),
        })  # fmt: skip


class KanrunSweeper(Sweeper):
    """All combinations of the values, or as `sweep.zip` and `sweep.parts` say."""

    config: DictConfig
    launcher: Launcher

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """What Hydra gives."""
        from hydra.core.plugins import Plugins

        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Does all jobs."""
        from kanrun.cli.compose import plan_in
        from kanrun.cli.sweeping import overrides_of_jobs
        from kanrun.errors import KanrunError

        plan = plan_in(self.config)
        if plan.resume and not isinstance(self.launcher, KanrunLauncher):
            raise KanrunError("sweep.resume: goes on with hydra/launcher=kanrun, kanrun_ray or kanrun_slurm")
        jobs = overrides_of_jobs(arguments, plan)
        return [self.launcher.launch(jobs, initial_job_idx=0)]


class KanrunOptuna(KanrunSweeper):
    """Values chosen by Optuna, from the scores of the jobs before."""

    def __init__(
        self, trials: int = 20, objectives: Sequence[str] = ("validation",), sampler: str = "tpe",
        storage: str | None = None, prune: bool = True, seed: int = 0,
    ) -> None:  # fmt: skip
        self.asked: dict[str, Any] = {
            "trials": trials, "objectives": objectives, "sampler": sampler, "storage": storage, "prune": prune,
            "seed": seed,
        }  # fmt: skip

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Does the trials."""
        from kanrun.cli.studying import search_settings
        from kanrun.sweep.studying import study_of

        outcomes = search_settings(self, study_of(**self.asked), arguments)
        return [[JobReturn(_return_value=outcome.loss, status=JobStatus.COMPLETED) for outcome in outcomes]]
