"""What the verbs print: JSON for scripts, tables for people, and what is said beside them on standard error."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reslab.cache import remark
from reslab.cli.streams import has_left
from reslab.files import finite, one_line
from reslab.session.listing import Listing


def print_json(value: Any) -> None:
    """Print a value for scripts, on standard output; what is no finite number is null, for JSON has no other word."""
    print(json.dumps(finite(value), indent=1, allow_nan=False))


def aside(words: str) -> bool:
    """Print a line on standard error; return False where nobody reads it any more."""
    print(words, file=sys.stderr, flush=True)
    return not has_left(sys.stderr)


def remark_cache() -> None:
    """Say where kernels, speeds and images are kept where that is not the user's cache."""
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
    """Print a table for people, numbers on the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = all(row[index][:1].isdigit() or row[index] in ("", "-") for row in rows)
        table.add_column(column, justify="right" if numeric and rows else "left", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
