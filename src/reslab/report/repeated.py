"""What every chapter says of its runs is said once: later chapters refer to the first, and show what differs."""

from collections.abc import Sequence
from dataclasses import replace

from reslab.exhibits.blocks import Block, Prose, Table
from reslab.report.document import Section, anchor

RECIPE, IMAGES = "recipe", "images"
"""Keys of the tables that chapters share."""

Said = tuple[str, Table]
"""A table with the name under which it is found in the whole report."""


def said_once(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Return the sections with tables of recipes and images as far only as the first of their kind does not tell."""
    known: dict[str, Said] = {}
    told = []
    for section in sections:
        blocks: list[Block] = []
        for block in section.blocks:
            if isinstance(block, Table) and block.key in known:
                blocks.append(_less(block, known[block.key]))
            else:
                blocks.append(block)
                if isinstance(block, Table) and block.key in (RECIPE, IMAGES):
                    known[block.key] = (anchor(section, block.key), block)
        told.append(replace(section, blocks=tuple(blocks)))
    return tuple(told)


def _less(table: Table, said: Said) -> Block:
    where, first = said
    if table.key == IMAGES:
        same = (table.columns, table.rows) == (first.columns, first.rows)
        return Prose(f"The images are those of [[{where}]].") if same else table
    there = {row[0] for row in table.rows}
    rows = [row for row in table.rows if row not in first.rows]
    rows += [(row[0], "none") for row in first.rows if row[0] not in there]
    if not rows:
        return Prose(f"The recipe is that of [[{where}]].")
    caption = f"What differs from the recipe in [[{where}]]; all else is as there."
    return replace(table, caption=caption, rows=tuple(rows))
