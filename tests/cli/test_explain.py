from __future__ import annotations

import errno

import pytest

from kanrun.cli.explain import explain


@pytest.mark.parametrize(
    ("kind", "chosen", "key", "meant"),
    [
        ("KanrunLauncher", "seed=3", "hydra.launcher.job", "jobs"),
        ("KanrunOptuna", "hydra/sweeper=kanrun_optuna", "hydra.sweeper.trails", "trials"),
    ],
)
def test_a_setting_of_which_only_the_engines_class_complains_is_named(
    kind: str, chosen: str, key: str, meant: str
) -> None:
    error = TypeError(f"{kind}.__init__() got an unexpected keyword argument '{key.rpartition('.')[2]}'")
    [line] = explain(error, [chosen, f"{key}=2"])
    assert line.startswith(f"{key}=2: unknown setting, did you mean {meant}?")


DENIED = PermissionError(errno.EACCES, "Permission denied", "/there/config.yaml")


@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir"])
def test_a_file_that_cannot_be_written_is_told_with_the_setting_of_its_folder(key: str) -> None:
    assert explain(DENIED, [f"{key}=/there"]) == [f"{key}=/there: Permission denied (/there/config.yaml)"]


def test_where_no_folder_was_typed_it_is_said_which_setting_names_another() -> None:
    [line] = explain(DENIED, ["seed=3"])
    assert line == "/there/config.yaml: Permission denied; hydra.run.dir or hydra.sweep.dir names another"
