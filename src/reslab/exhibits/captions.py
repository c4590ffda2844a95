"""Texts from TOML files, by key: Jinja templates whose values Python provides; and those of the exhibits."""

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
"""What rendering a template may raise."""

_VALUE = re.compile(r"(?<![{%])\{([a-z_]+)\}(?!\})")


@dataclass(frozen=True, slots=True)
class Words:
    """Texts by key, one sentence per line; those of a table [reasons] have keys such as "reasons.lower, lower"."""

    texts: Mapping[str, str]
    written: Mapping[str, Path] = field(default_factory=dict)
    """The files of the texts written by a user, by key."""

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the sentences of a text, filled with its values; empty lines are sentences left out.

        Raises `KeyError` for an unknown key, and `ResLabError` where a text cannot be rendered.
        """
        template = self.texts[key]
        try:
            lines = _template(template).render(**values).splitlines()
        except _UNFILLED as error:
            where = f"{self.written[key]}: {key}: this text" if key in self.written else f"the text {key!r}"
            raise ResLabError(f"{where} cannot be filled in: {error}") from None
        return "  ".join(line.strip() for line in lines if line.strip())

    def under(self, table: str) -> dict[str, str]:
        """Return the unrendered texts of a table, by their keys in it."""
        head = f"{table}."
        return {key.removeprefix(head): text for key, text in self.texts.items() if key.startswith(head)}


def read_texts(path: Path) -> dict[str, str]:
    """Return the texts of a TOML file by key; raises `ResLabError` as `read_toml` does, and for other values."""
    return dict(_flat(read_toml(path), "", path))


def braced(text: str) -> str:
    """Return a text as a Jinja template; plain values may be in single braces, as in "it is {this}."."""
    return _VALUE.sub(r"{{ \1 }}", text)


def titled(name: str, /, **values: object) -> tuple[str, str]:
    """Return the title and caption of a figure or table, its arguments after the key."""
    return text(f"{name}.title", **values), text(f"{name}.caption", **values)


def source_name(source: str) -> str:
    """Return the name of a source of published figures in tables and charts."""
    return text.texts.get(f"sources.{source}", source)


_USED = (
    "counted dataset_name evenly listing network_name number numeral opened over_seeds percent points seeds_behind "
    "signed that_do whole"
)
"""The functions of `wording` that templates may call."""


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """Return the environment that compiles the templates, with the functions of `wording` that they may use."""
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
