"""What was probably meant by a word, a key or a flag that there is not."""

from __future__ import annotations

import difflib
from dataclasses import fields

from kanrun.cli.commands import COMMANDS
from kanrun.config.datasets import TableConfig
from kanrun.config.packaged import config_folder
from kanrun.config.schema import GROUPS
from kanrun.errors import shorten, unknown, wrong


def explain_word(word: str) -> str:
    """What was probably meant by a word that assigns nothing: an option of that name, a command, an experiment."""
    meant = [f"{group}={word}" for group in ["experiment", *GROUPS] if word in options(group)]
    if not meant:
        close = difflib.get_close_matches(word, [*COMMANDS, *options("experiment")], n=1, cutoff=0.7)
        meant = [f"kanrun {name}" if name in COMMANDS else f"experiment={name}" for name in close]
        meant = meant or [f"{word}={name}" for name in options(word)]
    hint = f"did you mean {' or '.join(meant)}?" if meant else "kanrun --help shows all keys"
    return f"{shorten(word)}: not of the form key=value; {hint}"


OF_FILES = {"experiment": "a whole example", "sweep": "a sweep that is written down"}  # groups whose options are files


def options(group: str) -> list[str]:
    """The names of the options of a group, or of the packaged experiments and sweeps."""
    if group in OF_FILES:
        return sorted(p.stem for p in (config_folder() / group).glob("*.yaml"))
    if group.startswith("hydra/"):
        from kanrun.cli.compose import OF_HYDRA  # with Hydra, which a help is shown without

        return sorted(["basic", *OF_HYDRA.get(group, ())])
    return sorted(GROUPS.get(group, ()))


PARAMS = "type the values themselves, such as seed=0,1, or write them down in a sweep, which sweep=NAME chooses"


def explain_engine(part: str, overrides: dict[str, str]) -> list[str]:
    """A line for each key that is no setting of the launcher or the sweeper, by its `part` of Hydra's config."""
    from kanrun.cli.compose import OF_HYDRA

    group = part.replace(".", "/")
    chosen = overrides.get(group, "kanrun")
    node = OF_HYDRA[group].get(chosen)
    found = {key: key.split(".")[2] for key in overrides if key.startswith(f"{part}.")}
    if node is None:  # of another package, which says itself what is wrong, as Hydra's own does but for this one
        values = [key for key, own in found.items() if (chosen, own) == ("basic", "params")]
        return [wrong(key, overrides[key], PARAMS) for key in values]
    known = sorted(set(node) - {"_target_"})
    return [
        wrong(key, overrides[key], PARAMS if own == "params" else unknown("setting", own, known))
        for key, own in found.items()
        if own not in known
    ]


def explain_key(key: str, overrides: dict[str, str], of_table: bool = False) -> str:
    """Why a key could not be set: it does not exist, or not for the chosen option.

    Beside the file of a table its settings go without their group, which is how they are named then.
    """
    from kanrun.config.validation import known_keys

    group = key.split(".")[0]
    if key in GROUPS:
        return wrong(key, overrides.get(key, ""), f"a saved config has its options; set keys such as {key}.name")
    if key in known_keys():
        chosen = f"{group}={overrides[group]}" if group in overrides else f"the {group} that is chosen here"
        having = [name for name, kind in GROUPS[group].items() if key.split(".")[1] in {f.name for f in fields(kind)}]
        owners = " or ".join(f"{group}={name}" for name in having)
        return wrong(key, overrides.get(key, ""), f"not a setting of {chosen}, but of {owners}")
    meant = keys_like(key)
    if of_table and "." not in key:
        own = {f"dataset.{f.name}": f.name for f in fields(TableConfig)}
        meant = [own.get(one, one) for one in meant]
    close = f"unknown key, did you mean {' or '.join(meant)}?" if meant else "unknown key."
    return wrong(key, overrides.get(key, ""), f"{close} All keys: kanrun --help")


# What other tools call what a setting here does.
SYNONYMS = {
    **dict.fromkeys(("epochs", "epoch", "iterations", "iters", "max_iter", "n_steps"), "optimizer.steps"),
    **dict.fromkeys(("lr", "rate"), "optimizer.learning_rate"),
    **dict.fromkeys(("hidden", "layers", "hidden_layers", "n_layers"), "model.width"),
    **dict.fromkeys(("order", "degree"), "model.k"),
    **dict.fromkeys(("samples", "n_samples", "rows", "n"), "dataset.n_train"),
    **dict.fromkeys(("range", "ranges"), "dataset.domain"),
    **dict.fromkeys(("function", "expression"), "dataset.formula"),
    **dict.fromkeys(("time", "timeout", "budget"), "search.seconds"),
    **dict.fromkeys(("out", "output", "folder", "outdir"), "hydra.run.dir"),
    "batch": "optimizer.batch_size", "opt": "optimizer", "data": "dataset", "lambda": "regularization.lamb",
    "l1": "regularization.lamb_l1", "random_state": "seed",
}  # fmt: skip


def keys_like(key: str) -> list[str]:
    """What was probably meant by a key that there is not: the same name in a group, another word, another spelling."""
    from kanrun.config.validation import known_keys

    known, last = sorted({*known_keys(), *GROUPS, *OF_FILES}), key.split(".")[-1]
    if key in known:
        return [key]
    same = [k for k in known if k.split(".")[-1] == last]
    if same:
        return same[:3]
    if last in SYNONYMS:
        return [SYNONYMS[last]]
    names = {k.split(".")[-1]: k for k in known}
    likely = [(likeness(key, k), k) for k in difflib.get_close_matches(key, known, n=1, cutoff=0.6)]
    likely += [(likeness(last, n), names[n]) for n in difflib.get_close_matches(last, names, n=1, cutoff=0.75)]
    return [max(likely, key=lambda one: one[0])[1]] if likely else []


def likeness(word: str, known: str) -> float:
    """How much two words are alike, 1 where they are the same."""
    return difflib.SequenceMatcher(None, known, word).ratio()


def explain_flag(flag: str) -> str:
    """Why there is no such flag; what was probably meant by it."""
    name, _, given = flag.lstrip("-").partition("=")
    known = keys_like(name)
    if name in COMMANDS:
        return f"{flag}: no flag; kanrun {name} {COMMANDS[name].usage}: {COMMANDS[name].about}"
    meant = f"; did you mean {known[0]}={given or '...'}?" if known else ""
    return f"{flag}: no flag{meant or '; kanrun --help shows what there is'}"
