"""The words of a chapter, to be looked for in tests."""

from collections.abc import Iterable

from reslab.exhibits.blocks import Block, Bullets, Note, Prose


def words_of(blocks: Iterable[Block]) -> str:
    """Return prose, notes and bullets, a line each."""
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Prose | Note):
            lines.append(block.text)
        elif isinstance(block, Bullets):
            lines.extend(block.items)
    return "\n".join(lines)
