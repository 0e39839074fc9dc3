from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kanrun.data.dataset import Dataset
from kanrun.data.losses import CROSS_ENTROPY
from kanrun.errors import KanrunError
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.report.outputs import OUTPUTS
from kanrun.report.pictures import LAST, PICTURES, Scene, scene_of
from tests.figures import assert_nothing_overlaps, draw, history, texts
from tests.planted import classification, regression
from tests.report.test_outputs import result


def scene(data: Dataset, **changes: Any) -> Scene:
    model = KAN([len(data.inputs), len(data.outputs)])
    plain = Scene(lambda: data, data.loss, {"trained": model}, model, history=history("train"))
    return replace(plain, **changes)


def made(one: Scene) -> set[str]:
    return {name for name, picture in PICTURES.items() if picture.lacking(one) is None}


def test_each_picture_is_made_where_it_makes_sense() -> None:
    assert made(scene(regression())) == {
        "network_trained", "history", "predictions", "edges", "residuals", "importance",
    }  # fmt: skip
    assert made(scene(classification(2, 3))) == {
        "network_trained", "history", "predictions", "edges", "confusion", "roc", "importance",
    }  # fmt: skip
    assert made(scene(regression(n_in=1))) >= {"edges"} and "importance" not in made(scene(regression(n_in=1)))
    mlp = MLP([2, 3, 1])
    assert made(scene(regression(), networks={"trained": mlp}, last=mlp)) == {"history", "predictions", "residuals"}


@pytest.mark.parametrize("data", [regression(), regression(3, 4), classification(3, 4)], ids=["1", "3", "classes"])
def test_every_picture_of_a_scene_can_be_drawn(data: Dataset) -> None:
    one = scene(data)
    for name in made(one):
        assert_nothing_overlaps(draw(PICTURES[name].figure, one))


def test_the_formula_is_shown_where_there_is_one() -> None:
    one = scene_of(result("train", "symbolic"))
    (title, *_) = (t.get_text() for t in draw(PICTURES["residuals"].figure, one).texts)
    assert title == "residuals of the formula, test rows"
    x = one.data.judged.x
    assert one.formula is not None
    torch.testing.assert_close(one.formula(x), x[:, :1] ** 2)


def test_the_symbolic_network_has_the_words_of_the_formula() -> None:
    figure = draw(PICTURES["network_symbolic"].figure, scene_of(result("train", "symbolic")))
    assert {t.get_text() for t in texts(figure) if t.get_gid() == "function"} == {"x_1**2", "x_2"}
    last = draw(LAST.figure, scene_of(result("train", "symbolic")))
    assert [t.get_text() for t in texts(last)] == [t.get_text() for t in texts(figure)]


def test_a_picture_that_there_is_not_says_why() -> None:
    one = scene(regression())
    reasons = {name: PICTURES[name].lacking(one) for name in ("roc", "front", "network_pruned")}
    assert reasons == {
        "roc": "the targets are values, not classes",
        "front": "there is no formula",
        "network_pruned": "the pruned network is not kept, or there was none",
    }
    with pytest.raises(KanrunError, match="no picture roc: the targets are values"):
        PICTURES["roc"].content(one, "png")
    assert PICTURES["history"].lacking(replace(one, searched=True)) == "the networks of a search are not kept"
    assert PICTURES["history"].lacking(replace(one, history=())) == "nothing was trained"


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_files_of_all_kinds_are_the_same_each_time(kind: str, start: bytes) -> None:
    first, second = (PICTURES["importance"].content(scene(regression()), kind) for _ in range(2))
    assert first.startswith(start)
    assert first == second


def test_history_and_front_need_no_rows() -> None:
    def gone() -> Dataset:
        raise KanrunError("gone")

    one = scene(regression(), rows=gone)
    assert not PICTURES["history"].of_rows and not PICTURES["front"].of_rows
    assert PICTURES["history"].content(one, "png")
    with pytest.raises(KanrunError, match="gone"):
        PICTURES["predictions"].content(one, "png")


def test_every_picture_is_an_output_that_takes_time(tmp_path: Path) -> None:
    outputs = {o.name: o for o in OUTPUTS if o.name.startswith("picture ")}
    assert set(outputs) == {f"picture {name}" for name in PICTURES}
    assert all(o.takes_time and not o.essential for o in outputs.values())
    assert scene(classification(2, 2), loss=CROSS_ENTROPY).loss == CROSS_ENTROPY
    outputs["picture importance"].write(tmp_path, result("train"))
    assert (tmp_path / "plots" / "importance.svg").exists()
