"""MLflow: runs in a database, by default a file of the folder in which the command is given, or on a server."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock
from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

FOLDER, DATABASE = "mlruns", "mlflow.db"
TAG = "kanrun.folder"
LONGEST, MOST_LETTERS = 6000, 250  # letters of a parameter, and of its name
AT_ONCE = 100  # parameters
MOST_WAITING, LONGEST_WAIT = 500, 5.0  # metrics, and seconds, until they are sent


class MlflowSink:
    """A run of an experiment; one that was interrupted goes on as the same run."""

    def __init__(self, folder: Path, uri: str | None, experiment: str, resumed: bool) -> None:
        logging.getLogger("alembic").setLevel(logging.WARNING)  # what a new database goes through is no news
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        self.waiting: list[Metric] = []
        self.sent = 0
        place = None
        if uri is None:
            here = Path(FOLDER).absolute()
            here.mkdir(exist_ok=True)
            uri, place = f"sqlite:///{(here / DATABASE).as_posix()}", (here / "artifacts").as_uri()
            with FileLock(here / f"{DATABASE}.lock"):  # jobs of a sweep begin at once, and one of them makes it
                self.client, number = connected(uri, experiment, place)
        else:
            self.client, number = connected(uri, experiment, place)
        self.run = (unfinished(self.client, number, folder) if resumed else None) or self.client.create_run(
            number, run_name="/".join(folder.parts[-2:]), tags={TAG: quote(str(folder))}
        ).info.run_id

    def parameters(self, settings: Mapping[str, str]) -> None:
        """As parameters, whose texts are cut where they are too long for one; they cannot change."""
        there = self.client.get_run(self.run).data.params
        named = {allowed(key): value[:LONGEST] for key, value in settings.items()}
        new = [Param(key, value) for key, value in named.items() if key not in there]
        for first in range(0, len(new), AT_ONCE):
            self.client.log_batch(self.run, params=new[first : first + AT_ONCE])

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """As metrics, which are sent many at a time: one by one they would take longer than the steps of a training."""
        now = int(1000 * time.time())
        self.waiting += [Metric(allowed(name), value, now, step) for name, value in values.items()]
        if len(self.waiting) >= MOST_WAITING or now - self.sent > 1000 * LONGEST_WAIT:
            self.send()

    def send(self) -> None:
        """Sends what waits."""
        for first in range(0, len(self.waiting), MOST_WAITING):
            self.client.log_batch(self.run, metrics=self.waiting[first : first + MOST_WAITING])
        self.waiting, self.sent = [], int(1000 * time.time())

    def text(self, name: str, text: str) -> None:
        """As an artifact, and where there is room as a tag that the table of runs shows."""
        self.client.log_text(self.run, text, f"{name}.txt")
        self.client.set_tag(self.run, name, text[:LONGEST])

    def picture(self, name: str, path: Path) -> None:  # noqa: ARG002
        """As an artifact."""
        self.client.log_artifact(self.run, str(path), "plots")

    def close(self, completed: bool) -> None:
        """The run is finished, or was killed."""
        self.send()
        self.client.set_terminated(self.run, "FINISHED" if completed else "KILLED")


def allowed(name: str) -> str:
    """A name as MLflow takes one."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:MOST_LETTERS]


def connected(uri: str, experiment: str, place: str | None) -> tuple[MlflowClient, str]:
    """The client, and the number of the experiment, which is made where it is not there."""
    client = MlflowClient(tracking_uri=uri)
    known: Any = client.get_experiment_by_name(experiment)
    return client, known.experiment_id if known else client.create_experiment(experiment, artifact_location=place)


def unfinished(client: MlflowClient, experiment: str, folder: Path) -> str | None:
    """The last run of a folder, which goes on; None where there is none."""
    said = quote(str(folder))  # a filter has no way to write a quotation mark
    found = client.search_runs([experiment], f"tags.`{TAG}` = '{said}'", max_results=1)
    if not found or found[0].info.status == "FINISHED":
        return None
    client.update_run(found[0].info.run_id, "RUNNING")
    return str(found[0].info.run_id)
