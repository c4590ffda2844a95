"""Blocks as values for JSON, for what typesets them and for the live page: text in pieces, nothing to escape."""

from collections.abc import Callable
from typing import Any

from reslab.exhibits.blocks import Block, Bullets, Column, Command, Figure, Heading, Note, Prose, Table
from reslab.report.document import Piece, Section, anchor, pieces, typeset

Json = dict[str, Any]


def block_values(
    block: Block,
    section: Section,
    numbers: dict[str, str],
    *,
    panels: Callable[[Figure], list[Json]],
    cell: Callable[[Column, str], Any] = lambda _, text: typeset(text),
    clean: Callable[[str], str] = str,
) -> Json:
    """Return all of a block: `panels` of a figure, each `cell` of a table that has a value, and text as `clean`."""

    def rich(text: str) -> list[Json]:
        return [
            {"kind": one.kind, "text": _unbroken(one, clean(one.text)), "target": one.target}
            for one in pieces(text, section, numbers)
        ]

    found: Json = {"kind": block.kind}
    if isinstance(block, Figure | Table):
        name, title = anchor(section, block.key), clean(typeset(block.title))
        found |= {"name": name, "number": numbers[name], "title": title, "caption": rich(block.caption)}
    match block:
        case Heading():
            return found | {"level": block.level, "text": clean(typeset(block.text))}
        case Prose() | Note():
            return found | {"text": rich(block.text)}
        case Bullets():
            return found | {"items": [rich(item) for item in block.items]}
        case Command():
            return found | {"text": clean(block.text)}
        case Figure():
            return found | {"panels": panels(block), "columns": block.columns}
        case Table():
            return found | {
                "columns": [{"title": clean(column.title), "align": column.align} for column in block.columns],
                "rows": [
                    [
                        None if text is None else cell(column, text)
                        for column, text in zip(block.columns, row, strict=True)
                    ]
                    for row in block.rows
                ],
                "notes": [rich(note) for note in block.notes],
            }


def _unbroken(piece: Piece, text: str) -> str:
    """Return the number of an exhibit, as in Figure 3, so that it stays in one line; other text as it is."""
    is_exhibit = piece.kind == "reference" and not text.startswith("[")
    return text.replace(" ", "\N{NO-BREAK SPACE}") if is_exhibit else text
