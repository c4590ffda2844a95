"""A report as text, by one of the templates beside this module."""

from collections.abc import Callable, Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reslab.report.document import Document, Piece, Section, anchor, contents, letter, pieces, rows, slug, typeset
from reslab.report.pictures import names


def render(
    template: str,
    document: Document,
    shown: Callable[[Piece], str],
    filters: Mapping[str, Callable[..., str]],
    **values: object,
) -> str:
    """Return the document as a template shows it, a piece of its text as `shown`; HTML is escaped.

    `filters` and `values` are the template's own.
    """
    numbers = document.numbers()
    environment = Environment(
        loader=PackageLoader("reslab.report"),
        autoescape=template.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def rich(text: str, section: Section) -> str:
        joined = "".join(map(shown, pieces(text, section, numbers)))
        return Markup(joined) if environment.autoescape else joined

    environment.filters.update(rich=rich, typeset=typeset, **filters)
    environment.globals.update(anchor=anchor, letter=letter, names=names, numbers=numbers, rows=rows, slug=slug)
    found = environment.get_template(template)
    return found.render(document=document, contents=contents(document.sections), **values)
