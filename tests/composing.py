"""Configs as the command composes them, each choice of options once: Hydra takes a tenth of a second for one."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hydra._internal import config_loader_impl as loader
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.defaults_list import Overrides
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from kanrun.cli.compose import compose_job, settings_of
from kanrun.config.packaged import config_folder


@cache
def kept(overrides: tuple[str, ...]) -> dict[str, Any]:
    return settings_of(compose_job(overrides, config_folder()))


def composed(*overrides: str) -> dict[str, Any]:
    """The settings that these overrides lead to, one's own to change."""
    return deepcopy(kept(overrides))


@contextmanager
def each_choice_once() -> Iterator[None]:
    """Hydra reads and merges the packaged files once for each choice of options; values are set in copies as ever."""
    lists: dict[str, Any] = {}
    merged: dict[str, bytes] = {}
    read: dict[str, bytes] = {}
    find, merge = loader.create_defaults_list, loader.ConfigLoaderImpl._compose_config_from_defaults_list
    load = ConfigRepository.load_config

    def found(repo: Any, config_name: str | None, overrides_list: list[Any], **more: Any) -> Any:
        if not only_packaged(repo):
            return find(repo=repo, config_name=config_name, overrides_list=overrides_list, **more)
        own = Overrides(repo, overrides_list)
        chosen = [own.override_choices, own.append_group_defaults, own.deletions]
        key = repr([config_name, more, sorted(in_store(ConfigStore.instance().repo)), *chosen])
        if key not in lists:
            lists[key] = find(repo=repo, config_name=config_name, overrides_list=overrides_list, **more)
        return replace(lists[key], config_overrides=own.config_overrides)

    def put_together(self: Any, defaults: list[Any], repo: Any) -> Any:
        if not only_packaged(repo):
            return merge(self, defaults=defaults, repo=repo)
        key = repr([defaults, sorted(in_store(ConfigStore.instance().repo))])
        if key not in merged:
            merged[key] = pickle.dumps(merge(self, defaults=defaults, repo=repo))
        own = pickle.loads(merged[key])
        OmegaConf.clear_cache(own)  # of times of day
        return own

    def loaded(self: ConfigRepository, config_path: str) -> Any:
        if not only_packaged(self):
            return load(self, config_path)
        key = repr([config_path, [s.path for s in self.get_sources()], sorted(in_store(ConfigStore.instance().repo))])
        if key not in read:
            read[key] = pickle.dumps(load(self, config_path))
        return pickle.loads(read[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConfigRepository, "load_config", loaded)
        patch.setattr(loader, "create_defaults_list", found)
        patch.setattr(loader.ConfigLoaderImpl, "_compose_config_from_defaults_list", put_together)
        patch.setattr(ConfigStore, "__deepcopy__", lambda store, _: store, raising=False)  # what it gives is a copy
        yield


def only_packaged(repo: Any) -> bool:
    """Whether all that is looked at comes with a package: files elsewhere may change."""
    return all(s.scheme() in ("pkg", "structured") or s.path == str(config_folder()) for s in repo.get_sources())


def in_store(node: dict[str, Any], above: str = "") -> Iterator[str]:
    """The names of all options in Hydra's store, to which some may be added."""
    for name, inner in node.items():
        if isinstance(inner, dict):
            yield from in_store(inner, f"{above}{name}/")
        else:
            yield f"{above}{name}"
