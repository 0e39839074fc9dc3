"""Jobs on Ray: on this machine, or on a cluster that runs already and sees the same folders."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from dataclasses import replace
from typing import Any

from kanrun.errors import ConfigError, KanrunError, failure, shorten, wrong
from kanrun.sweep.pools import ONE_THREAD, free_cores, prepared_for
from kanrun.sweep.tasks import Outcome, Task, leave_word, work_from_queue

TRIES = 1  # more of a job whose worker is lost; it goes on from its checkpoint
LONGEST = 5.0  # seconds until somebody answers
ENDING = 3.0  # seconds that interrupted jobs have to keep what they have reached
# Ray sends figures of its use to its makers unless told otherwise, would hide GPUs from jobs that ask for none, and
# joins a cluster that wants a token, as they do by default, only where that is said.
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_AUTH_MODE": "token"}


class OnRay:
    """A pool whose jobs are tasks of Ray's, each with so many of its CPUs and GPUs."""

    def __init__(self, address: str | None, jobs: int, cpus: float, gpus: float) -> None:
        self.ray = imported()
        check_settings(address, cpus, gpus)
        self.begin(address)
        there = self.ray.cluster_resources()
        each = {"CPU": cpus, "GPU": gpus}
        for name, wanted in each.items():
            if wanted > there.get(name, 0):
                self.ray.shutdown()
                found = f"there are {there.get(name, 0):g} in all, so that no job could begin"
                raise ConfigError(wrong(f"hydra.launcher.{name.lower()}s", wanted, found))
        at_once = min(int(there.get(name, 0) // wanted) for name, wanted in each.items() if wanted)
        self.size = max(1, min(jobs, at_once))
        # Workers of a cluster that was begun here have the environment already, those that wait for jobs too.
        there_only = {"runtime_env": {"env_vars": ONE_THREAD}} if address else {}
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": TRIES, **there_only}
        self.remote = self.ray.remote(work_from_queue).options(**options)
        self.going: dict[Any, Task] = {}

    def begin(self, address: str | None) -> None:
        """Joins the cluster, or begins one on this machine. Raises ConfigError for one that is not there."""
        check_answers(address)
        own = {} if address else {"num_cpus": free_cores(), "include_dashboard": False}
        try:
            with prepared_for(ONE_THREAD), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.ray.init(
                    address or "local", logging_level=logging.ERROR, log_to_driver=False, configure_logging=False, **own
                )
        except Exception as error:
            raise no_cluster(address, error) from None

    def submit(self, task: Task) -> None:
        """Hands it to the cluster."""
        task = replace(task, again=True)  # Ray gives it to another worker, as it is, where one is lost
        self.going[self.remote.remote(task)] = task

    def next(self) -> Outcome:
        """The next one that ends."""
        done, _ = self.ray.wait(list(self.going), num_returns=1)
        return self.outcome_of(done[0], self.going.pop(done[0]))

    def outcome_of(self, reference: Any, task: Task) -> Outcome:
        """What became of a job; one whose worker is lost has failed."""
        try:
            found: Outcome = self.ray.get(reference)
        except self.ray.exceptions.TaskCancelledError as error:
            return Outcome(task.number, "interrupted", failure(error))
        except Exception as error:
            leave_word(task, failure(error))
            return Outcome(task.number, "failed", failure(error))
        return found

    def close(self, signal: str | None = None) -> list[Outcome]:
        """Cancels what goes on, each job with a signal of its own, and leaves the cluster."""
        found = []
        if signal is not None:
            for reference in self.going:
                self.ray.cancel(reference, force=False)
            done, _ = (
                self.ray.wait(list(self.going), num_returns=len(self.going), timeout=ENDING) if self.going else ([], [])
            )
            found = [self.outcome_of(reference, self.going[reference]) for reference in done]
        self.ray.shutdown()
        return found


def check_settings(address: Any, cpus: Any, gpus: Any) -> None:
    """Raises ConfigError for what cannot be asked of a cluster."""
    if not (address is None or isinstance(address, str)):
        raise ConfigError(wrong("hydra.launcher.address", address, "host:port of a cluster; null: one is begun here"))
    for name, value in (("cpus", cpus), ("gpus", gpus)):
        if type(value) not in (int, float) or not value >= 0:
            raise ConfigError(wrong(f"hydra.launcher.{name}", value, "a number, 0 or more"))
    if not (cpus > 0 or gpus > 0):
        raise ConfigError(wrong("hydra.launcher.cpus", cpus, "more than 0, or hydra.launcher.gpus is"))


def check_answers(address: str | None) -> None:
    """Raises ConfigError where nobody listens at host:port, which Ray itself finds out after minutes."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=LONGEST).close()
        except (OSError, OverflowError) as error:
            raise no_cluster(address, error) from None


def no_cluster(address: str | None, error: Exception) -> ConfigError:
    """What there is to say then."""
    reason = f"no cluster answers there ({shorten(str(error), 120)}); `ray start --head` begins one"
    return ConfigError(wrong("hydra.launcher.address", address, reason))


def imported() -> Any:
    """Ray. Raises KanrunError where it is not installed."""
    os.environ.update({name: value for name, value in SETTINGS.items() if name not in os.environ})
    try:
        import ray
    except ImportError:
        raise KanrunError("hydra/launcher=kanrun_ray: Ray is not installed; pip install 'kanrun[ray]'") from None
    return ray
