"""What `kanrun` does with finished runs: one table of commands, each with its arguments; nothing heavy is imported."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kanrun.errors import KanrunError
from kanrun.exporters.table import EXPORTERS, exporter

Arguments = Callable[[ArgumentParser], None]


class Parser(ArgumentParser):
    """Mistakes are told in one line, as everywhere."""

    def error(self, message: str) -> NoReturn:
        raise KanrunError(f"{message}; {' '.join(self.format_usage().split())}")


@dataclass(frozen=True)
class Command:
    """`kanrun NAME ...`: what it takes, what it is for, and what does it."""

    usage: str
    about: str
    arguments: Arguments
    run: Callable[[Namespace], None]


def carry_out(name: str, given: list[str]) -> None:
    """Does what a command is given. Raises KanrunError, in one line, for what it does not take."""
    command = COMMANDS[name]
    parser = Parser(prog=f"kanrun {name}", description=f"{command.about}.", allow_abbrev=False)
    command.arguments(parser)
    command.run(parser.parse_args(given))


# ---- arguments that several of them take ---------------------------------------------------------------------------


def run_folder(parser: ArgumentParser) -> None:
    """One run."""
    parser.add_argument("folder", metavar="RUN", help="folder of the run")


def formula_number(parser: ArgumentParser) -> None:
    """Another formula of the front."""
    parser.add_argument(
        "--formula", metavar="N", type=numbers, help="formula N of the front, as kanrun show numbers them; N,M,... for "
        "several outputs",
    )  # fmt: skip


def numbers(text: str) -> list[int]:
    """Whole numbers between commas."""
    return [int(part) for part in text.split(",")]


def output_file(parser: ArgumentParser) -> None:
    """Where the result goes."""
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="file to write; otherwise it is printed")


def put(content: str | bytes, path: Path) -> None:
    """Writes a file in one go. Raises KanrunError where that cannot be."""
    from kanrun.report.files import write_bytes

    if path.is_dir():
        raise KanrunError(f"-o {path}: it is a folder, a file is needed")
    try:
        write_bytes(path, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise KanrunError(f"-o {path}: {error.strerror or error}") from None


# ---- the commands --------------------------------------------------------------------------------------------------


def resume(options: Namespace) -> None:
    """Goes on with a run."""
    from kanrun.cli.main import resume_run

    resume_run(options.folder)


def overrides(parser: ArgumentParser) -> None:
    """A run, and what is to be different."""
    run_folder(parser)
    parser.add_argument(
        "overrides", nargs=REMAINDER, help="settings, such as optimizer.steps=100, model.grid=10, regularization=sparse"
    )


def refine(options: Namespace) -> None:
    """Goes on from the network of a run."""
    from kanrun.cli.main import command
    from kanrun.cli.refine import refine as go_on

    go_on([options.folder, *options.overrides], command)


def export_arguments(parser: ArgumentParser) -> None:
    """A run, a language, a formula and a file."""
    run_folder(parser)
    parser.add_argument("--to", required=True, metavar="NAME", help=f"one of {', '.join(EXPORTERS)}")
    output_file(parser)
    formula_number(parser)


def export(options: Namespace) -> None:
    """A run's formulas, or its network, in another language."""
    from kanrun.exporters.source import source_of
    from kanrun.report.load import load_run, numbered

    language = exporter(options.to)
    run = load_run(options.folder)
    entries = numbered(run.formulas, options.formula)
    if language.of_network and options.formula:
        raise KanrunError(f"--formula: {language.name} is for the network, which has no number")
    if not entries and not language.of_network:
        raise KanrunError(f"{options.folder}: the run has no formula")
    content = language.write(source_of(entries, run.inputs, run.model))
    if options.output:
        put(content, options.output)
    elif isinstance(content, bytes):
        raise KanrunError(f"--to {language.name}: nothing to read; name its file with -o FILE")
    else:
        print(content, end="")


def predict_arguments(parser: ArgumentParser) -> None:
    """A run, a file of rows, and by what."""
    run_folder(parser)
    parser.add_argument("rows", metavar="FILE", help="table with the columns of the inputs, by their names")
    parser.add_argument("--network", action="store_true", help="by the network instead of the formula")
    output_file(parser)
    formula_number(parser)


def predict(options: Namespace) -> None:
    """Predictions for the rows of a file."""
    from kanrun.predictions.rows import rows_of
    from kanrun.report.load import load_run
    from kanrun.report.predicted import as_csv, remarks, show_predictions

    run = load_run(options.folder)
    inputs = run.columns
    rows = rows_of(options.rows, inputs, run.told)
    found = run.predictions(rows, options.formula, options.network)
    if options.output:
        put(as_csv(found, rows.x, inputs), options.output)
        for line in remarks(found, inputs):
            print(f"note: {line}")
    else:
        show_predictions(found, inputs)


def show(options: Namespace) -> None:
    """What there is to say about a run."""
    from kanrun.report.load import record_of
    from kanrun.report.show import show_run

    show_run(record_of(options.folder))


def compare_arguments(parser: ArgumentParser) -> None:
    """Runs."""
    parser.add_argument("folders", metavar="RUN", nargs="+", help="folders of runs")


def compare(options: Namespace) -> None:
    """Runs side by side."""
    from kanrun.report.compare import compare_runs
    from kanrun.report.load import record_of

    compare_runs([record_of(folder) for folder in options.folders])


def sweep_folder(parser: ArgumentParser) -> None:
    """A folder of runs."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder of a sweep, or any with run folders in it")


def summary(options: Namespace) -> None:
    """What runs add up to."""
    from kanrun.sweep.summary import summarize

    try:
        summarize(options.folder)
    except OSError as error:
        raise KanrunError(f"{options.folder}: {error.strerror or error}") from None


def plot_arguments(parser: ArgumentParser) -> None:
    """A run, the name of a picture, a format and a file."""
    run_folder(parser)
    parser.add_argument(
        "name", metavar="NAME", help="network (the last one), network_trained, network_pruned, network_symbolic, "
        "history, front, predictions, edges, residuals, confusion, roc, importance",
    )  # fmt: skip
    parser.add_argument("--format", choices=("png", "svg", "pdf"), help="by default that of FILE, or png")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="by default NAME.FORMAT in RUN/plots")


def plot(options: Namespace) -> None:
    """A picture of a run, made again."""
    from kanrun.report.replot import FORMATS, picture_of

    ending = options.output.suffix[1:].lower() if options.output else ""
    if ending and ending not in FORMATS and not options.format:
        raise KanrunError(f"-o {options.output}: a picture is one of {', '.join(FORMATS)}")
    kind = options.format or (ending if ending in FORMATS else "png")
    content = picture_of(options.folder, options.name, kind)
    path = options.output or Path(options.folder) / "plots" / f"{options.name}.{kind}"
    if not options.output:
        path.parent.mkdir(exist_ok=True)
    put(content, path)
    print(path)


COMMANDS = {
    "resume": Command("RUN", "go on with a run that was interrupted or killed", run_folder, resume),
    "refine": Command(
        "RUN [overrides]",
        "go on from the network of a run into a new one: more steps, a finer grid, ...",
        overrides,
        refine,
    ),
    "show": Command("RUN", "what was asked, scores, formulas with their numbers, warnings", run_folder, show),
    "compare": Command("RUN RUN ...", "runs side by side", compare_arguments, compare),
    "summary": Command(
        "DIR",
        "what the runs in a folder add up to: scores, means over seeds, formulas, failures",
        sweep_folder,
        summary,
    ),
    "predict": Command(
        "RUN FILE [--network] [-o FILE] [--formula N]",
        "values for new rows, with their errors",
        predict_arguments,
        predict,
    ),
    "plot": Command("RUN NAME [--format pdf] [-o FILE]", "a picture of a run, made again", plot_arguments, plot),
    "export": Command(
        "RUN --to NAME [-o FILE] [--formula N]", "the formula in another language", export_arguments, export
    ),
}
