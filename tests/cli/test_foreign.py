"""A config from elsewhere runs no code: of its part for Hydra only the folders are honoured."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cli.command import QUICK, Call

MARK = "written_by_a_stranger"
LOGGING = {
    "version": 1,
    "handlers": {"x": {"class": "logging.FileHandler", "filename": MARK}},
    "root": {"handlers": ["x"]},
}
CALLBACK = {"x": {"_target_": "hydra.utils.call", "_args_": [{"_target_": "os.mkdir", "path": MARK}]}}
STRANGE = {
    "job_logging": LOGGING,
    "hydra_logging": LOGGING,
    "callbacks": CALLBACK,
    "searchpath": ["pkg://stranger"],
    "launcher": {"_target_": "os.getcwd"},
    "sweeper": {"_target_": "os.getcwd"},
    "output_subdir": MARK,
    "job": {"chdir": True, "env_set": {"LD_PRELOAD": MARK}},
    "verbose": True,
}
CHOICES = {key: value for key, value in STRANGE.items() if key != "searchpath"}  # which Hydra refuses in an option


def write(path: Path, content: object, package: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(content)
    path.write_text(f"# @package _global_\n{text}" if package else text, encoding="utf-8")


@pytest.fixture(autouse=True)
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that would be imported."""
    (tmp_path / "stranger.py").write_text(f"import os\nos.mkdir({MARK!r})\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


MAIN = [(key, more, "--config-path") for key in STRANGE for more in ([], ["-m"], ["--cfg", "job"])]


@pytest.mark.parametrize(("key", "more", "flag"), [*MAIN, ("callbacks", [], "--config-dir")], ids=str)
def test_a_main_file_cannot_tell_hydra_what_to_call(
    key: str, more: list[str], flag: str, kanrun: Call, tmp_path: Path
) -> None:
    write(tmp_path / "theirs" / "mine.yaml", {"defaults": ["schema", "_self_"], "hydra": {key: STRANGE[key]}})
    status, out, [line] = kanrun(*more, flag, "theirs", "--config-name", "mine")
    assert (status, out) == (1, "")
    assert line.startswith(f"kanrun: hydra.{key}: not taken from a file")
    assert {p.name for p in tmp_path.iterdir()} <= {"theirs", "stranger.py", "__pycache__"}


@pytest.mark.parametrize(
    ("key", "more"), [*((key, []) for key in CHOICES), ("callbacks", ["-m"]), ("launcher", ["--cfg", "job"])], ids=str
)
def test_nor_can_an_experiment(key: str, more: list[str], kanrun: Call, tmp_path: Path) -> None:
    write(tmp_path / "theirs" / "experiment" / "nice.yaml", {"seed": 1, "hydra": {key: STRANGE[key]}}, package=True)
    chosen = "experiment=hello,nice" if "-m" in more else "experiment=nice"
    status, out, [line] = kanrun(*more, "--config-dir", "theirs", chosen)
    assert (status, out) == (1, "")
    assert line.startswith(f"kanrun: hydra.{key}: not taken from a file")
    assert not (tmp_path / MARK).exists()


def test_nor_does_it_under_the_name_of_an_option_of_hydra(kanrun: Call, tmp_path: Path) -> None:
    write(tmp_path / "theirs" / "hydra" / "job_logging" / "theirs.yaml", LOGGING)
    status, _, [line] = kanrun("--config-dir", "theirs", "hydra/job_logging=theirs")
    assert status == 1
    assert "hydra/job_logging=theirs" in line
    assert not (tmp_path / MARK).exists()


def test_folders_are_taken_from_a_file_and_what_is_typed_is_the_users_own(kanrun: Call, tmp_path: Path) -> None:
    write(tmp_path / "theirs" / "experiment" / "nice.yaml", {"hydra": {"run": {"dir": "there"}}}, package=True)
    chosen = ["experiment=nice" if part.startswith("experiment") else part for part in QUICK]
    assert kanrun("--config-dir", "theirs", *chosen, "hydra.job.name=mine", "model.width=[2,1]").status == 0
    assert (tmp_path / "there" / "metrics.json").exists()


def test_mistakes_in_a_folder_of_ones_own_are_seen_before_anything_is_written(kanrun: Call, tmp_path: Path) -> None:
    write(tmp_path / "theirs" / "experiment" / "nice.yaml", {"seed": -1}, package=True)
    status, _, [line] = kanrun("--config-dir", "theirs", "experiment=nice")
    assert status == 1
    assert line.startswith("kanrun: seed=-1: ")
    assert not (tmp_path / "outputs").exists()


def test_pickles_are_not_read(kanrun: Call) -> None:
    status, _, [line] = kanrun("--experimental-rerun", "job.pickle")
    assert status == 1
    assert "--config-path RUN" in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "while parsing a flow sequence"),
        ("- hydra\n", "settings by their names are needed"),
        ("hydra\n", "settings by their names are needed"),
        ("a: " + "[" * 1000 + "]" * 1000, "it has more than"),
    ],
    ids=["open", "list", "text", "deep"],
)
def test_a_main_file_that_is_no_config_is_one_line(kanrun: Call, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    status, _, [line] = kanrun("--config-path", ".", "--config-name", "mine")
    assert status == 1
    assert line.startswith(f"kanrun: {tmp_path / 'mine.yaml'}: {said}")
    assert not (tmp_path / "outputs").exists()
