"""A template beside this module filled with values."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, values: Mapping[str, Any], filters: Mapping[str, Callable[..., str]]) -> str:
    """Return what a template shows of the values; HTML is escaped.  `filters` are the template's own."""
    environment = Environment(
        loader=PackageLoader("reslab.report"),
        autoescape=template.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(template).render(values)
