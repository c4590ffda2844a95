"""Texts that TOML files have by name: Jinja templates, to which Python gives the values; and those of exhibits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reslab.errors import ResLabError
from reslab.exhibits import wording
from reslab.files import read_toml

_UNFILLED = (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a template raises where it does with values what cannot be done with them."""

_VALUE = re.compile(r"(?<![{%])\{([a-z_]+)\}(?!\})")


@dataclass(frozen=True, slots=True)
class Words:
    """Texts by key, a sentence a line; those of a table [reasons] have keys such as "reasons.lower, lower"."""

    texts: Mapping[str, str]
    written: Mapping[str, Path] = field(default_factory=dict)
    """The files that have the texts of a user, by key."""

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the sentences of a text with its values; empty lines are sentences left out.

        Raises `KeyError` for an unknown key, and `ResLabError` where a text cannot be filled in.
        """
        template = self.texts[key]
        try:
            lines = _template(template).render(**values).splitlines()
        except _UNFILLED as error:
            where = f"{self.written[key]}: {key}: this text" if key in self.written else f"the text {key!r}"
            raise ResLabError(f"{where} cannot be filled in: {error}") from None
        return "  ".join(line.strip() for line in lines if line.strip())

    def under(self, table: str) -> dict[str, str]:
        """Return the texts of a table as they stand, by their keys in it."""
        head = f"{table}."
        return {key.removeprefix(head): text for key, text in self.texts.items() if key.startswith(head)}


def read_texts(path: Path) -> dict[str, str]:
    """Return the texts of a TOML file by key; raises `ResLabError` as `read_toml` does, and for what is not text."""
    return dict(_flat(read_toml(path), "", path))


def braced(text: str) -> str:
    """Return a text as a template; it may have plain values in single braces, as in "it is {this}."."""
    return _VALUE.sub(r"{{ \1 }}", text)


def titled(name: str, /, **values: object) -> tuple[str, str]:
    """Return title and caption of a figure or table: what it takes after its key."""
    return text(f"{name}.title", **values), text(f"{name}.caption", **values)


def source_name(source: str) -> str:
    """Return what a source of published figures is called in tables and charts."""
    return text.texts.get(f"sources.{source}", source)


_USED = (
    "counted dataset_name evenly listing network_name number numeral opened over_seeds percent points seeds_behind "
    "signed that_do whole"
)
"""The functions of `wording` that templates may call."""


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """Return what compiles the templates, with the words for numbers and names that they may use."""
    made = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    made.globals.update({name: getattr(wording, name) for name in _USED.split()})
    made.filters["names"] = lambda datasets: wording.listing(map(wording.dataset_name, datasets))
    return made


@cache
def _template(text: str) -> Template:
    return environment().from_string(braced(text))


def _flat(content: Mapping[str, Any], head: str, path: Path) -> list[tuple[str, str]]:
    found = []
    for key, value in content.items():
        if isinstance(value, dict):
            found += _flat(value, f"{head}{key}.", path)
        elif isinstance(value, str):
            found.append((head + key, value.strip()))
        else:
            raise ResLabError(f"{path}: {head}{key}: must be text in quotes, not {value!r}")
    return found


text = Words(read_texts(Path(__file__).with_name("captions.toml")))
