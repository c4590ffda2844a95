"""The report as Markdown, its charts as SVG files beside it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import vl_convert

from reslab.exhibits.blocks import Block, Bullets, Command, Figure, Heading, Note, Prose, Table
from reslab.report.document import Document, Section, anchor, letter, pieces, typeset

WIDTH = 460
"""Width of a panel among several, in pixels; a single one is wider."""

WIDE = 720

MISSING = "\N{EN DASH}"
"""What a cell without a value shows."""


@dataclass(frozen=True, slots=True)
class Markdown:
    """Text, and the SVG of each chart by the file name that the text refers to."""

    text: str
    figures: dict[str, str]


def render_markdown(document: Document) -> Markdown:
    """Return the whole report; the same document gives the same text and figures."""
    numbers = document.numbers()
    parts = [f"# {_escape(document.title)}", _escape(document.summary)]
    figures: dict[str, str] = {}
    for section in document.sections:
        if section.title != document.title:
            parts.append(f"## {_escape(section.title)}")
        for block in section.blocks:
            parts.extend(_block(block, section, numbers))
            if isinstance(block, Figure):
                figures |= _draw(block, section)
    return Markdown("\n\n".join(parts) + "\n", figures)


def _block(block: Block, section: Section, numbers: dict[str, str]) -> Iterator[str]:
    def rich(text: str) -> str:
        return "".join(
            _escape(piece.text) if piece.kind == "text" else piece.text for piece in pieces(text, section, numbers)
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
            names = _file_names(block, section)
            for index, (panel, name) in enumerate(zip(block.panels, names, strict=True)):
                place = letter(index, len(block.panels))
                words = " ".join(part for part in (number, place, block.title, panel.title) if part)
                yield f"![{_escape(words)}](figures/{name})"
            yield f"**{number}. {_escape(typeset(block.title))}.** {_panels(block)}{rich(block.caption)}"
        case Table():
            number = numbers[anchor(section, block.key)]
            yield f"**{number}. {_escape(typeset(block.title))}.** {rich(block.caption)}"
            yield _table(block)
            yield from (rich(note) for note in block.notes)


def _panels(block: Figure) -> str:
    if len(block.panels) == 1:
        return ""
    return "".join(
        f"{letter(index, len(block.panels))} {_escape(panel.title)}. " for index, panel in enumerate(block.panels)
    )


def _table(block: Table) -> str:
    head = "| " + " | ".join(_escape(column.title) for column in block.columns) + " |"
    rule = "|" + "|".join(" --- " if column.align == "left" else " ---: " for column in block.columns) + "|"
    rows = ["| " + " | ".join(MISSING if cell is None else _escape(cell) for cell in row) + " |" for row in block.rows]
    return "\n".join([head, rule, *rows])


def _draw(block: Figure, section: Section) -> dict[str, str]:
    width = WIDTH if len(block.panels) > 1 else WIDE
    drawn = {}
    for panel, name in zip(block.panels, _file_names(block, section), strict=True):
        specification = panel.specification(width)
        specification["config"] = {**specification["config"], "background": "white"}
        drawn[name] = _renumber(str(vl_convert.vegalite_to_svg(specification)))
    return drawn


def _renumber(svg: str) -> str:
    """Return the drawing with its clip paths numbered from 1: the converter counts on from one chart to the next."""
    found = dict.fromkeys(re.findall(r"\bclip\d+\b", svg))
    places = {name: f"clip{number}" for number, name in enumerate(found, start=1)}
    return re.sub(r"\bclip\d+\b", lambda match: places[match.group()], svg)


def _file_names(block: Figure, section: Section) -> Sequence[str]:
    count = len(block.panels)
    places = [letter(index, count).strip("()") for index in range(count)]
    return [f"{anchor(section, block.key)}{f'-{place}' if place else ''}.svg" for place in places]


def _escape(text: str) -> str:
    """Return text whose characters mean nothing to Markdown or HTML."""
    flat = re.sub(r"\s+", " ", text)
    return (
        re.sub(r"([\\`*_\[\]|<>#&~])", r"\\\1", flat)
        .replace("\\&", "&amp;")
        .replace("\\<", "&lt;")
        .replace("\\>", "&gt;")
    )
