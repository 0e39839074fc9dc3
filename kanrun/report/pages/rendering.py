"""Templates become pages: everything that is filled in is escaped, and the page may run no script but ours."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import ChainableUndefined, Environment, PackageLoader
from markupsafe import Markup

from kanrun.errors import shorten
from kanrun.report.numbers import part_shown
from kanrun.version import __version__

MINUS, NONE = "\u2212", "\u2013"  # as printed: a minus, and a dash for what there is none of
DIGITS = 4
RAISED = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
# Nothing is fetched, framed or sent; of scripts only that of the page itself, whose digest is put in.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def render(template: str, **values: Any) -> str:
    """The page that a template of pages/templates makes of `values`."""
    page: str = environment().get_template(template).render(version=__version__, **values)
    return page


@cache
def environment() -> Environment:
    """Jinja2 as all pages use it: what a file lacks is empty, whatever is shown is escaped."""
    # Blocks stand on lines of their own, which leave no empty lines behind.
    made = Environment(
        loader=PackageLoader("kanrun.report.pages"), autoescape=True, undefined=ChainableUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"number": number, "short": short, "seconds": seconds, "unit": unit}
    made.globals |= {"style": verbatim("style.css"), "script": verbatim("script.js"), "policy": policy()}
    return made


def verbatim(name: str) -> Markup:
    """A file of ours that stands in every page as it is."""
    return Markup(template_text(name))


def template_text(name: str) -> str:
    """The text of a file beside the templates."""
    return resources.files("kanrun.report.pages").joinpath("templates", name).read_text(encoding="utf-8")


def policy() -> str:
    """What a browser is told to allow."""
    digest = base64.b64encode(hashlib.sha256(template_text("script.js").encode()).digest()).decode()
    return f"{POLICY}; script-src 'sha256-{digest}'"


# ---- filters -------------------------------------------------------------------------------------------------------


def number(value: Any, digits: int = DIGITS) -> str:
    """A number to some digits; R2 and accuracy are not rounded up to 1. A dash for what is none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return NONE
    shown = part_shown(value) if digits == DIGITS and value < 1 else f"{value:.{digits}g}"
    return shown.replace("-", MINUS) if shown.startswith("-") else shown


def short(value: Any, letters: int = 400) -> str:
    """A text of at most so many letters."""
    return shorten(str(value), letters)


def seconds(value: Any) -> str:
    """Seconds as one says them."""
    if not isinstance(value, (int, float)):
        return NONE
    if value < 90:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def unit(text: str) -> str:
    """A unit with its powers raised: m^3 as one writes it."""
    text = re.sub(r"(?:\^|\*\*)(-?\d+)(?![\d.])", lambda found: found[1].translate(RAISED), text)
    return re.sub(r"(?<!\*)\*(?!\*)", "\u00b7", text)
