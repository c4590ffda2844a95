"""The report as a typeset PDF.

Words, numbers and drawings reach the typesetter as JSON, never as its language: a string is shown as it is, whatever
stands in it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.resources import as_file, files

import typst

from reslab.exhibits.blocks import Block, Column, Figure, Link
from reslab.report.document import Document, Reference, Section, letter, rows, typeset
from reslab.report.pictures import names
from reslab.report.values import Json, block_values

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
        "blocks": [_row(row, section, numbers) for row in rows(section.blocks)],
    }


def _row(blocks: Sequence[Block], section: Section, numbers: dict[str, str]) -> Json:
    found = [
        block_values(block, section, numbers, panels=partial(_panels, section), cell=_cell, clean=_clean)
        for block in blocks
    ]
    return found[0] if len(found) == 1 else {"kind": "pair", "figures": found}


def _panels(section: Section, block: Figure) -> list[Json]:
    return [
        {
            "picture": name,
            "letter": letter(index, len(block.panels)),
            "title": _clean(panel.title),
            "alt": ", ".join(part for part in map(_clean, (block.title, panel.title)) if part),
        }
        for index, (panel, name) in enumerate(zip(block.panels, names(block, section), strict=True))
    ]


def _cell(column: Column, cell: str) -> str | Json:
    """Return a cell, or text and target of one that leads somewhere.

    Figures may be broken before a bracket only, as in 8.75 ± 0.16 (n = 5).
    """
    if isinstance(cell, Link):
        return {"text": _clean(typeset(cell)), "target": cell.target}
    if column.align == "left":
        return "\n".join(map(_clean, typeset(cell).split("\n")))
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
