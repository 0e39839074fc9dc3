"""What a run ends with on the console: the answer, what speaks for it, the table, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kanrun.data.losses import loss_of
from kanrun.report.advice.values import FIRST
from kanrun.report.next_steps import next_steps
from kanrun.report.scores import name_of, score_of, score_table, scores_shown
from kanrun.report.words import about_lines, decision_lines, front_lines, other_lines, score_line
from kanrun.state import Result
from kanrun.symbolic.formula import Formula

MOST_ADVICE = 4  # of which the first matters most
VERDICT = ("worse", "nothing", "explains little")  # kinds of advice that belong right behind the answer
MOST_SIGNS = 500  # of a formula
MOST_CONSTANTS = 10


def say_end(out: Console, result: Result, folder: Path) -> None:
    """The answer first, then a table of the stages, and where everything lies."""
    metrics = result.metrics
    say_answer(out, result)
    say_relations(out, result)
    say_advice(out, advice_of(metrics, (*FIRST, *VERDICT), among=False))
    if metrics["stages"]:
        out.print(score_table(metrics["stages"], out))
    else:
        out.print("nothing was found before that")
    for formula in result.formulas:
        for line in front_lines(formula, result.problem.data.loss):
            out.print(escape(line), soft_wrap=True)
    out.print(f"[bold]folder[/] {escape(str(folder))}", soft_wrap=True)
    out.print("[bold]next[/]")
    for step in next_steps(result, folder):
        out.print(f"  {escape(step)}", soft_wrap=True)


def say_answer(out: Console, result: Result) -> None:
    """The formulas with their scores and what is known of them; without any, how good the network is."""
    metrics, formulas = result.metrics, result.formulas
    of_classes = bool(formulas) and loss_of(formulas[0].judged).logits
    say_advice(out, advice_of(metrics, FIRST))
    for formula in formulas:
        exact = " [green](exact)[/]" if formula.exact else ""
        text = in_short(formula.rounded)
        out.print(f"[bold]{escape(formula.output)}[/] = {escape(text)}{exact}", soft_wrap=True)
        if not of_classes or formula is formulas[0]:
            say_below(out, how_good(formula))
    say_advice(out, advice_of(metrics, VERDICT))
    for formula in formulas:
        for line in [*about_lines(formula, MOST_CONSTANTS), *other_lines(formula)]:
            say_below(out, line)
    for line in decision_lines(formulas):
        out.print(escape(line), soft_wrap=True)
    if found := metrics.get("cross_validation"):
        scores = f"RMSE {score_of(found, 'rmse')}, R2 {score_of(found, 'r2')}"
        folds = found["folds"] if isinstance(found["folds"], str) else f"{found['folds']} parts"
        known = f"{scores} on rows that the constants have not seen"
        if found.get("rmse") is None:
            known = "no score, as without some of the rows the constants are not determined"
        out.print(f"[bold]cross-validated[/] ({escape(folds)}): {known}", soft_wrap=True)
    final = metrics.get("final")
    if not formulas and final:
        scores = ", ".join(f"{name_of(key)} {score_of(final, key)}" for key in scores_shown(final))
        out.print(f"[bold]network[/]: {metrics.get('final_of', 'test')} {scores}", soft_wrap=True)


def say_below(out: Console, line: str) -> None:
    """A line about what stands above it."""
    out.print(Padding(Text(line), (0, 0, 0, 2), expand=False))


def advice_of(metrics: Mapping[str, Any], kinds: Sequence[str], among: bool = True) -> list[Mapping[str, Any]]:
    """The advice of these kinds, or all other advice."""
    advice = [one for one in metrics.get("advice") or [] if isinstance(one, dict)]
    return [one for one in advice if (one.get("kind") in kinds) == among]


def how_good(formula: Formula) -> str:
    """Its score, and why it was chosen."""
    return f"{score_line(formula)}; {formula.reason}" if formula.reason else score_line(formula)


def in_short(text: str) -> str:
    """A formula as a console shows it."""
    if len(text) <= MOST_SIGNS:
        return text
    return f"{text[: MOST_SIGNS - 100]} ... (all {len(text)} characters are in formula.txt)"


def say_relations(out: Console, result: Result) -> None:
    """Which inputs belong together, and by which equations."""
    for group in result.metrics.get("related_inputs", []):
        out.print(f"[bold]related inputs[/]: {escape(', '.join(group))}")
    if result.metrics.get("related_inputs") == []:
        out.print("[bold]related inputs[/]: none found")
    for relation in result.state.relations.equations:
        for number, line in enumerate(relation.lines()):
            out.print(escape(line) if number else f"[bold]relation[/]: {escape(line)}", soft_wrap=True)


def say_advice(out: Console, advice: Iterable[Mapping[str, Any]]) -> None:
    """What a run says of its own result, and under each what to try next."""
    told = list(advice)
    for one in told[:MOST_ADVICE]:
        lines = Table.grid()
        lines.add_row("[yellow]note[/]: ", escape(str(one.get("finding"))))
        if one.get("suggestion"):
            lines.add_row("", f"try {escape(str(one['suggestion']))}")
        out.print(lines)
    if len(told) > MOST_ADVICE:
        out.print(f"      and {len(told) - MOST_ADVICE} more, see metrics.json")
