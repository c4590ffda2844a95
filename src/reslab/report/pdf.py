"""The report as a typeset PDF.

Words, numbers and drawings reach the typesetter as JSON, never as its language: a string is shown as it is, whatever
stands in it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import as_file, files
from typing import Any

import typst

from reslab.exhibits.blocks import Block, Bullets, Column, Command, Figure, Heading, Link, Note, Prose, Table
from reslab.report.document import Document, Piece, Reference, Section, anchor, letter, pieces, rows, typeset
from reslab.report.pictures import names

Json = dict[str, Any]

FONT = "Libertinus Serif"
"""One of the fonts within the typesetter, so that every machine sets the same pages."""

CHART_TYPE = 1.14
"""How much larger than drawn a chart's type is set: this font is so much narrower than the one that was measured."""

LONG_WORD = 24
"""Characters that a word may have before it may be broken anywhere."""


def render_pdf(document: Document, pictures: Mapping[str, str]) -> bytes:
    """Return the report as PDF; the same document gives the same bytes.

    `pictures` are the charts by name, as SVG (see `reslab.report.pictures`).
    """
    with as_file(files("reslab.report") / "templates") as folder:
        made = typst.compile(
            folder / "report.typ",
            root=folder,  # the template reads no file; from here it could read nothing but templates
            ignore_system_fonts=True,
            sys_inputs={"data": json.dumps(pdf_data(document, pictures), ensure_ascii=False, allow_nan=False)},
            timestamp=0,
        )
    return bytes(made)


def pdf_data(document: Document, pictures: Mapping[str, str]) -> Json:
    """Return all that the template shows, as JSON values."""
    numbers = document.numbers()
    return {
        "title": _clean(typeset(document.title)),
        "author": _clean(document.author),
        "dated": document.dated,
        "summary": _clean(document.summary),
        "sections": [_section(section, document, numbers) for section in document.sections],
        "references": [_reference(source, numbers) for source in document.references],
        "pictures": {name: _typed(svg) for name, svg in pictures.items()},
    }


def _section(section: Section, document: Document, numbers: dict[str, str]) -> Json:
    heading = section.heading(document.title)
    return {
        "title": None if heading is None else _clean(typeset(heading)),
        "name": section.key,
        "kind": section.kind,
        "blocks": [_row([_block(block, section, numbers) for block in row]) for row in rows(section.blocks)],
    }


def _row(blocks: list[Json]) -> Json:
    return blocks[0] if len(blocks) == 1 else {"kind": "pair", "figures": blocks}


def _block(block: Block, section: Section, numbers: dict[str, str]) -> Json:
    def rich(text: str) -> list[Json]:
        return [_piece(piece) for piece in pieces(text, section, numbers)]

    match block:
        case Heading():
            return {"kind": block.kind, "level": block.level, "text": _clean(typeset(block.text))}
        case Prose() | Note():
            return {"kind": block.kind, "text": rich(block.text)}
        case Bullets():
            return {"kind": block.kind, "items": [rich(item) for item in block.items]}
        case Command():
            return {"kind": block.kind, "text": _clean(block.text)}
        case Figure():
            return {
                **_exhibit(block, section, numbers),
                "caption": rich(block.caption),
                "panels": [*_panels(block, section)],
                "columns": block.columns,
            }
        case Table():
            return {
                **_exhibit(block, section, numbers),
                "caption": rich(block.caption),
                "columns": [{"title": _clean(column.title), "align": column.align} for column in block.columns],
                "rows": [[*map(_cell, block.columns, row)] for row in block.rows],
                "notes": [rich(note) for note in block.notes],
            }


def _piece(piece: Piece) -> Json:
    """Return a stretch of text; the number of an exhibit stays in one line."""
    text = _clean(piece.text)
    if piece.kind == "reference" and not text.startswith("["):
        text = text.replace(" ", "\N{NO-BREAK SPACE}")
    return {"kind": piece.kind, "text": text, "target": piece.target}


def _exhibit(block: Figure | Table, section: Section, numbers: dict[str, str]) -> Json:
    name = anchor(section, block.key)
    return {"kind": block.kind, "name": name, "number": numbers[name], "title": _clean(typeset(block.title))}


def _panels(block: Figure, section: Section) -> Iterator[Json]:
    for index, (panel, name) in enumerate(zip(block.panels, names(block, section), strict=True)):
        title = _clean(panel.title)
        yield {
            "picture": name,
            "letter": letter(index, len(block.panels)),
            "title": title,
            "alt": ", ".join(part for part in (_clean(block.title), title) if part),
        }


def _cell(column: Column, cell: str | None) -> str | Json | None:
    """Return a cell, or text and target of one that leads somewhere.

    Figures may be broken before a bracket only, as in 8.75 ± 0.16 (n = 5).
    """
    if isinstance(cell, Link):
        return {"text": _clean(typeset(cell)), "target": cell.target}
    if cell is None or column.align == "left":
        return None if cell is None else "\n".join(map(_clean, typeset(cell).split("\n")))
    return re.sub(r" (?!\()", "\N{NO-BREAK SPACE}", _clean(cell))


def _reference(source: Reference, numbers: dict[str, str]) -> Json:
    return {
        "name": source.anchor,
        "number": numbers[source.anchor],
        "text": _clean(typeset(source.text)),
        "address": source.address,
        "shown": _clean(source.address),
    }


def _clean(text: str) -> str:
    """Return text in one line, without characters that no font has, and with breaks allowed within endless words."""
    flat = re.sub(r"[ \t\r\n\f\v\u2028\u2029]+", " ", text)
    visible = re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]", "\ufffd", flat)
    return re.sub(rf"[^\s\u200b]{{{LONG_WORD},}}", lambda match: _breakable(match.group()), visible)


def _breakable(word: str) -> str:
    """Return a long word with places to break it: behind its marks, and after so many characters."""
    parts = re.sub(r"(?<=[-_/.,;:=&?])(?=[^-_/.,;:=&?])", "\u200b", word).split("\u200b")
    return "\u200b".join(re.sub(rf"(.{{{LONG_WORD // 2}}})(?=.)", "\\1\u200b", part) for part in parts)


def _typed(svg: str) -> str:
    """Return a drawing with its type in the report's font."""
    return re.sub(r"<text\b[^<>]*>", lambda tag: _retyped(tag.group()), svg)


def _retyped(tag: str) -> str:
    tag = re.sub(r'font-family="[^"]*"', f'font-family="{FONT}"', tag)
    return re.sub(r'font-size="([\d.]+)px"', lambda match: f'font-size="{float(match[1]) * CHART_TYPE:.2f}px"', tag)
