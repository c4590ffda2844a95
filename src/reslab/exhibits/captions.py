"""Texts of exhibits: TOML files have them by name, Python gives their values.  Titles, captions, recipes in words."""

import tomllib
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reslab.exhibits import wording


class Texts:
    """The texts of a TOML file beside this one: Jinja templates in tables, a sentence a line."""

    def __init__(self, file: str) -> None:
        """Read nothing yet."""
        self._file = file
        self._template = cache(self._compiled)

    def __call__(self, name: str, /, **values: object) -> str:
        """Return the text `table.key` with its values; empty lines are sentences left out.  Raises `KeyError`."""
        return filled(self._template(name), values)

    @cached_property
    def tables(self) -> dict[str, dict[str, str]]:
        """The templates as they stand in the file."""
        return tomllib.loads((Path(__file__).parent / self._file).read_text(encoding="utf-8"))

    def _compiled(self, name: str) -> Template:
        table, _, key = name.partition(".")
        return environment().from_string(self.tables[table][key])


def filled(template: Template, values: Mapping[str, object]) -> str:
    """Return the sentences of a template, a line each, with its values; empty lines are sentences left out."""
    lines = template.render(**values).splitlines()
    return "  ".join(line.strip() for line in lines if line.strip())


text = Texts("captions.toml")


def titled(name: str, /, **values: object) -> tuple[str, str]:
    """Return title and caption of a figure or table: what it takes after its key."""
    return text(f"{name}.title", **values), text(f"{name}.caption", **values)


def source_name(source: str) -> str:
    """Return what a source of published figures is called in tables and charts."""
    return text.tables["sources"].get(source, source)


_USED = (
    "counted dataset_name evenly listing network_name number numeral opened percent points seeds_behind signed "
    "that_do whole"
)
"""The functions of `wording` that templates may call."""


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """Return what compiles the templates, with the words for numbers and names that they may use."""
    made = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    made.globals.update({name: getattr(wording, name) for name in _USED.split()})
    made.filters["names"] = lambda datasets: wording.listing(map(wording.dataset_name, datasets))
    return made
