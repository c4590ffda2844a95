"""A report as JSON values, for templates and the live page: text in pieces, unescaped."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from reslab.exhibits.blocks import Block, Bullets, Command, Figure, Heading, Link, Note, Prose, Table
from reslab.report.document import Document, Section, anchor, panels_of, pieces, rows, slug, typeset

Json = dict[str, Any]


def document_values(document: Document) -> Json:
    """Return a whole report."""
    numbers = document.numbers()
    return {
        "title": typeset(document.title),
        "author": document.author,
        "dated": document.dated,
        "summary": document.summary,
        "sections": [_section(section, document.title, numbers) for section in document.sections],
        "references": [
            {"name": one.anchor, "text": typeset(one.text), "address": one.address, "target": one.address}
            for one in document.references
        ],
    }


def _section(section: Section, document_title: str, numbers: Mapping[str, str]) -> Json:
    return {
        "name": section.key,
        "kind": section.kind,
        "title": typeset(section.title),
        "titled": section.kind != "opening" and section.title != document_title,
        "rows": [[block_values(block, section, numbers) for block in row] for row in rows(section.blocks)],
    }


def block_values(block: Block, section: Section, numbers: Mapping[str, str]) -> Json:
    """Return a block; a figure's charts are given only by name."""

    def rich(text: str) -> list[Any]:
        return list(pieces(text, section, numbers))

    found: Json = {"kind": type(block).__name__.lower()}
    if isinstance(block, Figure | Table):
        name = anchor(section, block.key)
        found |= {"name": name, "number": numbers[name], "title": typeset(block.title), "caption": rich(block.caption)}
    match block:
        case Heading():
            name = f"{section.key}-{slug(block.text)}"
            return found | {"name": name, "level": block.level, "text": typeset(block.text)}
        case Prose() | Note():
            return found | {"text": rich(block.text)}
        case Bullets():
            return found | {"items": [rich(item) for item in block.items]}
        case Command():
            return found | {"text": block.text}
        case Figure():
            panels = [
                {"name": name, "letter": letter, "title": one.title, "alt": f"{block.title}, {one.title}"}
                for name, letter, one in panels_of(block, section)
            ]
            heights = [one.chart.get("height") or 1 for one in block.panels]
            uneven = max(heights) > 1.3 * min(heights)
            return found | {"panels": panels, "columns": block.columns, "uneven": uneven}
        case Table():
            return found | {
                "columns": [{"title": column.title, "align": column.align} for column in block.columns],
                "rows": [[_cell(cell) for cell in row] for row in block.rows],
                "notes": [rich(note) for note in block.notes],
            }


def _cell(cell: str | None) -> str | Json | None:
    """Return a cell's text, with its target if it is a link; None where it has no value."""
    if isinstance(cell, Link):
        return {"text": typeset(cell), "target": cell.target}
    return None if cell is None else typeset(cell)


def render(template: str, values: Mapping[str, Any], filters: Mapping[str, Callable[..., str]]) -> str:
    """Render a template with these values; HTML is escaped.  `filters` are the template's own."""
    environment = Environment(
        loader=PackageLoader("reslab.report"),
        autoescape=template.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(template).render(values)
