from __future__ import annotations

from dataclasses import fields

import pytest

from docs._tools.settings_page import ROOT, page
from kanrun.cli.compose import OF_HYDRA
from kanrun.config.packaged import config_folder
from kanrun.config.schema import GROUPS, Config, FixConfig

KINDS = [(group, kind) for group, kinds in GROUPS.items() for kind in kinds.values()]


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


def test_the_page_is_the_one_that_make_docs_writes(text: str) -> None:
    assert text == page()


@pytest.mark.parametrize(("group", "kind"), KINDS)
def test_every_setting_is_on_it_with_its_meaning(text: str, group: str, kind: type) -> None:
    for field in fields(kind):
        if field.name != "name":
            assert f"| `{group}.{field.name}` |" in text
            assert f"| {field.metadata['doc']} |" in text


def test_so_are_those_of_the_run_of_fixed_edges_and_of_sweeps(text: str) -> None:
    for field in [*(f for f in fields(Config) if f.name not in GROUPS), *fields(FixConfig)]:
        assert f"| `{field.name}` |" in text
    for group, options in OF_HYDRA.items():
        assert all(f"`{group}={name}`" in text for name in options)


def test_every_file_of_configs_that_is_an_option_is_on_it(text: str) -> None:
    files = [path for path in config_folder().rglob("*.yaml") if path.name != "config.yaml"]
    assert len(files) > 10
    assert all(path.read_text(encoding="utf-8").rstrip() in text for path in files)
