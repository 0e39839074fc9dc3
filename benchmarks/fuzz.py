"""Strange configs, damaged run folders and strange formula texts: `python benchmarks/fuzz.py configs 1000`.

Each is given to the command in a process of its own, which must end soon: with status 0, or with one line or a few on
what is wrong; never with a traceback, and never completed with a score that is no number and no word on it. The parts
are `configs`, `folders` and `texts`; the number is how many, `--seed` draws others.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import string
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from kanrun.config.schema import GROUPS, Config
from kanrun.errors import KanrunError
from kanrun.functions.parser import parse_formula

LONGEST, ENDING, READING = 60.0, 2.0, 1.0  # seconds of a run, of its end after a signal, and of a formula that is read
GOING_ON = 0.2  # seconds of a run that is to be killed, once it has begun

# ---- processes -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """How a process has ended: its exit status, None where it had to be killed, what it said, and how long it took."""

    status: int | None
    said: str
    seconds: float
    late: bool = False  # it did not end soon after a signal


def in_a_process(action: Callable[[], Any], folder: Path, longest: float = LONGEST, begun: Path | None = None) -> Ended:
    """Does it in a copy of this process, which has everything imported already.

    It is ended after `longest` seconds, or a little after there is a file or folder by the name of `begun`.
    """
    begin, output = time.monotonic(), folder / "said.txt"
    child = os.fork()
    if child == 0:
        status = 70
        try:
            os.chdir(folder)
            sys.stdout = sys.stderr = output.open("w", buffering=1, errors="replace")
            os.dup2(sys.stdout.fileno(), 1)
            os.dup2(sys.stdout.fileno(), 2)
            status = action() or 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    status, late = waited(child, begin + longest, begun), False
    if status is None and begun is not None:
        status = waited(child, time.monotonic() + GOING_ON)
    if status is None:
        os.kill(child, signal.SIGTERM)
        late = waited(child, time.monotonic() + ENDING) is None
        if late:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return Ended(status, output.read_text(errors="replace"), time.monotonic() - begin, late)


def waited(child: int, until: float, begun: Path | None = None) -> int | None:
    """The exit status of a process that ends by then, or before `begun` is there; None of one that does not."""
    while time.monotonic() < until and not (begun and begun.exists()):
        done, code = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(code)
        time.sleep(0.01)
    return None


def command(arguments: list[str]) -> int:
    """The command with these arguments."""
    from kanrun.cli import main as cli

    sys.argv = ["kanrun", *arguments]
    cli.main()
    return 0


# ---- configs -------------------------------------------------------------------------------------------------------

SMALL = {  # fields whose large values are meant to take long
    "n_train": (2, 80), "n_test": (2, 40), "steps": (1, 3), "refit_steps": (0, 2), "iterations": (1, 5),
    "restarts": (1, 2), "n_inputs": (2, 6), "seconds": (0, 2), "work": (1, 1500),
}  # fmt: skip
WRONG = [
    "null", "true", "[]", "[1]", "[[1]]", "{a: 1}", "text", "''", "-1", "0", "1e308", "-1e308", "nan", "inf",
    "1e-300", "9" * 30, "0.5", "[1,2,3]", "[[1,2],[3]]", "{a: {b: [1]}}", "é", "a b", "x_1", "[null]", "[{}]",
    "1_000", "0x10", "[2,1]", "[2,2,1]", "[2,[1,1],1]", "[[0,1],[0,1]]", "[1e11,1e12]", "[0,1e-10]", "[x,sin]",
]  # fmt: skip
FORMULAS = [
    "x_1", "x_1*x_2", "sin(x_1)/x_2", "[x_1,x_2**2]", "x_1**9", "exp(x_1)", "1e300*x_1", "log(x_1)", "0*x_1",
    "5", "1e-320*x_1", "floor(x_1)", "x_3*x_1", "sqrt(x_1**2+1)", "tan(x_1)", "gamma(x_1+9)",
]  # fmt: skip
WIDTHS = [
    "[2,1]", "[2,2,1]", "[2,2]", "[3,1]", "[2,[0,1],1]", "[2,[1,2],2,1]", "[2,0,1]", "[2]", "[2,30,1]", "[1,1]",
]  # fmt: skip


def random_config(draw: random.Random) -> list[str]:
    """Overrides, most of them of settings that there are, to values allowed and not."""
    sane = draw.random() < 0.6
    free = [g for g in GROUPS if not sane or g in ("dataset", "optimizer", "regularization", "prune", "symbolic")]
    chosen = {group: draw.choice(list(GROUPS[group])) for group in free if draw.random() < 0.35}
    if chosen.get("dataset") == "rows":
        del chosen["dataset"]
    base = ["plots=none"] if draw.random() < 0.95 else []
    base += [f"{group}={name}" for group, name in chosen.items() if group != "plots"]
    sections = {group: options[chosen.get(group, default_of(group))] for group, options in GROUPS.items()}
    keys: dict[str, str] = {}
    searched = draw.random() < 0.15
    for group, kind in sections.items():
        for f in fields(kind):
            if f.name in SMALL and (group != "search" or searched):
                keys[f"{group}.{f.name}"] = str(draw.randint(*SMALL[f.name]))
    settings = [(f"{group}.{f.name}", f) for group, kind in sections.items() for f in fields(kind) if f.name != "name"]
    settings += [(f.name, f) for f in fields(Config) if f.name not in GROUPS]
    for key, f in draw.sample(settings, draw.randint(0, 6)):
        if f.name not in SMALL or (not sane and draw.random() < 0.2):
            keys[key] = random_value(f.name, f.metadata, draw, sane)
    if not sane and draw.random() < 0.2:
        keys[f"{draw.choice(list(GROUPS))}.name"] = draw.choice(WRONG)
    return [*base, *(f"{key}={value}" for key, value in keys.items())]


def default_of(group: str) -> str:
    """The option of a group that is chosen where none is."""
    return str(getattr(Config(), group).name)


def random_value(name: str, about: Any, draw: random.Random, sane: bool) -> str:
    """One that the field allows, at its limits or beyond them, or of a wrong kind."""
    if name == "formula":
        return draw.choice(FORMULAS)
    if name == "width":
        return draw.choice(WIDTHS if sane else WIDTHS + WRONG)
    low, high = about.get("low"), about.get("high")
    if name in SMALL:  # only what is refused
        return draw.choice([*WRONG[:8], str(low - 1 if low is not None else -1)])
    near = [str(v) for v in (low, high) if v is not None]
    if not sane:
        near += [str(low - 1)] if low is not None else []
        near += [str(high + 1)] if high is not None else []
    inside = [str(draw.randint(int(low or 0), int(min(high or 9, 50))))] if about.get("choices") in ((), None) else []
    choices = [*near, *inside, *map(str, about.get("choices") or ())]
    return draw.choice(choices if sane and choices else [*choices, *draw.sample(WRONG, 3)])


def check_config(arguments: list[str], folder: Path) -> str | None:
    """What is wrong with how the command takes these; None where nothing is."""
    ended = in_a_process(lambda: command([*arguments, "hydra.run.dir=run"]), folder)
    if wrong := complaint(ended):
        return wrong
    if ended.status == 0 and (folder / "run" / "metrics.json").exists():
        metrics = json.loads((folder / "run" / "metrics.json").read_text())
        scores = [v for s in metrics["stages"] for part in ("train", "test") for v in (s[part] or {}).values()]
        if any(v is None for v in scores) and not metrics.get("warnings") and "constant" not in ended.said:
            return "a score that is no number, without a word"
    return None


def complaint(ended: Ended) -> str | None:
    """What is wrong with how a process has ended."""
    if ended.late:
        return f"still there {ENDING} s after SIGTERM"
    if ended.status is None:
        return f"goes on for {LONGEST} s"
    if "Traceback" in ended.said:
        return f"traceback: {ended.said[-400:]}"
    if ended.status not in (0, 1):
        return f"status {ended.status}: {ended.said[-300:]}"
    lines = [line for line in ended.said.splitlines() if line.startswith("kanrun: ")]
    if ended.status == 1 and not lines:
        return f"status 1 without a line: {ended.said[-300:]}"
    if any(name in line for line in lines for name in ("TypeError", "KeyError", "AttributeError", "IndexError")):
        return f"an error of our own: {lines[-1][:300]}"
    return None


def configs(count: int, draw: random.Random) -> Iterator[tuple[str, Callable[[Path], str | None]]]:
    """So many of them, each with its check."""
    for _ in range(count):
        arguments = random_config(draw)
        yield " ".join(map(repr, arguments)), lambda folder, a=arguments: check_config(a, folder)  # type: ignore[misc]


# ---- damaged run folders -------------------------------------------------------------------------------------------


DAMAGES = ["cut", "flip", "zeros", "gone", "text", "value", "empty", "folder", "deep"]


def damage(folder: Path, draw: random.Random) -> str:
    """Spoils a file of a run; says which and how."""
    kept = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix not in (".png", ".svg", ".log")]
    path = draw.choice(kept)
    content, how = path.read_bytes(), draw.choice(DAMAGES)
    if how == "cut":
        path.write_bytes(content[: draw.randrange(max(1, len(content)))])
    elif how == "flip":
        spoilt = bytearray(content)
        for _ in range(draw.randint(1, 20)):
            spoilt[draw.randrange(len(spoilt))] = draw.randrange(256)
        path.write_bytes(bytes(spoilt))
    elif how == "zeros":
        at = draw.randrange(max(1, len(content)))
        path.write_bytes(content[:at] + bytes(100) + content[at + 100 :])
    elif how == "value" and path.suffix in (".json", ".yaml"):
        words = content.decode(errors="replace").split(" ")
        words[draw.randrange(len(words))] = draw.choice(WRONG) + draw.choice([",\n", "\n", ""])
        path.write_text(" ".join(words))
    elif how == "deep":
        path.write_text("[" * draw.choice([100, 100_000]))
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "gone":
        path.unlink()
    else:
        path.write_text("" if how == "empty" else "".join(draw.choices(string.printable, k=200)))
    return f"{path.name} {how}"


def check_folder(folder: Path) -> str | None:
    """What is wrong with how a damaged folder is taken, by Python and by `kanrun resume`."""

    def loaded() -> int:
        from kanrun import load_run

        try:
            load_run("run")
        except KanrunError as error:
            print(f"kanrun: {error}")
            return 1 if "\n" not in str(error) else 70
        return 0

    here = complaint(in_a_process(loaded, folder))
    return here or complaint(in_a_process(lambda: command(["resume", "run"]), folder))


def folders(count: int, draw: random.Random) -> Iterator[tuple[str, Callable[[Path], str | None]]]:
    """So many damaged folders: of runs that are completed, and of some that were killed."""
    whole = Path(tempfile.mkdtemp(prefix="whole"))
    quick = [
        "experiment=smoke",
        "plots=none",
        "symbolic.library=[x,'x^2',sin]",
        "symbolic.work=100",
        "hydra.run.dir=run",
    ]
    for kind, more in {"completed": [], "mlp": ["model=mlp", "regularization=none", "optimizer.steps=3"]}.items():
        (whole / kind).mkdir()
        ended = in_a_process(lambda m=more: command([*quick, *m]), whole / kind)  # type: ignore[misc]
        assert ended.status == 0, ended.said
    (whole / "killed").mkdir()
    slow = ["optimizer=adam", "optimizer.steps=100000", "plots=none", "symbolic=none", "hydra.run.dir=run"]
    ended = in_a_process(lambda: command(slow), whole / "killed", begun=whole / "killed" / "run" / "checkpoint")
    assert ended.status is None, ended.said
    for _ in range(count):
        kind, seed = draw.choice(["completed", "completed", "mlp", "killed"]), draw.random()

        def check(folder: Path, kind: str = kind, seed: float = seed) -> str | None:
            run = shutil.copytree(whole / kind / "run", folder / "run")
            settings = run / "config.yaml"
            settings.write_text(settings.read_text().replace("steps: 100000", "steps: 3"))
            how = damage(run, random.Random(seed))
            wrong = check_folder(folder)
            return wrong and f"{kind}, {how}: {wrong}"

        yield f"{kind} {seed}", check


# ---- texts ---------------------------------------------------------------------------------------------------------

PARTS = [
    "x_1", "x_2", "x_99", "pi", "e", "E", "1", "2.5", "1e300", "1e-300", "10**9", "9" * 40, "0", ".5", "sin",
    "cos(", "exp(", "log(", "sqrt(", "gamma(", "besselj(", "re(", "im(", "floor(", "Max(", "(", ")", "[", "]",
    "{", "}", ",", "+", "-", "*", "/", "**", "^", "%", "//", "@", "=", "==", "<", ";", ":", "'", '"', "\\",
    "\n", "\t", "\0", "é", "∑", "\U0001d7d9", "lambda", "if", "else", "for", "in", "__import__", "import os",
    "os.system('x')", "eval(", "exec(", "open('/etc/passwd')", ".", "..", "_", "__class__", "().__class__",
    "f'{x_1}'", "b''", "1j", "True", "None", "not", "x", "y", " ", "  ", "#", "$", "`", "!", "&", "|", "~",
    "x_1.real", "2(", ")(", "zoo", "oo", "nan", "I", "S", "Symbol('x')", "tan(pi/2)", "0/0",
]  # fmt: skip


def random_text(draw: random.Random) -> str:
    """A formula, or something that looks a little like one."""
    from benchmarks import plain

    kind = draw.random()
    if kind < 0.4:
        return plain.random_text(draw, 4, draw.randint(1, 6))
    if kind < 0.6:  # a formula with something wrong in it
        text = plain.random_text(draw, 4, draw.randint(1, 5))
        at = draw.randrange(len(text) + 1)
        return text[:at] + draw.choice(PARTS) + text[at + draw.randint(0, 2) :]
    if kind < 0.63:  # nested, and long
        inner, depth = draw.choice(["x_1", "2", "(x_1+1)"]), draw.choice([5, 50, 99, 150, 5000])
        return draw.choice(["sin(", "(", "exp(", "-", "2**("]) * depth + inner + ")" * depth
    if kind < 0.66:
        return draw.choice(["+", "*", "-", "**", "/"]).join(
            draw.choices(["x_1", "2", "3.7", "x_2", "9"], k=draw.choice([20, 900]))
        )
    return "".join(draw.choices(PARTS, k=draw.randint(1, 12)))


def check_text(text: str) -> str | None:
    """What is wrong with how a text is read."""
    begin, told = time.process_time(), None
    try:
        parse_formula(text)
    except KanrunError as error:
        told = str(error)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    if (seconds := time.process_time() - begin) > READING:
        return f"{seconds:.1f} s"
    return "not one line" if told is not None and len(told.splitlines()) != 1 else None


def texts(count: int, draw: random.Random) -> Iterator[tuple[str, Callable[[Path], str | None]]]:
    """So many of them, in this process."""
    for _ in range(count):
        text = random_text(draw)
        yield text[:300], lambda _, t=text: check_text(t)  # type: ignore[misc]


PARTS_OF = {"configs": configs, "folders": folders, "texts": texts}


def main(arguments: list[str] | None = None) -> int:
    """Prints a line for everything that is wrong; 1 where something is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=list(PARTS_OF))
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    import torch

    import kanrun.cli.inside_hydra  # so that copies of this process have it, and what a run needs
    import kanrun.sweep.preloaded  # noqa: F401

    torch.set_num_threads(1)
    wrong = total = 0
    try:
        for name, check in PARTS_OF[given.part](given.count, random.Random(given.seed)):
            with tempfile.TemporaryDirectory() as folder:
                if told := check(Path(folder)):
                    wrong += 1
                    print(f"{name}: {told}", flush=True)
            total += 1
    except KeyboardInterrupt:  # tells how far it has come
        pass
    print(f"{total} {given.part}, {wrong} not as they should be")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
