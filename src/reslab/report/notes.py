"""A user's notes, from notes.md beside the runs: each part goes into the chapter that its heading names."""

import re
from collections.abc import Iterator
from pathlib import Path

from reslab.errors import ResLabError
from reslab.exhibits.blocks import Block, Bullets, Heading, Prose

NAME = "notes.md"

FIRST = ""
"""Key of the notes before the first heading, which open the report."""


def read_notes(root: Path) -> dict[str, list[Block]]:
    """Return the blocks of notes.md in the folder of all runs, by the study that a line `## STUDY` names.

    Paragraphs, lists of lines with a hyphen, and headings `### ...` are recognised; all else is plain text.  Raises
    `ResLabError` where the file exists but cannot be read.
    """
    try:
        text = (root / NAME).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ResLabError(f"cannot read {root / NAME}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ResLabError(f"cannot read {root / NAME}: it is not UTF-8 ({error.reason})") from None
    found: dict[str, list[Block]] = {}
    name = FIRST
    for part in re.split(r"^(## .*)$", text, flags=re.MULTILINE):
        if part.startswith("## "):
            name = part.removeprefix("## ").strip()
        elif part.strip():
            found.setdefault(name, [Heading("Notes")] if name != FIRST else []).extend(_blocks(part))
    return found


def _blocks(text: str) -> Iterator[Block]:
    for part in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in part.splitlines()]
        if lines[0].startswith("### "):
            yield Heading(lines[0].removeprefix("### "))
            lines = lines[1:]
        items = re.split(r"(?:^|\n)- ", "\n".join(lines))
        if len(items) > 1 and not items[0]:
            yield Bullets(tuple(" ".join(item.split()) for item in items[1:]))
        elif lines:
            yield Prose(" ".join(lines))
