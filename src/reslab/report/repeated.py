"""Repetition between chapters: later ones refer to the most similar earlier recipe, and say only what differs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from reslab.exhibits.blocks import Block, Prose, Table
from reslab.exhibits.captions import text
from reslab.exhibits.recipes import MACHINE
from reslab.exhibits.wording import uncapitalised
from reslab.report.document import Section, anchor

RECIPE = "recipe"
"""Key of the table that chapters share."""

BETWEEN = "  "
"""Separates the sentences of a text."""

MOST_IN_WORDS = 6
"""Most rows that are given in a sentence instead of a table."""


def said_once(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Return the sections with each recipe reduced to how it differs from an earlier one, and methods given once."""
    recipes: dict[str, Table] = {}
    methods: set[str] = set()

    def told(section: Section) -> Iterator[Block]:
        for block in section.blocks:
            if isinstance(block, Table) and block.key == RECIPE:
                less = _less(block, recipes)
                if isinstance(less, Table):
                    recipes[anchor(section, block.key)] = block
                yield less
            elif not isinstance(block, Prose) or not block.once:
                yield block
            elif new := [sentence for sentence in block.text.split(BETWEEN) if sentence not in methods]:
                methods.update(new)
                yield replace(block, text=BETWEEN.join(new))

    return tuple(replace(section, blocks=tuple(told(section))) for section in sections)


def _less(table: Table, earlier: Mapping[str, Table]) -> Block:
    """Return how a recipe differs from the most similar one: in a sentence, or in a table if there is much."""
    if not earlier:
        return table
    apart = {where: _apart(table, other) for where, other in earlier.items()}
    where = min(apart, key=lambda one: len(apart[one]))
    rows = [row for row in apart[where] if row[0] != MACHINE]  # the table of all runs has them
    if len(rows) > MOST_IN_WORDS:
        return replace(table, caption=text("recipe.apart", where=where), rows=tuple(rows))
    listed = [f"{uncapitalised(str(aspect))} {str(value).replace('; ', ' / ')}" for aspect, value in rows]
    return Prose(text("recipe.like", where=where, but="; ".join(listed)))


def _apart(table: Table, other: Table) -> list[tuple[str | None, ...]]:
    """Return the rows of a recipe that another lacks, and rows with "none" for aspects that only the other has."""
    there = {row[0] for row in table.rows}
    missing = [(row[0], "none") for row in other.rows if row[0] not in (*there, MACHINE)]
    return [row for row in table.rows if row not in other.rows] + missing
