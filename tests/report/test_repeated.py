"""What chapters share is shown once: later ones refer to it, and show what differs."""

from reslab.exhibits.blocks import Block, Column, Prose, Table
from reslab.report.document import Section
from reslab.report.repeated import said_once

Rows = tuple[tuple[str | None, ...], ...]


def _table(key: str, rows: Rows) -> Table:
    return Table(key, key, "A caption.", (Column("Aspect", "left"), Column("Value", "left")), rows)


def _second(first: Block, second: Block) -> Block:
    sections = said_once([Section("depth", "One", (first,)), Section("epochs", "Two", (second,))])
    assert sections[0].blocks == (first,)
    (block,) = sections[1].blocks
    return block


def test_a_recipe_shows_what_differs_from_the_first() -> None:
    first = _table("recipe", (("Network", "ResNet-8"), ("Shortcut", "B"), ("Seeds", "0")))
    found = _second(first, _table("recipe", (("Network", "plain-8"), ("Warm-up", "one"), ("Seeds", "0"))))
    assert isinstance(found, Table)
    assert found.rows == (("Network", "plain-8"), ("Warm-up", "one"), ("Shortcut", "none"))
    assert found.caption == "What differs from the recipe in [[depth-recipe]]; all else is as there."


def test_what_is_the_same_is_referred_to() -> None:
    for key in ("recipe", "images"):
        table = _table(key, (("Network", "ResNet-8"),))
        found = _second(table, table)
        assert isinstance(found, Prose)
        assert f"[[depth-{key}]]" in found.text


def test_images_that_differ_and_other_tables_stay() -> None:
    other = _table("images", (("Network", "ResNet-14"),))
    assert _second(_table("images", (("Network", "ResNet-8"),)), other) is other
    final = _table("final", (("Network", "ResNet-8"),))
    assert _second(final, final) is final
