from __future__ import annotations

import logging
from pathlib import Path

import pytest

from kanrun.errors import KanrunError
from kanrun.report.status import InterruptedRun, Logged, Status, logged_to, state_of
from tests.contract import read_json


def test_the_status_follows_the_run_from_stage_to_stage(tmp_path: Path) -> None:
    status = Status(tmp_path)
    with status.kept():
        assert read_json(tmp_path / "status.json")["stage"] == "start"
        status.stage_began("train")
        told = read_json(tmp_path / "status.json")
        assert (told["state"], told["stage"], told["error"], told["ended"]) == ("running", "train", None, None)
    told = read_json(tmp_path / "status.json")
    assert (told["state"], told["stage"], told["error"]) == ("completed", "done", None)
    assert told["started"] <= told["ended"]


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [
        (KanrunError("bad"), "failed", "bad"),
        (RuntimeError("planted"), "failed", "RuntimeError: planted"),
        (InterruptedRun("SIGTERM"), "interrupted", "interrupted by SIGTERM in stage train; kanrun resume goes on"),
        (KeyboardInterrupt(), "interrupted", "interrupted by SIGINT in stage train; kanrun resume goes on"),
    ],
)
def test_whatever_ends_a_run_is_said_and_passed_on(tmp_path: Path, error: BaseException, state: str, said: str) -> None:
    def run() -> None:
        status = Status(tmp_path)
        with logged_to(tmp_path / "kanrun.log"), status.kept():
            status.stage_began("train")
            raise error

    with pytest.raises(type(error)):
        run()
    told = read_json(tmp_path / "status.json")
    assert (told["state"], told["stage"]) == (state, "train")
    assert told["error"].startswith(said)
    assert state_of(tmp_path) == state
    log = (tmp_path / "kanrun.log").read_text()
    assert ("Traceback" in log) == isinstance(error, RuntimeError)


@pytest.mark.parametrize("text", [None, "", "[]", '{"stage": "train"}', '{"state": "inter'])
def test_a_status_that_cannot_be_read_is_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "status.json").write_text(text)
    assert state_of(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "times"),
    [(None, 1), ("", 1), ("[]", 1), ('{"state": "running"}', 1), ('{"resumed": 2}', 3), ('{"resumed": null}', 1)],
)
def test_a_run_that_goes_on_again_counts_how_often_as_far_as_that_is_known(
    tmp_path: Path, text: str | None, times: int
) -> None:
    if text is not None:
        (tmp_path / "status.json").write_text(text)
    assert Status(tmp_path, resumed=True).resumed == times


def test_the_log_has_notes_warnings_and_scores_and_comes_behind_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "kanrun.log"
    path.write_text("before\n")
    logger = logging.getLogger("kanrun")
    handlers = list(logger.handlers)
    with logged_to(path):
        Logged().note("chosen")
        Logged().warning("mended")
        Logged().stage_ended({"name": "train", "test": {"mse": 0.5}})
    assert logger.handlers == handlers
    first, *lines = path.read_text().splitlines()
    assert first == "before"
    assert [line.split(" ", 2)[2] for line in lines] == [
        "INFO chosen", "WARNING mended", "INFO train: {'name': 'train', 'test': {'mse': 0.5}}"
    ]  # fmt: skip


def test_where_the_disk_is_full_the_end_is_said_in_the_place_of_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def fills_up() -> None:
        with Status(tmp_path).kept():
            monkeypatch.setattr("kanrun.report.status.write_json", full)
            full()

    with pytest.raises(OSError, match="No space"):
        fills_up()
    told = read_json(tmp_path / "status.json")
    assert (told["state"], "No space left" in told["error"]) == ("failed", True)
    with pytest.raises(OSError, match="No space"):
        Status(tmp_path / "other").write("running")
