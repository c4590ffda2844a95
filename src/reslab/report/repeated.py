"""What every chapter says of its runs is said once: later chapters refer to the first, and tell what differs."""

from collections.abc import Sequence
from dataclasses import replace

from reslab.exhibits.blocks import Block, Prose, Table
from reslab.exhibits.wording import uncapitalised
from reslab.report.document import Section, anchor

RECIPE = "recipe"
"""Key of the table that chapters share."""

MOST_IN_WORDS = 4
"""Rows that a sentence tells instead of a table."""


def said_once(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Return the sections with recipes as far only as an earlier one does not tell them, and no paragraph twice."""
    recipes: list[tuple[str, Table]] = []
    paragraphs: set[str] = set()
    told = []
    for section in sections:
        blocks: list[Block] = []
        for block in section.blocks:
            if isinstance(block, Table) and block.key == RECIPE:
                blocks.append(_less(block, recipes))
                if isinstance(blocks[-1], Table):
                    recipes.append((anchor(section, block.key), block))
            elif not isinstance(block, Prose) or block.text not in paragraphs:
                blocks.append(block)
                if isinstance(block, Prose):
                    paragraphs.add(block.text)
        told.append(replace(section, blocks=tuple(blocks)))
    return tuple(told)


def _less(table: Table, earlier: Sequence[tuple[str, Table]]) -> Block:
    """Return how a recipe differs from the one most like it: in a sentence, or where it does much as a table."""
    if not earlier:
        return table
    where, rows = min(((name, _apart(table, other)) for name, other in earlier), key=lambda one: len(one[1]))
    if not rows:
        return Prose(f"The recipe is that of [[{where}]].")
    if len(rows) > MOST_IN_WORDS:
        caption = f"What differs from the recipe in [[{where}]]; all else is as there."
        return replace(table, caption=caption, rows=tuple(rows))
    listed = "; ".join(f"{uncapitalised(str(aspect))} {value}" for aspect, value in rows)
    return Prose(f"The recipe is that of [[{where}]], except: {listed}.")


def _apart(table: Table, other: Table) -> list[tuple[str | None, ...]]:
    """Return the rows of a recipe that another does not have, and "none" for those that only the other has."""
    there = {row[0] for row in table.rows}
    return [row for row in table.rows if row not in other.rows] + [
        (row[0], "none") for row in other.rows if row[0] not in there
    ]
