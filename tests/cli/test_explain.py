from __future__ import annotations

import errno
import os

import pytest

from kanrun.cli.explain import explain


@pytest.mark.parametrize("key", ["hydra.launcher.job", "hydra.sweeper.trails"])
def test_a_setting_that_an_engine_does_not_have_is_named_where_only_its_class_complains(key: str) -> None:
    name = key.rpartition(".")[2]
    error = TypeError(f"Kanrun.__init__() got an unexpected keyword argument '{name}'")
    error.args = (error.args[0].replace("Kanrun.", "KanrunLauncher."),)
    chosen = ["hydra/sweeper=kanrun_optuna"] if "sweeper" in key else []
    [line] = explain(error, [*chosen, "seed=3", f"{key}=2"])
    assert line.startswith(f"{key}=2: unknown setting")
    assert {"job": "jobs", "trails": "trials"}[name] in line


DENIED = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/there/config.yaml")


@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir"])
def test_a_file_that_cannot_be_written_is_told_with_the_setting_of_its_folder(key: str) -> None:
    assert explain(DENIED, [f"{key}=/there"]) == [f"{key}=/there: Permission denied (/there/config.yaml)"]


def test_where_no_folder_was_typed_it_is_said_which_setting_would_choose_another() -> None:
    [line] = explain(DENIED, ["seed=3"])
    assert line == "/there/config.yaml: Permission denied; hydra.run.dir or hydra.sweep.dir names another"
