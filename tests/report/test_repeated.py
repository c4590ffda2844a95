"""What chapters share is told once: later ones refer to it, and tell what differs."""

import pytest

from reslab.exhibits.blocks import Block, Column, Heading, Prose, Table
from reslab.exhibits.recipes import MACHINE
from reslab.report.document import Section
from reslab.report.repeated import MOST_IN_WORDS, said_once

Rows = tuple[tuple[str | None, ...], ...]


def _table(key: str, rows: Rows) -> Table:
    return Table(key, key, "A caption.", (Column("Aspect", "left"), Column("Value", "left")), rows)


def _told(*blocks: Block) -> list[Block]:
    """Return the one block of each section, told after the others."""
    keys = ("depth", "epochs", "fast")
    sections = said_once([Section(key, key, (block,)) for key, block in zip(keys, blocks, strict=False)])
    return [block for section in sections for block in section.blocks]


def test_a_few_aspects_that_differ_are_a_sentence() -> None:
    first = _table("recipe", (("Network", "ResNet-8"), ("Shortcut", "B"), ("Seeds", "0")))
    found = _told(first, _table("recipe", (("Network", "plain-8"), ("Seeds", "0"))))[1]
    assert found == Prose("The recipe is that of [[depth-recipe]], except: network plain-8; shortcut none.")


def test_many_aspects_that_differ_are_a_table_and_the_next_is_told_by_the_nearest() -> None:
    first = _table("recipe", tuple((f"Aspect {place}", "a") for place in range(8)))
    second = _table("recipe", tuple((f"Aspect {place}", "b") for place in range(8)))
    third = _table("recipe", (("Aspect 0", "c"), *second.rows[1:]))
    _, other, nearest = _told(first, second, third)
    assert isinstance(other, Table)
    assert len(other.rows) > MOST_IN_WORDS
    assert other.caption == "What differs from the recipe in [[depth-recipe]]; all else is as there."
    assert nearest == Prose("The recipe is that of [[epochs-recipe]], except: aspect 0 c.")


def test_what_is_the_same_is_referred_to() -> None:
    table = _table("recipe", (("Network", "ResNet-8"),))
    assert _told(table, table)[1] == Prose("The recipe is that of [[depth-recipe]].")


@pytest.mark.parametrize("block", [_table("errors", (("a", "b"),)), Heading("Curves")])
def test_other_tables_and_headings_stay(block: Block) -> None:
    assert _told(block, block) == [block, block]


def test_methods_are_told_once_and_all_else_in_each_chapter() -> None:
    method, own = Prose("Differences are tested.", once=True), Prose("I was wrong.")
    assert _told(method, method) == [method]
    assert _told(own, own) == [own, own]


def test_of_a_method_only_the_sentences_are_told_that_nobody_has_told() -> None:
    first = Prose("Differences are tested.  Equal: by less than 0.50 points.", once=True)
    second = Prose("Differences are tested.  Intervals end at zero.", once=True)
    assert _told(first, second)[1] == Prose("Intervals end at zero.", once=True)


def test_machines_are_left_to_the_table_of_all_runs() -> None:
    first, second = (_table("recipe", (("Network", "ResNet-8"), (MACHINE, name))) for name in ("a CPU", "a card"))
    assert _told(first, second)[1] == Prose("The recipe is that of [[depth-recipe]].")
