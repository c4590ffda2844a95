"""What the verbs print: JSON for scripts, tables for people, and messages on standard error."""

import json
import sys
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reslab.cache import remark
from reslab.cli.streams import has_left, json_stream
from reslab.files import finite, one_line
from reslab.session.listing import Listing

_GAP = 2
_NARROWEST = 4
_NUMBER = 16
"""Length from which a word with digits is a name, and may be folded."""


def print_json(value: Any) -> None:
    """Print a value for scripts, on standard output; numbers that are not finite are null: JSON cannot express them."""
    print(json.dumps(finite(value), indent=1, allow_nan=False), file=json_stream())


def aside(words: str) -> bool:
    """Print a line on standard error; return False where nobody reads it any more."""
    print(words, file=sys.stderr, flush=True)
    return not has_left(sys.stderr)


def remark_cache() -> None:
    """Say where kernels, speeds and images are kept if that is not the user's cache."""
    if words := remark():
        aside(f"reslab: {words}")


def print_listing(found: Listing, *, json: bool = False) -> None:
    """Print rows of facts: for scripts, or for people as a table with its notes."""
    if json:
        print_json(list(found))
        return
    print_table([*found.columns], found.cells)
    for note in found.notes:
        print(note)


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table for people, numbers on the right.

    If the window is too narrow, the widest texts are folded; numbers never are, so the table may exceed the window.
    """
    texts = [[one_line(cell) for cell in row] for row in rows]
    numeric = [
        bool(rows) and all(text[place][:1].isdigit() or text[place] in ("", "-") for text in texts)
        for place in range(len(columns))
    ]
    console = Console(width=None if sys.stdout.isatty() else 200)
    widths = _widths(columns, texts, numeric, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, width, right in zip(columns, widths, numeric, strict=True):
        table.add_column(column, justify="right" if right else "left", width=width, overflow="fold")
    for row in texts:
        table.add_row(*map(Text, row))
    console.width = max(console.width, _whole(widths))
    console.print(table)


def _widths(columns: list[str], rows: list[list[str]], numeric: list[bool], room: int) -> list[int]:
    """Return the widths of columns: those of their cells if there is room, else the widest folded, at spaces first."""
    by_column = [[head, *(row[place] for row in rows)] for place, head in enumerate(columns)]
    widths = [max(map(cell_len, cells)) for cells in by_column]
    words = [[word for cell in cells for word in cell.split()] for cells in by_column]
    uncut = [
        [*cells[1:]] if right else [word for word in there if any(map(str.isdigit, word)) and len(word) < _NUMBER]
        for cells, there, right in zip(by_column, words, numeric, strict=True)
    ]
    for kept in (words, uncut):
        least = [
            max([_NARROWEST, *map(cell_len, also), *map(cell_len, numbers)])
            for also, numbers in zip(kept, uncut, strict=True)
        ]
        while _whole(widths) > room:
            spare = [(width, place) for place, width in enumerate(widths) if width > least[place]]
            if not spare:
                break
            widths[max(spare)[1]] -= 1
    return widths


def _whole(widths: list[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)
