"""Do the tests bite? `python benchmarks/mutants.py 100`: small random changes of the numerics against their own tests.

A comparison, an operator, a constant, a condition or a return of a module is changed, and the test file of that module
is run. What survives is shown, to be judged: some changes change nothing.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
ROOMS = ("data", "functions", "model", "training", "symbolic", "relations", "discovery")
LONGEST = 300.0  # seconds of a test file

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.Mod: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.MatMult: ast.Add,
}  # fmt: skip


def tests_of(module: Path) -> Path:
    """The test file of a module of the package."""
    return TOP / "tests" / module.relative_to(TOP / "kanrun").parent / f"test_{module.name}"


def modules() -> list[Path]:
    """The numeric modules that have a test file of their own."""
    found = [path for room in ROOMS for path in sorted((TOP / "kanrun" / room).rglob("*.py"))]
    return [path for path in found if tests_of(path).exists()]


def places(tree: ast.Module) -> list[ast.AST]:
    """What can be changed, outside of type hints and texts."""
    hints = {
        id(inner)
        for node in ast.walk(tree)
        for hint in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if hint is not None
        for inner in ast.walk(hint)
    }
    return [node for node in ast.walk(tree) if id(node) not in hints and changed(copy.deepcopy(node)) is not None]


def changed(node: ast.AST) -> str | None:
    """Changes a node in place, and says how; None where there is nothing to change."""
    if isinstance(node, ast.Compare):
        node.ops[0] = COMPARISONS[type(node.ops[0])]()
        return "comparison"
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in OPERATORS:
        node.op = OPERATORS[type(node.op)]()
        return "operator"
    if isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return "condition"
    if isinstance(node, (ast.If, ast.IfExp, ast.While)):
        node.test = ast.UnaryOp(ast.Not(), node.test)
        return "condition"
    if isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        node.value = ast.Constant(None)
        return "return"
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        value = node.value
        node.value = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else value * 2 or 1.0
        return "constant"
    return None


def mutants(count: int, seed: int, only: list[str]) -> Iterator[tuple[Path, int, str, str]]:
    """Module, line, kind of change and source of so many mutants, modules drawn by their number of places."""
    draw = random.Random(seed)
    everywhere = [
        (path, place)
        for path in modules()
        if not only or str(path.relative_to(TOP / "kanrun")) in only
        for place in range(len(places(ast.parse(path.read_text(encoding="utf-8")))))
    ]
    for path, place in draw.sample(everywhere, min(count, len(everywhere))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        node = places(tree)[place]
        kind = changed(node) or ""
        yield path, getattr(node, "lineno", 0), kind, ast.unparse(ast.fix_missing_locations(tree))


def survives(copied: Path, module: Path, source: str) -> bool:
    """Whether the module's own tests pass with this source in its place."""
    place = copied / module.relative_to(TOP)
    before = place.read_text(encoding="utf-8")
    place.write_text(source, encoding="utf-8")
    tests = tests_of(module).relative_to(TOP)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(tests)]
    environment = {**os.environ, "PYTHONPATH": str(copied), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=copied, env=environment, capture_output=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return False
    finally:
        place.write_text(before, encoding="utf-8")
    return done.returncode == 0


def main(arguments: list[str] | None = None) -> int:
    """Prints each survivor with its line, and the share of those that were killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modules", nargs="*", default=[], help="only these, such as model/spline.py")
    given = parser.parse_args(arguments)
    killed = 0
    with tempfile.TemporaryDirectory() as top:
        copied = Path(top) / "copy"
        shutil.copytree(
            TOP, copied, ignore=shutil.ignore_patterns(".git", ".venv", "outputs", ".*_cache", "__pycache__")
        )
        for number, (module, line, kind, source) in enumerate(mutants(given.count, given.seed, given.modules), 1):
            if survives(copied, module, source):
                text = module.read_text(encoding="utf-8").splitlines()[line - 1].strip() if line else ""
                so_far = f"{killed} of {number} killed so far"
                print(f"{module.relative_to(TOP)}:{line}: {kind}: {text} ({so_far})", flush=True)
            else:
                killed += 1
    print(f"{killed} of {given.count} killed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
