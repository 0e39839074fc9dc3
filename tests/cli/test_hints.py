from __future__ import annotations

import pytest

from kanrun.cli.hints import explain_key, explain_word, keys_like


@pytest.mark.parametrize(
    ("word", "meant"),
    [("shwo", "kanrun show"), ("sho", "kanrun show"), ("compre", "kanrun compare"), ("helo", "experiment=hello"),
     ("moons", "dataset=moons")],
)  # fmt: skip
def test_a_word_that_is_no_override_may_be_a_command_that_is_misspelt(word: str, meant: str) -> None:
    assert f"did you mean {meant}?" in explain_word(word)


def test_where_nothing_is_like_a_word_nothing_is_suggested() -> None:
    assert "did you mean" not in explain_word("qqqqq")


@pytest.mark.parametrize(
    ("key", "meant"),
    [("taget", "dataset.target"), ("datset", "dataset"), ("optimizer.step", "optimizer.steps"), ("sede", "seed"),
     ("widht", "model.width"), ("epochs", "optimizer.steps")],
)  # fmt: skip
def test_the_key_that_is_most_alike_is_meant(key: str, meant: str) -> None:
    assert keys_like(key) == [meant]


@pytest.mark.parametrize(("of_table", "meant"), [(True, "target?"), (False, "dataset.target?")])
def test_beside_a_table_its_settings_are_named_as_they_are_typed_there(of_table: bool, meant: str) -> None:
    assert f"did you mean {meant}" in explain_key("taget", {"taget": "E"}, of_table)
