from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kanrun import __version__
from kanrun.context import Context, Journal, Meter
from kanrun.functions.library import FUNCTIONS
from kanrun.model.network import KAN
from kanrun.pipeline.checkpoint import BEFORE, CURRENT, FOLDER, FORMAT, Begun, Checkpoint, version_of
from kanrun.state import State


def checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint(folder, FUNCTIONS, torch.device("cpu"))


def load(folder: Path) -> tuple[State, Begun | None, list[str]]:
    told: list[str] = []
    state, begun = checkpoint(folder).load(told.append)
    return state, begun, told


def done(*stages: str) -> State:
    return State(KAN([2, 1], grid=3, seed=len(stages)), done=frozenset(stages))


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "changed":
        middle = content.index(b'"object"')
        path.write_bytes(content[:middle] + b"x" + content[middle + 1 :])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("not a checkpoint")
    elif how == "other":
        with path.open("wb") as file:
            np.savez(file, about=np.frombuffer(b"{}", np.uint8))
    else:
        raise AssertionError(how)


DAMAGES = ["cut", "changed", "empty", "text", "other"]


def test_what_a_finished_stage_has_led_to_comes_back(tmp_path: Path) -> None:
    kept = done("train")
    checkpoint(tmp_path).keep(kept)
    state, begun, told = load(tmp_path)
    assert (state.done, begun, told) == ({"train"}, None, [])
    assert state.current is not None and kept.current is not None
    assert torch.equal(state.current.get_vector(), kept.current.get_vector())
    assert version_of(tmp_path) == (FORMAT, __version__)
    assert [p.name for p in (tmp_path / FOLDER).iterdir()] == [CURRENT]


def test_a_stage_in_progress_comes_back_with_its_journal(tmp_path: Path) -> None:
    one, meter = checkpoint(tmp_path), Meter(used=100.0, cpu_used=50.0)
    one.keep(done("train"))
    journal = one.begin("prune", meter)
    context = Context(journal=journal)
    journal.due = lambda: True
    assert context.once(lambda: torch.tensor([0.1, 0.2])).tolist() == pytest.approx([0.1, 0.2])
    context.once(lambda: {"loss": 0.5})
    journal.progress(lambda: ("at", 7))
    state, begun, told = load(tmp_path)
    assert (state.done, told) == ({"train"}, [])
    assert begun is not None
    assert begun.stage == "prune" and begun.seconds >= 100 and begun.cpu_seconds >= 50
    again = Context(journal=begun.journal)
    assert torch.equal(again.once(lambda: pytest.fail("done again")), torch.tensor([0.1, 0.2]))
    assert begun.journal.unfinished() is None
    assert again.once(lambda: pytest.fail("done again")) == {"loss": 0.5}
    assert begun.journal.unfinished() == ("at", 7)


def test_a_landmark_comes_back_with_its_work(tmp_path: Path) -> None:
    one, meter = checkpoint(tmp_path), Meter(work=8.0)
    journal = one.begin("search", meter)
    journal.due = lambda: True
    journal.landmark(lambda: [KAN([1, 1], grid=3), {"move": 2}], meter)
    _, begun, _ = load(tmp_path)
    assert begun is not None and begun.journal.work == 8.0
    model, rest = begun.journal.begun()
    assert isinstance(model, KAN) and rest == {"move": 2}
    assert begun.journal.begun()[0] is not model  # which may be changed meanwhile


def test_a_stage_that_goes_on_keeps_what_it_had(tmp_path: Path) -> None:
    one = checkpoint(tmp_path)
    journal = one.begin("train", Meter())
    journal.due = lambda: True
    Context(journal=journal).once(lambda: 1)
    two = checkpoint(tmp_path)
    _, begun = two.load(lambda _: None)
    assert begun is not None
    journal = two.begin("train", Meter(), begun)
    assert isinstance(journal, Journal)
    journal.due = lambda: True
    context = Context(journal=journal)
    assert [context.once(lambda k=k: k) for k in (8, 9)] == [1, 9]
    _, begun, _ = load(tmp_path)
    assert begun is not None and len(begun.journal.entries) == 2


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_falls_back_to_the_one_before(tmp_path: Path, how: str) -> None:
    one = checkpoint(tmp_path)
    one.keep(done("train"))
    one.keep(done("train", "prune"))
    assert load(tmp_path)[0].done == {"train", "prune"}
    damage(tmp_path / FOLDER / CURRENT, how)
    state, begun, [told] = load(tmp_path)
    assert (state.done, begun) == ({"train"}, None)
    assert told.startswith(f"{FOLDER}/{CURRENT} cannot be read (")
    assert len(told.splitlines()) == 1
    assert how == "changed" or version_of(tmp_path) == (FORMAT, __version__)


@pytest.mark.parametrize("how", DAMAGES)
def test_where_both_are_damaged_the_run_begins_anew_and_says_so(tmp_path: Path, how: str) -> None:
    one = checkpoint(tmp_path)
    one.keep(done("train"))
    one.keep(done("train", "prune"))
    for name in (CURRENT, BEFORE):
        damage(tmp_path / FOLDER / name, how)
    state, begun, told = load(tmp_path)
    assert (state, begun) == (State(), None)
    assert len(told) == 3
    assert told[-1].endswith("the run begins anew")
    assert version_of(tmp_path) is None


def test_without_a_checkpoint_the_run_begins_anew(tmp_path: Path) -> None:
    state, begun, [told] = load(tmp_path)
    assert (state, begun, version_of(tmp_path)) == (State(), None, None)
    assert told.endswith("the run begins anew")


def test_between_two_renamings_the_file_before_is_there(tmp_path: Path) -> None:
    one = checkpoint(tmp_path)
    one.keep(done("train"))
    (tmp_path / FOLDER / CURRENT).rename(tmp_path / FOLDER / BEFORE)  # killed here
    state, _, told = load(tmp_path)
    assert (state.done, told) == ({"train"}, [])
    assert version_of(tmp_path) == (FORMAT, __version__)


def test_a_file_that_is_written_is_seen_only_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = checkpoint(tmp_path)
    one.keep(done("train"))

    def full(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="no space"):
            one.keep(done("train", "prune"))
    assert load(tmp_path)[0].done == {"train"}


def test_the_version_is_that_of_the_file(tmp_path: Path) -> None:
    checkpoint(tmp_path).keep(State())
    path = tmp_path / FOLDER / CURRENT
    with np.load(path) as arrays:
        content = dict(arrays)
    about = json.loads(content["about"].tobytes()) | {"format": FORMAT + 1, "version": "9.9"}
    content["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, **content)
    assert version_of(tmp_path) == (FORMAT + 1, "9.9")


def test_a_run_that_is_over_leaves_no_checkpoint(tmp_path: Path) -> None:
    one = checkpoint(tmp_path)
    one.keep(State())
    one.remove()
    one.remove()
    assert list(tmp_path.iterdir()) == []
