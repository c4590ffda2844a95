"""The report as Markdown, its charts as pictures beside it."""

import re
from collections.abc import Iterator

from reslab.exhibits.blocks import Block, Bullets, Command, Figure, Heading, Note, Prose, Table
from reslab.report.document import Document, Reference, Section, anchor, letter, pieces, typeset
from reslab.report.pictures import names

MISSING = "\N{EN DASH}"
"""What a cell without a value shows."""


def render_markdown(document: Document) -> str:
    """Return the whole report, which refers to its charts as figures/NAME.svg; see `reslab.report.pictures`."""
    numbers = document.numbers()
    byline = [_escape(line) for line in (document.author, document.dated) if line]
    parts = [f"# {_escape(document.title)}", *byline, _escape(document.summary)]
    for section in document.sections:
        heading = section.heading(document.title)
        parts += [] if heading is None else [f"## {_escape(heading)}"]
        for block in section.blocks:
            parts.extend(_block(block, section, numbers))
    if document.references:
        parts.append("## References")
        parts += [f"\\[{number}\\] {_reference(source)}" for number, source in enumerate(document.references, start=1)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block, section: Section, numbers: dict[str, str]) -> Iterator[str]:
    def rich(text: str) -> str:
        return "".join(
            piece.text if piece.kind == "link" else _escape(piece.text) for piece in pieces(text, section, numbers)
        )

    match block:
        case Heading():
            yield f"{'#' * block.level} {_escape(typeset(block.text))}"
        case Prose():
            yield rich(block.text)
        case Bullets():
            yield "\n".join(f"- {rich(item)}" for item in block.items)
        case Note():
            yield f"> **Note.** {rich(block.text)}"
        case Command():
            yield f"    {block.text}"
        case Figure():
            number = numbers[anchor(section, block.key)]
            for index, (panel, name) in enumerate(zip(block.panels, names(block, section), strict=True)):
                place = letter(index, len(block.panels))
                words = " ".join(part for part in (number, place, block.title, panel.title) if part)
                yield f"![{_escape(words)}](figures/{name}.svg)"
            yield f"**{number}. {_escape(typeset(block.title))}.** {_panels(block)}{rich(block.caption)}"
        case Table():
            number = numbers[anchor(section, block.key)]
            yield f"**{number}. {_escape(typeset(block.title))}.** {rich(block.caption)}"
            yield _table(block)
            yield from (rich(note) for note in block.notes)


def _reference(source: Reference) -> str:
    return ", ".join(part for part in (_escape(typeset(source.text)), source.address) if part)


def _panels(block: Figure) -> str:
    if len(block.panels) == 1 or block.columns > 2:
        return ""
    return "".join(
        f"{letter(index, len(block.panels))} {_escape(panel.title)}. " for index, panel in enumerate(block.panels)
    )


def _table(block: Table) -> str:
    head = "| " + " | ".join(_escape(column.title) for column in block.columns) + " |"
    rule = "|" + "|".join(" --- " if column.align == "left" else " ---: " for column in block.columns) + "|"
    rows = ["| " + " | ".join(MISSING if cell is None else _escape(cell) for cell in row) + " |" for row in block.rows]
    return "\n".join([head, rule, *rows])


def _escape(text: str) -> str:
    """Return text whose characters mean nothing to Markdown or HTML."""
    flat = re.sub(r"\s+", " ", text)
    return (
        re.sub(r"([\\`*_\[\]|<>#&~])", r"\\\1", flat)
        .replace("\\&", "&amp;")
        .replace("\\<", "&lt;")
        .replace("\\>", "&gt;")
    )
